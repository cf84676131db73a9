//! How objects of each kind may be called.

use super::format::{self, Messages};
use super::meta::Scope;
use crate::kinds::Resource;
use crate::tree::Tree;

/// A rule for names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// RFC 1123 subdomain.
    Subdomain,
    /// The same, worded as upstream's newer rules do; the beginning of a generated name is not looked at.
    LongName,
    /// RFC 1123 label.
    Label,
    /// Whatever may stand in a path.
    PathSegment,
    /// An IP address.
    Ip,
    /// Said by the object's own rules.
    Elsewhere,
}

impl Rule {
    /// What is wrong with a name, or with the beginning of one that is to be generated.
    pub(super) fn check(self, name: &str, prefix: bool) -> Messages {
        // What follows a generated name's prefix may follow a dash.
        let masked = match name.strip_suffix('-') {
            Some(rest) if prefix && !rest.is_empty() => {
                // The last character before the dash is dropped too: upstream puts an 'a' for both.
                let mut chars = rest.chars();
                chars.next_back();
                Some(format!("{}a", chars.as_str()))
            }
            _ => None,
        };
        let text = masked.as_deref().unwrap_or(name);
        match self {
            Rule::Subdomain => format::dns_subdomain(text),
            Rule::LongName if prefix => Vec::new(),
            Rule::LongName => format::long_name(text),
            Rule::Label => format::dns_label(text),
            Rule::PathSegment => format::path_segment(name, prefix),
            Rule::Ip => format::canonical_ip(name),
            Rule::Elsewhere => Vec::new(),
        }
    }
}

/// Group and resource of those that are not named by a subdomain.
const RULES: &[(&str, &str, Rule)] = &[
    ("", "namespaces", Rule::Label),
    ("", "events", Rule::PathSegment),
    ("", "services", Rule::Label),
    ("", "replicationcontrollers", Rule::LongName),
    ("apiregistration.k8s.io", "apiservices", Rule::PathSegment),
    ("apps", "statefulsets", Rule::Label),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        Rule::PathSegment,
    ),
    (
        "certificates.k8s.io",
        "clustertrustbundles",
        Rule::Elsewhere,
    ),
    ("networking.k8s.io", "ipaddresses", Rule::Ip),
    ("resource.k8s.io", "deviceclasses", Rule::LongName),
    ("policy", "poddisruptionbudgets", Rule::PathSegment),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        Rule::PathSegment,
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterroles",
        Rule::PathSegment,
    ),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        Rule::PathSegment,
    ),
    ("rbac.authorization.k8s.io", "roles", Rule::PathSegment),
];

/// Resources whose names go with something else in the object.
const COMPOSED: &[&str] = &[
    "apiservices",
    "clustertrustbundles",
    "cronjobs",
    "customresourcedefinitions",
    "jobs",
];

/// Groups whose finalizers need no domain.
const FREE_FINALIZERS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "policy",
];

/// What is left of a label when the time that a cron job appends to its jobs' names is taken away.
const CRON_JOB_MAX: usize = 52;

/// How objects of a resource live.
pub(super) fn scope(resource: &Resource) -> Scope {
    let name = RULES
        .iter()
        .find(|(group, name, _)| *group == resource.group && *name == resource.name)
        .map_or(Rule::Subdomain, |rule| rule.2);
    let free = FREE_FINALIZERS.contains(&resource.group.as_str());
    let core_event = resource.group.is_empty() && resource.name == "events";
    Scope {
        namespaced: resource.namespaced,
        name,
        kube_finalizers: !(free || core_event),
    }
}

/// What is wrong with a name that must go with the rest of the object.
pub(super) fn composed(resource: &Resource, tree: &Tree) -> Messages {
    if !COMPOSED.contains(&resource.name.as_str()) {
        return Vec::new();
    }
    let text = |path: &str| {
        tree.root()
            .path(path)
            .and_then(|node| node.as_str())
            .unwrap_or_default()
    };
    let name = text("metadata.name");
    if name.is_empty() && resource.name != "jobs" {
        return Vec::new();
    }
    match resource.name.as_str() {
        "apiservices" => return api_service(name, text("spec.group"), text("spec.version")),
        "customresourcedefinitions" => {
            let required = format!("{}.{}", text("spec.names.plural"), text("spec.group"));
            if name != required {
                return vec!["must be spec.names.plural+\".\"+spec.group".to_owned()];
            }
        }
        // The job's name comes to stand before a number in the names of its pods, and so does the cron job's before a time.
        "jobs" if text("spec.completionMode") == "Indexed" => {
            let completions = tree
                .root()
                .path("spec.completions")
                .and_then(|node| node.as_i64());
            let host = format!("{name}-{}", completions.unwrap_or(1) - 1);
            if completions.is_some_and(|count| count > 0) && !format::dns_label(&host).is_empty() {
                return vec![format!(
                    "will not able to create pod with invalid DNS label: {host}"
                )];
            }
        }
        "cronjobs" if name.len() > CRON_JOB_MAX => {
            return vec![format!("must be no more than {CRON_JOB_MAX} characters")];
        }
        "clustertrustbundles" => return trust_bundle(name, text("spec.signerName")),
        _ => {}
    }
    Vec::new()
}

/// The name of an APIService is that of the version which it serves. (Whether it may stand in a path has been said before.)
pub(super) fn api_service(name: &str, group: &str, version: &str) -> Messages {
    let required = format!("{version}.{group}");
    if name == required || !format::path_segment(name, false).is_empty() {
        return Vec::new();
    }
    vec![format!(
        "must be `spec.version+\".\"+spec.group`: {}",
        crate::field::quote(&required)
    )]
}

/// The name of a ClusterTrustBundle begins with that of its signer.
pub(super) fn trust_bundle(name: &str, signer: &str) -> Messages {
    if signer.is_empty() {
        if name.contains(':') {
            return vec![
                "ClusterTrustBundle without signer name must not have \":\" in its name".to_owned(),
            ];
        }
        return format::dns_subdomain(name);
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => format::dns_subdomain(rest),
        None => vec![format!(
            "ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn every_rule_is_of_a_resource() {
        for (group, name, _) in RULES {
            assert!(
                Kinds::builtin().preferred(group, name).is_some(),
                "{group} {name}"
            );
        }
        for group in FREE_FINALIZERS {
            assert!(Kinds::builtin().group(group).is_some(), "{group}");
        }
    }

    #[test]
    fn the_beginning_of_a_name_may_end_in_a_dash() {
        assert!(Rule::Subdomain.check("web-", true).is_empty());
        assert_eq!(Rule::Subdomain.check("web-", false).len(), 1);
        assert_eq!(Rule::Label.check("-", true).len(), 1);
        assert!(Rule::PathSegment.check("system:x", false).is_empty());
    }
}
