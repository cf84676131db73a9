//! What pods use.

use std::collections::{BTreeMap, BTreeSet};

use super::{one, read, total};
use crate::aggregate::{self, Amounts};
use crate::core::v1::{
    Container, ContainerStatus, Pod, PodAffinityTerm, PodSpec, ResourceRequirements,
    WeightedPodAffinityTerm,
};
use crate::defaults::is_of_pods as is_of_pod;
use crate::names;
use crate::view::{List, MapRef, View};
use crate::{Quantity, Time, Tree};

const OBJECTS: &str = "count/pods";
const NAMES: [&str; 11] = [
    OBJECTS,
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
/// Where a quota bounds one of these, every container must say it: upstream keeps to it for these and no others.
const REQUIRED: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];
const REQUESTS: &str = "requests.";
const HUGE_PAGES: &str = "hugepages-";
const DEVICE_CLASS: &str = "deviceclass.resource.kubernetes.io/";

pub(super) fn counts(name: &str) -> bool {
    let requested = name.strip_prefix(REQUESTS);
    let extended = || {
        requested.is_some_and(|asked| {
            !names::is_native_resource(name) || asked.starts_with(DEVICE_CLASS)
        })
    };
    let huge = requested.unwrap_or(name).starts_with(HUGE_PAGES);
    NAMES.contains(&name) || huge || extended()
}

/// Whether a container may ask for it without upstream knowing what it is.
fn is_extended(name: &str) -> bool {
    let quotable = || names::label_key(&format!("{REQUESTS}{name}")).is_empty();
    !names::is_native_resource(name) && !name.starts_with(REQUESTS) && quotable()
        || name.starts_with(DEVICE_CLASS)
}

/// Under which names of a quota requests and limits count.
fn by_quota_name(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::from([("pods".to_owned(), one())]);
    for (name, amount) in requests {
        let compute = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let huge = name.starts_with(HUGE_PAGES);
        if compute || huge {
            used.insert(name.clone(), *amount);
        }
        if compute || huge || is_extended(name) {
            used.insert(format!("{REQUESTS}{name}"), *amount);
        }
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), *amount);
        }
    }
    used
}

pub(super) fn usage(object: &Tree, now: Time) -> Amounts {
    let pod = Pod::of(object);
    let stored = Amounts::from([(OBJECTS.to_owned(), one())]);
    match is_charged(pod, now) {
        true => total(&stored, &by_quota_name(&requests(pod), &limits(pod))),
        false => stored,
    }
}

/// Whether a pod counts as long as it is there: it has neither ended nor outstayed its deletion.
pub fn is_charged(pod: Pod<'_>, now: Time) -> bool {
    let metadata = pod.metadata();
    let times = metadata
        .deletion_timestamp()
        .zip(metadata.deletion_grace_period_seconds());
    // Its node may be lost: what it uses must not keep its successor from being made.
    let overdue =
        times.is_some_and(|(due, grace)| now.seconds() > due.seconds().saturating_add(grace));
    !matches!(pod.status().phase(), "Failed" | "Succeeded") && !overdue
}

/// Whether a pod's end is bounded: it may run for so many seconds at most.
pub fn is_terminating(pod: Pod<'_>) -> bool {
    pod.spec()
        .active_deadline_seconds()
        .is_some_and(|seconds| seconds >= 0)
}

/// Whether a pod asks for no CPU and no memory.
pub(super) fn is_best_effort(pod: Pod<'_>) -> bool {
    let class = pod.status().qos_class();
    if !class.is_empty() {
        return class == "BestEffort";
    }
    let nothing = |resources: ResourceRequirements<'_>| {
        ["cpu", "memory"].into_iter().all(|name| {
            let asked = [resources.requests(), resources.limits()];
            asked
                .into_iter()
                .all(|a| a.get(name).is_none_or(Quantity::is_zero))
        })
    };
    let spec = pod.spec();
    match spec.resources().filter(|own| has_own(*own)) {
        Some(own) => nothing(own),
        None => {
            let all = spec.containers().iter().chain(spec.init_containers());
            all.map(|container| container.resources()).all(nothing)
        }
    }
}

fn has_own(own: ResourceRequirements<'_>) -> bool {
    own.requests()
        .keys()
        .chain(own.limits().keys())
        .any(is_of_pod)
}

/// Whether a pod wants to be near or far from pods of namespaces that it names.
pub(super) fn minds_other_namespaces(pod: Pod<'_>) -> bool {
    fn crosses(term: PodAffinityTerm<'_>) -> bool {
        !term.namespaces().is_empty() || term.namespace_selector().is_some()
    }
    fn any(
        required: List<'_, PodAffinityTerm<'_>>,
        preferred: List<'_, WeightedPodAffinityTerm<'_>>,
    ) -> bool {
        required.iter().any(crosses) || preferred.iter().any(|t| crosses(t.pod_affinity_term()))
    }
    let Some(affinity) = pod.spec().affinity() else {
        return false;
    };
    let near = affinity.pod_affinity().is_some_and(|a| {
        any(
            a.required_during_scheduling_ignored_during_execution(),
            a.preferred_during_scheduling_ignored_during_execution(),
        )
    });
    near || affinity.pod_anti_affinity().is_some_and(|a| {
        any(
            a.required_during_scheduling_ignored_during_execution(),
            a.preferred_during_scheduling_ignored_during_execution(),
        )
    })
}

/// What a container's status says, before what its specification does.
type Seen<'a> = fn(ContainerStatus<'a>) -> Option<MapRef<'a, Quantity>>;

fn allocated(status: ContainerStatus<'_>) -> Option<MapRef<'_, Quantity>> {
    let allocated = status.allocated_resources();
    allocated.node().map(|_| allocated)
}

fn actuated_requests(status: ContainerStatus<'_>) -> Option<MapRef<'_, Quantity>> {
    let actuated = status.resources().map(|resources| resources.requests());
    let actuated = actuated.filter(|requests| requests.node().is_some());
    actuated.or_else(|| allocated(status))
}

fn actuated_limits(status: ContainerStatus<'_>) -> Option<MapRef<'_, Quantity>> {
    let actuated = status.resources().map(|resources| resources.limits());
    actuated.filter(|limits| limits.node().is_some())
}

/// The most of what containers are to have and what they have, while a resize is under way.
fn effective<'a>(
    pod: Pod<'a>,
    of: fn(ResourceRequirements<'a>) -> MapRef<'a, Quantity>,
    seen: &[Seen<'a>],
) -> Amounts {
    let (spec, status) = (pod.spec(), pod.status());
    // A resize that cannot be: what was asked for will not come.
    let pending = status
        .conditions()
        .iter()
        .find(|condition| condition.type_() == "PodResizePending");
    let infeasible = pending.is_some_and(|condition| condition.reason() == "Infeasible");
    let status_of = |container: Container<'a>| {
        let regular = status.container_statuses().iter();
        let mut all = regular.chain(status.init_container_statuses());
        all.find(|status| status.name() == container.name())
    };
    let mut most = match infeasible {
        true => Amounts::new(),
        false => aggregate::of_containers(spec, of),
    };
    for seen in seen {
        let none = ResourceRequirements::at(None);
        let amounts = aggregate::sum(spec, |container| {
            let told = status_of(container).and_then(seen);
            told.unwrap_or_else(|| match infeasible {
                true => none.requests(),
                false => of(container.resources()),
            })
        });
        aggregate::raise(&mut most, amounts);
    }
    with_own(most, spec, of)
}

/// The pod's own resources in place of what its containers come to.
fn with_own<'a>(
    mut amounts: Amounts,
    spec: PodSpec<'a>,
    of: fn(ResourceRequirements<'a>) -> MapRef<'a, Quantity>,
) -> Amounts {
    let own = spec.resources().filter(|own| has_own(*own)).map(of);
    let own = own.into_iter().flatten();
    amounts.extend(
        own.filter(|(name, _)| is_of_pod(name))
            .map(|(name, amount)| (name.to_owned(), amount)),
    );
    amounts
}

/// What a pod asks for: of its containers and what they are allowed, of itself, and its overhead (upstream:
/// component-helpers' `PodRequests`).
pub fn requests(pod: Pod<'_>) -> Amounts {
    let of = ResourceRequirements::requests;
    let (actuated, allocated): (Seen<'_>, Seen<'_>) = (actuated_requests, allocated);
    let mut requests = effective(pod, of, &[actuated, allocated]);
    aggregate::add(&mut requests, pod.spec().overhead());
    requests
}

/// What a pod is to ask for once a resize of it is done, whatever it has now.
pub fn spec_requests(spec: PodSpec<'_>) -> Amounts {
    let of = ResourceRequirements::requests;
    let mut requests = with_own(aggregate::of_containers(spec, of), spec, of);
    aggregate::add(&mut requests, spec.overhead());
    requests
}

fn limits(pod: Pod<'_>) -> Amounts {
    let mut limits = effective(pod, ResourceRequirements::limits, &[actuated_limits]);
    for (name, overhead) in pod.spec().overhead() {
        if let Some(limit) = limits.get_mut(name).filter(|limit| !limit.is_zero()) {
            *limit = limit.checked_add(overhead).unwrap_or(*limit);
        }
    }
    limits
}

/// What containers must say where a quota bounds all of `bounded`, and do not.
pub(super) fn missing<'a>(bounded: impl Iterator<Item = &'a str>, object: &Tree) -> Option<String> {
    let spec = Pod::of(object).spec();
    if spec.resources().is_some_and(has_own) {
        return None;
    }
    let required: BTreeSet<&str> = bounded.filter(|name| REQUIRED.contains(name)).collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in spec.containers().iter().chain(spec.init_containers()) {
        let resources = container.resources();
        let said = by_quota_name(&read(resources.requests()), &read(resources.limits()));
        for name in required.iter().filter(|name| !said.contains_key(**name)) {
            missing.entry(name).or_default().insert(container.name());
        }
    }
    if missing.is_empty() {
        return None;
    }
    let told: Vec<String> = missing
        .iter()
        .map(|(name, containers)| {
            let containers: Vec<&str> = containers.iter().copied().collect();
            format!("{name} for: {}", containers.join(","))
        })
        .collect();
    Some(format!("must specify {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{self, Strict};
    use crate::schema::Schema;

    fn pod(text: &str) -> Tree {
        let (schema, text) = (Schema::builtin(), text.to_owned());
        json::decode(schema, Pod::TYPE, text, &mut Strict::new()).unwrap()
    }

    fn used(text: &str) -> String {
        let now = Time::from_seconds(1_000_000_000).unwrap();
        let used = usage(&pod(text), now);
        let pairs: Vec<String> = used.iter().map(|(n, a)| format!("{n}={a}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn requests_and_limits_count_under_all_their_names() {
        let text = r#"{"spec":{"containers":[{"name":"a","resources":{"requests":{"cpu":"1","memory":"1Gi","example.com/dongle":"2",
            "hugepages-2Mi":"4Mi"},"limits":{"cpu":"2","ephemeral-storage":"1Gi","example.com/dongle":"2"}}}]}}"#;
        assert_eq!(
            used(text),
            "count/pods=1 cpu=1 hugepages-2Mi=4Mi limits.cpu=2 limits.ephemeral-storage=1Gi memory=1Gi pods=1 requests.cpu=1 \
             requests.example.com/dongle=2 requests.hugepages-2Mi=4Mi requests.memory=1Gi"
        );
    }

    #[test]
    fn overhead_counts_and_the_pods_own_figures_replace_the_containers() {
        let text = r#"{"spec":{"overhead":{"cpu":"250m","memory":"1Mi"},"resources":{"requests":{"cpu":"2"}},
            "containers":[{"name":"a","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"1"}}}]}}"#;
        assert_eq!(
            used(text),
            "count/pods=1 cpu=2250m limits.cpu=1250m memory=1Mi pods=1 requests.cpu=2250m requests.memory=1Mi"
        );
    }

    #[test]
    fn while_a_resize_is_under_way_the_most_counts() {
        let text = |reason: &str| {
            format!(
                r#"{{"spec":{{"containers":[{{"name":"a","resources":{{"requests":{{"cpu":"3"}}}}}}]}},"status":{{
                "conditions":[{{"type":"PodResizePending","status":"True","reason":"{reason}"}}],
                "containerStatuses":[{{"name":"a","allocatedResources":{{"cpu":"1"}},"resources":{{"requests":{{"cpu":"2"}}}}}}]}}}}"#
            )
        };
        assert!(used(&text("Deferred")).contains(" cpu=3 "));
        assert!(used(&text("Infeasible")).contains(" cpu=2 "));
    }

    #[test]
    fn pods_that_ended_or_outstayed_their_deletion_only_count_as_objects() {
        let ended = r#"{"status":{"phase":"Succeeded"},"spec":{"containers":[]}}"#;
        assert_eq!(used(ended), "count/pods=1");
        let going = |grace: i64| {
            format!(
                r#"{{"metadata":{{"deletionTimestamp":"2001-09-09T01:46:30Z","deletionGracePeriodSeconds":{grace}}}}}"#
            )
        };
        // The present is 01:46:40.
        assert_eq!(used(&going(10)), "count/pods=1 pods=1");
        assert_eq!(used(&going(9)), "count/pods=1");
    }

    #[test]
    fn what_a_bound_requires_must_be_said_by_every_container() {
        let names = ["cpu", "limits.memory", "requests.ephemeral-storage", "pods"];
        let text = r#"{"spec":{"containers":[{"name":"b"},{"name":"a","resources":{"requests":{"cpu":"1"}}}],
            "initContainers":[{"name":"i","resources":{"requests":{"cpu":"1"},"limits":{"memory":"1"}}}]}}"#;
        assert_eq!(
            missing(names.into_iter(), &pod(text)).as_deref(),
            Some("must specify cpu for: b; limits.memory for: a,b")
        );
        let own =
            r#"{"spec":{"resources":{"requests":{"memory":"1"}},"containers":[{"name":"b"}]}}"#;
        assert_eq!(missing(names.into_iter(), &pod(own)), None);
    }

    #[test]
    fn names_that_pods_use_are_known() {
        for name in [
            "pods",
            "requests.hugepages-1Gi",
            "hugepages-2Mi",
            "requests.example.com/x",
            "requests.deviceclass.resource.kubernetes.io/gpu",
        ] {
            assert!(counts(name), "{name}");
        }
        for name in [
            "services",
            "example.com/x",
            "requests.storage",
            "requests.kubernetes.io/x",
        ] {
            assert!(!counts(name), "{name}");
        }
    }
}
