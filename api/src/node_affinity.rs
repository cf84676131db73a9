//! The nodes that a pod requires: by its node selector, and by its affinity's required terms.
//!
//! Pure; upstream: component-helpers' `scheduling/corev1/nodeaffinity`.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/>

use std::collections::BTreeMap;

use crate::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
use crate::selector::label::{LabelSelector, Operator, Requirement};

/// What a pod requires of its node's labels and name.
#[derive(Debug, Clone)]
pub struct RequiredNodeAffinity {
    labels: BTreeMap<String, String>,
    /// One of these terms must hold; `None` where nothing is required.
    terms: Option<Vec<Term>>,
}

/// All of it holds for a node; `None` is a term that holds for none.
#[derive(Debug, Clone)]
struct Term(Option<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    expressions: LabelSelector,
    /// Names that the node's is among, or is not.
    names: Vec<(bool, Vec<String>)>,
}

impl RequiredNodeAffinity {
    /// Reads what a pod's spec requires.
    pub fn read(spec: PodSpec<'_>) -> RequiredNodeAffinity {
        let affinity = spec.affinity().and_then(|a| a.node_affinity());
        let required =
            affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution());
        let labels = spec.node_selector().iter();
        RequiredNodeAffinity {
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            terms: required.map(|r| r.node_selector_terms().iter().map(Term::read).collect()),
        }
    }

    /// Whether the node of this name, whose labels `label` gives, is one of them.
    pub fn matches<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut labels = self.labels.iter();
        labels.all(|(key, value)| label(key) == Some(value))
            && (self.terms.as_ref())
                .is_none_or(|terms| terms.iter().any(|term| term.holds(name, &label)))
    }
}

impl Term {
    fn read(term: NodeSelectorTerm<'_>) -> Term {
        let (expressions, fields) = (term.match_expressions(), term.match_fields());
        if expressions.is_empty() && fields.is_empty() {
            return Term(None);
        }
        let expressions: Option<Vec<_>> = expressions.iter().map(requirement).collect();
        let names: Option<Vec<_>> = fields.iter().map(names).collect();
        Term(expressions.zip(names).map(|(expressions, names)| Parts {
            expressions: LabelSelector::new(expressions),
            names,
        }))
    }

    fn holds<'a>(&self, name: &str, label: &impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.as_ref().is_some_and(|parts| {
            parts.expressions.matches(label)
                && (parts.names.iter())
                    .all(|(among, names)| names.iter().any(|n| n == name) == *among)
        })
    }
}

/// What is asked of a label; `None` if that cannot be asked.
fn requirement(r: NodeSelectorRequirement<'_>) -> Option<Requirement> {
    let operator = match r.operator() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    Requirement::new(r.key(), operator, r.values().iter().map(str::to_owned)).ok()
}

/// What is asked of the name, the only field that there is.
fn names(r: NodeSelectorRequirement<'_>) -> Option<(bool, Vec<String>)> {
    let among = match (r.key(), r.operator()) {
        ("metadata.name", "In") => true,
        ("metadata.name", "NotIn") => false,
        _ => return None,
    };
    Some((among, r.values().iter().map(str::to_owned).collect()))
}
