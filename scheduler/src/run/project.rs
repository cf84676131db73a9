//! From objects to projections: what the scheduler keeps of pods, nodes, services and controllers.
//!
//! The only file that reads fields of the API. What a pod says and this scheduler does not act upon yet is named in
//! `unsupported`; a field that matters to placement is either read here or stands there.

mod requests;
#[cfg(test)]
mod tests;
mod unsupported;

use std::sync::{Arc, LazyLock};

use api::core::v1::{
    Affinity, Container, Node, NodeSelectorTerm, Pod, ReplicationController, Service,
};
use api::meta::v1::LabelSelector;
use api::policy::v1::PodDisruptionBudget;
use api::tree::Tree;
use api::view::MapRef;
use api::{Quantity, apps};
use parking_lot::Mutex;
use runtime::Projection;

use crate::labels::{Labels, Requirement, Selector};
use crate::pod::{
    CPU, Effect, HostPort, InclusionPolicy, Load, Needs, NeedsBuilder, NodeTerm, Owner,
    PodRequests, PodSpec, Preference, ResourceList, Resources, SpreadConstraint, Taint, Toleration,
    TolerationOperator,
};
use crate::preemption::Budget;
use crate::scheduling::PodView;
use crate::snapshot::NodeShape;
use crate::text::{Pool, Text};
use requests::requests;
use unsupported::unsupported;

/// One copy of what many pods have in common, for all schedulers of the process.
#[derive(Default)]
struct Pools {
    texts: Pool<str>,
    loads: Pool<Load>,
    needs: Pool<Needs>,
    specs: Pool<PodSpec>,
}

static POOLS: LazyLock<Mutex<Pools>> = LazyLock::new(Mutex::default);

/// The one copy of a text that many objects have: a namespace, a label.
pub(super) fn share(text: &str) -> Text {
    POOLS.lock().texts.text(text)
}

/// What is kept of a pod besides what decides where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct PodProjection {
    /// What the scheduling goes by.
    pub view: PodView,
    /// `metadata.generation`.
    pub generation: i64,
    /// The condition `PodScheduled` as it is: status, reason, message, observed generation.
    pub condition: Option<Box<ScheduledCondition>>,
}

/// The condition `PodScheduled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledCondition {
    /// `True` or `False`.
    pub status: String,
    /// `Unschedulable` …
    pub reason: String,
    /// For how many nodes each reason held.
    pub message: String,
    /// `observedGeneration`; 0 when absent.
    pub observed_generation: i64,
}

impl Projection for PodProjection {
    fn project(object: &Tree) -> Self {
        let pod = Pod::of(object);
        let (metadata, spec, status) = (pod.metadata(), pod.spec(), pod.status());
        let node = spec.node_name();
        let labels = labels(metadata.labels());
        let requests = requests(pod, !node.is_empty());
        let ports = host_ports(pod);
        let (nonzero_milli_cpu, nonzero_memory) = requests.nonzero();
        let load = Load {
            requests: Resources::of(&requests.total()),
            nonzero_milli_cpu,
            nonzero_memory,
            ports: ports.clone().into(),
            labels: labels.clone(),
            terminating: metadata.deletion_timestamp().is_some(),
            priority: spec.priority().unwrap_or(0),
        };
        let waiting = node.is_empty().then(|| {
            let needs = needs(pod, &requests, ports);
            let owner = metadata
                .owner_references()
                .iter()
                .find(|owner| owner.controller() == Some(true));
            let owner = owner.map(|owner| Owner {
                api_version: share(owner.api_version()),
                kind: share(owner.kind()),
                name: share(owner.name()),
            });
            let spread = spec
                .topology_spread_constraints()
                .iter()
                .map(spread_constraint)
                .collect();
            let namespace = share(metadata.namespace());
            let mut pools = POOLS.lock();
            let needs = pools.needs.share(Arc::new(needs));
            pools.specs.share(Arc::new(PodSpec::new(
                namespace,
                labels,
                owner,
                needs,
                spread,
                unsupported(pod),
            )))
        });
        let condition = status
            .conditions()
            .iter()
            .find(|c| c.type_() == "PodScheduled")
            .map(|c| {
                Box::new(ScheduledCondition {
                    status: c.status().into(),
                    reason: c.reason().into(),
                    message: c.message().into(),
                    observed_generation: c.observed_generation(),
                })
            });
        let nominated = Some(status.nominated_node_name()).filter(|name| !name.is_empty());
        let nominated = nominated.map(share);
        // Not within the value below: the lock would be held until that is whole, and `share` takes it, too.
        let load = POOLS.lock().loads.share(Arc::new(load));
        PodProjection {
            view: PodView {
                uid: metadata.uid().into(),
                node: (!node.is_empty()).then(|| share(node)),
                scheduler_name: share(spec.scheduler_name()),
                spec: waiting,
                load,
                gated: !spec.scheduling_gates().is_empty(),
                preempts: spec.preemption_policy() != Some("Never"),
                finished: matches!(status.phase(), "Succeeded" | "Failed"),
                nominated,
                created: metadata
                    .creation_timestamp()
                    .map_or(0, |time| time.timestamp().as_second()),
            },
            generation: metadata.generation(),
            condition,
        }
    }
}

impl Projection for NodeShape {
    fn project(object: &Tree) -> Self {
        let node = Node::of(object);
        let (spec, status) = (node.spec(), node.status());
        let allocatable = resources(status.allocatable());
        let taint = |t: api::core::v1::Taint<'_>| {
            Some(Taint {
                key: share(t.key()),
                value: share(t.value()),
                effect: Effect::parse(t.effect())?,
            })
        };
        let mut images: Vec<(Text, i64)> = Vec::new();
        for image in status.images().iter() {
            images.extend(
                image
                    .names()
                    .iter()
                    .map(|name| (share(name), image.size_bytes())),
            );
        }
        images.sort();
        images.dedup_by(|a, b| a.0 == b.0);
        let mut features: Vec<Text> = status.declared_features().iter().map(share).collect();
        features.sort();
        NodeShape {
            name: share(node.metadata().name()),
            labels: labels(node.metadata().labels()),
            taints: spec.taints().iter().filter_map(taint).collect(),
            unschedulable: spec.unschedulable(),
            pods: allocatable.get("pods").copied().unwrap_or(0),
            allocatable: Resources::of(&allocatable),
            images: images.into(),
            features: features.into(),
        }
    }
}

/// A service's selector; None when it has none.
#[derive(Debug)]
pub struct ServiceSelector(pub Option<Labels>);

impl Projection for ServiceSelector {
    fn project(object: &Tree) -> Self {
        let selector = labels(Service::of(object).spec().selector());
        ServiceSelector((!selector.is_empty()).then_some(selector))
    }
}

/// A controller's selector.
#[derive(Debug)]
pub struct OwnerSelector(pub Selector);

impl Projection for OwnerSelector {
    fn project(object: &Tree) -> Self {
        use apps::v1::{ReplicaSet, StatefulSet};
        let kind = object.type_id();
        OwnerSelector(if kind == ReplicaSet::TYPE {
            selector(ReplicaSet::of(object).spec().selector())
        } else if kind == StatefulSet::TYPE {
            selector(StatefulSet::of(object).spec().selector())
        } else if kind == ReplicationController::TYPE {
            Selector::of_labels(&labels(ReplicationController::of(object).spec().selector()))
        } else {
            Selector::Nothing
        })
    }
}

/// A disruption budget, as far as preemption respects it.
#[derive(Debug)]
pub struct BudgetView(pub Budget);

impl Projection for BudgetView {
    fn project(object: &Tree) -> Self {
        let budget = PodDisruptionBudget::of(object);
        let (spec, status) = (budget.spec(), budget.status());
        BudgetView(Budget {
            selector: selector(spec.selector()),
            allowed: status.disruptions_allowed().into(),
            disrupted: status
                .disrupted_pods()
                .iter()
                .map(|(name, _)| share(name))
                .collect(),
        })
    }
}

fn needs(pod: Pod<'_>, requests: &PodRequests, ports: Vec<HostPort>) -> Needs {
    let spec = pod.spec();
    let affinity = spec.affinity().and_then(Affinity::node_affinity);
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution());
    let preferred = affinity.map(|a| a.preferred_during_scheduling_ignored_during_execution());
    let preference = |p: api::core::v1::PreferredSchedulingTerm<'_>| Preference {
        weight: p.weight(),
        term: node_term(p.preference()),
    };
    NeedsBuilder {
        node_name: None,
        requests: Resources::of(&requests.total()),
        least_allocated: requests.for_least_allocated(),
        node_selector: labels(spec.node_selector()),
        required: required.map(|selector| {
            selector
                .node_selector_terms()
                .iter()
                .map(node_term)
                .collect()
        }),
        preferred: preferred
            .filter(|list| !list.is_empty())
            .map(|list| list.iter().map(preference).collect()),
        tolerations: spec.tolerations().iter().filter_map(toleration).collect(),
        ports: ports.into(),
        images: images(pod),
        features: features(pod),
    }
    .build()
}

fn node_term(term: NodeSelectorTerm<'_>) -> NodeTerm {
    let parse = |r: api::core::v1::NodeSelectorRequirement<'_>| {
        Requirement::parse(
            share(r.key()),
            r.operator(),
            r.values().iter().map(share).collect(),
        )
    };
    NodeTerm {
        expressions: term.match_expressions().iter().map(parse).collect(),
        fields: term.match_fields().iter().map(parse).collect(),
    }
}

/// None for an effect that no taint can have: it tolerates nothing.
fn toleration(toleration: api::core::v1::Toleration<'_>) -> Option<Toleration> {
    let effect = match toleration.effect() {
        "" => None,
        name => Some(Effect::parse(name)?),
    };
    let operator = match toleration.operator() {
        "" | "Equal" => TolerationOperator::Equal,
        "Exists" => TolerationOperator::Exists,
        _ => TolerationOperator::Unsupported,
    };
    Some(Toleration {
        key: share(toleration.key()),
        operator,
        value: share(toleration.value()),
        effect,
    })
}

fn spread_constraint(constraint: api::core::v1::TopologySpreadConstraint<'_>) -> SpreadConstraint {
    let policy = |policy: Option<&str>, default| match policy {
        Some("Honor") => InclusionPolicy::Honor,
        Some("Ignore") => InclusionPolicy::Ignore,
        _ => default,
    };
    SpreadConstraint {
        max_skew: constraint.max_skew(),
        topology_key: share(constraint.topology_key()),
        hard: constraint.when_unsatisfiable() == "DoNotSchedule",
        selector: selector(constraint.label_selector()),
        min_domains: constraint.min_domains().unwrap_or(1),
        node_affinity_policy: policy(constraint.node_affinity_policy(), InclusionPolicy::Honor),
        node_taints_policy: policy(constraint.node_taints_policy(), InclusionPolicy::Ignore),
        match_label_keys: constraint.match_label_keys().iter().map(share).collect(),
    }
}

fn selector(selector: Option<LabelSelector<'_>>) -> Selector {
    let Some(selector) = selector else {
        return Selector::Nothing;
    };
    let expressions = selector
        .match_expressions()
        .iter()
        .map(|r| {
            Requirement::parse(
                share(r.key()),
                r.operator(),
                r.values().iter().map(share).collect(),
            )
        })
        .collect();
    Selector::of_labels(&labels(selector.match_labels())).and(&Selector::new(expressions))
}

fn labels(map: MapRef<'_, str>) -> Labels {
    if map.is_empty() {
        return Labels::default();
    }
    map.iter()
        .map(|(key, value)| (share(key), share(value)))
        .collect()
}

fn host_ports(pod: Pod<'_>) -> Vec<HostPort> {
    let spec = pod.spec();
    // Init containers that have ended hold nothing; sidecars do as long as the pod runs.
    let sidecars = spec.init_containers().iter().filter(|c| is_sidecar(*c));
    let ports = spec
        .containers()
        .iter()
        .chain(sidecars)
        .flat_map(|c| c.ports().iter());
    let or = |value: &str, default: &str| share(if value.is_empty() { default } else { value });
    ports
        .filter_map(|port| {
            let number = u16::try_from(port.host_port())
                .ok()
                .filter(|number| *number > 0)?;
            Some(HostPort {
                protocol: or(port.protocol(), "TCP"),
                ip: or(port.host_ip(), "0.0.0.0"),
                port: number,
            })
        })
        .collect()
}

fn images(pod: Pod<'_>) -> Box<[Text]> {
    let spec = pod.spec();
    let containers = spec
        .init_containers()
        .iter()
        .chain(spec.containers().iter())
        .map(Container::image);
    let volumes = spec
        .volumes()
        .iter()
        .filter_map(|volume| Some(volume.image()?.reference()));
    containers.chain(volumes).map(with_tag).collect()
}

/// An image's name as nodes report it: with a tag.
fn with_tag(image: &str) -> Text {
    let tagged = image.rfind(':') > image.rfind('/');
    if tagged {
        share(image)
    } else {
        share(&format!("{image}:latest"))
    }
}

/// The features that the pod's node must declare.
fn features(pod: Pod<'_>) -> Box<[&'static str]> {
    let spec = pod.spec();
    let containers = || {
        spec.init_containers()
            .iter()
            .chain(spec.containers().iter())
    };
    let mut features = Vec::new();
    if spec.host_network() && spec.host_users() == Some(false) {
        features.push("UserNamespacesHostNetworkSupport");
    }
    if containers().any(|c| {
        c.restart_policy_rules()
            .iter()
            .any(|rule| rule.action() == "RestartAllContainers")
    }) {
        features.push("RestartAllContainersOnContainerExits");
    }
    if containers().any(|c| {
        c.volume_mounts()
            .iter()
            .any(|mount| !mount.bind_mount_options().is_empty())
    }) {
        features.push("VolumeBindMountOptions");
    }
    features.into()
}

fn is_sidecar(container: Container<'_>) -> bool {
    container.restart_policy() == Some("Always")
}

fn resources(map: MapRef<'_, Quantity>) -> ResourceList {
    let amount = |name: &str, quantity: Quantity| {
        if name == CPU {
            quantity.milli_value()
        } else {
            quantity.value()
        }
    };
    map.iter()
        .map(|(name, quantity)| (share(name), amount(name, quantity)))
        .collect()
}
