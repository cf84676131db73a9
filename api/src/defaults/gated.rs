//! Fields of features that are off by default: the API server takes them out of what it is sent, unless the object has been using
//! the feature already (a server with the feature on has stored it).
//!
//! Feature by feature, from the `+featureGate` marks of upstream's types and its feature table.

use std::sync::LazyLock;

use crate::batch::v1::JobSpec;
use crate::coordination::v1::LeaseSpec;
use crate::core::v1::{
    ClusterTrustBundleProjection, ConfigMapVolumeSource, DownwardAPIVolumeFile,
    DownwardAPIVolumeSource, EmptyDirVolumeSource, GRPCAction, HTTPGetAction, KeyToPath, Lifecycle,
    NodeSpec, PodCertificateProjection, PodSpec, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection, VolumeMount,
};
use crate::schema::{FieldId, Schema, Shape, TypeId};
use crate::tree::{Kind, Ref, RefMut};

/// A feature, and the fields that are there for it: using one of them is using the feature.
type Feature = (&'static str, &'static [(TypeId, &'static str)]);

const FEATURES: &[Feature] = &[
    (
        "AtomicWriteVolumeUserFields",
        &[
            (ClusterTrustBundleProjection::TYPE, "user"),
            (ConfigMapVolumeSource::TYPE, "defaultUser"),
            (DownwardAPIVolumeFile::TYPE, "user"),
            (DownwardAPIVolumeSource::TYPE, "defaultUser"),
            (KeyToPath::TYPE, "user"),
            (PodCertificateProjection::TYPE, "user"),
            (ProjectedVolumeSource::TYPE, "defaultUser"),
            (SecretVolumeSource::TYPE, "defaultUser"),
            (ServiceAccountTokenProjection::TYPE, "user"),
        ],
    ),
    ("ContainerStopSignals", &[(Lifecycle::TYPE, "stopSignal")]),
    // Each of its two fields is looked at alone.
    (
        "CoordinatedLeaderElection",
        &[(LeaseSpec::TYPE, "strategy")],
    ),
    (
        "CoordinatedLeaderElection",
        &[(LeaseSpec::TYPE, "preferredHolder")],
    ),
    (
        "EmptyDirVolumeMode",
        &[(EmptyDirVolumeSource::TYPE, "mode")],
    ),
    (
        "EvictionRequestAPI",
        &[(PodSpec::TYPE, "evictionResponders")],
    ),
    ("GenericWorkload", &[(PodSpec::TYPE, "schedulingGroup")]),
    ("GRPCContainerProbeTLS", &[(GRPCAction::TYPE, "mode")]),
    ("H2CContainerProbe", &[(HTTPGetAction::TYPE, "protocol")]),
    (
        "InPlacePodVerticalScalingSchedulerPreemption",
        &[(NodeSpec::TYPE, "podPreemptionPolicy")],
    ),
    (
        "VolumeBindMountOptions",
        &[(VolumeMount::TYPE, "bindMountOptions")],
    ),
    ("WorkloadWithJob", &[(JobSpec::TYPE, "scheduling")]),
];

/// Features, a bit each by their place in the table.
pub(super) type Features = u16;

/// What there is to look at in a message.
#[derive(Default)]
struct Step {
    gated: Vec<(FieldId, Features)>,
    /// Fields that lead to messages with gated ones.
    children: Vec<FieldId>,
}

static STEPS: LazyLock<Vec<Step>> = LazyLock::new(|| steps(Schema::builtin()));

fn steps(schema: &Schema) -> Vec<Step> {
    let mut steps: Vec<Step> = schema.types().map(|_| Step::default()).collect();
    for (at, (_, fields)) in FEATURES.iter().enumerate() {
        for (ty, name) in *fields {
            if let Some(id) = schema.ty(*ty).field(name) {
                steps[usize::from(ty.0)].gated.push((id, 1 << at));
            }
        }
    }
    let mut changed = true;
    while changed {
        changed = false;
        for (id, ty) in schema.types() {
            for (at, field) in ty.fields.iter().enumerate() {
                let at = FieldId(at as u16);
                let Some(inner) = message_of(&field.shape) else {
                    continue;
                };
                let inner = &steps[usize::from(inner.0)];
                let leads = !inner.gated.is_empty() || !inner.children.is_empty();
                let own = &mut steps[usize::from(id.0)].children;
                if leads && !own.contains(&at) {
                    own.push(at);
                    changed = true;
                }
            }
        }
    }
    steps
}

fn message_of(shape: &Shape) -> Option<TypeId> {
    match shape {
        Shape::Message(id) => Some(*id),
        Shape::List(inner) | Shape::Map(inner) => message_of(inner),
        Shape::Scalar(_) => None,
    }
}

/// The features whose fields are in an object.
pub(super) fn used(node: Ref<'_>) -> Features {
    match node.kind() {
        Kind::Message => {
            let Some(step) = node.type_id().map(|ty| &STEPS[usize::from(ty.0)]) else {
                return 0;
            };
            let own = step
                .gated
                .iter()
                .filter(|(field, _)| node.field(*field).is_some());
            let below = step.children.iter().filter_map(|field| node.field(*field));
            own.fold(0, |all, (_, feature)| all | feature)
                | below.fold(0, |all, child| all | used(child))
        }
        Kind::List => node.items().fold(0, |all, item| all | used(item)),
        Kind::Map => node.entries().fold(0, |all, (_, value)| all | used(value)),
        _ => 0,
    }
}

/// Takes the fields of `features` out.
pub(super) fn remove(mut node: RefMut<'_>, features: Features) {
    match node.as_ref().kind() {
        Kind::Message => {
            let Some(step) = node.as_ref().type_id().map(|ty| &STEPS[usize::from(ty.0)]) else {
                return;
            };
            for (field, feature) in &step.gated {
                if features & feature != 0 {
                    node.remove(*field);
                }
            }
            for field in &step.children {
                let stops = |node: &RefMut<'_>| {
                    let child = node.as_ref().field(*field);
                    child.is_some_and(|child| {
                        child.type_id() == Some(Lifecycle::TYPE)
                            && child.get("stopSignal").is_some()
                    })
                };
                let stopped = stops(&node);
                if let Some(child) = node.field(*field) {
                    remove(child, features);
                }
                // Hooks that were nothing but a stop signal are none.
                let left = node.as_ref().field(*field);
                if stopped && left.is_some_and(|hooks| hooks.is_empty()) {
                    node.remove(*field);
                }
            }
        }
        Kind::List => {
            for at in 0..node.as_ref().len() {
                if let Some(item) = node.item(at) {
                    remove(item, features);
                }
            }
        }
        Kind::Map => {
            let keys: Vec<String> = node
                .as_ref()
                .entries()
                .map(|(key, _)| key.to_owned())
                .collect();
            for key in keys {
                remove(node.entry(&key), features);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gated_field_is_in_the_schema_and_every_feature_has_a_bit() {
        let schema = Schema::builtin();
        for (feature, fields) in FEATURES {
            for (ty, name) in *fields {
                let ty = schema.ty(*ty);
                assert!(ty.field(name).is_some(), "{feature}: {}.{name}", ty.name);
            }
        }
        assert!(FEATURES.len() <= Features::BITS as usize);
    }
}
