//! A budget's arithmetic: upstream's rules as functions of what is seen. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{IntOrString, NotPercentage};
use jiff::{SignedDuration, Timestamp};
use runtime::Object;
use serde_json::{Map, Value, json};

use super::model::{Bound, Budget, Status};
use crate::object::{condition::Condition, pod::Pod, rfc3339};

/// For so long an eviction that was allowed counts, until the pod is seen going.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_secs(2 * 60);

/// The condition which says whether anything may be evicted.
const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";

/// How many pods there should be, and how many of them healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub expected: i32,
    pub healthy: i32,
}

impl Bound {
    /// Whether it is about how many pods there should be, rather than how many there are.
    pub(super) fn needs_scale(&self) -> bool {
        match self {
            Bound::MaxUnavailable(_) | Bound::MinAvailable(IntOrString::String(_)) => true,
            Bound::MinAvailable(IntOrString::Int(_)) | Bound::None => false,
        }
    }

    /// What it asks for where there should be `scale` pods and there are `pods`.
    pub(super) fn resolve(&self, scale: i32, pods: usize) -> Result<Wanted, NotPercentage> {
        let scaled = |value: &IntOrString| {
            let scaled = value.scaled(scale.into(), true)?;
            Ok(i32::try_from(scaled).unwrap_or(i32::MAX))
        };
        Ok(match self {
            Bound::MaxUnavailable(value) => Wanted {
                expected: scale,
                healthy: scale.saturating_sub(scaled(value)?).max(0),
            },
            Bound::MinAvailable(IntOrString::Int(healthy)) => Wanted {
                expected: i32::try_from(pods).unwrap_or(i32::MAX),
                healthy: *healthy,
            },
            Bound::MinAvailable(value) => Wanted {
                expected: scale,
                healthy: scaled(value)?,
            },
            Bound::None => Wanted {
                expected: 0,
                healthy: 0,
            },
        })
    }
}

/// What has been allowed and not yet seen.
#[derive(Debug, Default)]
pub(super) struct Disrupted<'a> {
    /// Still counted on.
    pub pods: BTreeMap<String, Timestamp>,
    /// Pods that should have gone and have not.
    pub stayed: Vec<&'a Arc<Object<Pod>>>,
    /// When the next of them has had its time.
    pub recheck: Option<Duration>,
}

/// Looks at the evictions that were allowed.
pub(super) fn disrupted<'a>(
    status: &Status,
    pods: &'a [Arc<Object<Pod>>],
    now: Timestamp,
) -> Disrupted<'a> {
    let mut disrupted = Disrupted::default();
    for pod in pods.iter().filter(|p| p.value.deletion.is_none()) {
        let Some(&since) = status.disrupted.get(pod.key.name()) else {
            continue;
        };
        let left = DELETION_TIMEOUT - now.duration_since(since);
        match Duration::try_from(left) {
            Ok(left) => {
                let recheck = disrupted.recheck.map_or(left, |r| r.min(left));
                disrupted.recheck = Some(recheck);
                disrupted.pods.insert(pod.key.name().to_owned(), since);
            }
            Err(_) => disrupted.stayed.push(pod),
        }
    }
    disrupted
}

/// How many pods are healthy and stay so.
pub(super) fn healthy(pods: &[Arc<Object<Pod>>], disrupted: &BTreeMap<String, Timestamp>) -> i32 {
    let healthy = pods.iter().filter(|p| {
        p.value.is_ready && p.value.deletion.is_none() && !disrupted.contains_key(p.key.name())
    });
    i32::try_from(healthy.count()).unwrap_or(i32::MAX)
}

/// The status as it should be.
pub(super) fn status(
    budget: &Budget,
    wanted: Wanted,
    healthy: i32,
    disrupted: BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Status {
    let spare = healthy.saturating_sub(wanted.healthy).max(0);
    let mut status = Status {
        observed_generation: budget.generation,
        disrupted,
        allowed: if wanted.expected > 0 { spare } else { 0 },
        healthy,
        desired: wanted.healthy,
        expected: wanted.expected,
        conditions: budget.status.conditions.clone(),
    };
    let (value, reason) = if status.allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    set_condition(&mut status, value, reason, "", now);
    status
}

/// The status of a budget that could not be calculated: nothing may be evicted.
pub(super) fn failed(budget: &Budget, error: &str, now: Timestamp) -> Status {
    let mut status = budget.status.clone();
    status.allowed = 0;
    set_condition(&mut status, "False", "SyncFailed", error, now);
    status
}

fn set_condition(status: &mut Status, value: &str, reason: &str, message: &str, now: Timestamp) {
    let generation = status.observed_generation;
    let mut condition = Condition::new(DISRUPTION_ALLOWED, value, reason, message, now);
    let mut known = status.conditions.iter_mut();
    match known.find(|(c, _)| c.r#type == DISRUPTION_ALLOWED) {
        Some(known) => {
            if known.0.status == value {
                condition.last_transition = known.0.last_transition;
            }
            *known = (condition, generation);
        }
        None => status.conditions.push((condition, generation)),
    }
}

/// The patch that brings a stored status there, if it is still at this revision: evictions write into it, too.
pub(super) fn patch(old: &Status, new: &Status, resource_version: &str) -> Value {
    let mut disrupted: Map<String, Value> = (old.disrupted.keys())
        .map(|pod| (pod.clone(), Value::Null))
        .collect();
    for (pod, since) in &new.disrupted {
        disrupted.insert(pod.clone(), json!(rfc3339(*since)));
    }
    let conditions = new.conditions.iter().map(|(condition, generation)| {
        let mut value = condition.json();
        value["observedGeneration"] = json!(generation);
        value["message"] = json!(condition.message);
        value
    });
    json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {
            "observedGeneration": new.observed_generation,
            "disruptedPods": disrupted,
            "disruptionsAllowed": new.allowed,
            "currentHealthy": new.healthy,
            "desiredHealthy": new.desired,
            "expectedPods": new.expected,
            "conditions": conditions.collect::<Vec<_>>(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        codec::json::{self, Strict},
        core::v1 as core,
        schema::Schema,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("in range")
    }

    fn pod(name: &str, ready: &str, going: bool) -> Arc<Object<Pod>> {
        let mut object = json!({
            "metadata": {"name": name},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        });
        if going {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let body = object.to_string().into_bytes();
        let tree = json::decode(Schema::builtin(), core::Pod::TYPE, body, &mut Strict::new());
        Arc::new(Object::read(&tree.expect("fits")))
    }

    fn budget(bound: Bound) -> Budget {
        Budget {
            generation: 2,
            selector: None,
            bound,
            status: Status::default(),
        }
    }

    #[test]
    fn bounds_are_of_what_should_be_there_and_percentages_round_up() {
        use Bound::{MaxUnavailable, MinAvailable};
        let percent = |text: &str| IntOrString::String(text.into());
        for (bound, expected, healthy) in [
            (MinAvailable(IntOrString::Int(3)), 4, 3),
            (MinAvailable(percent("28%")), 10, 3),
            (MaxUnavailable(IntOrString::Int(3)), 10, 7),
            (MaxUnavailable(IntOrString::Int(30)), 10, 0),
            (MaxUnavailable(percent("11%")), 10, 8),
            (Bound::None, 0, 0),
        ] {
            let wanted = bound.resolve(10, 4).expect("valid");
            assert_eq!(wanted, Wanted { expected, healthy }, "{bound:?}");
        }
        assert!(MaxUnavailable(percent("many")).resolve(1, 1).is_err());
    }

    #[test]
    fn what_is_spare_may_go_and_the_condition_says_so() {
        let budget = budget(Bound::None);
        for (expected, desired, healthy, allowed, reason) in [
            (3, 2, 3, 1, "SufficientPods"),
            (3, 3, 3, 0, "InsufficientPods"),
            (3, 3, 1, 0, "InsufficientPods"),
            (0, 0, 3, 0, "InsufficientPods"),
        ] {
            let wanted = Wanted {
                expected,
                healthy: desired,
            };
            let status = status(&budget, wanted, healthy, BTreeMap::new(), at(0));
            assert_eq!(status.allowed, allowed);
            let (condition, generation) = &status.conditions[0];
            assert_eq!((condition.reason.as_str(), *generation), (reason, 2));
        }
    }

    #[test]
    fn an_allowed_eviction_counts_until_it_is_seen_or_has_had_its_time() {
        let pods = [
            pod("a", "True", false),
            pod("b", "True", false),
            pod("c", "True", true),
            pod("d", "False", false),
            pod("e", "True", false),
        ];
        let status = Status {
            disrupted: [("a", 0), ("b", 100), ("c", 100), ("x", 100)]
                .into_iter()
                .map(|(pod, second)| (pod.to_owned(), at(second)))
                .collect(),
            ..Status::default()
        };
        let found = disrupted(&status, &pods, at(130));
        assert_eq!(found.pods, [("b".to_owned(), at(100))].into());
        assert_eq!(found.stayed[0].key.name(), "a");
        assert_eq!(found.recheck, Some(Duration::from_secs(90)));
        assert_eq!(healthy(&pods, &found.pods), 2, "a and e");
        let patch = patch(
            &status,
            &Status {
                disrupted: found.pods,
                ..Status::default()
            },
            "7",
        );
        assert_eq!(
            patch["status"]["disruptedPods"],
            json!({"a": null, "b": "1970-01-12T13:48:20Z", "c": null, "x": null})
        );
    }

    #[test]
    fn a_failure_allows_nothing_and_keeps_what_is_known() {
        let mut budget = budget(Bound::None);
        budget.status.allowed = 2;
        budget.status.healthy = 5;
        let first = failed(&budget, "no", at(1));
        assert_eq!((first.allowed, first.healthy), (0, 5));
        assert_eq!(first.conditions[0].0.message, "no");
        budget.status = first.clone();
        assert_eq!(failed(&budget, "no", at(2)), first, "nothing new");
    }
}
