//! Namespaces: they are active from the start, and go when their content is gone (`spec.finalizers`).

use api::Tree;

use super::{Rules, keep};
use crate::registry::meta;

/// See the module.
pub struct Namespaces;

/// Stands in `spec.finalizers` until the namespace controller has emptied the namespace.
const FINALIZER: &str = "kubernetes";

/// Carries the namespace's own name, so that selectors can ask for it.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Rules for Namespaces {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        let present = new
            .root()
            .path("spec.finalizers")
            .is_some_and(|list| list.items().any(|f| f.as_str() == Some(FINALIZER)));
        // A generated name was not known to the defaults.
        let name = meta::of(new).name().to_owned();
        meta::of_mut(new).insert("labels", NAME_LABEL, &name);
        let mut root = new.root_mut();
        meta::ensure(&mut root, "status", |status| {
            meta::set(status, "phase", "Active")
        });
        if !present {
            meta::ensure(&mut root, "spec", |spec| {
                meta::ensure(spec, "finalizers", |list| list.push(FINALIZER))
            });
        }
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        keep(new, old, "spec");
    }

    fn may_go(&self, object: &Tree) -> bool {
        object
            .root()
            .path("spec.finalizers")
            .is_none_or(|list| list.is_empty())
    }
}
