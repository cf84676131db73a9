//! Nodes, volumes, classes, and what is left of the workloads.

use super::{Warnings, address, labels};
use crate::Quantity;
use crate::apps::v1::StatefulSet;
use crate::batch::v1::CronJob;
use crate::core::v1::{
    Node, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, ServiceAccount,
};
use crate::field::Path;
use crate::node::v1::RuntimeClass;
use crate::storage::v1::{CSIDriver, CSIStorageCapacity, StorageClass};
use crate::validation::same;

const STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";
const ANNOTATIONS: Path<'static> = Path::new("metadata.annotations");

pub(super) fn node(out: &mut Warnings, node: Node<'_>) {
    let spec = node.spec();
    if spec.config_source().is_some() {
        out.push("spec.configSource: the feature is removed".to_owned());
    }
    if !spec.external_id().is_empty() {
        out.push(
            "spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned(),
        );
    }
    let path = Path::new("spec.podCIDRs");
    for (at, range) in spec.pod_cidrs().iter().enumerate() {
        address::cidr(out, &path.index(at), range);
    }
}

/// Told once, when the annotation is set.
pub(super) fn service_account(
    out: &mut Warnings,
    new: ServiceAccount<'_>,
    old: Option<ServiceAccount<'_>>,
) {
    let annotated = |account: ServiceAccount<'_>| {
        let annotations = account.metadata().annotations();
        annotations.contains_key(MOUNTABLE_SECRETS)
    };
    if annotated(new) && !old.is_some_and(annotated) {
        out.push(format!(
            "{}: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets",
            ANNOTATIONS.key(MOUNTABLE_SECRETS)
        ));
    }
}

fn storage_class_annotation(out: &mut Warnings) {
    out.push(format!(
        r#"{}: deprecated since v1.8; use "storageClassName" attribute instead"#,
        ANNOTATIONS.key(STORAGE_CLASS)
    ));
}

pub(super) fn volume(out: &mut Warnings, volume: PersistentVolume<'_>) {
    let annotations = volume.metadata().annotations();
    if annotations.contains_key(STORAGE_CLASS) {
        storage_class_annotation(out);
    }
    if annotations.contains_key(MOUNT_OPTIONS) {
        out.push(format!(
            r#"{}: deprecated since v1.31; use "mountOptions" attribute instead"#,
            ANNOTATIONS.key(MOUNT_OPTIONS)
        ));
    }
    let spec = volume.spec();
    if spec.persistent_volume_reclaim_policy() == "Recycle" {
        out.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is \
             to use dynamic provisioning."
                .to_owned(),
        );
    }
    if let Some(required) = spec.node_affinity().and_then(|a| a.required()) {
        let path = Path::new("spec.nodeAffinity.required.nodeSelectorTerms");
        for (at, term) in required.node_selector_terms().iter().enumerate() {
            labels::term(out, &path.index(at), term, false);
        }
    }
    for (field, set, since, gone) in [
        ("cephfs", spec.cephfs().is_some(), "1.28", "1.31"),
        (
            "photonPersistentDisk",
            spec.photon_persistent_disk().is_some(),
            "1.11",
            "1.16",
        ),
        ("scaleIO", spec.scale_io().is_some(), "1.16", "1.22"),
        ("storageOS", spec.storageos().is_some(), "1.22", "1.25"),
        ("glusterfs", spec.glusterfs().is_some(), "1.25", "1.26"),
        ("rbd", spec.rbd().is_some(), "1.28", "1.31"),
    ] {
        if set {
            out.push(format!(
                "spec.{field}: deprecated in v{since}, non-functional in v{gone}+"
            ));
        }
    }
}

pub(super) fn claim(out: &mut Warnings, claim: PersistentVolumeClaim<'_>) {
    let annotations = claim.metadata().annotations();
    if annotations.contains_key(STORAGE_CLASS) {
        storage_class_annotation(out);
    }
    claim_spec(out, &Path::new("spec"), claim.spec());
}

pub(super) fn claim_spec(out: &mut Warnings, path: &Path<'_>, spec: PersistentVolumeClaimSpec<'_>) {
    let (path, resources) = (path.child("resources"), spec.resources());
    for (field, amounts) in [
        ("requests", resources.requests()),
        ("limits", resources.limits()),
    ] {
        if let Some(amount) = amounts.get("storage") {
            whole_bytes(out, &path.child(field).key("storage"), amount);
        }
    }
}

/// An amount of bytes is a whole number.
pub(super) fn whole_bytes(out: &mut Warnings, path: &Path<'_>, amount: Quantity) {
    if amount.milli_value() % 1000 != 0 {
        out.push(format!(
            "{path}: fractional byte value \"{amount}\" is invalid, must be an integer"
        ));
    }
}

pub(super) fn storage_class(out: &mut Warnings, class: StorageClass<'_>) {
    let path = Path::new("allowedTopologies");
    for (at, term) in class.allowed_topologies().iter().enumerate() {
        let path = path.index(at);
        let path = path.child("matchLabelExpressions");
        for (at, expression) in term.match_label_expressions().iter().enumerate() {
            if let Some(why) = labels::deprecated(expression.key()) {
                out.push(format!("{}: {why}", path.index(at).child("key")));
            }
        }
    }
}

/// Told when the audiences of tokens are set, and by whom they are not said to be kept from logs.
pub(super) fn driver(out: &mut Warnings, new: CSIDriver<'_>, old: Option<CSIDriver<'_>>) {
    let (spec, audiences) = (new.spec(), new.spec().token_requests());
    let is_changed = old.is_none_or(|old| {
        let before = old.spec().token_requests();
        !same(audiences.node(), before.node())
    });
    if is_changed && !audiences.is_empty() && spec.service_account_token_in_secrets().is_none() {
        out.push(
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of \
             tokens in volume attributes"
                .to_owned(),
        );
    }
}

pub(super) fn capacity(out: &mut Warnings, capacity: CSIStorageCapacity<'_>) {
    if let Some(topology) = capacity.node_topology() {
        labels::selector(out, &Path::new("nodeTopology"), topology);
    }
}

pub(super) fn runtime_class(out: &mut Warnings, class: RuntimeClass<'_>) {
    let Some(scheduling) = class.scheduling() else {
        return;
    };
    for label in scheduling.node_selector().keys() {
        if let Some(why) = labels::deprecated(label) {
            out.push(format!("scheduling.nodeSelector: {why}"));
        }
    }
}

/// Claims of the templates; `field` is what upstream puts between the template and its claim's fields.
pub(super) fn stateful_set(out: &mut Warnings, set: StatefulSet<'_>, field: Option<&str>) {
    let path = Path::new("spec.volumeClaimTemplates");
    for (at, claim) in set.spec().volume_claim_templates().iter().enumerate() {
        let path = path.index(at);
        match field {
            Some(field) => claim_spec(out, &path.child(field), claim.spec()),
            None => claim_spec(out, &path, claim.spec()),
        }
    }
    if set
        .spec()
        .revision_history_limit()
        .is_some_and(|limit| limit < 0)
    {
        out.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .to_owned(),
        );
    }
}

/// What only a changed CronJob gets: a new one would be refused.
pub(super) fn schedule(out: &mut Warnings, job: CronJob<'_>) {
    if job.spec().schedule().contains("TZ") {
        out.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .to_owned(),
        );
    }
}
