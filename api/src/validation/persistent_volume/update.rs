//! What of a volume may change: all but its source, its mode, and the nodes that reach it.
//! <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-v1/>

use super::super::check::{IMMUTABLE, internal, quoted, same, shown};
use super::super::format;
use super::{SPEC, check};
use crate::Tree;
use crate::core::v1::{
    NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume, PersistentVolumeMut,
    PersistentVolumeSpec, VolumeNodeAffinity,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::{List, View};

const SOURCES: &[&str] = &[
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "hostPath",
    "glusterfs",
    "nfs",
    "rbd",
    "iscsi",
    "cinder",
    "cephfs",
    "fc",
    "flocker",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];
/// Labels of nodes that have another name since they are stable.
const STABLE: &[(&str, &str)] = &[
    (
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/zone",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/region",
    ),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    (
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
    ),
];

/// A changed volume, its metadata apart.
pub(crate) fn update(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    let (volume, before) = (PersistentVolume::of(new), PersistentVolume::of(old));
    let (now, was) = (volume.spec(), before.spec());
    check(errors, volume, !was.node_affinity().is_some_and(is_lax));
    if source_changes(new, old) {
        errors.push(Error::forbidden(
            &SPEC.child("persistentvolumesource"),
            "spec.persistentvolumesource is immutable after creation\n",
        ));
    }
    if now.volume_mode() != was.volume_mode() {
        let value = now.volume_mode().map_or(shown(None), quoted);
        errors.push(Error::invalid(&Path::new("volumeMode"), value, IMMUTABLE));
    }
    if let Some(nodes) = was.node_affinity()
        && !now.node_affinity().is_some_and(|n| same_nodes(n, nodes))
    {
        errors.push(Error::invalid(
            &Path::new("nodeAffinity"),
            internal(now.node_affinity().and_then(View::node)),
            format!("{IMMUTABLE}, except for updating from beta label to GA"),
        ));
    }
    if was.has_volume_attributes_class_name() && !now.has_volume_attributes_class_name() {
        errors.push(Error::forbidden(
            &SPEC.child("volumeAttributesClassName"),
            "update from non-nil value to nil is forbidden",
        ));
    }
}

/// Whether a volume came to be stored with values in its node affinity that are no labels'.
fn is_lax(affinity: VolumeNodeAffinity<'_>) -> bool {
    affinity.required().is_some_and(|selector| {
        selector
            .node_selector_terms()
            .iter()
            .flat_map(|term| term.match_expressions())
            .flat_map(|requirement| requirement.values())
            .any(|value| !format::label_value(value).is_empty())
    })
}

/// A secret for expansion may be added to a CSI driver's volume that has none.
fn source_changes(new: &Tree, old: &Tree) -> bool {
    let (now, was) = (
        PersistentVolume::of(new).spec(),
        PersistentVolume::of(old).spec(),
    );
    let adds_secret = now.csi().zip(was.csi()).is_some_and(|(now, was)| {
        now.has_controller_expand_secret_ref() && !was.has_controller_expand_secret_ref()
    });
    if !adds_secret {
        return sources_differ(now, was);
    }
    let mut without = new.clone();
    let mut volume = PersistentVolumeMut::of(&mut without);
    let mut spec = volume.spec_mut();
    spec.csi_mut().remove_controller_expand_secret_ref();
    sources_differ(spec.view(), was)
}

fn sources_differ(new: PersistentVolumeSpec<'_>, old: PersistentVolumeSpec<'_>) -> bool {
    let differs = |name: &&str| {
        let new = new.node().and_then(|spec| spec.get(name));
        let old = old.node().and_then(|spec| spec.get(name));
        !same(new, old)
    };
    SOURCES.iter().any(differs)
}

fn same_nodes(new: VolumeNodeAffinity<'_>, old: VolumeNodeAffinity<'_>) -> bool {
    let (new, old) = match (new.required(), old.required()) {
        (Some(new), Some(old)) => (new.node_selector_terms(), old.node_selector_terms()),
        (None, None) => return true,
        _ => return false,
    };
    new.len() == old.len() && new.iter().zip(old).all(|(new, old)| same_term(new, old))
}

fn same_term(new: NodeSelectorTerm<'_>, old: NodeSelectorTerm<'_>) -> bool {
    same_requirements(new.match_expressions(), old.match_expressions())
        && same_requirements(new.match_fields(), old.match_fields())
}

/// A label may get the name that it has since it is stable.
fn same_requirements<'a>(
    new: List<'a, NodeSelectorRequirement<'a>>,
    old: List<'a, NodeSelectorRequirement<'a>>,
) -> bool {
    let stable = |key: &str| {
        let pair = STABLE.iter().find(|(beta, _)| *beta == key);
        pair.map_or("", |pair| pair.1)
    };
    new.len() == old.len()
        && new.iter().zip(old).all(|(new, old)| {
            (new.key() == old.key() || new.key() == stable(old.key()))
                && new.operator() == old.operator()
                && new.values().iter().eq(old.values())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    #[test]
    fn every_source_is_a_field() {
        let ty = Schema::builtin().ty(PersistentVolumeSpec::TYPE);
        for name in SOURCES {
            assert!(ty.field(name).is_some(), "{name}");
        }
        // The others are no sources.
        assert_eq!(ty.fields.len(), SOURCES.len() + 9);
    }
}
