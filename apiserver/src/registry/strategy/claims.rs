//! PersistentVolumeClaims: where their data come from is said twice, in `dataSource` and `dataSourceRef` (KEP-1495).

use api::Tree;
use api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimMut};

use super::Rules;
use crate::registry::meta;

/// See the module.
pub struct Claims;

impl Rules for Claims {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        drop_other_namespaces(new);
        drop_unknown_source(new);
        say_twice(new);
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        let before = PersistentVolumeClaim::of(old).spec();
        let (source, reference) = (before.has_data_source(), before.has_data_source_ref());
        if !reference {
            drop_other_namespaces(new);
        }
        if !source && !reference {
            drop_unknown_source(new);
        }
        // What was stored with one of the two is not to change for that.
        if source == reference {
            say_twice(new);
        }
    }
}

/// Sources in other namespaces are off by default (gate `CrossNamespaceVolumeDataSource`).
fn drop_other_namespaces(claim: &mut Tree) {
    let spec = PersistentVolumeClaim::of(claim).spec();
    let elsewhere = spec
        .data_source_ref()
        .and_then(|source| source.namespace())
        .is_some_and(|namespace| !namespace.is_empty());
    if elsewhere {
        let mut claim = PersistentVolumeClaimMut::of(claim);
        claim.spec_mut().remove_data_source_ref();
    }
}

/// `dataSource` alone may be a claim or a snapshot; anything else in it was always ignored.
fn drop_unknown_source(claim: &mut Tree) {
    let spec = PersistentVolumeClaim::of(claim).spec();
    let Some(source) = spec.data_source().filter(|_| !spec.has_data_source_ref()) else {
        return;
    };
    let known = matches!(
        (source.api_group().unwrap_or_default(), source.kind()),
        ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
    );
    if !known {
        let mut claim = PersistentVolumeClaimMut::of(claim);
        claim.spec_mut().remove_data_source();
    }
}

/// Copies the one that is there into the other, group, kind and name: fields of the same names.
fn say_twice(claim: &mut Tree) {
    let spec = PersistentVolumeClaim::of(claim).spec();
    let (from, to) = match (spec.data_source(), spec.data_source_ref()) {
        (Some(_), None) => ("dataSource", "dataSourceRef"),
        (None, Some(source)) if source.namespace().unwrap_or_default().is_empty() => {
            ("dataSourceRef", "dataSource")
        }
        _ => return,
    };
    let given = claim.clone();
    let given = given.root().path("spec").and_then(|spec| spec.get(from));
    meta::ensure(&mut claim.root_mut(), "spec", |spec| {
        meta::ensure(spec, to, |source| {
            for field in ["apiGroup", "kind", "name"] {
                meta::copy(source, field, given.and_then(|given| given.get(field)));
            }
        });
    });
}
