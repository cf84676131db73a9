//! What is particular to a few kinds that need a line or two.

use api::Tree;
use api::defaults::DEPRECATED_TEMPLATE_GENERATION as TEMPLATE_GENERATION;

use super::{Rules, same};
use crate::registry::meta;

/// Deployments: a status update leaves the labels alone.
pub struct Deployments;

impl Rules for Deployments {
    fn prepare_status(&self, new: &mut Tree, old: &Tree, _: i64) {
        meta::of_mut(new).copy("labels", meta::of(old));
    }
}

/// DaemonSets: an annotation counts changes of the template, as a field did in a version that is gone.
pub struct DaemonSets;

fn template_generation(tree: &Tree) -> i64 {
    let annotations = api::view::metadata(tree).annotations();
    let count = annotations.get(TEMPLATE_GENERATION);
    count.and_then(|c| c.parse().ok()).unwrap_or_default()
}

fn set_template_generation(tree: &mut Tree, generation: i64) {
    if let Some(mut metadata) = api::view::metadata_mut(tree) {
        let generation = generation.to_string();
        metadata
            .annotations_mut()
            .insert(TEMPLATE_GENERATION, &generation);
    }
}

impl Rules for DaemonSets {
    fn prepare_create(&self, new: &mut Tree, _: i64) {
        let generation = template_generation(new).max(1);
        set_template_generation(new, generation);
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        let changed = !same(
            new.root().path("spec.template"),
            old.root().path("spec.template"),
        );
        set_template_generation(new, template_generation(old) + i64::from(changed));
    }

    fn prepare_status(&self, new: &mut Tree, old: &Tree, _: i64) {
        set_template_generation(new, template_generation(old));
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
