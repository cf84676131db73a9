//! Pods: status belongs to the kubelet, the class of service is told at creation, and deletion leaves time to end.

use api::core::v1::Pod;
use api::{Ref, Tree, Value};

use super::{Rules, keep};
use crate::registry::meta;
use crate::request::DeleteOptions;

/// See the module.
pub struct Pods;

impl Rules for Pods {
    fn prepare_create(&self, new: &mut Tree, now: i64) {
        api::defaults::pod_level_resources(new);
        let class = api::qos::computed(new);
        let gated = new
            .root()
            .path("spec.schedulingGates")
            .is_some_and(|gates| !gates.is_empty());
        merge_match_label_keys(new);
        meta::ensure(&mut new.root_mut(), "status", |status| {
            meta::set(status, "phase", "Pending");
            meta::set(status, "qosClass", class);
            if gated {
                meta::ensure(status, "conditions", |conditions| {
                    let mut condition = conditions.push_new();
                    meta::set(&mut condition, "type", "PodScheduled");
                    meta::set(&mut condition, "status", "False");
                    meta::set(&mut condition, "lastTransitionTime", Value::Time(now));
                    meta::set(&mut condition, "reason", "SchedulingGated");
                    meta::set(
                        &mut condition,
                        "message",
                        "Scheduling is blocked due to non-empty scheduling gates",
                    );
                });
            }
        });
    }

    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        keep_own_resources(new, old);
    }

    fn prepare_status(&self, new: &mut Tree, old: &Tree, _: i64) {
        let mut metadata = meta::of_mut(new);
        metadata.remove("deletionTimestamp");
        // Old kubelets would drop owners that they do not know.
        metadata.copy("ownerReferences", meta::of(old));
        let old_status = old.root().get("status");
        for field in [
            "qosClass",
            "resourceClaimStatuses",
            "extendedResourceClaimStatus",
            "nodeAllocatableResourceClaimStatuses",
            "observedGeneration",
        ] {
            let absent = new
                .root()
                .path("status")
                .and_then(|s| s.get(field))
                .is_none();
            if absent && let Some(value) = old_status.and_then(|s| s.get(field)) {
                meta::ensure(&mut new.root_mut(), "status", |status| {
                    meta::copy(status, field, Some(value))
                });
            }
        }
        keep_observed_generations(new, old);
    }

    fn grace(&self, pod: &Tree, options: &DeleteOptions) -> Option<i64> {
        let root = pod.root();
        let text = |path| root.path(path).and_then(Ref::as_str).unwrap_or_default();
        let own = root
            .path("spec.terminationGracePeriodSeconds")
            .and_then(Ref::as_i64);
        let ended = matches!(text("status.phase"), "Failed" | "Succeeded");
        // Nobody would wait for the end of a pod that runs nowhere.
        if text("spec.nodeName").is_empty() || ended {
            return Some(0);
        }
        let period = options.grace_period_seconds.or(own).unwrap_or_default();
        Some(if period < 0 { 1 } else { period })
    }
}

/// Clients that do not know the pod's own resources would take them away.
fn keep_own_resources(new: &mut Tree, old: &Tree) {
    let own = old.root().path("spec.resources");
    if own.is_some() && new.root().path("spec.resources").is_none() {
        meta::ensure(&mut new.root_mut(), "spec", |spec| {
            meta::copy(spec, "resources", own);
        });
    }
}

/// A condition that does not say which generation it has seen keeps what it said before.
fn keep_observed_generations(new: &mut Tree, old: &Tree) {
    let conditions = |tree: &Tree| -> Vec<(String, i64)> {
        let list = tree.root().path("status.conditions");
        let item = |c: Ref<'_>| {
            let kind = c
                .get("type")
                .and_then(Ref::as_str)
                .unwrap_or_default()
                .to_owned();
            (
                kind,
                c.get("observedGeneration")
                    .and_then(Ref::as_i64)
                    .unwrap_or_default(),
            )
        };
        list.into_iter().flat_map(Ref::items).map(item).collect()
    };
    let mut before = conditions(old);
    for (index, (kind, generation)) in conditions(new).into_iter().enumerate() {
        let Some(at) = before.iter().position(|(k, _)| *k == kind) else {
            continue;
        };
        let (_, seen) = before.remove(at);
        if generation == 0 && seen != 0 {
            meta::ensure(&mut new.root_mut(), "status", |status| {
                meta::ensure(status, "conditions", |list| {
                    if let Some(mut condition) = list.item(index) {
                        meta::set(&mut condition, "observedGeneration", seen);
                    }
                });
            });
        }
    }
}

/// A pod's `matchLabelKeys` become part of its label selectors (upstream: `mutatePodAffinity`,
/// `mutateTopologySpreadConstraints`).
fn merge_match_label_keys(pod: &mut Tree) {
    let Some(spec) = pod.root().get("spec") else {
        return;
    };
    let uses = |r: Ref<'_>| {
        r.get("matchLabelKeys")
            .or(r.get("mismatchLabelKeys"))
            .is_some_and(|keys| !keys.is_empty())
    };
    let terms = |path: &str| -> Vec<bool> {
        spec.path(path)
            .into_iter()
            .flat_map(Ref::items)
            .map(uses)
            .collect()
    };
    let spread = terms("topologySpreadConstraints");
    let affinity = ["podAffinity", "podAntiAffinity"].map(|kind| {
        let required = terms(&format!(
            "affinity.{kind}.requiredDuringSchedulingIgnoredDuringExecution"
        ));
        let preferred: Vec<bool> = spec
            .path(&format!(
                "affinity.{kind}.preferredDuringSchedulingIgnoredDuringExecution"
            ))
            .into_iter()
            .flat_map(Ref::items)
            .map(|term| term.get("podAffinityTerm").is_some_and(uses))
            .collect();
        (kind, required, preferred)
    });
    let any = |list: &[bool]| list.contains(&true);
    if !any(&spread) && !affinity.iter().any(|(_, r, p)| any(r) || any(p)) {
        return;
    }
    let labels = meta::of(pod).get("labels").map(Tree::copy_of);
    let label = |key: &str| {
        labels
            .as_ref()
            .and_then(|l| l.root().get(key)?.as_str().map(str::to_owned))
    };
    let merge = |term: &mut api::RefMut<'_>| {
        for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
            let keys: Vec<String> = term
                .as_ref()
                .get(field)
                .into_iter()
                .flat_map(Ref::items)
                .filter_map(|k| k.as_str().map(str::to_owned))
                .collect();
            for key in keys {
                let Some(value) = label(&key) else { continue };
                if term.as_ref().get("labelSelector").is_none() {
                    continue;
                }
                meta::ensure(term, "labelSelector", |selector| {
                    meta::ensure(selector, "matchExpressions", |list| {
                        let mut requirement = list.push_new();
                        meta::set(&mut requirement, "key", key.as_str());
                        meta::set(&mut requirement, "operator", operator);
                        meta::ensure(&mut requirement, "values", |values| {
                            values.push(value.as_str())
                        });
                    });
                });
            }
        }
    };
    meta::ensure(&mut pod.root_mut(), "spec", |spec| {
        if any(&spread) {
            meta::ensure(spec, "topologySpreadConstraints", |list| {
                for index in (0..spread.len()).filter(|i| spread[*i]) {
                    if let Some(mut term) = list.item(index) {
                        merge(&mut term);
                    }
                }
            });
        }
        for (kind, required, preferred) in &affinity {
            for (field, terms, inner) in [
                (
                    "requiredDuringSchedulingIgnoredDuringExecution",
                    required,
                    false,
                ),
                (
                    "preferredDuringSchedulingIgnoredDuringExecution",
                    preferred,
                    true,
                ),
            ] {
                if !any(terms) {
                    continue;
                }
                meta::ensure(spec, "affinity", |affinity| {
                    meta::ensure(affinity, kind, |kind| {
                        meta::ensure(kind, field, |list| {
                            for index in (0..terms.len()).filter(|i| terms[*i]) {
                                let Some(mut term) = list.item(index) else {
                                    continue;
                                };
                                match inner {
                                    true => meta::ensure(&mut term, "podAffinityTerm", |term| {
                                        merge(term)
                                    }),
                                    false => merge(&mut term),
                                }
                            }
                        });
                    });
                });
            }
        }
    });
}

/// Only ephemeral containers may change through their endpoint.
pub fn prepare_ephemeral_containers(new: &mut Tree, old: &Tree) {
    let containers = new
        .root()
        .path("spec.ephemeralContainers")
        .map(Tree::copy_of);
    keep(new, old, "spec");
    keep(new, old, "status");
    super::keep_metadata(new, old);
    meta::ensure(&mut new.root_mut(), "spec", |spec| {
        meta::copy(
            spec,
            "ephemeralContainers",
            containers.as_ref().map(Tree::root),
        );
    });
}

/// Only the resources and the resize policies of containers, and the pod's own resources, may change through `resize`.
///
/// Where containers came, went or have other names the pod stays as it was sent: validation says what is wrong with it.
pub fn prepare_resize(new: &mut Tree, old: &Tree) {
    let sent = new.clone();
    if same_containers(&sent, old) {
        keep(new, old, "spec");
        keep(new, old, "status");
        super::keep_metadata(new, old);
        let sent = sent.root();
        meta::ensure(&mut new.root_mut(), "spec", |spec| {
            meta::copy(spec, "resources", sent.path("spec.resources"));
            for list in ["containers", "initContainers"] {
                let containers = sent.path("spec").and_then(|spec| spec.get(list));
                for (at, container) in containers.into_iter().flat_map(Ref::items).enumerate() {
                    meta::ensure(spec, list, |all| {
                        if let Some(mut own) = all.item(at) {
                            meta::copy(&mut own, "resources", container.get("resources"));
                            meta::copy(&mut own, "resizePolicy", container.get("resizePolicy"));
                        }
                    });
                }
            }
        });
    }
    keep_own_resources(new, old);
    api::defaults::pod_level_resources(new);
}

/// Whether two pods have containers of the same names in the same order.
fn same_containers(a: &Tree, b: &Tree) -> bool {
    let names = |pod| -> [Vec<String>; 2] {
        let spec = Pod::of(pod).spec();
        [spec.containers(), spec.init_containers()]
            .map(|list| list.iter().map(|c| c.name().to_owned()).collect())
    };
    names(a) == names(b)
}
