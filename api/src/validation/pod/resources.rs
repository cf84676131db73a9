//! What containers and pods ask for and are limited to.

use super::super::check;
use super::super::check::each;
use super::super::format;
use crate::Quantity;
use crate::aggregate;
use crate::core::v1::{PodSpec, ResourceClaim, ResourceRequirements};
use crate::field::{Error, ErrorList, Path};
use crate::names::is_native_resource;
use crate::view::{List, MapRef, View};

const HUGE_PAGES: &str = "hugepages-";
const REQUESTS: &str = "requests.";
/// Resources that have a meaning of their own without a domain.
const STANDARD: &[&str] = &[
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
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
/// Those that are counted.
const COUNTED: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const CONTAINER: &[&str] = &["cpu", "memory", "ephemeral-storage"];

fn is_huge_pages(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// Whether more of it can be promised than there is.
pub(crate) fn overcommits(name: &str) -> bool {
    is_native_resource(name) && !is_huge_pages(name)
}

fn is_extended(name: &str) -> bool {
    !is_native_resource(name)
        && !name.starts_with(REQUESTS)
        && format::label_key(&format!("{REQUESTS}{name}")).is_empty()
}

/// The name of any resource.
pub(crate) fn any_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    let messages = format::label_key(name);
    if messages.is_empty()
        && !name.contains('/')
        && !STANDARD.contains(&name)
        && !is_huge_pages(name)
        && !name.starts_with("requests.hugepages-")
    {
        errors.push(Error::invalid(
            path,
            check::quoted(name),
            "must be a standard resource type or fully qualified",
        ));
    }
    for message in messages {
        errors.push(Error::invalid(path, check::quoted(name), message));
    }
}

pub(crate) fn container_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if CONTAINER.contains(&name) {
        return;
    }
    any_name(errors, path, name);
    if !name.contains('/') {
        if !CONTAINER.contains(&name) && !is_huge_pages(name) {
            errors.push(Error::invalid(
                path,
                check::quoted(name),
                "must be a standard resource for containers",
            ));
        }
    } else if !is_native_resource(name) && !is_extended(name) {
        errors.push(Error::invalid(
            path,
            check::quoted(name),
            "doesn't follow extended resource name standard",
        ));
    }
}

fn pod_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    let before = errors.len();
    any_name(errors, path, name);
    if errors.len() == before && !matches!(name, "cpu" | "memory") && !is_huge_pages(name) {
        errors.push(Error::not_supported(
            path,
            check::quoted(name),
            &["cpu", "hugepages-", "memory"],
        ));
    }
}

/// How much of a resource.
pub(crate) fn quantity(errors: &mut ErrorList, path: &Path<'_>, name: &str, quantity: Quantity) {
    check::quantity(errors, path, quantity);
    let counted = || COUNTED.contains(&name) || (name.contains('/') && is_extended(name));
    if quantity.milli_value() % 1000 != 0 && counted() {
        errors.push(Error::invalid(
            path,
            check::quoted(&quantity.to_string()),
            "must be an integer",
        ));
    }
}

fn huge_pages(errors: &mut ErrorList, path: &Path<'_>, name: &str, quantity: Quantity) {
    let size = name
        .strip_prefix(HUGE_PAGES)
        .and_then(|size| size.parse::<Quantity>().ok());
    let divides = size.is_some_and(|size| {
        size.signum() > 0 && size.milli_value() % 1000 == 0 && quantity.value() % size.value() == 0
    });
    if !divides {
        errors.push(Error::invalid(
            path,
            quantity.to_string(),
            format!("{quantity} is not positive integer multiple of {name}"),
        ));
    }
}

type NameCheck = fn(&mut ErrorList, &Path<'_>, &str);

/// A container's resources.
pub(super) fn of_container(
    errors: &mut ErrorList,
    path: &Path<'_>,
    resources: ResourceRequirements<'_>,
    spec: PodSpec<'_>,
) {
    let (limits, requests) = (resources.limits(), resources.requests());
    amounts(errors, path, limits, requests, container_name);
    claims(errors, &path.child("claims"), resources.claims(), spec);
}

/// What a pod costs beside its containers.
pub(crate) fn overhead(errors: &mut ErrorList, path: &Path<'_>, overhead: MapRef<'_, Quantity>) {
    let none = ResourceRequirements::at(None).requests();
    amounts(errors, path, overhead, none, container_name);
}

fn amounts(
    errors: &mut ErrorList,
    path: &Path<'_>,
    limits: MapRef<'_, Quantity>,
    requests: MapRef<'_, Quantity>,
    name_check: NameCheck,
) {
    let (limit_path, request_path) = (path.child("limits"), path.child("requests"));
    let (mut compute, mut huge) = (false, false);
    for (name, amount) in limits {
        let place = limit_path.key(name);
        name_check(errors, &place, name);
        quantity(errors, &place, name, amount);
        if is_huge_pages(name) {
            huge = true;
            huge_pages(errors, &place, name, amount);
        }
        compute |= matches!(name, "cpu" | "memory");
    }
    for (name, amount) in requests {
        let place = request_path.key(name);
        name_check(errors, &place, name);
        quantity(errors, &place, name, amount);
        match limits.get(name) {
            Some(limit) if amount != limit && !overcommits(name) => errors.push(Error::invalid(
                &request_path,
                amount.to_string(),
                format!("must be equal to {name} limit of {limit}"),
            )),
            Some(limit) if amount > limit => errors.push(Error::invalid(
                &request_path,
                amount.to_string(),
                format!("must be less than or equal to {name} limit of {limit}"),
            )),
            None if !overcommits(name) => errors.push(Error::required(
                &limit_path,
                "Limit must be set for non overcommitable resources",
            )),
            _ => {}
        }
        if is_huge_pages(name) {
            huge = true;
            huge_pages(errors, &place, name, amount);
        }
        compute |= matches!(name, "cpu" | "memory");
    }
    if huge && !compute {
        errors.push(Error::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn claims(
    errors: &mut ErrorList,
    path: &Path<'_>,
    claims: List<'_, ResourceClaim<'_>>,
    spec: PodSpec<'_>,
) {
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (at, claim) in claims.iter().enumerate() {
        let place = path.index(at);
        let (name, request) = (claim.name(), claim.request());
        if name.is_empty() {
            errors.push(Error::required(&place, ""));
            continue;
        }
        if taken.contains(&(name, "")) {
            errors.push(Error::duplicate(&place, name));
        } else {
            if !request.is_empty() {
                let place = place.child("request");
                each(errors, &place, request, format::dns_label(request));
            }
            if taken.contains(&(name, request)) {
                errors.push(Error::duplicate(&place, format!("{name}/{request}")));
            } else if request.is_empty() {
                for _ in taken.iter().filter(|earlier| earlier.0 == name) {
                    errors.push(Error::duplicate(&place, name));
                }
            }
            taken.push((name, request));
        }
        let mut known: Vec<&str> = spec
            .resource_claims()
            .iter()
            .map(|claim| claim.name())
            .filter(|name| !name.is_empty())
            .collect();
        if !known.contains(&name) {
            known.sort_unstable();
            let mut error = Error::not_found(&place, name);
            error.detail = if known.is_empty() {
                "must be one of the names in pod.spec.resourceClaims which is empty".to_owned()
            } else {
                format!(
                    "must be one of the names in pod.spec.resourceClaims: {}",
                    known.join(", ")
                )
            };
            errors.push(error);
        }
    }
}

/// A pod's own resources.
pub(super) fn of_pod(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    let Some(resources) = spec.resources() else {
        return;
    };
    if spec.os().is_some_and(|os| os.name() == "windows") {
        errors.push(Error::forbidden(path, "may not be set for a windows pod"));
        return;
    }
    if resources.claims().node().is_some() {
        errors.push(Error::forbidden(
            &path.child("claims"),
            "claims may not be set for Resources at pod-level",
        ));
    }
    amounts(
        errors,
        path,
        resources.limits(),
        resources.requests(),
        pod_name,
    );
    claims(errors, &path.child("claims"), resources.claims(), spec);
    within_pod(errors, path, spec, resources);
}

/// No container may be allowed more than its pod.
fn within_pod(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: PodSpec<'_>,
    resources: ResourceRequirements<'_>,
) {
    let place = path.child("requests");
    for (name, sum) in aggregate::of_containers(spec, ResourceRequirements::requests) {
        if let Some(of_pod) = resources.requests().get(&name)
            && sum > of_pod
        {
            errors.push(Error::invalid(
                &place.key(&name),
                of_pod.to_string(),
                format!("must be greater than or equal to aggregate container requests of {sum}"),
            ));
        }
    }
    // Of these there is no more than there is: the containers' limits together must fit.
    let place = path.child("limits");
    for (name, sum) in aggregate::of_containers(spec, ResourceRequirements::limits) {
        if is_huge_pages(&name)
            && let Some(of_pod) = resources.limits().get(&name)
            && sum > of_pod
        {
            errors.push(Error::invalid(
                &place.key(&name),
                of_pod.to_string(),
                format!("must be greater than or equal to aggregate container limits of {sum}"),
            ));
        }
    }
    let containers = path.child("containers");
    for (at, container) in spec.containers().iter().enumerate() {
        for (name, limit) in container.resources().limits() {
            if let Some(of_pod) = resources.limits().get(name)
                && limit > of_pod
            {
                errors.push(Error::invalid(
                    &containers.index(at).key(name).child("limits"),
                    limit.to_string(),
                    format!("must be less than or equal to pod limits of {of_pod}"),
                ));
            }
        }
    }
}
