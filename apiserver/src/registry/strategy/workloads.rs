//! What is particular to a few kinds that need a line or two.

use api::Tree;

use super::{Rules, same};
use crate::registry::meta;

/// Deployments: a status update leaves the labels alone.
pub struct Deployments;

impl Rules for Deployments {
    fn prepare_status(&self, new: &mut Tree, old: &Tree, _: i64) {
        meta::of_mut(new).copy("labels", meta::of(old));
    }
}

/// DaemonSets: the deprecated `spec.templateGeneration` counts changes of the template.
pub struct DaemonSets;

const TEMPLATE_GENERATION: &str = "templateGeneration";

fn template_generation(tree: &Tree) -> i64 {
    tree.root()
        .path("spec.templateGeneration")
        .and_then(|g| g.as_i64())
        .unwrap_or_default()
}

impl Rules for DaemonSets {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        if template_generation(new) < 1 {
            meta::ensure(&mut new.root_mut(), "spec", |spec| {
                meta::set(spec, TEMPLATE_GENERATION, 1)
            });
        }
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        let changed = !same(
            new.root().path("spec.template"),
            old.root().path("spec.template"),
        );
        let generation = template_generation(old) + i64::from(changed);
        meta::ensure(&mut new.root_mut(), "spec", |spec| {
            meta::set(spec, TEMPLATE_GENERATION, generation)
        });
    }
}

/// Jobs: their pods are selected by the job's UID, unless the client selects them itself.
pub struct Jobs;

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

impl Rules for Jobs {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        if new
            .root()
            .path("spec.manualSelector")
            .and_then(|m| m.as_bool())
            == Some(true)
        {
            return;
        }
        let (uid, name) = (
            meta::of(new).uid().to_owned(),
            meta::of(new).name().to_owned(),
        );
        let labels = [
            (CONTROLLER_UID, &uid),
            ("controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("job-name", &name),
        ];
        meta::ensure(&mut new.root_mut(), "spec", |spec| {
            meta::ensure(spec, "template", |template| {
                meta::ensure(template, "metadata", |metadata| {
                    meta::ensure(metadata, "labels", |map| {
                        for (key, value) in labels {
                            if map.as_ref().get(key).is_none() {
                                map.insert(key, value.as_str());
                            }
                        }
                    });
                });
            });
            meta::ensure(spec, "selector", |selector| {
                meta::ensure(selector, "matchLabels", |map| {
                    if map.as_ref().get(CONTROLLER_UID).is_none() {
                        map.insert(CONTROLLER_UID, uid.as_str());
                    }
                });
            });
        });
    }
}

/// Secrets: a type that is left out on update is the one it was.
pub struct Secrets;

impl Rules for Secrets {
    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        if new.root().get("type").is_none_or(|t| t.is_zero()) {
            meta::copy(&mut new.root_mut(), "type", old.root().get("type"));
        }
    }
}
