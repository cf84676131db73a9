//! What controllers know of a Job.

use api::{
    batch::v1::{Job as View, PodFailurePolicyRule, SuccessPolicyRule},
    tree::Tree,
    view::View as _,
};
use jiff::Timestamp;
use runtime::{Object, Projection};

use super::{
    condition::{self, Condition},
    owner::Owner,
    selector::Selector,
    timestamp,
};

/// The index of Jobs by the uid of the owner that manages them.
pub const BY_OWNER: &str = "owner";
/// The condition of a Job that has ended well.
pub const COMPLETE: &str = "Complete";
/// The condition of a Job that has ended badly.
pub const FAILED: &str = "Failed";

/// How completions are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Any pod that succeeds counts.
    NonIndexed,
    /// Each index from 0 must succeed once.
    Indexed,
    /// One that we do not know.
    Other,
}

/// What a failed pod means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The Job fails.
    FailJob,
    /// The pod's index fails.
    FailIndex,
    /// It does not count.
    Ignore,
    /// It counts towards the limit.
    Count,
    /// One that we do not know: the rule matches nothing.
    Other,
}

/// One rule of `spec.podFailurePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRule {
    /// What follows if the rule matches.
    pub action: Action,
    /// When it matches.
    pub matches: Requirement,
}

/// When a rule of `spec.podFailurePolicy` matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// A container ended with one of the codes, or with another if `within` is not set.
    ExitCodes {
        /// `None` for every container.
        container: Option<String>,
        /// `In`; otherwise `NotIn`.
        within: bool,
        /// The codes.
        values: Vec<i32>,
    },
    /// The pod has one of the conditions, by type and status.
    Conditions(Vec<(String, String)>),
    /// Never.
    Nothing,
}

/// One rule of `spec.successPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRule {
    /// Which indexes must succeed; `None` for any.
    pub indexes: Option<String>,
    /// How many of them must; `None` for all.
    pub count: Option<i32>,
}

/// A Job, as controllers see it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The owner that manages it.
    pub controller: Option<Owner>,
    /// Deletion was asked for.
    pub deleting: bool,
    /// The generation of its spec.
    pub generation: i64,
    /// Which pods are its own.
    pub selector: Selector,
    /// How many pods run at once.
    pub parallelism: i32,
    /// How many pods must succeed; `None` where one that does decides for all.
    pub completions: Option<i32>,
    /// How many failures it takes.
    pub backoff_limit: i32,
    /// How many failures an index takes.
    pub backoff_limit_per_index: Option<i32>,
    /// How many indexes may fail; `None` for all but the Job's own success.
    pub max_failed_indexes: Option<i32>,
    /// How many seconds it may be active.
    pub active_deadline: Option<i64>,
    /// How many seconds after its end it goes away.
    pub ttl: Option<i32>,
    /// No pods for now.
    pub suspended: bool,
    /// How completions are counted.
    pub mode: Mode,
    /// Pods are replaced when they have failed, not when they begin to terminate.
    pub replaces_only_failed: bool,
    /// Who looks after it, if not the Job controller.
    pub managed_by: Option<String>,
    /// What failed pods mean; `None` if each counts.
    pub failure_policy: Option<Vec<FailureRule>>,
    /// When enough has succeeded before all has.
    pub success_policy: Option<Vec<SuccessRule>>,
    /// The kubelet restarts its containers, and restarts count as failures.
    pub restarts_on_failure: bool,
    /// The template of its pods: kept only until the Job has finished.
    pub template: Option<Tree>,
    /// What it says of itself.
    pub status: Status,
}

/// A Job's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `Complete`, `Failed`, `Suspended` …
    pub conditions: Vec<Condition>,
    /// Since when it is active.
    pub started: Option<Timestamp>,
    /// When it was complete.
    pub completed: Option<Timestamp>,
    /// Pods that are neither finished nor terminating.
    pub active: i32,
    /// Those of them that are ready.
    pub ready: Option<i32>,
    /// Pods that terminate and have not finished.
    pub terminating: Option<i32>,
    /// Pods, or indexes, that succeeded.
    pub succeeded: i32,
    /// Pods that failed.
    pub failed: i32,
    /// The indexes that succeeded: `1,3-5,7`.
    pub completed_indexes: String,
    /// The indexes that failed.
    pub failed_indexes: Option<String>,
    /// Pods that ended and still have the finalizer, or had it when the counts were last written.
    pub uncounted: Uncounted,
}

/// `status.uncountedTerminatedPods`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// By uid.
    pub succeeded: Vec<String>,
    /// By uid.
    pub failed: Vec<String>,
}

impl Projection for Job {
    fn project(object: &Tree) -> Self {
        let job = View::of(object);
        let (metadata, spec) = (job.metadata(), job.spec());
        let status = status(job);
        let template = (!is_finished(&status)).then(|| spec.template());
        Job {
            controller: Owner::controller_of(metadata),
            deleting: metadata.deletion_timestamp().is_some(),
            generation: metadata.generation(),
            selector: spec.selector().map(Selector::read).unwrap_or_default(),
            parallelism: spec.parallelism().unwrap_or(1),
            completions: spec.completions(),
            backoff_limit: spec.backoff_limit().unwrap_or(6),
            backoff_limit_per_index: spec.backoff_limit_per_index(),
            max_failed_indexes: spec.max_failed_indexes(),
            active_deadline: spec.active_deadline_seconds(),
            ttl: spec.ttl_seconds_after_finished(),
            suspended: spec.suspend() == Some(true),
            mode: match spec.completion_mode() {
                None | Some("NonIndexed") => Mode::NonIndexed,
                Some("Indexed") => Mode::Indexed,
                Some(_) => Mode::Other,
            },
            replaces_only_failed: spec.pod_replacement_policy() == Some("Failed"),
            managed_by: spec
                .managed_by()
                .filter(|name| *name != "kubernetes.io/job-controller")
                .map(str::to_owned),
            failure_policy: spec
                .pod_failure_policy()
                .map(|policy| policy.rules().iter().map(failure_rule).collect()),
            success_policy: spec
                .success_policy()
                .map(|policy| policy.rules().iter().map(success_rule).collect()),
            restarts_on_failure: spec.template().spec().restart_policy() == "OnFailure",
            template: template.and_then(|t| t.node()).map(|node| {
                let mut tree = Tree::copy_of(node);
                tree.compact();
                tree
            }),
            status,
        }
    }
}

fn failure_rule(rule: PodFailurePolicyRule<'_>) -> FailureRule {
    FailureRule {
        action: match rule.action() {
            "FailJob" => Action::FailJob,
            "FailIndex" => Action::FailIndex,
            "Ignore" => Action::Ignore,
            "Count" => Action::Count,
            _ => Action::Other,
        },
        matches: match rule.on_exit_codes() {
            Some(codes) if matches!(codes.operator(), "In" | "NotIn") => Requirement::ExitCodes {
                container: codes.container_name().map(str::to_owned),
                within: codes.operator() == "In",
                values: codes.values().iter().collect(),
            },
            Some(_) => Requirement::Nothing,
            None => Requirement::Conditions(
                rule.on_pod_conditions()
                    .iter()
                    .map(|c| (c.type_().to_owned(), c.status().to_owned()))
                    .collect(),
            ),
        },
    }
}

fn success_rule(rule: SuccessPolicyRule<'_>) -> SuccessRule {
    SuccessRule {
        indexes: rule.succeeded_indexes().map(str::to_owned),
        count: rule.succeeded_count(),
    }
}

fn status(job: View<'_>) -> Status {
    let status = job.status();
    let uids = |list: api::view::List<'_, str>| list.iter().map(str::to_owned).collect();
    let uncounted = status.uncounted_terminated_pods();
    Status {
        conditions: status
            .conditions()
            .iter()
            .map(|c| Condition {
                r#type: c.type_().to_owned(),
                status: c.status().to_owned(),
                reason: c.reason().to_owned(),
                message: c.message().to_owned(),
                last_transition: timestamp(c.last_transition_time()),
                last_update: None,
            })
            .collect(),
        started: timestamp(status.start_time()),
        completed: timestamp(status.completion_time()),
        active: status.active(),
        ready: status.ready(),
        terminating: status.terminating(),
        succeeded: status.succeeded(),
        failed: status.failed(),
        completed_indexes: status.completed_indexes().to_owned(),
        failed_indexes: status.failed_indexes().map(str::to_owned),
        uncounted: Uncounted {
            succeeded: uncounted.map(|u| uids(u.succeeded())).unwrap_or_default(),
            failed: uncounted.map(|u| uids(u.failed())).unwrap_or_default(),
        },
    }
}

fn is_finished(status: &Status) -> bool {
    finished(&status.conditions).is_some()
}

/// The condition by which a Job has ended.
pub fn finished(conditions: &[Condition]) -> Option<&Condition> {
    conditions
        .iter()
        .find(|c| matches!(c.r#type.as_str(), COMPLETE | FAILED) && c.status == "True")
}

/// A condition, if it is true.
pub fn holds<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    condition::find(conditions, r#type).filter(|c| c.status == "True")
}

impl Job {
    /// It has ended, well or badly.
    pub fn is_finished(&self) -> bool {
        is_finished(&self.status)
    }

    /// Each index from 0 must succeed once.
    pub fn is_indexed(&self) -> bool {
        self.mode == Mode::Indexed
    }

    /// The values of the index [`BY_OWNER`].
    pub fn owner_values(job: &Object<Job>) -> Vec<String> {
        let owner = job.value.controller.as_ref();
        owner.map(|owner| owner.uid.clone()).into_iter().collect()
    }
}
