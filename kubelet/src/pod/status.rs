//! A pod's status as upstream writes it, computed from its spec and what was observed. Pure.

mod resize;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::core::v1::{Container, Pod};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::allocation::ContainerResources;
use super::record::{Attempt, Phase};
use super::role::{Role, common};

pub use self::resize::{InProgress, Pending, Resize};

/// What is known of a pod on this node.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Attempts by the container's name, the oldest first.
    pub attempts: BTreeMap<String, Vec<Attempt>>,
    /// Why a container does not run, and will: reason and message.
    pub waiting: BTreeMap<String, (String, String)>,
    /// The attempts that have started, by their id.
    pub started: BTreeSet<String>,
    /// The attempts that are ready, by their id.
    pub ready: BTreeSet<String>,
    /// The pod has its network and volumes.
    pub sandboxed: bool,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The node's.
    pub node_ip: Option<IpAddr>,
    /// When this node first saw the pod.
    pub start_time: Option<Timestamp>,
    /// The pod is over for this reason, with this message, whatever its containers do.
    pub failed: Option<(String, String)>,
    /// It failed since it does not fit here: nothing of it was begun.
    pub rejected: bool,
    /// No container will be started any more.
    pub ending: bool,
    /// How it stands with a resize.
    pub resize: Resize,
}

/// Whether an init container stays beside the others.
pub fn is_sidecar(container: Container<'_>) -> bool {
    container.restart_policy() == Some("Always")
}

impl Observed {
    /// The newest attempt of a container.
    pub fn latest(&self, container: &str) -> Option<&Attempt> {
        self.attempts
            .get(container)
            .and_then(|attempts| attempts.last())
    }

    /// Whether the init container is done: the next may start.
    pub fn is_initialized(&self, container: Container<'_>) -> bool {
        let latest = self.latest(container.name());
        if is_sidecar(container) {
            latest.is_some_and(|attempt| attempt.is_running() && self.started.contains(&attempt.id))
        } else {
            latest
                .and_then(Attempt::ended)
                .is_some_and(|ended| ended.code == 0)
        }
    }
}

/// The whole status, but for what others write into it.
pub fn compute(pod: Pod<'_>, observed: &Observed, now: Timestamp) -> Value {
    let spec = pod.spec();
    let phase = phase(pod, observed);
    let generation = pod.metadata().generation();
    if let (true, Some((reason, message))) = (observed.rejected, &observed.failed) {
        return json!({
            "phase": phase, "observedGeneration": generation, "reason": reason, "message": message,
        });
    }
    let mut status = json!({
        "phase": phase,
        "observedGeneration": generation,
        "conditions": conditions(pod, observed, phase, now),
        "containerStatuses": statuses(spec.containers().iter(), observed, Role::Main, pod),
    });
    if !spec.init_containers().is_empty() {
        status["initContainerStatuses"] =
            statuses(spec.init_containers().iter(), observed, Role::Init, pod);
    }
    if !spec.ephemeral_containers().is_empty() {
        let ephemeral = spec.ephemeral_containers().iter().map(common);
        status["ephemeralContainerStatuses"] = statuses(ephemeral, observed, Role::Ephemeral, pod);
    }
    if let Some(start) = observed.start_time {
        status["startTime"] = json!(seconds(start));
    }
    if let Some(ip) = observed.node_ip {
        status["hostIP"] = json!(ip.to_string());
        status["hostIPs"] = json!([{"ip": ip.to_string()}]);
    }
    if let Some(ip) = observed.address {
        status["podIP"] = json!(ip.to_string());
        status["podIPs"] = json!([{"ip": ip.to_string()}]);
    }
    if let Some((reason, message)) = &observed.failed {
        status["reason"] = json!(reason);
        status["message"] = json!(message);
    }
    status
}

/// Whether a pod's object says that it has ended.
pub fn is_over(pod: Pod<'_>) -> bool {
    matches!(pod.status().phase(), "Succeeded" | "Failed")
}

/// True if no main container runs or will: what is left is to end the sidecars.
pub fn is_decided(pod: Pod<'_>, observed: &Observed) -> bool {
    matches!(outcome(pod, observed), "Succeeded" | "Failed")
}

/// As upstream's phases are defined: as long as a sidecar or an ephemeral container runs, a pod is not over.
pub fn phase(pod: Pod<'_>, observed: &Observed) -> &'static str {
    match outcome(pod, observed) {
        "Succeeded" | "Failed" if any_running(observed) => {
            if has_begun(pod, observed) {
                "Running"
            } else {
                "Pending"
            }
        }
        outcome => outcome,
    }
}

/// Whether a container of the pod was ever started: initialisation is behind it then.
fn has_begun(pod: Pod<'_>, observed: &Observed) -> bool {
    let mut containers = pod.spec().containers().iter();
    containers.any(|container| observed.latest(container.name()).is_some())
}

/// The phase but for sidecars and ephemeral containers.
fn outcome(pod: Pod<'_>, observed: &Observed) -> &'static str {
    let spec = pod.spec();
    if observed.failed.is_some() && !any_running(observed) {
        return "Failed";
    }
    let policy = spec.restart_policy();
    for container in spec
        .init_containers()
        .iter()
        .filter(|container| !is_sidecar(*container))
    {
        let failed = observed
            .latest(container.name())
            .and_then(Attempt::ended)
            .is_some_and(|ended| ended.code != 0);
        if failed && (policy == "Never" || observed.ending && !any_running(observed)) {
            return "Failed";
        }
    }
    let (mut running, mut waiting, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for container in spec.containers() {
        match observed
            .latest(container.name())
            .map(|attempt| &attempt.phase)
        {
            Some(Phase::Running) => running += 1,
            // It ended only to be started again at once.
            Some(Phase::Ended(_)) if is_replaced(container, observed) => running += 1,
            Some(Phase::Ended(ended)) => {
                stopped += 1;
                if ended.code == 0 {
                    succeeded += 1;
                }
            }
            // One that ran before and is being made anew has not just begun.
            Some(Phase::Created)
                if observed
                    .attempts
                    .get(container.name())
                    .is_some_and(|list| list.len() > 1) =>
            {
                stopped += 1
            }
            _ => waiting += 1,
        }
    }
    if observed.ending && running == 0 && !any_running(observed) {
        // Whatever did not end well by itself failed.
        return if waiting == 0 && stopped == succeeded {
            "Succeeded"
        } else {
            "Failed"
        };
    }
    match (waiting, running, stopped) {
        (1.., ..) => "Pending",
        (0, 1.., _) => "Running",
        (0, 0, 1..) if policy == "Always" => "Running",
        (0, 0, 1..) if stopped == succeeded => "Succeeded",
        (0, 0, 1..) if policy == "Never" => "Failed",
        (0, 0, 1..) => "Running",
        _ => "Pending",
    }
}

fn is_replaced(container: Container<'_>, observed: &Observed) -> bool {
    let latest = observed.latest(container.name());
    latest.is_some_and(Attempt::is_replaced) && !observed.ending && observed.failed.is_none()
}

fn any_running(observed: &Observed) -> bool {
    observed
        .attempts
        .values()
        .flatten()
        .any(Attempt::is_running)
}

fn statuses<'a>(
    containers: impl Iterator<Item = Container<'a>>,
    observed: &Observed,
    role: Role,
    pod: Pod<'_>,
) -> Value {
    containers
        .map(|container| container_status(container, observed, role, pod))
        .collect()
}

fn container_status(
    container: Container<'_>,
    observed: &Observed,
    role: Role,
    pod: Pod<'_>,
) -> Value {
    let name = container.name();
    let attempts = observed
        .attempts
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let latest = attempts.last();
    let waiting = observed
        .waiting
        .get(name)
        .filter(|_| !latest.is_some_and(Attempt::is_running));
    let ended: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.ended().is_some())
        .collect();

    let initial = if pod.spec().init_containers().is_empty() {
        "ContainerCreating"
    } else {
        "PodInitializing"
    };
    let (state, last) = match (latest, waiting) {
        (Some(attempt), None) if attempt.is_running() => (
            json!({"running": {"startedAt": attempt.started.map(seconds)}}),
            ended.last().copied(),
        ),
        (Some(attempt), None) if attempt.ended().is_some() => {
            (terminated(attempt), ended.iter().rev().nth(1).copied())
        }
        (_, Some((reason, message))) => {
            let mut waiting = json!({"waiting": {"reason": reason}});
            if !message.is_empty() {
                waiting["waiting"]["message"] = json!(message);
            }
            (waiting, ended.last().copied())
        }
        _ => (
            json!({"waiting": {"reason": initial}}),
            ended.last().copied(),
        ),
    };
    let running = latest.filter(|attempt| attempt.is_running());
    let started = running.is_some_and(|attempt| observed.started.contains(&attempt.id));
    let ready = if role == Role::Init && !is_sidecar(container) {
        observed.is_initialized(container)
    } else {
        running.is_some_and(|attempt| observed.ready.contains(&attempt.id))
    };
    let mut status = json!({
        "name": name,
        "state": state,
        "lastState": last.map_or(json!({}), terminated),
        "ready": ready,
        "restartCount": latest.map_or(0, |attempt| attempt.number),
        "image": latest.map_or(container.image(), |attempt| &attempt.image),
        "imageID": latest.map_or("", |attempt| &attempt.image_id),
        "containerID": latest.map_or(String::new(), |attempt| format!("containerd://{}", attempt.id)),
    });
    // Nobody asks an ephemeral container how it does, and none is resized.
    if role != Role::Ephemeral {
        status["started"] = json!(started);
        let allocated = ContainerResources::of(container);
        if !allocated.requests.is_empty() {
            status["allocatedResources"] = allocated.to_json()["requests"].take();
        }
        let in_force = running.and_then(|attempt| attempt.resources.as_ref());
        let resources = match in_force {
            Some(in_force) => allocated.with_compute_of(in_force),
            None => allocated,
        };
        status["resources"] = resources.to_json();
    }
    status
}

fn terminated(attempt: &Attempt) -> Value {
    let Some(ended) = attempt.ended() else {
        return json!({});
    };
    let mut terminated = json!({
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": attempt.started.map(seconds),
        "finishedAt": seconds(ended.at),
        "containerID": format!("containerd://{}", attempt.id),
    });
    if !ended.message.is_empty() {
        terminated["message"] = json!(ended.message);
    }
    json!({ "terminated": terminated })
}

fn conditions(pod: Pod<'_>, observed: &Observed, phase: &str, now: Timestamp) -> Value {
    let spec = pod.spec();
    let over = matches!(phase, "Succeeded" | "Failed");
    let incomplete: Vec<&str> = spec
        .init_containers()
        .iter()
        .filter(|container| !observed.is_initialized(*container))
        .map(|container| container.name())
        .collect();
    let initialized = incomplete.is_empty() || has_begun(pod, observed);
    let is_ready = |container: Container<'_>| {
        observed
            .latest(container.name())
            .is_some_and(|attempt| attempt.is_running() && observed.ready.contains(&attempt.id))
    };
    let long_lived = spec.containers().iter().chain(
        spec.init_containers()
            .iter()
            .filter(|container| is_sidecar(*container)),
    );
    let unready: Vec<&str> = long_lived
        .filter(|container| !is_ready(*container))
        .map(|container| container.name())
        .collect();
    let gates: Vec<&str> = spec
        .readiness_gates()
        .iter()
        .map(|gate| gate.condition_type())
        .filter(|wanted| {
            !pod.status()
                .conditions()
                .iter()
                .any(|c| c.type_() == *wanted && c.status() == "True")
        })
        .collect();

    let list = |names: &[&str]| names.join(" ");
    let not_ready = || {
        (
            "ContainersNotReady".to_owned(),
            format!("containers with unready status: [{}]", list(&unready)),
        )
    };
    let done = || ("PodCompleted".to_owned(), String::new());
    let failed = || ("PodFailed".to_owned(), String::new());
    let why = |ok: bool, reason: (String, String)| if ok { None } else { Some(reason) };
    let over_reason = || {
        if phase == "Succeeded" {
            done()
        } else {
            failed()
        }
    };
    let containers_ready = if over {
        Some(over_reason())
    } else {
        why(unready.is_empty(), not_ready())
    };
    let ready = match &containers_ready {
        None if !gates.is_empty() => {
            let message = format!(
                "the status of pod readiness gate {:?} is not \"True\", but False",
                list(&gates)
            );
            Some(("ReadinessGatesNotReady".to_owned(), message))
        }
        other => other.clone(),
    };
    let initialized_reason =
        if initialized && phase == "Succeeded" && !spec.init_containers().is_empty() {
            (true, Some(done()))
        } else {
            let message = format!("containers with incomplete status: [{}]", list(&incomplete));
            (
                initialized,
                why(
                    initialized,
                    ("ContainersNotInitialized".to_owned(), message),
                ),
            )
        };
    let all = [
        ("PodReadyToStartContainers", observed.sandboxed, None),
        ("Initialized", initialized_reason.0, initialized_reason.1),
        ("Ready", ready.is_none(), ready.clone()),
        (
            "ContainersReady",
            containers_ready.is_none(),
            containers_ready.clone(),
        ),
        ("PodScheduled", true, None),
    ];
    let conditions = all
        .into_iter()
        .map(|(kind, ok, reason)| condition(pod, kind, ok, reason, now));
    conditions
        .chain(observed.resize.conditions(pod, now))
        .collect()
}

/// The time of the last transition stays while the status does.
fn condition(
    pod: Pod<'_>,
    kind: &str,
    ok: bool,
    reason: Option<(String, String)>,
    now: Timestamp,
) -> Value {
    let status = if ok { "True" } else { "False" };
    let old = pod
        .status()
        .conditions()
        .iter()
        .find(|condition| condition.type_() == kind);
    let since = old
        .filter(|old| old.status() == status)
        .and_then(|old| old.last_transition_time());
    let since = since.map_or(now, |since| since.timestamp());
    let mut condition = json!({
        "type": kind,
        "status": status,
        "lastProbeTime": null,
        "lastTransitionTime": seconds(since),
        "observedGeneration": pod.metadata().generation(),
    });
    // Absent would leave an old one in place: the patch merges conditions by their type.
    let (reason, message) = reason.unwrap_or_default();
    condition["reason"] = if reason.is_empty() {
        Value::Null
    } else {
        json!(reason)
    };
    condition["message"] = if message.is_empty() {
        Value::Null
    } else {
        json!(message)
    };
    condition
}

/// Times of the API have whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
