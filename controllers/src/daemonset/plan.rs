//! Which pods come and which go: upstream's rules as functions of what is seen. Pure.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use runtime::Object;

use super::{
    eligibility::Eligible,
    model::{DaemonSet, Status, Strategy},
};
use crate::object::pod::{Phase, Pod};

type Known = Arc<Object<Pod>>;

/// A node, or a name that pods give for theirs.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// What it is to the set; `None` if there is no such node.
    pub node: Option<Eligible>,
    /// The set's pods that are on it or on their way to it.
    pub pods: Vec<Known>,
}

impl Place {
    fn runs(&self) -> bool {
        self.node.is_some_and(|n| n.run)
    }

    fn stays(&self) -> bool {
        self.node.is_some_and(|n| n.stay)
    }

    /// Its pods, the one that counts first: bound before unbound, then the oldest.
    fn in_order<'a>(&self, pods: impl Iterator<Item = &'a Known>) -> Vec<&'a Known> {
        let mut pods: Vec<_> = pods.collect();
        pods.sort_by_key(|p| (p.value.node.is_empty(), p.value.created, p.key.clone()));
        pods
    }
}

/// The places by the nodes' names.
pub(super) type Places = BTreeMap<String, Place>;

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Names of nodes that get a pod.
    pub create: Vec<String>,
    /// Pods that go.
    pub delete: Vec<Known>,
    /// Pods that failed, by their node: they go after a back-off.
    pub failed: Vec<(String, Known)>,
    /// Pods that ended well: they go, too.
    pub succeeded: Vec<(String, Known)>,
}

/// What a look works with.
pub(super) struct Look<'a> {
    pub set: &'a DaemonSet,
    /// The hashes of the template's revisions: mostly one.
    pub hashes: &'a [&'a str],
    pub now: Timestamp,
}

impl Look<'_> {
    fn is_available(&self, pod: &Known) -> bool {
        pod.value.is_available(self.set.min_ready_seconds, self.now)
    }

    fn is_updated(&self, pod: &Known) -> bool {
        self.set.is_updated(&pod.value, self.hashes)
    }

    /// One pod on each node that should have one, none on those that may not.
    pub(super) fn manage(&self, places: &Places) -> Changes {
        let mut changes = Changes::default();
        let surges = self.bounds(1).surge > 0;
        for (node, place) in places {
            if place.runs() && place.pods.is_empty() {
                changes.create.push(node.clone());
            } else if place.stays() {
                self.keep_one(node, place, surges, &mut changes);
            } else if place.node.is_some() {
                let staying = place.pods.iter().filter(|p| p.value.deletion.is_none());
                changes.delete.extend(staying.cloned());
            } else {
                // Its node is not there: the scheduler never finds it.
                let unbound = place.pods.iter().filter(|p| p.value.node.is_empty());
                let unbound = unbound.filter(|p| p.value.deletion.is_none());
                changes.delete.extend(unbound.cloned());
            }
        }
        changes
    }

    fn keep_one(&self, node: &str, place: &Place, surges: bool, changes: &mut Changes) {
        let mut running = Vec::new();
        for pod in place.pods.iter().filter(|p| p.value.deletion.is_none()) {
            match pod.value.phase {
                Phase::Failed => changes.failed.push((node.to_owned(), pod.clone())),
                Phase::Succeeded => changes.succeeded.push((node.to_owned(), pod.clone())),
                _ => running.push(pod),
            }
        }
        let running = place.in_order(running.into_iter());
        if !surges {
            changes.delete.extend(running.into_iter().skip(1).cloned());
            return;
        }
        if running.is_empty() && place.runs() {
            changes.create.push(node.to_owned());
        }
        if running.len() <= 1 {
            return;
        }
        // One of the template as it is beside one of an older: until the new one is available.
        let (mut new, mut old) = (None, None);
        for pod in running {
            let slot = match self.is_of_revision(pod) {
                true => &mut new,
                false => &mut old,
            };
            match slot {
                None => *slot = Some(pod),
                Some(_) => changes.delete.push(pod.clone()),
            }
        }
        if let (Some(new), Some(old)) = (new, old)
            && (!old.value.is_ready || self.is_available(new))
        {
            changes.delete.push(old.clone());
        }
    }

    fn is_of_revision(&self, pod: &Known) -> bool {
        let label = pod.value.labels.get(crate::object::pod::REVISION_LABEL);
        label.is_some_and(|hash| self.hashes.contains(&hash.as_str()))
    }

    /// One step of a rolling update.
    pub(super) fn roll(&self, places: &Places) -> Changes {
        let desired = places.values().filter(|p| p.runs()).count();
        let bounds = self.bounds(desired);
        // Places that should have a pod, or have one.
        let places = places
            .iter()
            .filter(|(_, p)| p.runs() || !p.pods.is_empty());
        if bounds.surge == 0 {
            self.roll_in_place(places, bounds.unavailable)
        } else {
            self.roll_with_surge(places, bounds.surge, desired)
        }
    }

    /// Old pods go, as many as may be unavailable, and are followed by new ones. Those that do not work anyway go at once.
    fn roll_in_place<'a>(
        &self,
        places: impl Iterator<Item = (&'a String, &'a Place)>,
        most: usize,
    ) -> Changes {
        let (mut unavailable, mut candidates) = (0, Vec::new());
        let mut changes = Changes::default();
        for (_, place) in places {
            match self.pair(place) {
                Some((Some(new), None)) => {
                    unavailable += usize::from(!self.is_available(new));
                }
                Some((None, Some(old))) if self.is_available(old) => candidates.push(old),
                Some((None, Some(old))) => {
                    changes.delete.push(old.clone());
                    unavailable += 1;
                }
                // None, or several: the other rules see to that first.
                _ => unavailable += 1,
            }
        }
        let spare = most.saturating_sub(unavailable);
        let chosen = candidates.into_iter().take(spare);
        changes.delete.extend(chosen.cloned());
        changes
    }

    /// New pods come beside old ones, so many at a time; an old one goes when its successor is available.
    fn roll_with_surge<'a>(
        &self,
        places: impl Iterator<Item = (&'a String, &'a Place)>,
        most: usize,
        desired: usize,
    ) -> Changes {
        let mut changes = Changes::default();
        let (mut surge, mut available) = (0, 0);
        let (mut candidates, mut misplaced) = (Vec::new(), Vec::new());
        for (node, place) in places {
            let Some((new, old)) = self.pair(place) else {
                surge += 1;
                continue;
            };
            available += usize::from(old.or(new).is_some_and(|p| self.is_available(p)));
            match (new, old) {
                (_, None) => {}
                (None, Some(old)) => match (self.is_available(old), place.runs()) {
                    (false, false) => changes.delete.push(old.clone()),
                    (false, true) => changes.create.push(node.clone()),
                    (true, false) => misplaced.push(old),
                    (true, true) => candidates.push(node),
                },
                (Some(new), Some(old)) => {
                    if self.is_available(new) {
                        changes.delete.push(old.clone());
                    } else {
                        surge += 1;
                    }
                }
            }
        }
        let spare = available.saturating_sub(desired);
        changes
            .delete
            .extend(misplaced.into_iter().take(spare).cloned());
        let room = most.saturating_sub(surge);
        changes
            .create
            .extend(candidates.into_iter().take(room).cloned());
        changes
    }

    /// The pod of the template as it is and that of an older; `None` if there are several of either.
    fn pair<'a>(&self, place: &'a Place) -> Option<(Option<&'a Known>, Option<&'a Known>)> {
        let (mut new, mut old) = (None, None);
        for pod in place.pods.iter().filter(|p| p.value.deletion.is_none()) {
            let slot = match self.is_updated(pod) {
                true => &mut new,
                false => &mut old,
            };
            if slot.replace(pod).is_some() {
                return None;
            }
        }
        Some((new, old))
    }

    /// How many pods more and how many fewer there may be, for so many nodes. Both round up.
    fn bounds(&self, desired: usize) -> Bounds {
        let Strategy::RollingUpdate {
            max_surge,
            max_unavailable,
        } = &self.set.strategy
        else {
            return Bounds::default();
        };
        let scale = |value: &Option<api::IntOrString>| {
            let total = i64::try_from(desired).unwrap_or(i64::MAX);
            // Validation lets through numbers and percentages only.
            let scaled = value.as_ref().and_then(|v| v.scaled(total, true).ok());
            usize::try_from(scaled.unwrap_or(0)).unwrap_or(0)
        };
        let mut bounds = Bounds {
            surge: scale(max_surge),
            unavailable: scale(max_unavailable),
        };
        if desired > 0 && bounds.surge == 0 && bounds.unavailable == 0 {
            bounds.unavailable = 1;
        }
        bounds
    }

    /// The status as it should be. Unless all that was asked for has been seen (`current`), the generation is not counted as
    /// observed.
    pub(super) fn status(&self, places: &Places, current: bool, collisions: i32) -> Status {
        let old = self.set.status;
        let mut status = Status {
            observed_generation: if current {
                self.set.generation
            } else {
                old.observed_generation
            },
            collisions: (collisions > 0).then_some(collisions).or(old.collisions),
            ..Status::default()
        };
        for place in places.values().filter(|p| p.node.is_some()) {
            let first = place.in_order(place.pods.iter()).into_iter().next();
            if !place.runs() {
                status.misscheduled += i32::from(first.is_some());
                continue;
            }
            status.desired += 1;
            let Some(pod) = first else {
                continue;
            };
            status.current += 1;
            status.ready += i32::from(pod.value.is_ready);
            status.available += i32::from(self.is_available(pod));
            status.updated += i32::from(self.is_updated(pod));
        }
        status.unavailable = status.desired - status.available;
        status
    }
}

/// By how much a rolling update may stray.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    surge: usize,
    unavailable: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        IntOrString,
        apps::v1::DaemonSet as View,
        codec::json::{self, Strict},
        core::v1 as core,
        schema::{Schema, TypeId},
        tree::Tree,
    };
    use runtime::Projection;
    use serde_json::{Value, json};

    fn tree(ty: TypeId, object: Value) -> Tree {
        let body = object.to_string().into_bytes();
        json::decode(Schema::builtin(), ty, body, &mut Strict::new()).expect("fits")
    }

    fn set(surge: i32, unavailable: i32) -> DaemonSet {
        let mut set = DaemonSet::project(&tree(View::TYPE, json!({})));
        set.strategy = Strategy::RollingUpdate {
            max_surge: Some(IntOrString::Int(surge)),
            max_unavailable: Some(IntOrString::Int(unavailable)),
        };
        set
    }

    /// A pod by its name: of the old or the new revision, ready (`!`) or not, on its way out (`-`), failed (`x`).
    fn pod(text: &str) -> Known {
        let hash = if text.contains("new") { "new" } else { "old" };
        let status = if text.contains('!') { "True" } else { "False" };
        let phase = if text.contains('x') {
            "Failed"
        } else {
            "Running"
        };
        let mut metadata =
            json!({"name": text, "uid": text, "labels": {"controller-revision-hash": hash}});
        if text.contains('-') {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Arc::new(Object::read(&tree(
            core::Pod::TYPE,
            json!({
                "metadata": metadata, "spec": {"nodeName": "n"},
                "status": {"phase": phase, "conditions": [
                    {"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
            }),
        )))
    }

    const RUN: Option<Eligible> = Some(Eligible {
        run: true,
        stay: true,
    });
    const STAY: Option<Eligible> = Some(Eligible {
        run: false,
        stay: true,
    });
    const GO: Option<Eligible> = Some(Eligible {
        run: false,
        stay: false,
    });

    fn places(all: &[(&str, Option<Eligible>, &[&str])]) -> Places {
        all.iter()
            .map(|(name, node, pods)| {
                let place = Place {
                    node: *node,
                    pods: pods.iter().map(|p| pod(p)).collect(),
                };
                ((*name).to_owned(), place)
            })
            .collect()
    }

    fn told(changes: &Changes) -> Vec<String> {
        let mut told: Vec<String> = changes.create.iter().map(|n| format!("+{n}")).collect();
        told.extend(changes.delete.iter().map(|p| p.key.name().to_owned()));
        told.extend(changes.failed.iter().map(|(n, _)| format!("failed on {n}")));
        told
    }

    fn look(set: &DaemonSet) -> Look<'_> {
        Look {
            set,
            hashes: &["new"],
            now: "2026-01-01T01:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn each_node_gets_one_pod_and_no_more() {
        let set = set(0, 1);
        let table: [(Option<Eligible>, &[&str], &[&str]); 9] = [
            (RUN, &[], &["+n"]),
            (RUN, &["new!"], &[]),
            (RUN, &["new-"], &[]),
            (RUN, &["a new!", "b new!"], &["b new!"]),
            (RUN, &["new x"], &["failed on n"]),
            (STAY, &[], &[]),
            (STAY, &["new!"], &[]),
            (GO, &["new!", "old-"], &["new!"]),
            (None, &["new!"], &[]),
        ];
        for (node, pods, expected) in table {
            let changes = look(&set).manage(&places(&[("n", node, pods)]));
            assert_eq!(told(&changes), expected, "{node:?} {pods:?}");
        }
    }

    #[test]
    fn with_surge_an_old_pod_stays_until_the_new_one_is_available() {
        let set = set(1, 0);
        let table: [(&[&str], &[&str]); 4] = [
            (&["old!", "new"], &[]),
            (&["old!", "new!"], &["old!"]),
            (&["old", "new"], &["old"]),
            (&["a old!", "b old!", "new"], &["b old!"]),
        ];
        for (pods, expected) in table {
            let changes = look(&set).manage(&places(&[("n", RUN, pods)]));
            assert_eq!(told(&changes), expected, "{pods:?}");
        }
    }

    #[test]
    fn an_update_gives_up_no_more_pods_than_may_be_unavailable() {
        let one = set(0, 1);
        let roll = |set: &DaemonSet, all: &[(&str, Option<Eligible>, &[&str])]| {
            told(&look(set).roll(&places(all)))
        };
        assert_eq!(
            roll(&one, &[("a", RUN, &["old!"]), ("b", RUN, &["old!"])]).len(),
            1
        );
        assert!(roll(&one, &[("a", RUN, &["old!"]), ("b", RUN, &["new"])]).is_empty());
        assert!(roll(&one, &[("a", RUN, &["old!"]), ("b", RUN, &[])]).is_empty());
        assert_eq!(
            roll(
                &one,
                &[
                    ("a", RUN, &["old"]),
                    ("b", RUN, &["1 old"]),
                    ("c", RUN, &["2 old!"])
                ]
            ),
            ["old", "1 old"],
            "what does not work costs nothing"
        );
        assert_eq!(
            roll(&set(0, 0), &[("a", RUN, &["old!"])]),
            ["old!"],
            "never stuck"
        );
    }

    #[test]
    fn an_update_with_surge_brings_no_more_new_pods_than_allowed() {
        let one = set(1, 0);
        let roll = |all: &[(&str, Option<Eligible>, &[&str])]| told(&look(&one).roll(&places(all)));
        assert_eq!(
            roll(&[("a", RUN, &["old!"]), ("b", RUN, &["old!"])]),
            ["+a"]
        );
        assert!(roll(&[("a", RUN, &["old!", "new"]), ("b", RUN, &["old!"])]).is_empty());
        assert_eq!(
            roll(&[("a", RUN, &["old!", "new!"]), ("b", RUN, &["1 old!"])]),
            ["+b", "old!"]
        );
        assert_eq!(
            roll(&[("a", RUN, &["old"]), ("b", STAY, &["1 old"])]),
            ["+a", "1 old"]
        );
    }

    #[test]
    fn the_status_counts_nodes() {
        let set = set(0, 1);
        let status = look(&set).status(
            &places(&[
                ("a", RUN, &["new!"]),
                ("b", RUN, &["old"]),
                ("c", RUN, &[]),
                ("d", STAY, &["new"]),
                ("e", None, &["new"]),
            ]),
            true,
            0,
        );
        let expected = Status {
            desired: 3,
            current: 2,
            misscheduled: 1,
            ready: 1,
            updated: 1,
            available: 1,
            unavailable: 2,
            ..Status::default()
        };
        assert_eq!(status, expected);
    }
}
