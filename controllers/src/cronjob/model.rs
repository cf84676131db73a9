//! What the controller keeps of a CronJob.

use api::{batch::v1::CronJob as View, core::v1::ObjectReference, tree::Tree, view::View as _};
use jiff::Timestamp;
use runtime::Projection;
use serde_json::{Value, json};

use crate::object::{rfc3339, timestamp};

/// A CronJob, as its controller sees it.
#[derive(Debug, Clone)]
pub(super) struct CronJob {
    pub deleting: bool,
    pub created: Option<Timestamp>,
    pub schedule: String,
    pub time_zone: Option<String>,
    /// How many seconds late a run may start.
    pub starting_deadline: Option<i64>,
    pub policy: Policy,
    pub suspended: bool,
    pub template: Option<Tree>,
    /// How many Jobs that are complete are kept; `None` for all.
    pub keep_successful: Option<i32>,
    /// How many Jobs that failed are kept; `None` for all.
    pub keep_failed: Option<i32>,
    pub status: Status,
}

/// What happens when a run is due and another goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Both run.
    Allow,
    /// The new one is left out.
    Forbid,
    /// The old one is ended.
    Replace,
}

/// A CronJob's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub active: Vec<Reference>,
    pub last_schedule: Option<Timestamp>,
    pub last_successful: Option<Timestamp>,
}

/// A Job that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// As it stands in the status.
    pub json: Value,
}

impl Reference {
    fn read(reference: ObjectReference<'_>) -> Reference {
        let mut json = json!({});
        for (field, text) in [
            ("apiVersion", reference.api_version()),
            ("kind", reference.kind()),
            ("namespace", reference.namespace()),
            ("name", reference.name()),
            ("uid", reference.uid()),
            ("resourceVersion", reference.resource_version()),
            ("fieldPath", reference.field_path()),
        ] {
            if !text.is_empty() {
                json[field] = json!(text);
            }
        }
        Reference {
            namespace: reference.namespace().to_owned(),
            name: reference.name().to_owned(),
            uid: reference.uid().to_owned(),
            json,
        }
    }

    /// A reference to a Job.
    pub(super) fn to_job(namespace: &str, name: &str, uid: &str, resource_version: &str) -> Self {
        Reference {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            json: json!({
                "apiVersion": "batch/v1", "kind": "Job", "namespace": namespace, "name": name,
                "uid": uid, "resourceVersion": resource_version,
            }),
        }
    }
}

impl Status {
    /// Whether a Job is among those that run.
    pub(super) fn has(&self, uid: &str) -> bool {
        self.active.iter().any(|job| job.uid == uid)
    }

    /// Takes a Job out of those that run.
    pub(super) fn remove(&mut self, uid: &str) {
        self.active.retain(|job| job.uid != uid);
    }

    /// The patch that brings a stored status there, if it is still at this revision.
    pub(super) fn patch(&self, resource_version: &str) -> Value {
        let active: Vec<&Value> = self.active.iter().map(|job| &job.json).collect();
        json!({
            "metadata": {"resourceVersion": resource_version},
            "status": {
                "active": if active.is_empty() { Value::Null } else { json!(active) },
                "lastScheduleTime": self.last_schedule.map(rfc3339),
                "lastSuccessfulTime": self.last_successful.map(rfc3339),
            },
        })
    }
}

impl Projection for CronJob {
    fn project(object: &Tree) -> Self {
        let view = View::of(object);
        let (metadata, spec, status) = (view.metadata(), view.spec(), view.status());
        CronJob {
            deleting: metadata.deletion_timestamp().is_some(),
            created: timestamp(metadata.creation_timestamp()),
            schedule: spec.schedule().to_owned(),
            time_zone: spec.time_zone().map(str::to_owned),
            starting_deadline: spec.starting_deadline_seconds(),
            policy: match spec.concurrency_policy() {
                "Forbid" => Policy::Forbid,
                "Replace" => Policy::Replace,
                _ => Policy::Allow,
            },
            suspended: spec.suspend() == Some(true),
            template: spec.job_template().node().map(|node| {
                let mut tree = Tree::copy_of(node);
                tree.compact();
                tree
            }),
            keep_successful: spec.successful_jobs_history_limit(),
            keep_failed: spec.failed_jobs_history_limit(),
            status: Status {
                active: status.active().iter().map(Reference::read).collect(),
                last_schedule: timestamp(status.last_schedule_time()),
                last_successful: timestamp(status.last_successful_time()),
            },
        }
    }
}
