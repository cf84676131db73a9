//! Eviction by taints: a pod on a node with a `NoExecute` taint goes, unless it tolerates it, or when the time is over for which
//! it does.

use std::{sync::Arc, time::Duration};

use api::core::v1 as core;
use jiff::Timestamp;
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, Patch, ReconcileError, Resource,
    ResultExt, Wiring, client::DeleteOptions, events::ObjectRef,
};
use serde_json::json;

use crate::object::{
    node::{Node, Taint},
    pod::{self, Pod, Toleration},
    rfc3339,
};

/// The controller of evictions by taints. Its keys are pods.
pub struct TaintEviction {
    nodes: Informer<Node>,
    pods: Informer<Pod>,
}

impl TaintEviction {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let pods = informers.informer(&Resource::of(core::Pod::TYPE));
        pods.add_index(pod::BY_NODE, Pod::node_values);
        TaintEviction {
            nodes: informers.informer(&Resource::of(core::Node::TYPE)),
            pods,
        }
    }
}

impl Controller for TaintEviction {
    const NAME: &'static str = "taint-eviction-controller";

    fn workers(&self) -> usize {
        8
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        let pods = self.pods.clone();
        wiring.watch(&self.nodes, move |change, queue| {
            let taints = |node: Option<&Object<Node>>| -> Vec<Taint> {
                node.map(|n| n.value.no_execute().cloned().collect())
                    .unwrap_or_default()
            };
            if taints(change.old) != taints(change.new) {
                for pod in pods.by_index(pod::BY_NODE, change.latest().key.name()) {
                    queue.add(pod.key.clone());
                }
            }
        });
        let nodes = self.nodes.clone();
        wiring.watch(&self.pods, move |change, queue| {
            if let Some(pod) = change.new
                && nodes
                    .get(&Key::cluster(&pod.value.node))
                    .is_some_and(|n| n.value.no_execute().next().is_some())
            {
                queue.add(pod.key.clone());
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(pod) = self.pods.get(key).filter(|p| p.value.deletion.is_none()) else {
            return Ok(Next::Done);
        };
        let Some(node) = self.nodes.get(&Key::cluster(&pod.value.node)) else {
            return Ok(Next::Done);
        };
        let now = cx.clock.now();
        match due(node.value.no_execute(), &pod.value.tolerations, now) {
            Due::Never => Ok(Next::Done),
            Due::In(delay) => Ok(Next::After(delay)),
            Due::Now => {
                self.evict(cx, &pod, now).await?;
                Ok(Next::Done)
            }
        }
    }
}

impl TaintEviction {
    async fn evict(
        &self,
        cx: &Context,
        pod: &Arc<Object<Pod>>,
        now: Timestamp,
    ) -> Result<(), ReconcileError> {
        let reference = ObjectRef::new(self.pods.resource(), &pod.key, &pod.uid);
        cx.events.normal(
            reference,
            "TaintManagerEviction",
            format!("Marking for deletion Pod {}", pod.key),
        );
        if !pod.value.disruption_target {
            let patch = json!({
                "metadata": {"uid": &*pod.uid},
                "status": {"conditions": [{
                    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
                    "message": "Taint manager: deleting due to NoExecute taint",
                    "lastTransitionTime": rfc3339(now),
                }]},
            });
            cx.client
                .patch_status(self.pods.resource(), &pod.key, &Patch::Strategic(patch))
                .await
                .optional()?;
        }
        let deleted = cx
            .client
            .delete(
                self.pods.resource(),
                &pod.key,
                &DeleteOptions::of_uid(&pod.uid),
            )
            .await;
        deleted.or_else(|e| {
            if e.is_not_found() || e.is_conflict() {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        Ok(())
    }
}

/// When a pod must go.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Never,
    In(Duration),
    Now,
}

/// When a pod with these tolerations must go because of these taints. The time runs from the youngest taint's setting.
fn due<'a>(
    taints: impl Iterator<Item = &'a Taint>,
    tolerations: &[Toleration],
    now: Timestamp,
) -> Due {
    let (mut shortest, mut since, mut any) = (None, None, false);
    for taint in taints {
        any = true;
        let mut tolerating = tolerations.iter().filter(|t| t.tolerates(taint)).peekable();
        if tolerating.peek().is_none() {
            return Due::Now;
        }
        for seconds in tolerating.filter_map(|t| t.seconds) {
            shortest = Some(shortest.map_or(seconds, |s: i64| s.min(seconds)));
        }
        since = since.max(taint.added);
    }
    let Some(seconds) = shortest.filter(|_| any) else {
        return Due::Never;
    };
    let elapsed = now.duration_since(since.unwrap_or(now)).as_secs().max(0);
    match u64::try_from(seconds - elapsed) {
        Ok(left) if left > 0 => Due::In(Duration::from_secs(left)),
        _ => Due::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("in range")
    }

    fn taint(key: &str, added: i64) -> Taint {
        Taint {
            key: key.into(),
            value: String::new(),
            effect: "NoExecute".into(),
            added: Some(at(added)),
        }
    }

    fn tolerating(key: &str, seconds: Option<i64>) -> Toleration {
        Toleration {
            key: key.into(),
            exists: true,
            value: String::new(),
            effect: String::new(),
            seconds,
        }
    }

    #[test]
    fn no_taint_evicts_nobody_and_one_untolerated_evicts_at_once() {
        assert_eq!(due([].iter(), &[], at(0)), Due::Never);
        assert_eq!(
            due([].iter(), &[tolerating("a", Some(0))], at(0)),
            Due::Never
        );
        assert_eq!(due([taint("a", 0)].iter(), &[], at(0)), Due::Now);
        assert_eq!(
            due(
                [taint("a", 0), taint("b", 0)].iter(),
                &[tolerating("a", None)],
                at(0)
            ),
            Due::Now
        );
    }

    #[test]
    fn toleration_lasts_for_ever_or_for_its_seconds() {
        assert_eq!(
            due([taint("a", 0)].iter(), &[tolerating("a", None)], at(9999)),
            Due::Never
        );
        assert_eq!(
            due([taint("a", 0)].iter(), &[tolerating("", None)], at(0)),
            Due::Never,
            "an empty key is every key"
        );
        let five_minutes = [tolerating("a", Some(300))];
        assert_eq!(
            due([taint("a", 0)].iter(), &five_minutes, at(100)),
            Due::In(Duration::from_secs(200))
        );
        assert_eq!(
            due([taint("a", 0)].iter(), &five_minutes, at(300)),
            Due::Now
        );
        assert_eq!(
            due([taint("a", 0)].iter(), &[tolerating("a", Some(0))], at(0)),
            Due::Now
        );
    }

    #[test]
    fn of_several_tolerations_the_shortest_counts() {
        let both = [tolerating("a", Some(300)), tolerating("b", Some(20))];
        assert_eq!(
            due([taint("a", 0), taint("b", 10)].iter(), &both, at(10)),
            Due::In(Duration::from_secs(20))
        );
    }

    #[test]
    fn values_and_effects_must_match_where_they_are_given() {
        let mut exact = Toleration {
            exists: false,
            value: "x".into(),
            ..tolerating("a", None)
        };
        assert_eq!(
            due([taint("a", 0)].iter(), &[exact.clone()], at(0)),
            Due::Now
        );
        exact.value = String::new();
        assert_eq!(
            due([taint("a", 0)].iter(), &[exact.clone()], at(0)),
            Due::Never
        );
        exact.effect = "NoSchedule".into();
        assert_eq!(due([taint("a", 0)].iter(), &[exact], at(0)), Due::Now);
    }
}
