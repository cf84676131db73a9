//! The tolerations that every daemon pod has: a node in trouble keeps its daemons.

use api::core::v1::{PodSpec, PodSpecMut};

use crate::object::{
    node::{NO_EXECUTE, NO_SCHEDULE},
    pod::Toleration,
};

/// Taints that daemons bear for ever.
const BORNE: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", NO_EXECUTE),
    ("node.kubernetes.io/unreachable", NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
];
/// One that those bear which use the node's own network.
const NO_NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", NO_SCHEDULE);

fn borne(spec: PodSpec<'_>) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own_network = spec.host_network().then_some(NO_NETWORK);
    BORNE.into_iter().chain(own_network)
}

/// Whether a toleration is of that taint as a whole: it is replaced, not doubled.
fn is_of(toleration: api::core::v1::Toleration<'_>, (key, effect): (&str, &str)) -> bool {
    toleration.key() == key
        && toleration.effect() == effect
        && toleration.operator() == "Exists"
        && toleration.value().is_empty()
}

/// All tolerations of a pod from the template.
pub(super) fn all(spec: PodSpec<'_>) -> Vec<Toleration> {
    let own = spec.tolerations().iter().map(Toleration::read);
    own.chain(borne(spec).map(|(key, effect)| Toleration {
        key: key.to_owned(),
        exists: true,
        value: String::new(),
        effect: effect.to_owned(),
        seconds: None,
    }))
    .collect()
}

/// Adds to a pod what its template lacks.
pub(super) fn add(spec: &mut PodSpecMut<'_>) {
    let borne: Vec<_> = borne(spec.view()).collect();
    for taint in borne {
        let mut own = spec.view().tolerations().iter();
        if let Some(at) = own.position(|t| is_of(t, taint)) {
            spec.tolerations_mut(at).remove_toleration_seconds();
            continue;
        }
        let mut toleration = spec.push_tolerations();
        toleration.set_key(taint.0);
        toleration.set_operator("Exists");
        toleration.set_effect(taint.1);
    }
}
