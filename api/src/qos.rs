//! The class of service of a pod: `Guaranteed`, `Burstable` or `BestEffort`.

use crate::core::v1::Pod;
use crate::{Quantity, Ref, Tree};

/// The resources that decide it, and that a resize may change.
pub const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// The class that a pod's status tells, or else the one that its resources make it (upstream: `qos.GetPodQOS`).
pub fn of(pod: &Tree) -> &str {
    match Pod::of(pod).status().qos_class() {
        "" => computed(pod),
        told => told,
    }
}

/// The class that a pod's resources make it (upstream: `qos.ComputePodQOS`).
pub fn computed(pod: &Tree) -> &'static str {
    let root = pod.root();
    // Resources of the whole pod decide alone.
    if let Some(own) = root
        .path("spec.resources")
        .filter(|r| r.get("requests").is_some() || r.get("limits").is_some())
    {
        return class(&[own]);
    }
    let of = |path| root.path(path).into_iter().flat_map(Ref::items);
    let all: Vec<Ref<'_>> = of("spec.containers")
        .chain(of("spec.initContainers"))
        .filter_map(|c| c.get("resources"))
        .collect();
    let containers = of("spec.containers").count() + of("spec.initContainers").count();
    match class(&all) {
        // A container that says nothing has no limits.
        "Guaranteed" if all.len() < containers => "Burstable",
        class => class,
    }
}

fn add(sum: Quantity, more: Option<Quantity>) -> Quantity {
    more.and_then(|more| sum.checked_add(more)).unwrap_or(sum)
}

/// How much of a resource is asked for; none is as nothing said.
fn amount(of: Option<Ref<'_>>, resource: &str) -> Option<Quantity> {
    let quantity = of?.get(resource)?.as_quantity()?;
    (quantity > Quantity::default()).then_some(quantity)
}

fn class(all: &[Ref<'_>]) -> &'static str {
    let mut asks = false;
    let mut guaranteed = true;
    let mut totals = [(Quantity::default(), Quantity::default()); COMPUTE.len()];
    for resources in all {
        for (index, resource) in COMPUTE.iter().enumerate() {
            let request = amount(resources.get("requests"), resource);
            let limit = amount(resources.get("limits"), resource);
            asks |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some();
            let (requests, limits) = &mut totals[index];
            *requests = add(*requests, request);
            *limits = add(*limits, limit);
        }
    }
    match asks {
        false => "BestEffort",
        true if guaranteed && totals.iter().all(|(requests, limits)| requests == limits) => {
            "Guaranteed"
        }
        true => "Burstable",
    }
}
