//! What a pod asks of a node, by itself: the part of its spec that pods of one template have in common.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::labels::{Labels, Requirement};
use crate::pod::{Resources, Toleration};
use crate::text::{Set, Text};

/// A port of the node that a container takes for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Text,
    /// The address it listens on; `0.0.0.0` for all.
    pub ip: Text,
    /// The port, 1–65535.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be had on one node.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        const ANY: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || &*self.ip == ANY || &*other.ip == ANY)
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.ip, self.port, self.protocol)
    }
}

/// A node selector term: all its expressions and fields hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeTerm {
    /// Conditions on the node's labels.
    pub expressions: Box<[Requirement]>,
    /// Conditions on `metadata.name`, the only field there is; only `In` and `NotIn` of one value are valid.
    pub fields: Box<[Requirement]>,
}

impl NodeTerm {
    /// Whether a node of this name and with these labels is selected. An empty term selects nothing.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        use crate::labels::Operator::{In, NotIn};
        let field = |r: &Requirement| {
            // A field that a node does not have is empty.
            let value = if &*r.key == "metadata.name" { name } else { "" };
            match &r.operator {
                In(values) if values.len() == 1 => &*values[0] == value,
                NotIn(values) if values.len() == 1 => &*values[0] != value,
                _ => false,
            }
        };
        !(self.expressions.is_empty() && self.fields.is_empty())
            && self.expressions.iter().all(|r| r.matches(labels))
            && self.fields.iter().all(field)
    }

    /// The node names that it is restricted to, when it is.
    fn node_names(&self) -> Option<Set<Text>> {
        let mut names: Option<Set<Text>> = None;
        for requirement in &self.fields {
            if let crate::labels::Operator::In(values) = &requirement.operator
                && &*requirement.key == "metadata.name"
            {
                let these: Set<Text> = values.iter().cloned().collect();
                names = Some(match names {
                    None => these,
                    Some(before) => before.intersection(&these).cloned().collect(),
                });
            }
        }
        names
    }
}

/// A preferred node selector term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Preference {
    /// 1–100.
    pub weight: i32,
    /// The term.
    pub term: NodeTerm,
}

/// What a pod asks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct NeedsBuilder {
    /// `spec.nodeName`, which pods that wait do not have.
    pub node_name: Option<Text>,
    /// Requests, as counted against allocatable.
    pub requests: Resources,
    /// Requests as LeastAllocated counts them: thousandths of a core, bytes.
    pub least_allocated: (i64, i64),
    /// `spec.nodeSelector`.
    pub node_selector: Labels,
    /// `requiredDuringSchedulingIgnoredDuringExecution`: one of these terms holds.
    pub required: Option<Box<[NodeTerm]>>,
    /// `preferredDuringSchedulingIgnoredDuringExecution`; None when absent.
    pub preferred: Option<Box<[Preference]>>,
    /// `spec.tolerations`.
    pub tolerations: Box<[Toleration]>,
    /// Host ports.
    pub ports: Box<[HostPort]>,
    /// Images of containers, init containers and image volumes, with their tags, repeated as often as they are used.
    pub images: Box<[Text]>,
    /// Features that the node must declare (KEP-5328).
    pub features: Box<[&'static str]>,
}

impl NeedsBuilder {
    /// Closes it: what is derived from it is computed once.
    pub fn build(self) -> Needs {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let node_names = self.required.as_deref().and_then(|terms| {
            let mut union: Set<Text> = Set::default();
            for term in terms {
                union.extend(term.node_names()?);
            }
            let mut names: Vec<Text> = union.into_iter().collect();
            names.sort();
            (!terms.is_empty()).then(|| names.into())
        });
        Needs {
            hash: hasher.finish(),
            node_names,
            inner: self,
        }
    }
}

/// What a pod asks of a node, with its hash.
#[derive(Clone, Debug)]
pub struct Needs {
    hash: u64,
    node_names: Option<Box<[Text]>>,
    inner: NeedsBuilder,
}

impl Needs {
    /// The only nodes that the required affinity can select, where each of its terms names some (as a DaemonSet's
    /// pods do): nobody else needs to be looked at.
    pub fn node_names(&self) -> Option<&[Text]> {
        self.node_names.as_deref()
    }
}

impl std::ops::Deref for Needs {
    type Target = NeedsBuilder;
    fn deref(&self) -> &NeedsBuilder {
        &self.inner
    }
}

impl PartialEq for Needs {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.inner == other.inner
    }
}

impl Eq for Needs {}

impl Hash for Needs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, port: u16, protocol: &str) -> HostPort {
        HostPort {
            protocol: protocol.into(),
            ip: ip.into(),
            port,
        }
    }

    #[test]
    fn ports_conflict_by_protocol_and_overlapping_address() {
        let any = port("0.0.0.0", 80, "TCP");
        assert!(
            any.conflicts(&port("10.0.0.1", 80, "TCP"))
                && port("10.0.0.1", 80, "TCP").conflicts(&any)
        );
        assert!(
            !any.conflicts(&port("0.0.0.0", 80, "UDP"))
                && !any.conflicts(&port("0.0.0.0", 81, "TCP"))
        );
        assert!(!port("10.0.0.1", 80, "TCP").conflicts(&port("10.0.0.2", 80, "TCP")));
    }

    fn named(names: &[&str]) -> NodeTerm {
        NodeTerm {
            expressions: Box::new([]),
            fields: names
                .iter()
                .map(|n| Requirement::parse("metadata.name".into(), "In", vec![Text::from(*n)]))
                .collect(),
        }
    }

    #[test]
    fn terms_that_all_name_nodes_restrict_the_search_to_them() {
        let needs = |terms: Vec<NodeTerm>| {
            NeedsBuilder {
                required: Some(terms.into()),
                ..Default::default()
            }
            .build()
        };
        let names = |n: &Needs| {
            n.node_names()
                .map(|names| names.iter().map(|t| t.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(
            names(&needs(vec![named(&["b"]), named(&["a"])])),
            Some(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            names(&needs(vec![named(&["a", "b"])])),
            Some(vec![]),
            "one term cannot name two nodes"
        );
        assert_eq!(names(&needs(vec![named(&["a"]), named(&[])])), None);
        assert_eq!(names(&needs(vec![])), None);
    }

    #[test]
    fn an_empty_term_selects_no_node() {
        assert!(!named(&[]).matches("a", &Labels::default()));
        assert!(
            named(&["a"]).matches("a", &Labels::default())
                && !named(&["a"]).matches("b", &Labels::default())
        );
    }
}
