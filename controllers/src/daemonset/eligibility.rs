//! Which nodes a DaemonSet's pods belong on. Pure.

use api::{core::v1::PodSpec, node_affinity::RequiredNodeAffinity};

use super::tolerations;
use crate::object::{
    node::{NO_EXECUTE, NO_SCHEDULE, Node, Taint},
    pod::Toleration,
};

/// What the pods ask of a node.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    /// The only node; empty for any.
    name: String,
    required: RequiredNodeAffinity,
    /// The template's, and those that every daemon pod has.
    tolerations: Vec<Toleration>,
}

/// What a node is to the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Eligible {
    /// There should be a pod on it.
    pub run: bool,
    /// A pod that is on it may stay.
    pub stay: bool,
}

impl Needs {
    /// Reads what a template asks.
    pub(super) fn read(spec: PodSpec<'_>) -> Needs {
        Needs {
            name: spec.node_name().to_owned(),
            required: RequiredNodeAffinity::read(spec),
            tolerations: tolerations::all(spec),
        }
    }

    /// What the node is.
    pub(super) fn judge(&self, name: &str, node: &Node) -> Eligible {
        let selected = (self.name.is_empty() || self.name == name)
            && (self.required).matches(name, |key| node.labels.get(key).map(String::as_str));
        let untolerated = |taint: &&Taint| !self.tolerations.iter().any(|t| t.tolerates(taint));
        let mut taints = node.taints.iter().filter(untolerated);
        let stay = selected && !taints.clone().any(|t| t.effect == NO_EXECUTE);
        let run = stay && !taints.any(|t| t.effect == NO_SCHEDULE);
        Eligible { run, stay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        codec::json::{self, Strict},
        core::v1::{self as core, Pod},
        schema::{Schema, TypeId},
        tree::Tree,
    };
    use runtime::Projection;
    use serde_json::{Value, json};

    fn tree(ty: TypeId, object: Value) -> Tree {
        let body = object.to_string().into_bytes();
        json::decode(Schema::builtin(), ty, body, &mut Strict::new()).expect("fits")
    }

    fn judge(spec: Value, taints: Value) -> (bool, bool) {
        let pod = tree(Pod::TYPE, json!({"spec": spec}));
        let node = tree(
            core::Node::TYPE,
            json!({"metadata": {"name": "n1", "labels": {"disk": "ssd", "cpus": "8"}}, "spec": {"taints": taints}}),
        );
        let eligible = Needs::read(Pod::of(&pod).spec()).judge("n1", &Node::project(&node));
        (eligible.run, eligible.stay)
    }

    #[test]
    fn names_labels_and_affinity_select() {
        let term = |term: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": term}}}});
        let expression = |operator: &str, values: Value| {
            term(
                json!([{"matchExpressions": [{"key": "cpus", "operator": operator, "values": values}]}]),
            )
        };
        let field = |name: &str| {
            term(
                json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]),
            )
        };
        for (spec, selected) in [
            (json!({}), true),
            (json!({"nodeName": "n1"}), true),
            (json!({"nodeName": "n2"}), false),
            (json!({"nodeSelector": {"disk": "ssd"}}), true),
            (json!({"nodeSelector": {"disk": "hdd"}}), false),
            (expression("Gt", json!(["4"])), true),
            (expression("Lt", json!(["4"])), false),
            (expression("Nonsense", json!(["4"])), false),
            (field("n1"), true),
            (field("n2"), false),
            (term(json!([])), false),
            (term(json!([{}])), false),
        ] {
            assert_eq!(
                judge(spec.clone(), json!([])),
                (selected, selected),
                "{spec}"
            );
        }
    }

    #[test]
    fn taints_keep_pods_off_or_drive_them_out_unless_they_are_of_those_that_daemons_bear() {
        let taint = |key: &str, effect: &str| json!([{"key": key, "effect": effect}]);
        for (spec, taints, expected) in [
            (json!({}), taint("a", "NoSchedule"), (false, true)),
            (json!({}), taint("a", "NoExecute"), (false, false)),
            (json!({}), taint("a", "PreferNoSchedule"), (true, true)),
            (
                json!({"tolerations": [{"operator": "Exists"}]}),
                taint("a", "NoExecute"),
                (true, true),
            ),
            (
                json!({}),
                taint("node.kubernetes.io/unschedulable", "NoSchedule"),
                (true, true),
            ),
            (
                json!({}),
                taint("node.kubernetes.io/not-ready", "NoExecute"),
                (true, true),
            ),
            (
                json!({}),
                taint("node.kubernetes.io/network-unavailable", "NoSchedule"),
                (false, true),
            ),
            (
                json!({"hostNetwork": true}),
                taint("node.kubernetes.io/network-unavailable", "NoSchedule"),
                (true, true),
            ),
        ] {
            assert_eq!(
                judge(spec.clone(), taints.clone()),
                expected,
                "{spec} {taints}"
            );
        }
    }
}
