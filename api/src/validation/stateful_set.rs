//! StatefulSets.

use super::check::{
    IMMUTABLE, each, immutable_text, internal, labels, not_negative, same, selector, selects, shown,
};
use super::workload::{
    MORE_THAN_REPLICAS, SPEC, always_running, amount, at_most, at_most_all, collisions, counts,
    int_or_percent, json, selector_stays, unselected,
};
use super::{claim, format, meta, pod};
use crate::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use crate::core::v1::{PersistentVolumeClaim, PodTemplateSpec, PodTemplateSpecMut};
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::meta::v1::LabelSelector;
use crate::view::{List, View};
use crate::{Ref, Tree};

const EMPTY_SELECTOR: &str = "empty selector is invalid for statefulset";
const ONLY_ROLLING: &str = "only allowed for updateStrategy 'RollingUpdate'";

/// What is not looked at, since it was stored before it was forbidden.
#[derive(Clone, Copy, Default)]
struct Lenient {
    /// Claims and the name of the service, which cannot change.
    fixed: bool,
    /// The template.
    template: bool,
    /// The strategy that is off in v1.37, for a set that has it.
    recreate: bool,
}

pub(super) fn create(errors: &mut ErrorList, set: StatefulSet<'_>) {
    check(errors, set.spec(), Lenient::default());
}

pub(super) fn update(errors: &mut ErrorList, new: StatefulSet<'_>, old: StatefulSet<'_>) {
    let mut lenient = Lenient {
        fixed: true,
        template: false,
        recreate: old.spec().update_strategy().type_() == "Recreate",
    };
    let mut before = ErrorList::new();
    check(&mut before, old.spec(), lenient);
    lenient.template = !before.is_empty();
    let (new, old) = (new.spec(), old.spec());
    check(errors, new, lenient);
    selector_stays(errors, new.selector(), old.selector());
    let claims = new.volume_claim_templates();
    if !same(claims.node(), old.volume_claim_templates().node()) {
        let path = SPEC.child("volumeClaimTemplates");
        errors.push(Error::invalid(&path, internal_claims(claims), IMMUTABLE));
    }
    immutable_text(
        errors,
        &SPEC.child("serviceName"),
        new.service_name(),
        old.service_name(),
    );
    immutable_text(
        errors,
        &SPEC.child("podManagementPolicy"),
        new.pod_management_policy(),
        old.pod_management_policy(),
    );
}

/// Templates of claims as upstream's internal structs show them.
fn internal_claims(claims: List<'_, PersistentVolumeClaim<'_>>) -> BadValue {
    if claims.is_empty() {
        return shown(claims.node());
    }
    let members = |node: Option<Ref<'_>>, fields: &[(&str, &str)]| {
        let member = |(name, field): &(&str, &str)| {
            let value = node.and_then(|node| node.get(field));
            let absent = match *name {
                "VolumeName" | "Phase" => "\"\"".to_owned(),
                "Resources" => "{\"Limits\":null,\"Requests\":null}".to_owned(),
                _ => "null".to_owned(),
            };
            let text = match *name {
                "Selector" => value.map(|value| text(shown(Some(value)))),
                _ => value.map(|value| text(internal(Some(value)))),
            };
            format!("\"{name}\":{}", text.unwrap_or(absent))
        };
        let members: Vec<String> = fields.iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    };
    let claims = claims.iter().map(|claim| {
        let metadata = text(shown(claim.metadata().node()));
        let metadata = metadata.trim_start_matches('{').trim_end_matches('}');
        let metadata = match metadata {
            "" | "null" => String::new(),
            metadata => format!("{metadata},"),
        };
        let spec = members(
            claim.spec().node(),
            &[
                ("AccessModes", "accessModes"),
                ("Selector", "selector"),
                ("Resources", "resources"),
                ("VolumeName", "volumeName"),
                ("StorageClassName", "storageClassName"),
                ("VolumeMode", "volumeMode"),
                ("DataSource", "dataSource"),
                ("DataSourceRef", "dataSourceRef"),
                ("VolumeAttributesClassName", "volumeAttributesClassName"),
            ],
        );
        let status = members(
            claim.status().node(),
            &[
                ("Phase", "phase"),
                ("AccessModes", "accessModes"),
                ("Capacity", "capacity"),
                ("Conditions", "conditions"),
                ("AllocatedResources", "allocatedResources"),
                ("AllocatedResourceStatuses", "allocatedResourceStatuses"),
                (
                    "CurrentVolumeAttributesClassName",
                    "currentVolumeAttributesClassName",
                ),
                ("ModifyVolumeStatus", "modifyVolumeStatus"),
                ("HealthStatus", "healthStatus"),
            ],
        );
        format!("{{{metadata}\"Spec\":{spec},\"Status\":{status}}}")
    });
    let claims: Vec<String> = claims.collect();
    BadValue::Json(format!("[{}]", claims.join(",")))
}

fn text(value: BadValue) -> String {
    match value {
        BadValue::Json(text) => text,
        _ => String::new(),
    }
}

fn check(errors: &mut ErrorList, spec: StatefulSetSpec<'_>, lenient: Lenient) {
    let place = SPEC.child("podManagementPolicy");
    match spec.pod_management_policy() {
        "" => errors.push(Error::required(&place, "")),
        "OrderedReady" | "Parallel" => {}
        other => errors.push(Error::invalid(
            &place,
            other,
            "must be 'OrderedReady' or 'Parallel'",
        )),
    }
    strategy(errors, spec.update_strategy(), lenient);
    if let Some(policy) = spec.persistent_volume_claim_retention_policy() {
        let place = SPEC.child("persistentVolumeClaimRetentionPolicy");
        for (field, value) in [
            ("whenDeleted", policy.when_deleted()),
            ("whenScaled", policy.when_scaled()),
        ] {
            if !matches!(value, "Retain" | "Delete") {
                let place = place.child(field);
                errors.push(Error::not_supported(&place, value, &["Retain", "Delete"]));
            }
        }
    }
    if !lenient.fixed {
        let place = SPEC.child("volumeClaimTemplates");
        for (at, template) in spec.volume_claim_templates().iter().enumerate() {
            claim::spec(errors, &place.index(at).child("spec"), template.spec());
        }
    }
    not_negative(
        errors,
        &SPEC.child("replicas"),
        spec.replicas().unwrap_or(0),
    );
    not_negative(
        errors,
        &SPEC.child("minReadySeconds"),
        spec.min_ready_seconds(),
    );
    if let Some(ordinals) = spec.ordinals() {
        not_negative(errors, &SPEC.child("ordinals.start"), ordinals.start());
    }
    let service = spec.service_name();
    if !lenient.fixed && !service.is_empty() {
        let place = SPEC.child("serviceName");
        each(errors, &place, service, format::dns_label(service));
    }
    selected(errors, spec, lenient);
    always_running(errors, spec.template(), "StatefulSet");
}

fn strategy(errors: &mut ErrorList, strategy: StatefulSetUpdateStrategy<'_>, lenient: Lenient) {
    let path = SPEC.child("updateStrategy");
    let place = path.child("rollingUpdate");
    let rolling = strategy.rolling_update();
    match strategy.type_() {
        "" => errors.push(Error::required(&path, "")),
        "RollingUpdate" => {
            if let Some(rolling) = rolling {
                rolling_update(errors, &place, rolling);
            }
        }
        "OnDelete" => only_rolling(errors, &place, rolling),
        "Recreate" if lenient.recreate => only_rolling(errors, &place, rolling),
        other => {
            let rolling = rolling.map_or("null".to_owned(), internal_rolling);
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", quote(other));
            let words = if lenient.recreate {
                "must be 'RollingUpdate', 'OnDelete', or 'Recreate'"
            } else {
                "must be 'RollingUpdate' or 'OnDelete'"
            };
            errors.push(Error::invalid(&path, BadValue::Json(value), words));
        }
    }
}

/// A rolling update's settings as upstream's internal struct shows them.
fn internal_rolling(rolling: RollingUpdateStatefulSetStrategy<'_>) -> String {
    let most = rolling
        .max_unavailable()
        .map_or_else(|| "null".to_owned(), |most| text(json(&most)));
    format!(
        "{{\"Partition\":{},\"MaxUnavailable\":{most}}}",
        rolling.partition().unwrap_or(0)
    )
}

fn only_rolling(
    errors: &mut ErrorList,
    path: &Path<'_>,
    rolling: Option<RollingUpdateStatefulSetStrategy<'_>>,
) {
    if let Some(rolling) = rolling {
        let value = BadValue::Json(internal_rolling(rolling));
        errors.push(Error::invalid(path, value, ONLY_ROLLING));
    }
}

fn rolling_update(
    errors: &mut ErrorList,
    path: &Path<'_>,
    rolling: RollingUpdateStatefulSetStrategy<'_>,
) {
    not_negative(
        errors,
        &path.child("partition"),
        rolling.partition().unwrap_or(0),
    );
    if let Some(most) = rolling.max_unavailable() {
        let place = path.child("maxUnavailable");
        int_or_percent(errors, &place, &most);
        if amount(&most) == 0 {
            errors.push(Error::invalid(&place, json(&most), "cannot be 0"));
        }
        at_most_all(errors, &place, &most);
    }
}

/// The selector, and the template which it must select.
fn selected(errors: &mut ErrorList, spec: StatefulSetSpec<'_>, lenient: Lenient) {
    let path = SPEC.child("selector");
    let Some(wanted) = spec.selector() else {
        errors.push(Error::required(&path, ""));
        unselected(errors, spec.template());
        return template(errors, spec, lenient);
    };
    let before = errors.len();
    selector(errors, &path, Some(wanted));
    let valid = errors.len() == before;
    let selects_all = is_empty(wanted);
    if selects_all {
        let value = shown(wanted.node());
        errors.push(Error::invalid(&path, value, EMPTY_SELECTOR));
    }
    if !valid {
        errors.push(Error::invalid(&path, shown(wanted.node()), ""));
        return;
    }
    if !selects_all && !selects(wanted, spec.template().metadata().labels()) {
        unselected(errors, spec.template());
    }
    template(errors, spec, lenient);
}

fn is_empty(selector: LabelSelector<'_>) -> bool {
    selector.match_labels().is_empty() && selector.match_expressions().is_empty()
}

/// The template with what the controller makes of it: names of its own, and volumes of the claims.
fn template(errors: &mut ErrorList, spec: StatefulSetSpec<'_>, lenient: Lenient) {
    let path = SPEC.child("template");
    let template = spec.template();
    if !lenient.template {
        let pod_spec = template.spec();
        let claims = spec.volume_claim_templates();
        let named = !pod_spec.hostname().is_empty() || !pod_spec.subdomain().is_empty();
        match template.node() {
            Some(node) if named || !claims.is_empty() => {
                let mut tree = Tree::copy_of(node);
                complete(&mut tree, spec, template);
                pod::template(errors, &path, PodTemplateSpec::of(&tree));
            }
            _ => pod::template(errors, &path, template),
        }
    }
    // Looked at once more, whatever is forgiven.
    let metadata = template.metadata();
    labels(errors, &path.child("labels"), metadata.labels());
    meta::annotations(errors, &path.child("annotations"), metadata.annotations());
}

fn complete(tree: &mut Tree, spec: StatefulSetSpec<'_>, template: PodTemplateSpec<'_>) {
    let claims = spec.volume_claim_templates();
    let mut completed = PodTemplateSpecMut::of(tree);
    let mut pod_spec = completed.spec_mut();
    pod_spec.remove_hostname();
    pod_spec.remove_subdomain();
    if claims.is_empty() {
        return;
    }
    pod_spec.remove_volumes();
    // Of several of a name the last counts.
    let mut names: Vec<&str> = claims.iter().map(|c| c.metadata().name()).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        let mut volume = pod_spec.push_volumes();
        volume.set_name(name);
        volume.persistent_volume_claim_mut().set_claim_name(name);
    }
    let others = template.spec().volumes().iter();
    for volume in others.filter(|v| !names.contains(&v.name())) {
        let mut root = tree.root_mut();
        let mut pod_spec = root.get("spec");
        let volumes = pod_spec.as_mut().and_then(|spec| spec.get("volumes"));
        if let (Some(mut volumes), Some(node)) = (volumes, volume.node()) {
            volumes.push_copy(node);
        }
    }
}

pub(super) fn status(errors: &mut ErrorList, new: StatefulSet<'_>, old: StatefulSet<'_>) {
    let status = new.status();
    let (replicas, ready) = (status.replicas(), status.ready_replicas());
    let at_most_replicas = [
        ("readyReplicas", ready),
        ("currentReplicas", status.current_replicas()),
        ("updatedReplicas", status.updated_replicas()),
        ("availableReplicas", status.available_replicas()),
    ];
    counts(errors, &[("replicas", replicas.into())]);
    for (field, count) in at_most_replicas {
        counts(errors, &[(field, count.into())]);
    }
    counts(
        errors,
        &[
            ("observedGeneration", status.observed_generation()),
            (
                "collisionCount",
                status.collision_count().unwrap_or(0).into(),
            ),
        ],
    );
    for (field, count) in at_most_replicas {
        at_most(errors, field, count, replicas, MORE_THAN_REPLICAS);
    }
    at_most(
        errors,
        "availableReplicas",
        status.available_replicas(),
        ready,
        "cannot be greater than status.readyReplicas",
    );
    collisions(
        errors,
        status.collision_count(),
        old.status().collision_count(),
    );
}
