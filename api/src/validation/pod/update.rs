//! What of a pod may change once it is there: images, deadlines, new tolerations, and scheduling gates that go.

use super::super::check::{in_range, required, same, shown};
use super::{SPEC, annotations, image, metadata_and_spec};
use crate::Tree;
use crate::core::v1::{
    Container, NodeAffinity, NodeSelectorTerm, Pod, PodMut, PodSchedulingGate, PodSpec, Toleration,
};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::view::{List, View};

/// What the message lists.
const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                         `spec.tolerations` (only additions to existing tolerations),\
                         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A changed pod, its metadata apart.
pub(crate) fn update(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    let (pod, before) = (Pod::of(new), Pod::of(old));
    metadata_and_spec(errors, pod);
    annotations::update(errors, pod, before);
    let (spec, old_spec) = (pod.spec(), before.spec());
    if same(spec.node(), old_spec.node()) {
        return;
    }
    for (field, containers, before) in [
        ("containers", spec.containers(), old_spec.containers()),
        (
            "initContainers",
            spec.init_containers(),
            old_spec.init_containers(),
        ),
    ] {
        if !containers_may_change(errors, &SPEC.child(field), containers, before) {
            return;
        }
    }
    if !deadline(errors, spec, old_spec) {
        return;
    }
    only_more_tolerations(errors, spec.tolerations(), old_spec.tolerations());
    only_fewer_gates(errors, spec.scheduling_gates(), old_spec.scheduling_gates());
    let allowed = with_old_values(errors, new, old);
    let rest = Pod::of(&allowed).spec();
    if !same(rest.node(), old_spec.node()) {
        errors.push(Error::forbidden(
            &SPEC,
            format!(
                "pod updates may not change fields other than {UPDATABLE}\n{}",
                difference(old_spec, rest)
            ),
        ));
    }
}

fn containers_may_change(
    errors: &mut ErrorList,
    path: &Path<'_>,
    new: List<'_, Container<'_>>,
    old: List<'_, Container<'_>>,
) -> bool {
    if new.len() != old.len() {
        errors.push(Error::forbidden(
            path,
            "pod updates may not add or remove containers",
        ));
        return false;
    }
    for (at, container) in new.iter().enumerate() {
        let place = path.index(at);
        required(errors, &place.child("image"), container.image());
        image(errors, &place, container.image());
    }
    true
}

/// Whether the rest is to be looked at too.
fn deadline(errors: &mut ErrorList, new: PodSpec<'_>, old: PodSpec<'_>) -> bool {
    let path = SPEC.child("activeDeadlineSeconds");
    match (new.active_deadline_seconds(), old.active_deadline_seconds()) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            in_range(errors, &path, seconds, 0, i64::from(i32::MAX));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.push(Error::invalid(
                &path,
                seconds,
                "must be less than or equal to previous value",
            ));
            false
        }
        (None, Some(_)) => {
            errors.push(Error::invalid(
                &path,
                BadValue::Json("null".into()),
                "must not update from a positive integer to nil value",
            ));
            true
        }
        _ => true,
    }
}

fn only_more_tolerations(
    errors: &mut ErrorList,
    new: List<'_, Toleration<'_>>,
    old: List<'_, Toleration<'_>>,
) {
    let parts = |toleration: Toleration<'_>| {
        [
            toleration.key().to_owned(),
            toleration.operator().to_owned(),
            toleration.value().to_owned(),
            toleration.effect().to_owned(),
        ]
    };
    let kept = |toleration: Toleration<'_>| new.iter().any(|item| parts(item) == parts(toleration));
    if !old.iter().all(kept) {
        errors.push(Error::forbidden(
            &SPEC.child("tolerations"),
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
}

fn only_fewer_gates(
    errors: &mut ErrorList,
    new: List<'_, PodSchedulingGate<'_>>,
    old: List<'_, PodSchedulingGate<'_>>,
) {
    let path = SPEC.child("schedulingGates");
    for (at, gate) in new.iter().enumerate() {
        let name = gate.name();
        let last = !new.iter().skip(at + 1).any(|later| later.name() == name);
        if last && !old.iter().any(|before| before.name() == name) {
            errors.push(Error::forbidden(
                &path.index(at).child("name"),
                format!("only deletion is allowed, but found new scheduling gate '{name}'"),
            ));
        }
    }
}

/// The new pod with everything that may change put back: what differs still may not.
fn with_old_values(errors: &mut ErrorList, new: &Tree, old: &Tree) -> Tree {
    let mut tree = new.clone();
    let before = Pod::of(old).spec();
    let gated = !before.scheduling_gates().is_empty();
    if gated {
        gated_changes(errors, Pod::of(new).spec(), before);
    }
    let mut pod = PodMut::of(&mut tree);
    let mut spec = pod.spec_mut();
    for (at, container) in before.containers().iter().enumerate() {
        spec.containers_mut(at).set_image(container.image());
    }
    for (at, container) in before.init_containers().iter().enumerate() {
        spec.init_containers_mut(at).set_image(container.image());
    }
    match before.active_deadline_seconds() {
        Some(seconds) => spec.set_active_deadline_seconds(seconds),
        None => {
            spec.remove_active_deadline_seconds();
        }
    }
    spec.set_scheduling_gates(before.scheduling_gates());
    spec.set_tolerations(before.tolerations());
    if let Some(seconds) = before.termination_grace_period_seconds()
        && seconds < 0
        && spec.view().termination_grace_period_seconds() == Some(1)
    {
        spec.set_termination_grace_period_seconds(seconds);
    }
    if gated {
        spec.set_node_selector(before.node_selector());
        let nodes = before
            .affinity()
            .and_then(|affinity| affinity.node_affinity());
        match nodes {
            Some(nodes) => spec.affinity_mut().set_node_affinity(nodes),
            None if spec.view().affinity().is_some() => {
                let mut affinity = spec.affinity_mut();
                affinity.remove_node_affinity();
                let nothing = affinity.view().node().is_none_or(|node| node.is_empty());
                if nothing && before.affinity().is_none() {
                    spec.remove_affinity();
                }
            }
            None => {}
        }
    }
    tree
}

/// Before a pod is let to the scheduler, what it asks of its node may grow.
fn gated_changes(errors: &mut ErrorList, new: PodSpec<'_>, old: PodSpec<'_>) {
    let selector = new.node_selector();
    if old
        .node_selector()
        .iter()
        .any(|(key, value)| selector.get(key) != Some(value))
    {
        errors.push(Error::invalid(
            &SPEC.child("nodeSelector"),
            shown(selector.node()),
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ));
    }
    let terms = |spec: PodSpec<'_>| {
        spec.affinity()
            .and_then(|affinity| affinity.node_affinity())
            .and_then(NodeAffinity::required_during_scheduling_ignored_during_execution)
            .map(|required| required.node_selector_terms().len())
            .unwrap_or_default()
    };
    let (now, before) = (terms(new), terms(old));
    let path = SPEC.child(
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
    );
    if before == 0 {
        return;
    }
    if now != before {
        errors.push(Error::invalid(
            &path,
            BadValue::Omitted,
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        ));
        return;
    }
    for at in 0..before {
        let term = |spec: PodSpec<'_>| -> Option<(usize, usize)> {
            let term = term_at(spec, at)?;
            Some((term.match_expressions().len(), term.match_fields().len()))
        };
        let only_adds = match (term_at(new, at), term_at(old, at)) {
            (Some(now), Some(before)) => only_additions(now, before),
            _ => term(new) == term(old),
        };
        if !only_adds {
            errors.push(Error::invalid(
                &path.index(at),
                BadValue::Omitted,
                "only additions are allowed (no mutations or deletions)",
            ));
        }
    }
}

fn term_at(spec: PodSpec<'_>, at: usize) -> Option<NodeSelectorTerm<'_>> {
    spec.affinity()?
        .node_affinity()?
        .required_during_scheduling_ignored_during_execution()?
        .node_selector_terms()
        .get(at)
}

fn only_additions(new: NodeSelectorTerm<'_>, old: NodeSelectorTerm<'_>) -> bool {
    let begins_with = |new: Option<crate::Ref<'_>>, old: Option<crate::Ref<'_>>| {
        let Some(old) = old else { return true };
        let Some(new) = new else {
            return old.is_empty();
        };
        new.len() >= old.len() && old.items().zip(new.items()).all(|(old, new)| old.same(new))
    };
    let (expressions, fields) = (old.match_expressions(), old.match_fields());
    if expressions.is_empty() && fields.is_empty() {
        return new.match_expressions().is_empty() && new.match_fields().is_empty();
    }
    begins_with(new.match_expressions().node(), expressions.node())
        && begins_with(new.match_fields().node(), fields.node())
}

/// The fields that differ, one a line. Upstream prints a diff of its internal structs here, which no client can read by rule.
fn difference(old: PodSpec<'_>, new: PodSpec<'_>) -> String {
    let (Some(old), Some(new)) = (old.node(), new.node()) else {
        return String::new();
    };
    let Some(ty) = new.ty() else {
        return String::new();
    };
    let mut out = String::new();
    for (at, field) in ty.fields.iter().enumerate() {
        let id = crate::FieldId(at as u16);
        let (before, now) = (old.field(id), new.field(id));
        if !same(before, now) {
            let text = |node: Option<crate::Ref<'_>>| {
                node.map_or("null".to_owned(), |node| format!("{node:?}"))
            };
            out.push_str(&format!(
                "- {}: {}\n+ {0}: {}\n",
                field.name,
                text(before),
                text(now)
            ));
        }
    }
    out
}

/// A pod whose ephemeral containers change.
pub(crate) fn ephemeral_containers(errors: &mut ErrorList, new: Pod<'_>, old: Pod<'_>) {
    metadata_and_spec(errors, new);
    annotations::update(errors, new, old);
    if old.metadata().annotations().contains_key(super::MIRROR) {
        *errors = ErrorList::new();
        errors.push(Error::forbidden(
            &Path::root().key(""),
            "static pods do not support ephemeral containers",
        ));
        return;
    }
    let path = SPEC.child("ephemeralContainers");
    for before in old.spec().ephemeral_containers() {
        let name = crate::field::quote(before.name());
        let now = new
            .spec()
            .ephemeral_containers()
            .iter()
            .rev()
            .find(|container| container.name() == before.name());
        match now {
            None => errors.push(Error::forbidden(
                &path,
                format!("existing ephemeral containers {name} may not be removed\n"),
            )),
            Some(now) if !same(now.node(), before.node()) => errors.push(Error::forbidden(
                &path,
                format!(
                    "existing ephemeral containers {name} may not be changed\n- {before:?}\n+ {now:?}\n"
                ),
            )),
            Some(_) => {}
        }
    }
}
