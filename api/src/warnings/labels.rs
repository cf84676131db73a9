//! Labels of nodes that have other names by now.

use super::Warnings;
use crate::core::v1::NodeSelectorTerm;
use crate::field::Path;
use crate::meta::v1::LabelSelector;
use crate::names;

/// Labels and what upstream says of them.
const DEPRECATED: &[(&str, &str)] = &[
    (
        "beta.kubernetes.io/arch",
        r#"deprecated since v1.14; use "kubernetes.io/arch" instead"#,
    ),
    (
        "beta.kubernetes.io/os",
        r#"deprecated since v1.14; use "kubernetes.io/os" instead"#,
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        r#"deprecated since v1.17; use "topology.kubernetes.io/region" instead"#,
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        r#"deprecated since v1.17; use "topology.kubernetes.io/zone" instead"#,
    ),
    (
        "beta.kubernetes.io/instance-type",
        r#"deprecated since v1.17; use "node.kubernetes.io/instance-type" instead"#,
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    (
        "node-role.kubernetes.io/master",
        r#"use "node-role.kubernetes.io/control-plane" instead"#,
    ),
];

/// What is to say of a label, if anything.
pub(super) fn deprecated(label: &str) -> Option<&'static str> {
    let found = DEPRECATED.iter().find(|(name, _)| *name == label)?;
    Some(found.1)
}

/// A term that selects nodes; `values`: whether its values must be ones that labels can have.
pub(super) fn term(out: &mut Warnings, path: &Path<'_>, term: NodeSelectorTerm<'_>, values: bool) {
    let path = path.child("matchExpressions");
    for (at, expression) in term.match_expressions().iter().enumerate() {
        let (place, key) = (path.index(at), expression.key());
        if let Some(why) = deprecated(key) {
            out.push(format!("{}: {key} is {why}", place.child("key")));
        }
        if !values {
            continue;
        }
        for (at, value) in expression.values().iter().enumerate() {
            for why in names::label_value(value) {
                let place = place.child("values");
                out.push(format!("{}: {value} is invalid, {why}", place.index(at)));
            }
        }
    }
}

/// A selector of nodes by label.
pub(super) fn selector(out: &mut Warnings, path: &Path<'_>, selector: LabelSelector<'_>) {
    for (at, expression) in selector.match_expressions().iter().enumerate() {
        if let Some(why) = deprecated(expression.key()) {
            let place = path.child("matchExpressions");
            let place = place.index(at);
            out.push(format!(
                "{}: {} is {why}",
                place.child("key"),
                expression.key()
            ));
        }
    }
    for label in selector.match_labels().keys() {
        if let Some(why) = deprecated(label) {
            let place = path.child("matchLabels");
            out.push(format!("{}: {why}", place.child(label)));
        }
    }
}
