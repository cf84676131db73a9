//! The last decision on each pod, kept for whoever asks why: a bounded number of them, the latest.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::decision::{Decision, Verdict};
use crate::pod::PodKey;
use crate::text::{Map, Text};

/// How many decisions are kept. One of 5,000 nodes that shares its rows with the one before costs about 4 KB.
pub const CAPACITY: usize = 1024;

/// What came of a decision.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A node was chosen.
    Placed {
        /// Its name.
        node: Text,
        /// Why.
        decision: Decision,
    },
    /// No node could take the pod.
    Refused {
        /// What the pod's condition says.
        message: String,
        /// Why.
        decision: Decision,
    },
    /// The pod asks for what this scheduler does not know.
    Unsupported {
        /// The fields, as paths.
        fields: Box<[Text]>,
    },
}

/// A decision.
#[derive(Clone, Debug)]
pub struct Record {
    /// The pod's uid.
    pub uid: Text,
    /// When.
    pub at: jiff::Timestamp,
    /// What came of it.
    pub outcome: Outcome,
}

/// The last decisions.
#[derive(Debug, Default)]
pub struct Decisions {
    by_pod: Map<PodKey, (u64, Record)>,
    order: VecDeque<(u64, PodKey)>,
    count: u64,
}

impl Decisions {
    /// Remembers a decision in place of the pod's last one.
    pub fn record(&mut self, key: PodKey, record: Record) {
        self.count += 1;
        self.order.push_back((self.count, key.clone()));
        self.by_pod.insert(key, (self.count, record));
        // Entries of the order that were followed by later decisions on the same pod are stale.
        while self.by_pod.len() > CAPACITY || self.order.len() > 2 * CAPACITY {
            let Some((number, key)) = self.order.pop_front() else {
                break;
            };
            if self
                .by_pod
                .get(&key)
                .is_some_and(|(last, _)| *last == number)
            {
                self.by_pod.remove(&key);
            }
        }
    }

    /// The last decision on a pod.
    pub fn get(&self, key: &PodKey) -> Option<&Record> {
        self.by_pod.get(key).map(|(_, record)| record)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.by_pod.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.by_pod.is_empty()
    }
}

impl Record {
    /// The decision as JSON, with a verdict for every node:
    ///
    /// ```json
    /// {"namespace": "default", "name": "web-1", "uid": "…", "time": "…", "result": "Placed", "node": "n1", "feasible": 1,
    ///  "nodes": [{"name": "n1", "fits": true, "total": 512, "scores": [{"plugin": "ImageLocality", "score": 7, "weight": 1}]},
    ///            {"name": "n2", "fits": false, "plugin": "NodeResourcesFit", "reasons": ["Insufficient cpu"], "detail": "…"}]}
    /// ```
    ///
    /// `result` is `Placed`, `Unschedulable` (with `message`) or `Unsupported` (with `fields`).
    pub fn to_json(&self, key: &PodKey) -> Value {
        let mut json = json!({
            "namespace": &*key.namespace, "name": &*key.name, "uid": &*self.uid, "time": self.at.to_string(),
        });
        let (more, decision) = match &self.outcome {
            Outcome::Placed { node, decision } => {
                (json!({"result": "Placed", "node": &**node}), Some(decision))
            }
            Outcome::Refused { message, decision } => (
                json!({"result": "Unschedulable", "message": message}),
                Some(decision),
            ),
            Outcome::Unsupported { fields } => {
                let fields: Vec<&str> = fields.iter().map(|f| &**f).collect();
                (json!({"result": "Unsupported", "fields": fields}), None)
            }
        };
        merge(&mut json, more);
        if let Some(decision) = decision {
            let nodes: Vec<Value> = decision
                .explanation
                .each()
                .map(|(name, verdict)| node_json(name, &verdict))
                .collect();
            merge(
                &mut json,
                json!({"feasible": decision.feasible, "nodes": nodes}),
            );
        }
        json
    }
}

fn node_json(name: &str, verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Fits(scores) => {
            let each: Vec<Value> = scores
                .each()
                .map(|(plugin, score, weight)| json!({"plugin": plugin.as_str(), "score": score, "weight": weight}))
                .collect();
            json!({"name": name, "fits": true, "total": scores.total(), "scores": each})
        }
        Verdict::Refused(refusal) => {
            let mut reasons = Vec::new();
            refusal.for_each_reason(|reason| reasons.push(reason.to_owned()));
            json!({
                "name": name, "fits": false, "plugin": refusal.plugin().as_str(), "reasons": reasons,
                "detail": refusal.detail(),
            })
        }
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_are_kept_and_one_of_each_pod() {
        let mut decisions = Decisions::default();
        let record = |uid: &str| Record {
            uid: uid.into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            outcome: Outcome::Unsupported {
                fields: Box::new([]),
            },
        };
        for i in 0..CAPACITY * 3 {
            decisions.record(PodKey::new("ns", i.to_string()), record("u"));
        }
        assert_eq!(decisions.len(), CAPACITY);
        assert!(decisions.get(&PodKey::new("ns", "0")).is_none());
        for i in 0..CAPACITY * 5 {
            decisions.record(PodKey::new("ns", "again"), record(&i.to_string()));
        }
        let last = (CAPACITY * 5 - 1).to_string();
        assert_eq!(
            decisions.get(&PodKey::new("ns", "again")).map(|r| &*r.uid),
            Some(last.as_str())
        );
        assert!(decisions.order.len() <= 2 * CAPACITY);
    }
}
