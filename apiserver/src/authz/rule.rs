//! One rule of a role.

use std::sync::Arc;

use api::field::quote;

use super::Attributes;

/// What a rule allows (rbac.authorization.k8s.io/v1 PolicyRule).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The verbs; `*` is all.
    pub verbs: Vec<Arc<str>>,
    /// The API groups; `*` is all.
    pub groups: Vec<Arc<str>>,
    /// The resources; `*` is all, `*/SUB` a subresource of all.
    pub resources: Vec<Arc<str>>,
    /// The names of objects; none: all.
    pub names: Vec<Arc<str>>,
    /// Paths that are no resource's; a `*` at the end is any continuation.
    pub urls: Vec<Arc<str>>,
}

fn strings(list: &[&str]) -> Vec<Arc<str>> {
    list.iter().map(|&s| Arc::from(s)).collect()
}

fn has(list: &[Arc<str>], value: &str) -> bool {
    list.iter().any(|v| &**v == value)
}

fn has_or_all(list: &[Arc<str>], value: &str) -> bool {
    list.iter().any(|v| &**v == "*" || &**v == value)
}

impl Rule {
    /// A rule on resources.
    pub fn resources(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Rule {
        Rule {
            verbs: strings(verbs),
            groups: strings(groups),
            resources: strings(resources),
            ..Rule::default()
        }
    }

    /// A rule on paths.
    pub fn urls(verbs: &[&str], urls: &[&str]) -> Rule {
        Rule {
            verbs: strings(verbs),
            urls: strings(urls),
            ..Rule::default()
        }
    }

    /// Whether the rule allows it.
    pub fn allows(&self, a: &Attributes<'_>) -> bool {
        if !has_or_all(&self.verbs, a.verb) {
            return false;
        }
        if !a.is_resource {
            return self.urls.iter().any(|url| url_matches(url, a.path));
        }
        has_or_all(&self.groups, a.group)
            && self
                .resources
                .iter()
                .any(|r| resource_matches(r, a.resource, a.subresource))
            && (self.names.is_empty() || has(&self.names, a.name))
    }

    /// The rule taken apart: each part has one verb, and one resource and group and name, or one path.
    pub(crate) fn atoms(&self) -> Vec<Rule> {
        let one = |v: &Arc<str>| vec![Arc::clone(v)];
        let mut atoms = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let atom = Rule {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Rule::default()
                    };
                    match self.names.as_slice() {
                        [] => atoms.push(atom),
                        names => atoms.extend(names.iter().map(|n| Rule {
                            names: one(n),
                            ..atom.clone()
                        })),
                    }
                }
            }
        }
        for url in &self.urls {
            atoms.extend(self.verbs.iter().map(|verb| Rule {
                verbs: one(verb),
                urls: one(url),
                ..Rule::default()
            }));
        }
        atoms
    }

    /// Whether the rule allows all that `atom` does.
    pub(crate) fn covers(&self, atom: &Rule) -> bool {
        let all = |own: &[Arc<str>], other: &[Arc<str>]| {
            has(own, "*") || other.iter().all(|v| has(own, v))
        };
        let resource = |r: &Arc<str>| {
            has_or_all(&self.resources, r)
                || r.split_once('/')
                    .is_some_and(|(_, sub)| has(&self.resources, &format!("*/{sub}")))
        };
        let url = |path: &Arc<str>| {
            self.urls
                .iter()
                .any(|own| own == path || own.ends_with('*') && url_matches(own, path))
        };
        all(&self.verbs, &atom.verbs)
            && all(&self.groups, &atom.groups)
            && atom.resources.iter().all(resource)
            && (self.names.is_empty()
                || !atom.names.is_empty() && atom.names.iter().all(|n| has(&self.names, n)))
            && atom.urls.iter().all(url)
    }

    /// The rule as an escalation's refusal shows it: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`.
    pub fn describe(&self) -> String {
        let parts = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let shown = parts
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| {
                let values: Vec<String> = values.iter().map(|v| quote(v)).collect();
                format!("{name}:[{}]", values.join(" "))
            });
        format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
    }
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    match (rule.split_once('/'), subresource) {
        (None, "") => rule == resource,
        (Some(("*", sub)), requested) if !requested.is_empty() => sub == requested,
        (Some((of, sub)), requested) if !requested.is_empty() => of == resource && sub == requested,
        _ => false,
    }
}

fn url_matches(rule: &str, path: &str) -> bool {
    rule == "*"
        || rule == path
        || rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_match_as_upstream_matches_them() {
        for (rule, resource, subresource, want) in [
            ("*", "pods", "", true),
            ("*", "pods", "log", true),
            ("pods", "pods", "", true),
            ("pods", "pods", "log", false),
            ("pods/log", "pods", "log", true),
            ("pods/log", "pods", "", false),
            ("*/scale", "deployments", "scale", true),
            ("*/scale", "deployments", "", false),
            ("*/scale", "deployments", "status", false),
            ("pods/*", "pods", "log", false),
        ] {
            assert_eq!(
                resource_matches(rule, resource, subresource),
                want,
                "{rule} {resource}/{subresource}"
            );
        }
    }

    #[test]
    fn paths_match_by_prefix_only_with_a_star() {
        for (rule, path, want) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/x", false),
            ("/healthz/*", "/healthz/x", true),
            ("/apis*", "/apis", true),
            ("*", "/x", true),
            ("/healthz/*", "/healthz", false),
        ] {
            assert_eq!(url_matches(rule, path), want, "{rule} {path}");
        }
    }

    #[test]
    fn names_restrict() {
        let rule = Rule {
            names: strings(&["a"]),
            ..Rule::resources(&["get"], &[""], &["pods"])
        };
        assert!(rule.allows(&Attributes::resource("get", "", "pods", "d", "a")));
        assert!(!rule.allows(&Attributes::resource("get", "", "pods", "d", "b")));
        assert!(!rule.allows(&Attributes::resource("get", "", "pods", "d", "")));
    }
}
