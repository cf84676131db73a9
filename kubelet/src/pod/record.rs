//! What a container was, is and how it ended: kept in containerd's labels, so that any kubelet can read it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::allocation::ContainerResources;
use crate::containerd::{Container, Task, TaskState};

/// Labels by which containers are found again; the first four are upstream's names.
pub mod label {
    /// The pod's UID.
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    /// The pod's name.
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    /// The pod's namespace.
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// The container's name in the pod.
    pub const CONTAINER: &str = "io.kubernetes.container.name";
    /// Which start of this container it is, from 0.
    pub const ATTEMPT: &str = "gantry.attempt";
    /// The image as in `imageID`.
    pub const IMAGE_ID: &str = "gantry.image-id";
    /// When its process started.
    pub const STARTED: &str = "gantry.started";
    /// How it ended, as JSON.
    pub const EXIT: &str = "gantry.exit";
    /// Its cgroup.
    pub const CGROUP: &str = "gantry.cgroup";
    /// Where its termination message is on the node.
    pub const TERMINATION: &str = "gantry.termination-message";
    /// What it may use of CPU and memory, as JSON.
    pub const RESOURCES: &str = "gantry.resources";
    /// It is ended only to be started with other resources.
    pub const RESIZED: &str = "gantry.resized";
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled` or what went wrong before it ran.
    pub reason: String,
    /// Its termination message.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What an attempt does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Made, not started.
    #[default]
    Created,
    /// Running since its `started`.
    Running,
    /// Ended.
    Ended(Ended),
}

/// One start of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Its name in containerd.
    pub id: String,
    /// From 0.
    pub number: u32,
    /// The image's name.
    pub image: String,
    /// As in `imageID`.
    pub image_id: String,
    /// When its process started.
    pub started: Option<Timestamp>,
    /// What it does.
    pub phase: Phase,
    /// Its cgroup.
    pub cgroup: String,
    /// Where its termination message is on the node.
    pub termination: String,
    /// What it may use of CPU and memory; `None` if a kubelet of an earlier release started it: what its pod asked for then.
    pub resources: Option<ContainerResources>,
    /// It is ended only to be started with other resources, whatever its pod's `restartPolicy`.
    pub resized: bool,
    /// Not read from a label: its end was seen and has to be recorded yet.
    pub unrecorded: bool,
}

impl Attempt {
    /// Whether its process exists.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether it ended, or is about to, only to be started with other resources.
    pub fn is_replaced(&self) -> bool {
        self.resized && self.ended().is_some()
    }

    /// Whether an end of that time can be its own, not that of an earlier task that was made anew under its name.
    pub fn may_have_ended(&self, at: Timestamp) -> bool {
        self.started.is_none_or(|started| started <= at)
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<&Ended> {
        match &self.phase {
            Phase::Ended(ended) => Some(ended),
            _ => None,
        }
    }
}

/// What containerd has of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRecord {
    /// The pod's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Attempts by the container's name, the oldest first.
    pub attempts: BTreeMap<String, Vec<Attempt>>,
}

/// Reads all pods' records out of what containerd lists, by UID.
pub fn read(containers: &[Container], tasks: &[Task]) -> BTreeMap<String, PodRecord> {
    let tasks: BTreeMap<&str, &Task> = tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut pods: BTreeMap<String, PodRecord> = BTreeMap::new();
    for container in containers {
        let get = |name: &str| container.labels.get(name).cloned().unwrap_or_default();
        let uid = get(label::POD_UID);
        if uid.is_empty() {
            continue; // not ours
        }
        let pod = pods.entry(uid).or_default();
        pod.name = get(label::POD_NAME);
        pod.namespace = get(label::POD_NAMESPACE);
        pod.attempts
            .entry(get(label::CONTAINER))
            .or_default()
            .push(attempt(
                container,
                tasks.get(container.id.as_str()).copied(),
            ));
    }
    for attempts in pods.values_mut().flat_map(|pod| pod.attempts.values_mut()) {
        attempts.sort_by_key(|attempt| attempt.number);
    }
    pods
}

/// Reads one attempt out of what containerd has of it.
pub fn attempt(container: &Container, task: Option<&Task>) -> Attempt {
    let get = |name: &str| container.labels.get(name).cloned().unwrap_or_default();
    let started = get(label::STARTED).parse().ok();
    let (phase, unrecorded) = phase(container, task, started.is_some());
    Attempt {
        id: container.id.clone(),
        number: get(label::ATTEMPT).parse().unwrap_or(0),
        image: container.image.clone(),
        image_id: get(label::IMAGE_ID),
        started,
        phase,
        cgroup: get(label::CGROUP),
        termination: get(label::TERMINATION),
        resources: serde_json::from_str(&get(label::RESOURCES))
            .ok()
            .and_then(|value| ContainerResources::from_json(&value)),
        resized: container.labels.contains_key(label::RESIZED),
        unrecorded,
    }
}

fn phase(container: &Container, task: Option<&Task>, started: bool) -> (Phase, bool) {
    if let Some(ended) = container
        .labels
        .get(label::EXIT)
        .and_then(|text| serde_json::from_str(text).ok())
    {
        // A task that is still there was to be deleted next.
        return (Phase::Ended(ended), task.is_some());
    }
    let lost = || Ended {
        code: 255,
        reason: "Unknown".into(),
        message: String::new(),
        at: Timestamp::default(),
    };
    match task.map(|task| &task.state) {
        Some(TaskState::Running) => (Phase::Running, false),
        Some(TaskState::Created) => (Phase::Created, false),
        Some(TaskState::Stopped(exit)) => {
            let code = i32::try_from(exit.code).unwrap_or(255);
            (
                Phase::Ended(Ended {
                    code,
                    reason: String::new(),
                    message: String::new(),
                    at: exit.at,
                }),
                true,
            )
        }
        // Its shim is gone, or the machine was restarted: nobody knows how it ended.
        Some(TaskState::Unknown) => (Phase::Ended(lost()), true),
        None if started => (Phase::Ended(lost()), true),
        None => (Phase::Created, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::Exit;

    fn container(id: &str, labels: &[(&str, &str)]) -> Container {
        let common = [
            (label::POD_UID, "u1"),
            (label::POD_NAME, "p"),
            (label::POD_NAMESPACE, "ns"),
            (label::CONTAINER, "c"),
        ];
        let labels = common
            .iter()
            .chain(labels)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Container {
            id: id.into(),
            labels,
            image: "i".into(),
            snapshot: id.into(),
        }
    }

    #[test]
    fn every_end_is_told_apart() {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let recorded = r#"{"code":3,"reason":"Error","message":"","at":"2026-01-01T00:00:00Z"}"#;
        let started = (label::STARTED, "2026-01-01T00:00:00Z");
        let containers = [
            container("d", &[(label::ATTEMPT, "3"), started]),
            container("a", &[(label::ATTEMPT, "0"), (label::EXIT, recorded)]),
            container("b", &[(label::ATTEMPT, "1"), started]),
            container("c", &[(label::ATTEMPT, "2"), started]),
            container("e", &[(label::ATTEMPT, "4")]),
            Container {
                labels: BTreeMap::new(),
                ..container("x", &[])
            },
        ];
        let tasks = [
            Task {
                id: "c".into(),
                pid: 0,
                state: TaskState::Stopped(Exit { code: 137, at }),
            },
            Task {
                id: "d".into(),
                pid: 9,
                state: TaskState::Running,
            },
        ];
        let pods = read(&containers, &tasks);
        let attempts = &pods["u1"].attempts["c"];
        assert_eq!(pods.len(), 1);
        let codes: Vec<_> = attempts
            .iter()
            .map(|a| (a.id.as_str(), a.ended().map(|e| e.code), a.unrecorded))
            .collect();
        assert_eq!(
            codes,
            [
                ("a", Some(3), false),
                ("b", Some(255), true),
                ("c", Some(137), true),
                ("d", None, false),
                ("e", None, false)
            ]
        );
        assert!(attempts[3].is_running());
        assert_eq!(attempts[4].phase, Phase::Created);
    }

    #[test]
    fn the_end_of_an_earlier_task_of_its_name_is_none_of_its_own() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let attempt = Attempt {
            started: Some(at(10)),
            ..Default::default()
        };
        assert!(!attempt.may_have_ended(at(9)));
        assert!(attempt.may_have_ended(at(10)));
        assert!(Attempt::default().may_have_ended(at(9)));
    }
}
