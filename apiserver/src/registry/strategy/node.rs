//! Nodes: a node registers itself with its status; the source of its configuration is a field of the past.

use api::Tree;

use super::{Rules, keep};
use crate::registry::meta;

/// See the module.
pub struct Nodes;

impl Rules for Nodes {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        drop_config_source(new);
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        keep(new, old, "status");
        if old.root().path("spec.configSource").is_none() {
            drop_config_source(new);
        }
    }
}

fn drop_config_source(node: &mut Tree) {
    if node.root().path("spec.configSource").is_some() {
        meta::ensure(&mut node.root_mut(), "spec", |spec| {
            meta::remove(spec, "configSource");
        });
    }
}
