//! What a Job wants to know of a pod: which index it works on, how it ended, and whether that has been counted.

use api::core::v1::{ContainerStatus, Pod as View};
use jiff::{SignedDuration, Timestamp};

use super::{owner::Owner, timestamp};

/// The finalizer that holds a pod until its Job has counted it.
pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// The annotation, and the label, that says which index a pod works on.
pub const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The annotation that says how often its index had failed when a pod was made.
pub const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The annotation that says how often its index had failed without counting.
pub const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// The part of a pod that is about its work for a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// It has not been counted: the finalizer is there.
    pub tracked: bool,
    /// The index that it works on.
    pub index: Option<i32>,
    /// How often the index had failed before.
    pub index_failures: i32,
    /// How often the index had failed before without counting.
    pub index_ignored_failures: i32,
    /// When it ended, or, as long as it has not, the best that is known.
    pub ended: Option<Timestamp>,
    /// Restarts of all its containers together.
    pub restarts: i32,
    /// Its conditions by type and status.
    pub conditions: Vec<(String, String)>,
    /// Containers that have ended with another code than 0, those of the initialization last.
    pub failures: Vec<(String, i32)>,
}

impl Work {
    /// What is known of a pod that is nobody's.
    pub const NOTHING: Work = Work {
        tracked: false,
        index: None,
        index_failures: 0,
        index_ignored_failures: 0,
        ended: None,
        restarts: 0,
        conditions: Vec::new(),
        failures: Vec::new(),
    };

    /// Reads it from a pod that a Job manages, or nobody does, or that still has the finalizer.
    pub(super) fn read(pod: View<'_>) -> Option<Box<Work>> {
        let (metadata, status) = (pod.metadata(), pod.status());
        let tracked = metadata.finalizers().contains(FINALIZER);
        let owner = Owner::controller_of(metadata);
        if !tracked && owner.is_some_and(|owner| owner.kind != "Job" || owner.group() != "batch") {
            return None;
        }
        // What is no number, or negative, says nothing.
        let number = |name: &str| {
            let text = metadata.annotations().get(name);
            text.and_then(|text| text.parse().ok())
                .filter(|n: &i32| *n >= 0)
        };
        let containers = || {
            let init = status.init_container_statuses().iter();
            status.container_statuses().iter().chain(init)
        };
        Some(Box::new(Work {
            tracked,
            index: number(INDEX),
            index_failures: number(FAILURES).unwrap_or(0),
            index_ignored_failures: number(IGNORED_FAILURES).unwrap_or(0),
            ended: ended(pod),
            restarts: containers().fold(0, |sum, c| sum.saturating_add(c.restart_count())),
            conditions: status
                .conditions()
                .iter()
                .map(|c| (c.type_().to_owned(), c.status().to_owned()))
                .collect(),
            failures: containers()
                .filter_map(|c| Some((c.name().to_owned(), c.state().terminated()?.exit_code())))
                .filter(|(_, code)| *code != 0)
                .collect(),
        }))
    }
}

/// When the last container ended; else since when the pod is not ready; else when its deletion was asked for; else when it was
/// created.
fn ended(pod: View<'_>) -> Option<Timestamp> {
    let (metadata, spec, status) = (pod.metadata(), pod.spec(), pod.status());
    let is_sidecar = |c: &ContainerStatus<'_>| {
        spec.init_containers()
            .iter()
            .any(|i| i.name() == c.name() && i.restart_policy() == Some("Always"))
    };
    let last = |containers: &mut dyn Iterator<Item = ContainerStatus<'_>>| {
        let times: Option<Vec<Timestamp>> = containers
            .map(|c| timestamp(c.state().terminated()?.finished_at()))
            .collect();
        times.and_then(|times| times.into_iter().max())
    };
    let sidecars = || status.init_container_statuses().iter().filter(is_sidecar);
    let main = last(&mut status.container_statuses().iter());
    // Sidecars outlive the others: while one runs, the end is not known.
    let by_containers = if sidecars().next().is_some() {
        last(&mut sidecars()).map(|end| main.map_or(end, |main| main.max(end)))
    } else {
        main
    };
    let ready = status.conditions().iter().find(|c| c.type_() == "Ready");
    let by_readiness = ready
        .filter(|c| c.status() == "False")
        .and_then(|c| timestamp(c.last_transition_time()));
    let by_deletion = timestamp(metadata.deletion_timestamp()).and_then(|due| {
        let grace = metadata.deletion_grace_period_seconds().unwrap_or(0);
        due.checked_sub(SignedDuration::from_secs(grace)).ok()
    });
    by_containers
        .or(by_readiness)
        .or(by_deletion)
        .or_else(|| timestamp(metadata.creation_timestamp()))
}

#[cfg(test)]
mod tests {
    use api::{
        codec::json::{self, Strict},
        schema::Schema,
    };
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Option<Box<Work>> {
        let mut pod = json!({
            "metadata": {
                "name": "p", "namespace": "ns", "creationTimestamp": "2026-01-01T00:00:01Z",
                "finalizers": [FINALIZER],
                "annotations": {INDEX: "7", FAILURES: "2", IGNORED_FAILURES: "-1"},
            },
            "spec": {
                "initContainers": [{"name": "prepare"}, {"name": "side", "restartPolicy": "Always"}],
                "containers": [{"name": "main"}],
            },
            "status": {},
        });
        change(&mut pod);
        let body = pod.to_string().into_bytes();
        let tree = json::decode(Schema::builtin(), View::TYPE, body, &mut Strict::new());
        Work::read(View::of(&tree.expect("fits")))
    }

    fn ended_at(change: impl FnOnce(&mut Value)) -> i64 {
        let ended = read(change).expect("tracked").ended.expect("created");
        ended.as_second() - 1_767_225_600
    }

    fn terminated(name: &str, second: u8, code: i32) -> Value {
        let at = format!("2026-01-01T00:00:{second:02}Z");
        json!({"name": name, "restartCount": 1, "state": {"terminated": {"exitCode": code, "finishedAt": at}}})
    }

    #[test]
    fn annotations_and_exit_codes_are_read() {
        let work = read(|p| {
            p["status"]["initContainerStatuses"] = json!([terminated("prepare", 2, 4)]);
            p["status"]["containerStatuses"] = json!([terminated("main", 3, 5)]);
        })
        .expect("tracked");
        assert_eq!(
            (work.index, work.index_failures, work.index_ignored_failures),
            (Some(7), 2, 0)
        );
        assert_eq!(
            work.failures,
            [("main".to_owned(), 5), ("prepare".to_owned(), 4)]
        );
        assert_eq!(work.restarts, 2);
    }

    #[test]
    fn what_is_not_a_jobs_has_no_work() {
        let owned = |kind: &str, version: &str, tracked: bool| {
            read(|p| {
                p["metadata"]["ownerReferences"] = json!([
                    {"apiVersion": version, "kind": kind, "name": "o", "uid": "1", "controller": true}]);
                if !tracked {
                    p["metadata"]["finalizers"] = json!([]);
                }
            })
            .is_some()
        };
        assert!(owned("Job", "batch/v1", false) && owned("ReplicaSet", "apps/v1", true));
        assert!(!owned("ReplicaSet", "apps/v1", false) && !owned("Job", "example.com/v1", false));
    }

    #[test]
    fn the_end_is_the_last_containers_or_the_best_guess() {
        assert_eq!(ended_at(|_| ()), 1, "its creation");
        let deleted = |p: &mut Value| {
            p["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:40Z");
            p["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        };
        assert_eq!(ended_at(deleted), 10);
        let unready = |p: &mut Value| {
            deleted(p);
            p["status"]["conditions"] = json!([
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:12Z"}]);
        };
        assert_eq!(ended_at(unready), 12);
        let ended = |p: &mut Value| {
            unready(p);
            p["status"]["containerStatuses"] = json!([terminated("main", 13, 0)]);
        };
        assert_eq!(ended_at(ended), 13);
        let with_sidecar = |p: &mut Value, side: Value| {
            ended(p);
            p["status"]["initContainerStatuses"] = json!([terminated("prepare", 30, 0), side]);
        };
        assert_eq!(ended_at(|p| with_sidecar(p, terminated("side", 14, 0))), 14);
        assert_eq!(
            ended_at(|p| with_sidecar(p, json!({"name": "side", "state": {"running": {}}}))),
            12
        );
    }
}
