//! From a container of a pod to one of containerd's, running.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use api::core::v1::{Container, Pod};

use super::allocation::ContainerResources;
use super::mounts::mounts;
use super::record::{self, Attempt, Ended, Phase, label};
use super::sandbox::Sandbox;
use super::stdio::{self, Endpoints};
use super::{env, resources};
use crate::containerd::{Error, NewContainer, NewTask};
use crate::context::Shared;
use crate::image::{Config as ImageConfig, ImageInfo};
use crate::logs::writer::WriterConfig;
use crate::oci::seccomp::{self, Seccomp};
use crate::oci::{self, ProcessConfig, SpecConfig, UserRequest};
use crate::volume::Volumes;

/// Why a container does not run: the reason and message of its waiting state.
#[derive(Debug)]
pub struct StartError {
    /// Upstream's word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The attempt, if there may be something of it: one that has ended counts as a start, one that was made is looked at
    /// again.
    pub attempt: Option<Attempt>,
}

impl StartError {
    /// No attempt was made.
    pub fn new(reason: &'static str, message: impl ToString) -> Self {
        Self {
            reason,
            message: message.to_string(),
            attempt: None,
        }
    }
}

fn error(reason: &'static str, message: impl ToString) -> StartError {
    StartError::new(reason, message)
}

/// The name of an attempt in containerd: the same for the same attempt, so that one made twice is found.
fn id(uid: &str, container: &str, number: u32) -> String {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        format!("{uid}/{container}/{number}").as_bytes(),
    );
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The attempt of this name, if its process was started: what containerd has counts, whatever a call was answered.
///
/// # Errors
/// When containerd cannot be asked.
pub async fn begun(shared: &Shared, id: &str) -> Result<Option<Attempt>, Error> {
    let now = shared.clock.now();
    let Some(task) = shared.containerd.task(id).await? else {
        return Ok(None);
    };
    let Some(container) = shared.containerd.container(id).await? else {
        return Ok(None);
    };
    let mut attempt = record::attempt(&container, Some(&task));
    if attempt.is_running() && attempt.started.is_none() {
        attempt.started = Some(now);
        label_start(shared, &attempt).await;
    }
    Ok(Some(attempt).filter(|attempt| attempt.phase != Phase::Created))
}

/// Records when a container started where a kubelet after this one finds it. It runs all the same if that fails.
async fn label_start(shared: &Shared, attempt: &Attempt) {
    let started = attempt.started.map(|at| at.to_string()).unwrap_or_default();
    let labels = HashMap::from([(label::STARTED.to_owned(), started)]);
    if let Err(error) = shared.containerd.label_container(&attempt.id, labels).await {
        tracing::warn!(container = attempt.id, %error, "cannot record a container's start");
    }
}

/// What came of a start that was not answered well.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Outcome {
    /// Its process was started.
    Begun(Attempt),
    /// It was not: the attempt has failed.
    Failed,
    /// Nobody knows yet.
    Unknown,
}

/// Judges by what was `found` of it afterwards, and whether containerd had `answered` at all. A process that has ended may be
/// one that could not be started.
fn outcome(answered: bool, found: Result<Option<Attempt>, Error>) -> Outcome {
    match found {
        Ok(Some(attempt)) if attempt.is_running() || !answered => Outcome::Begun(attempt),
        Ok(_) if answered => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}

/// Makes the next attempt of a container and starts it; or finds that it was started, when an earlier start was not answered.
pub async fn start(
    shared: &Shared,
    pod: Pod<'_>,
    container: Container<'_>,
    number: u32,
    image: &ImageInfo,
    sandbox: &Sandbox,
    volumes: &Volumes,
) -> Result<Attempt, StartError> {
    let metadata = pod.metadata();
    let id = id(metadata.uid(), container.name(), number);
    let containerd = &shared.containerd;
    let found = begun(shared, &id).await;
    if let Some(attempt) = found.map_err(|e| error("CreateContainerError", e))? {
        return Ok(attempt);
    }
    let cgroup = format!(
        "{}/{id}",
        resources::cgroup(&shared.config.cgroup_root, pod)
    );
    let (spec, termination) = spec(
        shared, pod, container, number, image, sandbox, volumes, &cgroup,
    )
    .await?;
    let termination = termination
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let allowed = ContainerResources::of(container).compute();
    let labels = BTreeMap::from(
        [
            (label::POD_UID, metadata.uid()),
            (label::POD_NAME, metadata.name()),
            (label::POD_NAMESPACE, metadata.namespace()),
            (label::CONTAINER, container.name()),
            (label::ATTEMPT, &number.to_string()),
            (label::IMAGE_ID, &image.id),
            (label::CGROUP, &cgroup),
            (label::TERMINATION, &termination),
            (label::RESOURCES, &allowed.to_json().to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let attempt = Attempt {
        id: id.clone(),
        number,
        image: image.name.clone(),
        image_id: image.id.clone(),
        started: None,
        phase: Phase::Created,
        cgroup,
        termination,
        resources: Some(allowed),
        resized: false,
        unrecorded: false,
    };
    // What an interrupted start left is begun anew.
    containerd
        .delete_task(&id)
        .await
        .map_err(|e| error("CreateContainerError", e))?;
    containerd
        .delete_container(&id)
        .await
        .map_err(|e| error("CreateContainerError", e))?;
    let oci_runtime = shared.host.oci_runtime.clone();
    let new = NewContainer {
        id: id.clone(),
        labels,
        image: image.name.clone(),
        spec,
        oci_runtime: oci_runtime.clone(),
    };
    // From here on there is something to be taken away.
    let unfinished = |reason: &'static str, message: String| StartError {
        reason,
        message,
        attempt: Some(attempt.clone()),
    };
    let not_made = |message: String| unfinished("CreateContainerError", message);
    containerd
        .create_container(new)
        .await
        .map_err(|e| not_made(e.to_string()))?;
    let rootfs = containerd
        .prepare_snapshot(&id, &image.chain)
        .await
        .map_err(|e| not_made(e.to_string()))?;

    let endpoints = Endpoints::new(&shared.exec_dir(metadata.uid()), &id);
    let log_dir = shared.log_dir(
        metadata.namespace(),
        metadata.name(),
        metadata.uid(),
        container.name(),
    );
    std::fs::create_dir_all(&log_dir).map_err(|e| not_made(e.to_string()))?;
    let writer = WriterConfig {
        path: log_dir.join(format!("{number}.log")),
        rotation: shared.config.rotation,
        tap: endpoints.tap(),
    };
    let (binary, stdin, tty) = (
        shared.log_writer.clone(),
        container.stdin(),
        container.tty(),
    );
    let prepared = tokio::task::spawn_blocking(move || {
        stdio::prepare(&writer, &binary, &endpoints, stdin, tty)
    })
    .await
    .map_err(|e| not_made(e.to_string()))?
    .map_err(|e| not_made(e.to_string()))?;
    let run = async {
        containerd
            .create_task(NewTask {
                id: id.clone(),
                rootfs,
                stdio: prepared.stdio.clone(),
                oci_runtime,
            })
            .await?;
        // Before it: whatever ended earlier was another process of this name.
        let now = shared.clock.now();
        containerd.start_task(&id, "").await?;
        Ok::<_, Error>(now)
    };
    let ran = run.await;
    drop(prepared);
    let failure = match ran {
        Ok(now) => {
            let attempt = Attempt {
                started: Some(now),
                phase: Phase::Running,
                ..attempt
            };
            label_start(shared, &attempt).await;
            return Ok(attempt);
        }
        Err(failure) => failure,
    };
    let message = failure.to_string();
    let found = begun(shared, &id).await;
    match outcome(!failure.is_unanswered(), found) {
        Outcome::Begun(attempt) => Ok(attempt),
        Outcome::Failed if containerd.delete_task(&id).await.is_ok() => {
            let ended = Ended {
                code: 128,
                reason: "StartError".into(),
                message: message.clone(),
                at: shared.clock.now(),
            };
            Err(StartError {
                reason: "RunContainerError",
                message,
                attempt: Some(Attempt {
                    phase: Phase::Ended(ended),
                    unrecorded: true,
                    ..attempt
                }),
            })
        }
        Outcome::Failed | Outcome::Unknown => Err(unfinished("RunContainerError", message)),
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "everything that a container is made of"
)]
async fn spec(
    shared: &Shared,
    pod: Pod<'_>,
    container: Container<'_>,
    number: u32,
    image: &ImageInfo,
    sandbox: &Sandbox,
    volumes: &Volumes,
    cgroup: &str,
) -> Result<(serde_json::Value, Option<PathBuf>), StartError> {
    let config = |message: String| error("CreateContainerConfigError", message);
    let pod_security = pod.spec().security_context();
    let security = container.security_context();
    let facts = shared.facts(
        &sandbox
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
    );
    let variables = env::environment(shared, pod, container, &facts)
        .await
        .map_err(config)?;

    let numbers = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let mut groups: Vec<u32> = pod_security
        .into_iter()
        .flat_map(|s| s.supplemental_groups())
        .filter_map(|gid| u32::try_from(gid).ok())
        .collect();
    groups.extend(numbers(pod_security.and_then(|s| s.fs_group())));
    let request = UserRequest {
        image_user: &image.config.user,
        run_as_user: numbers(
            security
                .and_then(|s| s.run_as_user())
                .or(pod_security.and_then(|s| s.run_as_user())),
        ),
        run_as_group: numbers(
            security
                .and_then(|s| s.run_as_group())
                .or(pod_security.and_then(|s| s.run_as_group())),
        ),
        run_as_non_root: security
            .and_then(|s| s.run_as_non_root())
            .or(pod_security.and_then(|s| s.run_as_non_root()))
            == Some(true),
        additional: &groups,
        strict_groups: pod_security.and_then(|s| s.supplemental_groups_policy()) == Some("Strict"),
    };
    let user = oci::resolve(&request, &image.files).map_err(|e| config(e.to_string()))?;
    let args = command(container, &image.config, &variables).map_err(config)?;
    let privileged = security.and_then(|s| s.privileged()) == Some(true);
    let capabilities = security.and_then(|s| s.capabilities());
    let names = |list: Option<api::view::List<'_, str>>| {
        list.into_iter()
            .flatten()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    let mut environment = image.config.env.clone();
    let defined = |environment: &[String], name: &str| {
        environment
            .iter()
            .any(|entry| entry.split('=').next() == Some(name))
    };
    for (name, value) in &variables {
        environment.retain(|entry| entry.split('=').next() != Some(name));
        environment.push(format!("{name}={value}"));
    }
    for (name, value) in [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOSTNAME", &sandbox.hostname),
    ] {
        if !defined(&environment, name) {
            environment.push(format!("{name}={value}"));
        }
    }
    if container.tty() && !defined(&environment, "TERM") {
        environment.push("TERM=xterm".into());
    }
    let working_dir = if container.working_dir().is_empty() {
        &image.config.working_dir
    } else {
        container.working_dir()
    };
    let (mounts, termination) = mounts(shared, pod, container, number, volumes, &variables).await?;
    let sysctls = pod_security
        .into_iter()
        .flat_map(|s| s.sysctls())
        .map(|s| (s.name().to_owned(), s.value().to_owned()))
        .collect();
    let spec = SpecConfig {
        process: ProcessConfig {
            args,
            env: environment,
            cwd: working_dir.to_owned(),
            user,
            add_capabilities: names(capabilities.map(|c| c.add())),
            drop_capabilities: names(capabilities.map(|c| c.drop())),
            privileged,
            no_new_privileges: security.and_then(|s| s.allow_privilege_escalation()) == Some(false),
        },
        shim_group: pod.metadata().uid().to_owned(),
        mounts,
        read_only_root: security.and_then(|s| s.read_only_root_filesystem()) == Some(true),
        sysctls,
        namespaces: sandbox.namespaces.clone(),
        resources: resources::container(pod, container, shared.capacity.memory_bytes),
        cgroup_path: cgroup.to_owned(),
        unmasked_proc: security.and_then(|s| s.proc_mount()) == Some("Unmasked"),
        seccomp: seccomp(shared, pod, container).map_err(|e| error("CreateContainerError", e))?,
    };
    let mut spec = oci::spec(&spec, &shared.host).map_err(|e| error("CreateContainerError", e))?;
    if container.tty() {
        spec["process"]["terminal"] = true.into();
    }
    Ok((spec, termination))
}

/// The container's profile, or the pod's.
fn seccomp(shared: &Shared, pod: Pod<'_>, container: Container<'_>) -> Result<Seccomp, String> {
    let own = container
        .security_context()
        .and_then(|security| security.seccomp_profile());
    let profile = own.or_else(|| pod.spec().security_context()?.seccomp_profile());
    let Some(profile) = profile else {
        return Ok(Seccomp::Unconfined);
    };
    match profile.type_() {
        "RuntimeDefault" => Ok(Seccomp::RuntimeDefault),
        "Localhost" => seccomp::load(
            &shared.config.root_dir.join("seccomp"),
            profile.localhost_profile().unwrap_or_default(),
        ),
        _ => Ok(Seccomp::Unconfined),
    }
}

/// The pod's `command` replaces the image's entry point and its arguments; `args` alone replace the arguments.
fn command(
    container: Container<'_>,
    image: &ImageConfig,
    variables: &[(String, String)],
) -> Result<Vec<String>, String> {
    let expand = |text: &str| {
        env::expand(text, |name| {
            variables
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        })
    };
    let command: Vec<String> = container.command().iter().map(expand).collect();
    let args: Vec<String> = container.args().iter().map(expand).collect();
    let line = match (command.is_empty(), args.is_empty()) {
        (false, _) => [command, args].concat(),
        (true, false) => [image.entrypoint.clone(), args].concat(),
        (true, true) => [image.entrypoint.clone(), image.cmd.clone()].concat(),
    };
    if line.is_empty() {
        Err("no command specified".into())
    } else {
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_judged_by_what_there_is_of_it_and_not_by_its_answer_alone() {
        let (running, ended) = (
            || Attempt {
                phase: Phase::Running,
                ..Default::default()
            },
            || Attempt {
                phase: Phase::Ended(Ended {
                    code: 3,
                    reason: String::new(),
                    message: String::new(),
                    at: jiff::Timestamp::UNIX_EPOCH,
                }),
                ..Default::default()
            },
        );
        let away = || Err(Error::Unreachable("away".into()));
        // The answer was lost, and the container runs, or has run.
        assert_eq!(
            outcome(false, Ok(Some(running()))),
            Outcome::Begun(running())
        );
        assert_eq!(
            outcome(true, Ok(Some(running()))),
            Outcome::Begun(running())
        );
        assert_eq!(outcome(false, Ok(Some(ended()))), Outcome::Begun(ended()));
        // What cannot be started ends, too, or is not there.
        assert_eq!(outcome(true, Ok(Some(ended()))), Outcome::Failed);
        assert_eq!(outcome(true, Ok(None)), Outcome::Failed);
        // It may come yet.
        assert_eq!(outcome(false, Ok(None)), Outcome::Unknown);
        assert_eq!(outcome(false, away()), Outcome::Unknown);
        assert_eq!(outcome(true, away()), Outcome::Unknown);
    }
}
