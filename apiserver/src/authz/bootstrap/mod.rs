//! The roles and bindings that every cluster begins with, as upstream v1.37 has them.
//!
//! `policy.txt` is their table: one line a role or binding, indented lines for rules. A test compares it with what a
//! running kube-apiserver makes.
//!
//! ```text
//! ClusterRole NAME [aggregates-to X]… [collects X]
//! Role NAMESPACE/NAME
//!   VERBS GROUPS : RESOURCES [= NAMES]        lists joined by commas; the core group is written `core`
//!   VERBS url PATHS
//! ClusterRoleBinding NAME -> CLUSTERROLE [SUBJECT]…      User:NAME, Group:NAME, ServiceAccount:NAMESPACE/NAME
//! RoleBinding NAMESPACE/NAME -> KIND:ROLE [SUBJECT]…
//! ```

use std::sync::OnceLock;

use super::Rule;
use super::rbac::{PolicyChange, PolicySink, RoleRef, Subject};

/// The label on every role and binding of this table, and its value.
pub const LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");
/// The annotation on every one of them: they are brought up to date on every start, unless it is set to `false`.
pub const AUTOUPDATE: (&str, &str) = ("rbac.authorization.kubernetes.io/autoupdate", "true");
/// What precedes `X` in the label (with the value `true`) of a role that aggregates to `X`.
pub const AGGREGATE_PREFIX: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// A role to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The namespace; empty for a ClusterRole.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The rules. A role that collects has none of its own.
    pub rules: Vec<Rule>,
    /// The roles into which it is aggregated (by label, see [`AGGREGATE_PREFIX`]).
    pub aggregates_to: Vec<String>,
    /// What it collects: the rules of every role that aggregates to that.
    pub collects: Option<String>,
}

/// A binding to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The namespace; empty for a ClusterRoleBinding.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The role.
    pub role: RoleRef,
    /// For whom.
    pub subjects: Vec<Subject>,
}

/// The whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Roles and ClusterRoles.
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Binding>,
}

/// A line of a table that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Policy {
    /// The table of this build.
    #[allow(clippy::expect_used)] // The text is part of the program, and a test reads it.
    pub fn builtin() -> &'static Policy {
        static POLICY: OnceLock<Policy> = OnceLock::new();
        POLICY.get_or_init(|| {
            Policy::parse(include_str!("policy.txt")).expect("the built-in table is well-formed")
        })
    }

    /// Reads a table.
    pub fn parse(text: &str) -> Result<Policy, Malformed> {
        let mut policy = Policy::default();
        for (i, line) in text.lines().enumerate() {
            policy.read_line(line).ok_or_else(|| Malformed {
                line: i + 1,
                text: line.to_owned(),
            })?;
        }
        Ok(policy)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        if let Some(rule) = line.strip_prefix("  ") {
            self.roles.last_mut()?.rules.push(read_rule(rule)?);
            return Some(());
        }
        let mut words = line.split(' ');
        let (kind, name) = (words.next()?, words.next()?);
        let (namespace, name) = match kind {
            "ClusterRole" | "ClusterRoleBinding" => ("", name),
            _ => name.split_once('/')?,
        };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        match kind {
            "ClusterRole" | "Role" => {
                let mut role = Role {
                    namespace,
                    name,
                    rules: vec![],
                    aggregates_to: vec![],
                    collects: None,
                };
                while let Some(word) = words.next() {
                    match word {
                        "aggregates-to" => role.aggregates_to.push(words.next()?.to_owned()),
                        "collects" => role.collects = Some(words.next()?.to_owned()),
                        _ => return None,
                    }
                }
                self.roles.push(role);
            }
            "ClusterRoleBinding" | "RoleBinding" => {
                (words.next()? == "->").then_some(())?;
                let role = words.next()?;
                let role = match kind {
                    "ClusterRoleBinding" => RoleRef::ClusterRole(role.to_owned()),
                    _ => match role.split_once(':')? {
                        ("ClusterRole", name) => RoleRef::ClusterRole(name.to_owned()),
                        ("Role", name) => RoleRef::Role(name.to_owned()),
                        _ => return None,
                    },
                };
                let subjects = words.map(read_subject).collect::<Option<_>>()?;
                self.bindings.push(Binding {
                    namespace,
                    name,
                    role,
                    subjects,
                });
            }
            _ => return None,
        }
        Some(())
    }

    /// The rules of a ClusterRole; none if there is no such role.
    pub fn cluster_role(&self, name: &str) -> Vec<Rule> {
        let role = self
            .roles
            .iter()
            .find(|r| r.namespace.is_empty() && r.name == name);
        role.map(|r| r.rules.clone()).unwrap_or_default()
    }

    /// The rules that a collecting role comes to have: those of every role that aggregates to `what`, transitively.
    pub fn collected(&self, what: &str) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for role in self
            .roles
            .iter()
            .filter(|r| r.aggregates_to.iter().any(|to| to == what))
        {
            let of_role = match &role.collects {
                Some(inner) if inner != what => self.collected(inner),
                _ => role.rules.clone(),
            };
            for rule in of_role {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
        rules
    }

    /// Feeds everything to an index, collected rules included: for tests and in-memory clusters, where no controller
    /// aggregates.
    pub fn feed(&self, sink: &mut impl PolicySink) {
        for role in &self.roles {
            let rules = match &role.collects {
                Some(what) => self.collected(what),
                None => role.rules.clone(),
            };
            sink.apply(PolicyChange::Role {
                namespace: role.namespace.clone(),
                name: role.name.clone(),
                rules,
            });
        }
        for binding in &self.bindings {
            sink.apply(PolicyChange::Binding {
                namespace: binding.namespace.clone(),
                name: binding.name.clone(),
                role: binding.role.clone(),
                subjects: binding.subjects.clone(),
            });
        }
    }
}

fn read_rule(line: &str) -> Option<Rule> {
    let list = |text: &str| {
        text.split(',')
            .map(|s| if s == "core" { "".into() } else { s.into() })
            .collect()
    };
    let words: Vec<&str> = line.split(' ').collect();
    let mut rule = Rule {
        verbs: list(words.first()?),
        ..Rule::default()
    };
    match words.as_slice() {
        [_, "url", paths] => rule.urls = list(paths),
        [_, groups, ":", resources, rest @ ..] => {
            rule.groups = list(groups);
            rule.resources = list(resources);
            match rest {
                [] => {}
                ["=", names] => rule.names = list(names),
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(rule)
}

fn read_subject(word: &str) -> Option<Subject> {
    match word.split_once(':')? {
        ("User", name) => Some(Subject::User(name.to_owned())),
        ("Group", name) => Some(Subject::Group(name.to_owned())),
        ("ServiceAccount", account) => {
            let (namespace, name) = account.split_once('/')?;
            Some(Subject::ServiceAccount {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => None,
    }
}
