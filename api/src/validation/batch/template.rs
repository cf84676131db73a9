//! What of a Job's template may change: nothing, but while it is suspended and has no pods.

use crate::Tree;
use crate::batch::v1::Job;
use crate::core::v1::{PodTemplateSpec, PodTemplateSpecMut};
use crate::field::{Error, ErrorList, Path};
use crate::validation::check::{IMMUTABLE, internal, same};
use crate::view::View;

const TEMPLATE: Path<'static> = Path::new("spec.template");

pub(super) fn update(errors: &mut ErrorList, new: Job<'_>, old: Job<'_>) {
    let (template, before) = (new.spec().template(), old.spec().template());
    if !is_open(old) {
        if !same(template.node(), before.node()) {
            let value = internal(template.node());
            errors.push(Error::invalid(&TEMPLATE, value, IMMUTABLE));
        }
        return;
    }
    let Some(node) = before.node() else { return };
    let mut tree = Tree::copy_of(node);
    take_over(&mut PodTemplateSpecMut::of(&mut tree), template);
    let spec = template.spec();
    if !same(spec.node(), PodTemplateSpec::of(&tree).spec().node()) {
        let value = internal(spec.node());
        errors.push(Error::invalid(&TEMPLATE.child("spec"), value, IMMUTABLE));
    }
}

/// It is suspended, and what it had has gone.
fn is_open(job: Job<'_>) -> bool {
    let status = job.status();
    let never_started = status.start_time().is_none();
    let suspended = || {
        let mut conditions = status.conditions().iter();
        conditions.any(|c| c.type_() == "Suspended" && c.status() == "True")
    };
    job.spec().suspend() == Some(true) && (never_started || suspended()) && status.active() == 0
}

/// Takes over from `new` what may change: where the pods go, and what they are given there.
fn take_over(old: &mut PodTemplateSpecMut<'_>, new: PodTemplateSpec<'_>) {
    let (new, mut spec) = (new.spec(), old.spec_mut());
    match (new.affinity(), spec.view().affinity().is_some()) {
        (None, true) => {
            let mut affinity = spec.affinity_mut();
            affinity.remove_node_affinity();
            let view = affinity.view();
            if view.pod_affinity().is_none() && view.pod_anti_affinity().is_none() {
                spec.remove_affinity();
            }
        }
        (Some(affinity), _) => {
            let mut old = spec.affinity_mut();
            match affinity.node_affinity() {
                Some(node) => old.set_node_affinity(node),
                None => {
                    old.remove_node_affinity();
                }
            }
        }
        (None, false) => {}
    }
    spec.set_node_selector(new.node_selector());
    spec.set_tolerations(new.tolerations());
    spec.set_scheduling_gates(new.scheduling_gates());
    let lists = (new.containers(), new.init_containers());
    if lists.0.len() == spec.view().containers().len() {
        for (at, container) in lists.0.iter().enumerate() {
            let mut old = spec.containers_mut(at);
            if old.view().name() == container.name() {
                old.set_resources(container.resources());
            }
        }
    }
    if lists.1.len() == spec.view().init_containers().len() {
        for (at, container) in lists.1.iter().enumerate() {
            let mut old = spec.init_containers_mut(at);
            if old.view().name() == container.name() {
                old.set_resources(container.resources());
            }
        }
    }
}
