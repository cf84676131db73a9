//! What of a pod may change through `resize`: CPU and memory of its containers, and of the pod itself (KEP-1287).
//!
//! In-place resize of memory-backed volumes is behind a gate that is off, so that volumes are put back before.

use super::super::check::same;
use super::{MIRROR, SPEC, metadata_and_spec};
use crate::core::v1::{
    Container, Pod, PodMut, PodSpec, ResourceRequirements, ResourceRequirementsMut,
};
use crate::field::{Error, ErrorList, Path};
use crate::qos::{self, COMPUTE};
use crate::view::{List, MapRef, View};
use crate::{Quantity, Tree};

const ONLY_COMPUTE: &str = "only cpu and memory resources are mutable";

/// A pod that is resized, its metadata apart.
pub(crate) fn resize(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    let (pod, before) = (Pod::of(new), Pod::of(old));
    metadata_and_spec(errors, pod);
    if let Some(why) = never(before) {
        *errors = ErrorList::new();
        errors.push(Error::forbidden(&Path::root().key(""), why));
        return;
    }
    if qos::of(old) != qos::computed(new) {
        errors.push(Error::invalid(
            &SPEC,
            pod.status().qos_class(),
            "Pod QOS Class may not change as a result of resizing",
        ));
    }
    if !node_resizes(before) {
        errors.push(Error::forbidden(
            &SPEC,
            "Pod running on node without support for resize",
        ));
    }
    let mut rest = new.clone();
    own_resources(errors, &mut rest, pod.spec(), before.spec());
    if !same_order(errors, pod.spec(), before.spec()) {
        return;
    }
    nothing_removed(errors, pod.spec(), before.spec());
    with_old_compute(&mut rest, before.spec());
    let rest = Pod::of(&rest).spec();
    only_compute(errors, rest, pod.spec(), before.spec());
    if errors.is_empty() && !same(rest.node(), before.spec().node()) {
        errors.push(Error::forbidden(&SPEC, ONLY_COMPUTE));
    }
}

/// Why a pod cannot be resized at all.
fn never(pod: Pod<'_>) -> Option<&'static str> {
    if pod.metadata().annotations().contains_key(MIRROR) {
        return Some("static pods cannot be resized");
    }
    let windows = pod.spec().os().is_some_and(|os| os.name() == "windows");
    windows.then_some("windows pods cannot be resized")
}

/// Whether the kubelet of the pod's node knows of resizing: it tells what is in force of the first container that runs.
fn node_resizes(pod: Pod<'_>) -> bool {
    let statuses = pod.status().container_statuses();
    let running = statuses
        .iter()
        .find(|status| status.state().running().is_some());
    running.is_none_or(|status| status.resources().is_some())
}

/// The pod's own resources; those of `rest` become the old ones as far as they may change.
fn own_resources(errors: &mut ErrorList, rest: &mut Tree, new: PodSpec<'_>, old: PodSpec<'_>) {
    let says = |spec: PodSpec<'_>| {
        spec.resources()
            .is_some_and(|own| !own.requests().is_empty() || !own.limits().is_empty())
    };
    if !says(new) && !says(old) {
        return;
    }
    let path = SPEC.child("resources");
    if let Some(before) = old.resources() {
        let Some(own) = new.resources() else {
            errors.push(Error::forbidden(
                &path,
                "pod-level resources cannot be removed",
            ));
            return;
        };
        if removed(own.requests(), before.requests()) {
            errors.push(Error::forbidden(
                &path.child("requests"),
                "pod-level resource requests cannot be removed",
            ));
        }
        if removed(own.limits(), before.limits()) {
            errors.push(Error::forbidden(
                &path.child("limits"),
                "pod-level resource limits cannot be removed",
            ));
        }
    }
    let before = old.resources().unwrap_or(ResourceRequirements::at(None));
    let mut pod = PodMut::of(rest);
    let mut spec = pod.spec_mut();
    put_back(spec.resources_mut(), before);
    let masked = spec.view().resources();
    let nothing = masked.is_none_or(|own| {
        own.requests().is_empty() && own.limits().is_empty() && own.claims().is_empty()
    });
    if old.resources().is_none() && nothing {
        spec.remove_resources();
    }
    let masked = Pod::of(rest).spec().resources();
    let (masked, before) = (
        masked.and_then(|own| own.node()),
        old.resources().and_then(|own| own.node()),
    );
    if !same(masked, before) {
        errors.push(Error::forbidden(
            &SPEC,
            "only cpu and memory resources are mutable at pod-level",
        ));
    }
}

/// Whether the containers are the same in number, name and order.
fn same_order(errors: &mut ErrorList, new: PodSpec<'_>, old: PodSpec<'_>) -> bool {
    let before = errors.len();
    for (field, new, old) in lists(new, old) {
        let path = SPEC.child(field);
        if new.len() != old.len() {
            let why = format!("{field} may not be added or removed on resize");
            errors.push(Error::forbidden(&path, why));
            continue;
        }
        for (at, (new, old)) in new.iter().zip(old).enumerate() {
            if new.name() != old.name() {
                let why = format!("{field} may not be renamed or reordered on resize");
                errors.push(Error::forbidden(&path.index(at).child("name"), why));
            }
        }
    }
    errors.len() == before
}

type Lists<'a> = (
    &'static str,
    List<'a, Container<'a>>,
    List<'a, Container<'a>>,
);

fn lists<'a>(new: PodSpec<'a>, old: PodSpec<'a>) -> [Lists<'a>; 2] {
    [
        ("containers", new.containers(), old.containers()),
        (
            "initContainers",
            new.init_containers(),
            old.init_containers(),
        ),
    ]
}

fn nothing_removed(errors: &mut ErrorList, new: PodSpec<'_>, old: PodSpec<'_>) {
    let [containers, init_containers] = lists(new, old);
    for (field, new, old) in [init_containers, containers] {
        let path = SPEC.child(field);
        for (at, (new, old)) in new.iter().zip(old).enumerate() {
            let place = path.index(at);
            let place = place.child("resources");
            let (new, old) = (new.resources(), old.resources());
            if removed(new.requests(), old.requests()) {
                errors.push(Error::forbidden(
                    &place.child("requests"),
                    "resource requests cannot be removed",
                ));
            }
            if removed(new.limits(), old.limits()) {
                errors.push(Error::forbidden(
                    &place.child("limits"),
                    "resource limits cannot be removed",
                ));
            }
        }
    }
}

fn removed(new: MapRef<'_, Quantity>, old: MapRef<'_, Quantity>) -> bool {
    old.keys().any(|name| !new.contains_key(name))
}

/// Puts CPU and memory of all containers back to what they were: what differs then must not.
fn with_old_compute(rest: &mut Tree, old: PodSpec<'_>) {
    let mut pod = PodMut::of(rest);
    let mut spec = pod.spec_mut();
    for (at, container) in old.containers().iter().enumerate() {
        put_back(
            spec.containers_mut(at).resources_mut(),
            container.resources(),
        );
    }
    for (at, container) in old.init_containers().iter().enumerate() {
        put_back(
            spec.init_containers_mut(at).resources_mut(),
            container.resources(),
        );
    }
}

fn put_back(mut resources: ResourceRequirementsMut<'_>, old: ResourceRequirements<'_>) {
    for name in COMPUTE {
        match old.requests().get(name) {
            Some(amount) => resources.requests_mut().insert(name, amount),
            None => {
                resources.requests_mut().remove(name);
            }
        }
        match old.limits().get(name) {
            Some(amount) => resources.limits_mut().insert(name, amount),
            None => {
                resources.limits_mut().remove(name);
            }
        }
    }
}

fn only_compute(errors: &mut ErrorList, rest: PodSpec<'_>, new: PodSpec<'_>, old: PodSpec<'_>) {
    for (rest, old) in rest.containers().iter().zip(old.containers()) {
        if !same(rest.node(), old.node()) {
            errors.push(Error::forbidden(&SPEC, ONLY_COMPUTE));
        }
    }
    let all = rest.init_containers().iter().zip(new.init_containers());
    for (at, ((rest, new), old)) in all.zip(old.init_containers()).enumerate() {
        let place = SPEC.child("initContainers");
        let place = place.index(at);
        if !same(rest.node(), old.node()) {
            errors.push(Error::forbidden(
                &place,
                "only cpu and memory resources for init or sidecar containers are mutable",
            ));
        }
        if same(new.node(), old.node()) || new.restart_policy() == Some("Always") {
            continue;
        }
        for policy in new.resize_policy() {
            if policy.restart_policy() == "RestartContainer" {
                errors.push(Error::forbidden(
                    &place,
                    "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
                ));
            }
        }
    }
}
