//! Ends: of a container, of all of them, of the pod.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::Pod;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{RETRY, Role, State, Worker, find};
use crate::context::Shared;
use crate::logs::LogOptions;
use crate::oci::cgroup;
use crate::pod::hooks::{self, Hook};
use crate::pod::record::{Attempt, Ended, Phase, label};
use crate::pod::status::is_sidecar;
use crate::pod::{resources, sandbox, signal};
use crate::probe::Target;

const DEFAULT_GRACE_SECONDS: i64 = 30;
/// Whatever the preStop hook took, so much is left between SIGTERM and SIGKILL.
const MIN_GRACE: Duration = Duration::from_secs(2);
/// For a container's writer to write them.
const LAST_WORDS: Duration = Duration::from_secs(2);
const MAX_MESSAGE_BYTES: usize = 4096;
const MAX_LOG_BYTES: u64 = 2048;
const MAX_LOG_LINES: usize = 80;

impl Worker {
    /// Records the ends that were seen: why, the termination message, in containerd's labels too.
    pub(super) async fn record_ends(&mut self, pod: Pod<'_>) {
        let unrecorded: Vec<(String, Attempt)> = self
            .observed
            .attempts
            .iter()
            .flat_map(|(name, attempts)| {
                attempts
                    .iter()
                    .filter(|a| a.unrecorded)
                    .map(|a| (name.clone(), a.clone()))
            })
            .collect();
        for (name, mut attempt) in unrecorded {
            let Phase::Ended(ended) = &mut attempt.phase else {
                continue;
            };
            if ended.reason.is_empty() {
                // The cgroup is there as long as the task is.
                let killed_for_memory = ended.code == 137
                    && cgroup::oom_kills(self.shared.host.cgroups, &attempt.cgroup) > 0;
                ended.reason = match ended.code {
                    0 => "Completed",
                    _ if killed_for_memory => "OOMKilled",
                    _ => "Error",
                }
                .into();
            }
            if ended.message.is_empty() {
                ended.message = written_message(&attempt.termination).await;
            }
            self.label_end(&name, &attempt.id, ended).await;
            // Only now: until its end is recorded, the task is all that knows it.
            if let Err(error) = self.shared.containerd.delete_task(&attempt.id).await {
                // The shim is gone with all that it knew; what it left is cleaned up by containerd.
                tracing::warn!(pod = %self.key, container = name, %error, "cannot delete an ended task");
            }
            let log = self
                .shared
                .log_dir(self.key.namespace(), self.key.name(), &self.uid, &name)
                .join(format!("{}.log", attempt.number));
            // Whoever reads that it has ended may ask for all that it said; with its task the shim lets go of the output, and
            // the log's writer ends.
            crate::logs::written(&log, LAST_WORDS).await;
            let fall_back = find(pod, &name).is_some_and(|(container, _)| {
                container.termination_message_policy() == "FallbackToLogsOnError"
            });
            if ended.message.is_empty() && fall_back && ended.code != 0 {
                ended.message = logged_message(log).await;
                self.label_end(&name, &attempt.id, ended).await;
            }
            attempt.unrecorded = false;
            self.ended_at.insert(name.clone(), Instant::now());
            self.observed.started.remove(&attempt.id);
            self.observed.ready.remove(&attempt.id);
            if let Some(stop) = self.stops.remove(&attempt.id) {
                stop.cancel();
            }
            self.probes.retain(|key, token| {
                let other = !key.ends_with(&attempt.id);
                if !other {
                    token.cancel();
                }
                other
            });
            if let Some(known) = self
                .observed
                .attempts
                .get_mut(&name)
                .and_then(|list| list.iter_mut().find(|a| a.id == attempt.id))
            {
                *known = attempt;
            }
        }
    }

    /// Records how a container ended where a kubelet after this one finds it.
    async fn label_end(&self, container: &str, id: &str, ended: &Ended) {
        let end = serde_json::to_string(ended).unwrap_or_default();
        let labels = HashMap::from([(label::EXIT.to_owned(), end)]);
        match self.shared.containerd.label_container(id, labels).await {
            Err(error) if !error.is_not_found() => {
                tracing::warn!(pod = %self.key, container, %error, "cannot record a container's end");
            }
            _ => {}
        }
    }

    /// Begins to end one attempt: preStop hook, the stop signal, and SIGKILL when its grace is over. `grace` is in seconds, the
    /// pod's if `None`.
    pub(super) fn stop_attempt(&mut self, id: &str, reason: &str, grace: Option<i64>) {
        if self.stops.contains_key(id) {
            return;
        }
        let tree = self.desired.borrow().pod.clone();
        let pod = Pod::of(&tree);
        let Some(name) = self
            .observed
            .attempts
            .iter()
            .find(|(_, list)| list.iter().any(|a| a.id == id))
            .map(|(name, _)| name.clone())
        else {
            return;
        };
        let found = find(pod, &name);
        let role = found.map_or(Role::Main, |(_, role)| role);
        self.shared
            .recorder
            .normal(self.container_reference(&name, role), "Killing", reason);
        let seconds = grace
            .or(pod.spec().termination_grace_period_seconds())
            .unwrap_or(DEFAULT_GRACE_SECONDS);
        let target = self.target(id);
        let lifecycle = found.and_then(|(container, _)| Some((container, container.lifecycle()?)));
        let hook = lifecycle.and_then(|(container, lifecycle)| {
            lifecycle
                .pre_stop()
                .map(|handler| hooks::read(handler, container, &target))
        });
        let hook = match hook {
            Some(Ok(hook)) => Some(hook),
            Some(Err(error)) => {
                self.warn_once("FailedPreStopHook", &format!("PreStopHook failed: {error}"));
                None
            }
            None => None,
        };
        let stop_signal = lifecycle
            .and_then(|(_, lifecycle)| lifecycle.stop_signal())
            .and_then(signal::number);
        let image = found
            .map(|(container, _)| container.image().to_owned())
            .unwrap_or_default();
        let ended = CancellationToken::new();
        self.stops.insert(id.to_owned(), ended.clone());
        let reference = self.container_reference(&name, role);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let stop = Stop {
                shared: shared.clone(),
                target,
                hook,
                signal: stop_signal,
                image,
                seconds,
            };
            let failed = stop.run(ended).await;
            if failed {
                shared
                    .recorder
                    .warning(reference, "FailedPreStopHook", "PreStopHook failed");
            }
        });
    }

    /// Ends all containers, then the pod.
    pub(super) async fn end(&mut self, pod: Pod<'_>, gone: bool) -> Option<Instant> {
        self.observed.ending = true;
        let deleting = gone || pod.metadata().deletion_timestamp().is_some();
        let grace = if gone {
            None
        } else {
            pod.metadata().deletion_grace_period_seconds()
        };
        let running = self.running();
        if !running.is_empty() {
            // Asked again, to be quicker: at once.
            if grace == Some(0) && self.grace != Some(0) && self.grace.is_some() {
                for (_, id) in &running {
                    let _ = self.shared.containerd.kill_task(id, "", 9, true).await;
                }
            }
            self.grace = Some(grace.unwrap_or(DEFAULT_GRACE_SECONDS));
            return Some(self.end_running(pod, &running, grace).await);
        }
        for token in self.probes.values() {
            token.cancel();
        }
        self.probes.clear();
        if !gone {
            self.publish(pod);
        }
        if let Err(error) = self.release(pod).await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
        }
        if !deleting {
            self.state = State::Over;
            return None;
        }
        if let Err(error) = self.forget().await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
        }
        self.observed.attempts.clear();
        self.state = State::Gone;
        if !gone {
            self.publisher.flush().await;
            self.publisher.remove().await;
            self.state = State::Released;
        }
        None
    }

    /// Name and id of all attempts that run.
    pub(super) fn running(&self) -> Vec<(String, String)> {
        let attempts = self.observed.attempts.iter();
        attempts
            .flat_map(|(name, attempts)| attempts.iter().map(move |attempt| (name, attempt)))
            .filter(|(_, attempt)| attempt.is_running())
            .map(|(name, attempt)| (name.clone(), attempt.id.clone()))
            .collect()
    }

    /// Begins to end those that are next in order; when to look again.
    pub(super) async fn end_running(
        &mut self,
        pod: Pod<'_>,
        running: &[(String, String)],
        grace: Option<i64>,
    ) -> Instant {
        let sidecar = |name: &str| {
            find(pod, name)
                .is_some_and(|(container, role)| role == Role::Init && is_sidecar(container))
        };
        let main: Vec<_> = running.iter().filter(|(name, _)| !sidecar(name)).collect();
        // Those that stay beside the others go last, the last one first.
        let order = |name: &str| {
            pod.spec()
                .init_containers()
                .iter()
                .position(|container| container.name() == name)
        };
        let last = running.iter().max_by_key(|(name, _)| order(name));
        let targets: Vec<(String, String)> = if main.is_empty() {
            last.into_iter().cloned().collect()
        } else {
            main.into_iter().cloned().collect()
        };
        for (name, id) in targets {
            self.stop_attempt(&id, &format!("Stopping container {name}"), grace);
        }
        // Ends are told by events; should one be lost, this finds out.
        self.look_for_ends(running).await;
        Instant::now() + Duration::from_secs(5)
    }

    async fn look_for_ends(&mut self, running: &[(String, String)]) {
        for (_, id) in running {
            match self.shared.containerd.task(id).await {
                Ok(Some(task)) => {
                    if let crate::containerd::TaskState::Stopped(exit) = task.state {
                        let _ = self.sender.try_send(super::Message::Exited {
                            container: id.clone(),
                            exit,
                        });
                    }
                }
                Ok(None) => {
                    let exit = crate::containerd::Exit {
                        code: 255,
                        at: self.shared.clock.now(),
                    };
                    let _ = self.sender.try_send(super::Message::Exited {
                        container: id.clone(),
                        exit,
                    });
                }
                Err(error) => tracing::warn!(pod = %self.key, %error, "cannot look at a task"),
            }
        }
    }

    /// Takes away what the pod needed to run: network, namespaces, volumes, cgroup.
    pub(super) async fn release(&mut self, pod: Pod<'_>) -> Result<(), String> {
        // A made but never started task holds them.
        for attempt in self
            .observed
            .attempts
            .values()
            .flatten()
            .filter(|attempt| attempt.phase == Phase::Created)
        {
            self.shared
                .containerd
                .delete_task(&attempt.id)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.volumes
            .remove()
            .await
            .map_err(|error| error.to_string())?;
        // Of one whose object is gone, the volumes are not known any more.
        let volumes = pod.spec().volumes();
        if pod.spec().containers().is_empty() || volumes.iter().any(|v| v.image().is_some()) {
            let containerd = &self.shared.containerd;
            let removed = containerd.remove_views(label::POD_UID, &self.uid).await;
            removed.map_err(|error| error.to_string())?;
        }
        let cgroups: Vec<String> = if pod.status().qos_class().is_empty() {
            self.observed
                .attempts
                .values()
                .flatten()
                .filter_map(|a| a.cgroup.rsplit_once('/'))
                .map(|(parent, _)| parent.to_owned())
                .collect()
        } else {
            vec![resources::cgroup(&self.shared.config.cgroup_root, pod)]
        };
        sandbox::remove(&self.shared, &self.uid, cgroups.first().map(String::as_str)).await?;
        self.sandbox = None;
        self.observed.sandboxed = false;
        let _ = tokio::fs::remove_dir_all(self.target("").dir).await;
        Ok(())
    }

    /// Takes away what is left of an ended pod: its containers and their logs.
    async fn forget(&mut self) -> Result<(), String> {
        for attempt in self.observed.attempts.values().flatten() {
            let containerd = &self.shared.containerd;
            containerd
                .delete_task(&attempt.id)
                .await
                .map_err(|error| error.to_string())?;
            containerd
                .delete_container(&attempt.id)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.shared.containerd.remove_shim(&self.uid).await;
        let logs = self
            .shared
            .pod_log_dir(self.key.namespace(), self.key.name(), &self.uid);
        match tokio::fs::remove_dir_all(&logs).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", logs.display()))
            }
            _ => Ok(()),
        }
    }
}

/// One attempt on its way to its end.
struct Stop {
    shared: Arc<Shared>,
    target: Target,
    hook: Option<Hook>,
    signal: Option<u32>,
    image: String,
    seconds: i64,
}

impl Stop {
    /// Until its process has ended (`ended`) or was killed; whether the hook failed.
    async fn run(self, ended: CancellationToken) -> bool {
        let grace = Duration::from_secs(u64::try_from(self.seconds).unwrap_or(0));
        let (began, id) = (Instant::now(), &self.target.container);
        let mut failed = false;
        if let Some(hook) = self.hook.as_ref().filter(|_| !grace.is_zero()) {
            let hook = hooks::run(&self.shared, hook, "pre-stop", &self.target, grace);
            tokio::select! {
                biased;
                () = ended.cancelled() => return false,
                result = hook => failed = result.is_err(),
            }
        }
        let left = if grace.is_zero() {
            grace
        } else {
            grace.saturating_sub(began.elapsed()).max(MIN_GRACE)
        };
        if !left.is_zero() {
            let of_image = match self.shared.images.find(&self.image).await {
                Ok(Some(image)) => signal::number(&image.config.stop_signal),
                _ => None,
            };
            let signal = self.signal.or(of_image).unwrap_or(15);
            if let Err(error) = self
                .shared
                .containerd
                .kill_task(id, "", signal, false)
                .await
            {
                tracing::warn!(container = id, %error, "cannot signal a container");
            }
            tokio::select! {
                biased;
                () = ended.cancelled() => return failed,
                () = tokio::time::sleep(left) => {}
            }
        }
        while let Err(error) = self.shared.containerd.kill_task(id, "", 9, true).await {
            tracing::warn!(container = id, %error, "cannot kill a container");
            tokio::select! {
                biased;
                () = ended.cancelled() => break,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        failed
    }
}

/// What a container wrote into its termination message's file; empty without one.
async fn written_message(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let written = tokio::fs::read(path).await.unwrap_or_default();
    let end = written.len().min(MAX_MESSAGE_BYTES);
    String::from_utf8_lossy(&written[..end]).into_owned()
}

/// The end of what a container said.
async fn logged_message(log: PathBuf) -> String {
    let options = LogOptions {
        tail_lines: Some(MAX_LOG_LINES),
        ..Default::default()
    };
    let mut chunks = crate::logs::stream(log, options, || false);
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = chunks.recv().await {
        text.extend_from_slice(&chunk);
    }
    let start = text
        .len()
        .saturating_sub(usize::try_from(MAX_LOG_BYTES).unwrap_or(0));
    String::from_utf8_lossy(&text[start..]).into_owned()
}
