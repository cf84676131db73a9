//! What a pod's requests are computed from: its spec and, once it is on a node, what its status says of a resize (KEP-1287).

use api::core::v1::{Container, ContainerStatus, Pod};
use api::view::List;

use super::{is_sidecar, resources};
use crate::pod::{ContainerRequests, PodRequests, ResourceList};

/// What the pod's requests are computed from; of a pod on a node, also what its status says of them.
pub(super) fn requests(pod: Pod<'_>, placed: bool) -> PodRequests {
    let (spec, status) = (pod.spec(), pod.status());
    let all = |list: List<'_, Container<'_>>,
               of: &dyn Fn(Container<'_>) -> ResourceList|
     -> Vec<ContainerRequests> {
        list.iter()
            .map(|c| ContainerRequests {
                requests: of(c),
                sidecar: is_sidecar(c),
            })
            .collect()
    };
    let from_spec = |c: Container<'_>| resources(c.resources().requests());
    let mut requests = PodRequests {
        containers: all(spec.containers(), &from_spec),
        init_containers: all(spec.init_containers(), &from_spec),
        pod_level: spec
            .resources()
            .map(|r| resources(r.requests()))
            .filter(|list| !list.is_empty()),
        overhead: resources(spec.overhead()),
        ..PodRequests::default()
    };
    if !placed {
        return requests;
    }
    let resize = status
        .conditions()
        .iter()
        .find(|c| c.type_() == "PodResizePending");
    let infeasible = resize.is_some_and(|c| c.reason() == "Infeasible");
    let statuses = || {
        status
            .container_statuses()
            .iter()
            .chain(status.init_container_statuses().iter())
    };
    let total = status
        .resources()
        .map(|r| resources(r.requests()))
        .unwrap_or_default();
    let allocated_total = resources(status.allocated_resources());
    if !total.is_empty() && !allocated_total.is_empty() {
        if let Some(level) = &mut requests.pod_level {
            // The pod-level request in force is the highest of what is asked for, allocated and actual.
            if infeasible {
                level.clear();
            }
            for (name, amount) in total.iter().chain(&allocated_total) {
                let highest = level.entry(name.clone()).or_insert(*amount);
                *highest = (*highest).max(*amount);
            }
        }
        requests.totals_in_status = vec![total, allocated_total];
        requests.spec_infeasible = infeasible;
    } else if statuses().any(|s| !s.allocated_resources().is_empty() || s.resources().is_some()) {
        let status_of = |name: &str| statuses().find(|s| s.name() == name);
        let or_spec = |c: Container<'_>| {
            if infeasible {
                ResourceList::new()
            } else {
                from_spec(c)
            }
        };
        let allocated = |c: Container<'_>, status: Option<ContainerStatus<'_>>| {
            status
                .map(|s| resources(s.allocated_resources()))
                .filter(|list| !list.is_empty())
                .unwrap_or_else(|| or_spec(c))
        };
        let by_allocation = |c: Container<'_>| allocated(c, status_of(c.name()));
        let in_force = |c: Container<'_>| {
            let status = status_of(c.name());
            let actual = status
                .and_then(ContainerStatus::resources)
                .map(|r| resources(r.requests()));
            actual
                .filter(|list| !list.is_empty())
                .unwrap_or_else(|| allocated(c, status))
        };
        requests.in_status = vec![
            (
                all(spec.containers(), &by_allocation),
                all(spec.init_containers(), &by_allocation),
            ),
            (
                all(spec.containers(), &in_force),
                all(spec.init_containers(), &in_force),
            ),
        ];
        requests.spec_infeasible = infeasible;
    }
    requests
}
