//! What PersistentVolumeClaims use.

use std::collections::BTreeSet;

use super::one;
use crate::Tree;
use crate::aggregate::Amounts;
use crate::core::v1::PersistentVolumeClaim;
use crate::quantity::Quantity;

const NAMES: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
const OBJECTS: &str = "count/persistentvolumeclaims";
/// Between a storage class and what is bounded of it.
const CLASS: &str = ".storageclass.storage.k8s.io/";
/// Where the class once stood.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) fn counts(name: &str) -> bool {
    let of_class = || {
        let parts = name.rsplit_once(CLASS);
        parts.is_some_and(|(_, what)| NAMES.contains(&what))
    };
    name == OBJECTS || NAMES.contains(&name) || of_class()
}

pub(super) fn usage(object: &Tree) -> Amounts {
    let claim = PersistentVolumeClaim::of(object);
    let annotated = claim.metadata().annotations().get(CLASS_ANNOTATION);
    let class = annotated
        .or(claim.spec().storage_class_name())
        .unwrap_or_default();
    let mut used = Amounts::from([(OBJECTS.to_owned(), one())]);
    for (name, amount) in NAMES.iter().zip([Some(one()), storage(claim)]) {
        let Some(amount) = amount else { continue };
        used.insert((*name).to_owned(), amount);
        if !class.is_empty() {
            used.insert(format!("{class}{CLASS}{name}"), amount);
        }
    }
    used
}

/// Whole bytes: what is asked for, or what an expansion that was given up has taken already.
fn storage(claim: PersistentVolumeClaim<'_>) -> Option<Quantity> {
    let asked = claim.spec().resources().requests().get("storage")?;
    let allocated = claim.status().allocated_resources().get("storage");
    let counted = allocated.filter(|a| *a > asked).unwrap_or(asked);
    Some(whole(counted))
}

/// Rounded up, as upstream's quotas can only be whole.
fn whole(quantity: Quantity) -> Quantity {
    let rounded = Quantity::from_units(quantity.value(), quantity.format());
    // What does not fit into 64 bits is whole anyway.
    match quantity.value() == i64::MAX {
        true => quantity,
        false => rounded,
    }
}

/// The VolumeAttributesClasses that a claim has, wants or is about to have.
pub fn attributes_classes(claim: PersistentVolumeClaim<'_>) -> BTreeSet<&str> {
    let status = claim.status();
    let target = status.modify_volume_status();
    let names = [
        claim.spec().volume_attributes_class_name(),
        status.current_volume_attributes_class_name(),
        target.map(|target| target.target_volume_attributes_class_name()),
    ];
    names
        .into_iter()
        .flatten()
        .filter(|n| !n.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{self, Strict};
    use crate::schema::Schema;

    fn used(text: &str) -> String {
        let (schema, ty) = (Schema::builtin(), PersistentVolumeClaim::TYPE);
        let tree = json::decode(schema, ty, text.to_owned(), &mut Strict::new()).unwrap();
        let used = usage(&tree);
        let pairs: Vec<String> = used.iter().map(|(n, a)| format!("{n}={a}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn storage_counts_in_whole_bytes_and_by_class() {
        assert_eq!(
            used(r#"{"spec":{"resources":{"requests":{"storage":"1500m"}}}}"#),
            "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=2"
        );
        assert_eq!(
            used(
                r#"{"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"1Gi"}}}}"#
            ),
            "count/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
             gold.storageclass.storage.k8s.io/requests.storage=1Gi persistentvolumeclaims=1 requests.storage=1Gi"
        );
    }

    #[test]
    fn what_an_expansion_has_taken_counts() {
        assert_eq!(
            used(
                r#"{"spec":{"resources":{"requests":{"storage":"1Gi"}}},"status":{"allocatedResources":{"storage":"3Gi"}}}"#
            ),
            "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=3Gi"
        );
    }

    #[test]
    fn names_of_classes_are_counted() {
        assert!(counts("gold.storageclass.storage.k8s.io/requests.storage"));
        assert!(!counts("gold.storageclass.storage.k8s.io/pods") && !counts("pods"));
    }
}
