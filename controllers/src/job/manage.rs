//! Which pods a Job is to have: the next step towards them. Pure, but for the making of pods.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{
    Tree,
    core::v1::{self as core, ContainerMut, PodTemplateSpec},
};
use jiff::Timestamp;
use runtime::Object;

use super::{
    backoff::{Failures, wait_for_index},
    indexes::Indexes,
    policy::{judge, work},
};
use crate::{
    object::{
        job::Job,
        owner::Owner,
        pod::Pod,
        work::{FAILURES, FINALIZER, IGNORED_FAILURES, INDEX},
    },
    pods::{self, BURST},
};

/// Characters of the generated part of a name's beginning: the server's number.
const MAX_PREFIX: usize = 58;
/// The variable in which a container finds its pod's index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// What is to be done about a Job's pods.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// These are too many.
    Delete(Vec<Arc<Object<Pod>>>),
    /// Pods are missing, by index; of a Job without indexes each is `None`.
    Create(Vec<Option<i32>>),
    /// Pods are missing, and made only after this time.
    Wait(Duration),
}

/// What is known of a Job's pods.
pub(super) struct Known<'a> {
    /// Its pods.
    pub pods: &'a [Arc<Object<Pod>>],
    /// Those of them that are active.
    pub active: &'a [Arc<Object<Pod>>],
    /// How many have succeeded, or how many indexes.
    pub succeeded: i32,
    /// Indexes that have succeeded.
    pub succeeded_indexes: &'a Indexes,
    /// Indexes that have failed.
    pub failed_indexes: Option<&'a Indexes>,
    /// The last failed pod of an index that has not failed for good.
    pub last_failed: &'a BTreeMap<i32, Arc<Object<Pod>>>,
    /// Failures in a row.
    pub failures: Failures,
}

/// The next step. Where pods are to go and others to come, those that go come first.
pub(super) fn next(job: &Job, known: &Known<'_>, now: Timestamp) -> Step {
    let active = count(known.active.len());
    if job.suspended {
        return match surplus(job, known.active, known.active.len()) {
            all if all.is_empty() => Step::Nothing,
            all => Step::Delete(all),
        };
    }
    let wanted = match job.completions {
        Some(completions) => (completions - known.succeeded).min(job.parallelism).max(0),
        // One that succeeds decides for all: what runs then runs on, and nothing begins.
        None if known.succeeded > 0 => active,
        None => job.parallelism,
    };
    let too_many = usize::try_from(active - wanted).unwrap_or(0);
    let mut victims = surplus(job, known.active, too_many);
    victims.truncate(BURST);
    if !victims.is_empty() {
        return Step::Delete(victims);
    }
    let mut missing = wanted.saturating_sub(active);
    let terminating = || known.pods.iter().filter(|pod| pod.value.is_terminating());
    if job.replaces_only_failed {
        missing = missing.saturating_sub(count(terminating().count()));
    }
    let missing = usize::try_from(missing).unwrap_or(0);
    if missing == 0 {
        return Step::Nothing;
    }
    let by_index = job.backoff_limit_per_index.is_some();
    let wait = if by_index {
        Duration::ZERO
    } else {
        known.failures.wait(now)
    };
    if !wait.is_zero() {
        return Step::Wait(wait);
    }
    let missing = missing.min(BURST);
    if !job.is_indexed() {
        return Step::Create(vec![None; missing]);
    }
    let mut taken = known.succeeded_indexes.union(&indexes(known.active.iter()));
    if job.replaces_only_failed {
        taken = taken.union(&indexes(terminating()));
    }
    if let Some(failed) = known.failed_indexes {
        taken = taken.union(failed);
    }
    let mut missing = taken.first_absent(missing, job.completions.unwrap_or(0));
    if by_index {
        let wait = |index: &i32| wait_for_index(known.last_failed.get(index).map(|p| &**p), now);
        let soonest = missing.iter().map(wait).min();
        missing.retain(|index| wait(index).is_zero());
        if let Some(soonest) = soonest.filter(|_| missing.is_empty()) {
            return Step::Wait(soonest);
        }
    }
    match missing {
        none if none.is_empty() => Step::Nothing,
        missing => Step::Create(missing.into_iter().map(Some).collect()),
    }
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

fn indexes<'a>(pods: impl Iterator<Item = &'a Arc<Object<Pod>>>) -> Indexes {
    pods.filter_map(|pod| work(&pod.value).index).collect()
}

/// The active pods that are to go: `at_least` so many, and of an indexed Job every one whose index is none of the Job's or is
/// worked on by another.
fn surplus(job: &Job, active: &[Arc<Object<Pod>>], at_least: usize) -> Vec<Arc<Object<Pod>>> {
    let mut pods = active.to_vec();
    pods.sort_by_cached_key(place);
    let (mut go, mut stay) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    // Of several for one index the last in order stays.
    for pod in pods.into_iter().rev() {
        let index = work(&pod.value).index;
        let wanted = index.is_some_and(|i| i < job.completions.unwrap_or(0) && seen.insert(i));
        if job.is_indexed() && !wanted {
            go.push(pod);
        } else {
            stay.push(pod);
        }
    }
    let missing = at_least.saturating_sub(go.len());
    go.extend(stay.into_iter().rev().take(missing));
    go
}

/// Less goes first: not bound before bound, pending before running, not ready before ready, then by how little is lost.
fn place(pod: &Arc<Object<Pod>>) -> impl Ord + use<> {
    let value = &pod.value;
    let latest_first = |time: Option<Timestamp>| (time.is_some(), Reverse(time));
    (
        (!value.node.is_empty(), value.phase, value.is_ready),
        latest_first(value.ready.filter(|_| value.is_ready)),
        Reverse(value.restarts),
        latest_first(value.created),
        pod.uid.clone(),
    )
}

/// How the name of a pod begins.
pub(super) fn prefix(job: &str, index: Option<i32>) -> String {
    let Some(index) = index else {
        return pods::prefix(job);
    };
    let end = format!("-{index}-");
    let mut prefix = job.to_owned();
    prefix.truncate(MAX_PREFIX - end.len());
    prefix + &end
}

/// A pod of a Job, for an index of an indexed one. `replaced` is the pod that failed before it.
pub(super) fn pod(
    job: &Object<Job>,
    template: PodTemplateSpec<'_>,
    owner: &Owner,
    (prefix, name): (&str, &str),
    index: Option<i32>,
    replaced: Option<&Object<Pod>>,
) -> Tree {
    let mut tree = pods::from_template(template, job.key.namespace(), prefix, name, owner);
    let mut pod = core::PodMut::of(&mut tree);
    if !pod.view().metadata().finalizers().contains(FINALIZER) {
        pod.metadata_mut().push_finalizers(FINALIZER);
    }
    let Some(index) = index else {
        return tree;
    };
    let text = index.to_string();
    let mut metadata = pod.metadata_mut();
    metadata.labels_mut().insert(INDEX, &text);
    let mut annotations = metadata.annotations_mut();
    annotations.insert(INDEX, &text);
    if job.value.backoff_limit_per_index.is_some() {
        let (failures, ignored) = replaced.map_or((0, 0), |pod| {
            let (work, counts) = (work(&pod.value), judge(&job.value, pod).counts);
            (
                work.index_failures.saturating_add(i32::from(counts)),
                work.index_ignored_failures
                    .saturating_add(i32::from(!counts)),
            )
        });
        annotations.insert(FAILURES, &failures.to_string());
        if ignored > 0 {
            annotations.insert(IGNORED_FAILURES, &ignored.to_string());
        }
    }
    let mut spec = pod.spec_mut();
    spec.set_hostname(&format!("{}-{index}", job.key.name()));
    for at in 0..spec.view().init_containers().len() {
        index_variable(spec.init_containers_mut(at));
    }
    for at in 0..spec.view().containers().len() {
        index_variable(spec.containers_mut(at));
    }
    tree
}

fn index_variable(mut container: ContainerMut<'_>) {
    let mut variables = container.view().env().iter();
    if variables.any(|variable| variable.name() == INDEX_VARIABLE) {
        return;
    }
    let mut variable = container.push_env();
    variable.set_name(INDEX_VARIABLE);
    variable
        .value_from_mut()
        .field_ref_mut()
        .set_field_path(&format!("metadata.labels['{INDEX}']"));
}
