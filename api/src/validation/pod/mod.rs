//! Pods, and the templates of pods in every workload.
//!
//! Fields behind feature gates that are off by default are the API server's to drop; nothing here looks at them.

mod affinity;
mod annotations;
mod container;
mod env;
mod mounts;
mod probe;
mod resize;
mod resources;
mod security;
mod spec;
mod spread;
mod status;
mod tolerations;
mod update;
mod volume;
mod windows;

pub(super) use affinity::node_selector;
pub(super) use resize::resize;
pub(super) use resources::{
    any_name as resource_name, container_name as container_resource_name, overcommits, overhead,
    quantity as resource_quantity,
};
pub(super) use security::profile_annotations;
pub(super) use spec::{preemption_policy, template};
pub(super) use status::update as status_update;
pub(super) use tolerations::{check as tolerations, taint_effect};
pub(super) use update::{ephemeral_containers, update};
pub(super) use volume::{driver_name, host_path, nfs, no_backsteps};

use super::check::not_negative;
use crate::core::v1::{Container, Pod};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

pub(super) const SPEC: Path<'static> = Path::new("spec");
pub(super) const ANNOTATIONS: &str = "annotations";
/// Marks the mirror of a pod that comes from a file on its node.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

/// A new pod, its metadata apart.
pub(super) fn create(errors: &mut ErrorList, pod: Pod<'_>) {
    metadata_and_spec(errors, pod);
    let spec = pod.spec();
    if !spec.ephemeral_containers().is_empty() {
        errors.push(Error::forbidden(
            &SPEC.child("ephemeralContainers"),
            "cannot be set on create",
        ));
    }
    if !spec.node_name().is_empty() && !spec.scheduling_gates().is_empty() {
        errors.push(Error::forbidden(
            &SPEC.child("nodeName"),
            "cannot be set until all schedulingGates have been cleared",
        ));
    }
    profile_annotations(errors, &SPEC, pod.metadata().annotations(), spec);
}

/// What holds for new pods and changed ones.
fn metadata_and_spec(errors: &mut ErrorList, pod: Pod<'_>) {
    let (meta, spec) = (pod.metadata(), pod.spec());
    let path = Path::new("metadata");
    annotations::check(errors, &path.child(ANNOTATIONS), meta.annotations(), spec);
    spec::check(errors, &SPEC, spec, Some(meta));
    if spec.service_account_name().is_empty() {
        tokens_without_account(errors, pod);
    }
    if let Some(seconds) = spec.termination_grace_period_seconds() {
        not_negative(
            errors,
            &SPEC.child("terminationGracePeriodSeconds"),
            seconds,
        );
    }
    images(errors, &SPEC.child("containers"), spec.containers());
    images(
        errors,
        &SPEC.child("initContainers"),
        spec.init_containers(),
    );
}

fn tokens_without_account(errors: &mut ErrorList, pod: Pod<'_>) {
    let volumes = SPEC.child("volumes");
    for (at, volume) in pod.spec().volumes().iter().enumerate() {
        let Some(projected) = volume.projected() else {
            continue;
        };
        let place = volumes.index(at);
        let sources = place.child("projected.sources");
        for (at, source) in projected.sources().iter().enumerate() {
            if source.service_account_token().is_some() {
                errors.push(Error::forbidden(
                    &sources.index(at).child("serviceAccountToken"),
                    "must not be specified when serviceAccountName is not set",
                ));
            }
        }
    }
}

fn images(errors: &mut ErrorList, path: &Path<'_>, containers: List<'_, Container<'_>>) {
    for (at, container) in containers.iter().enumerate() {
        image(errors, &path.index(at), container.image());
    }
}

fn image(errors: &mut ErrorList, path: &Path<'_>, image: &str) {
    if image.trim() != image {
        errors.push(Error::invalid(
            &path.child("image"),
            image,
            "must not have leading or trailing whitespace",
        ));
    }
}
