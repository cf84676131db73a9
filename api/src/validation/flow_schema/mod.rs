//! FlowSchemas: which requests are of which priority level (upstream: `pkg/apis/flowcontrol/validation`).

mod fixed;

use self::fixed::is_as_fixed;
use super::check::{each, enumerated, internal, quoted, required, shown};
use super::format;
use crate::field::{Error, ErrorList, Path};
use crate::flowcontrol::v1::{
    FlowSchema, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule,
    ServiceAccountSubject, Subject,
};
use crate::view::{List, View};

const SPEC: Path<'static> = Path::new("spec");
const EXEMPT: &str = "exempt";
const PRECEDENCE_MAX: i32 = 10_000;
const METHODS: &[&str] = &["ByNamespace", "ByUser"];
const SUBJECTS: &[&str] = &["Group", "ServiceAccount", "User"];
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "proxy",
    "update",
    "watch",
];

pub(super) fn check(errors: &mut ErrorList, schema: FlowSchema<'_>) {
    let (name, spec) = (schema.metadata().name(), schema.spec());
    let (path, precedence) = (SPEC.child("matchingPrecedence"), spec.matching_precedence());
    if precedence <= 0 {
        errors.push(Error::invalid(
            &path,
            precedence,
            "must be a positive value",
        ));
    }
    if precedence > PRECEDENCE_MAX {
        let why = format!("must not be greater than {PRECEDENCE_MAX}");
        errors.push(Error::invalid(&path, precedence, why));
    }
    if precedence == 1 && name != EXEMPT {
        let why = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.push(Error::invalid(&path, precedence, why));
    }
    if let Some(method) = spec.distinguisher_method()
        && !METHODS.contains(&method.type_())
    {
        let path = SPEC.child("distinguisherMethod.type");
        let value = internal(method.node());
        errors.push(Error::not_supported(&path, value, METHODS));
    }
    let path = SPEC.child("priorityLevelConfiguration.name");
    match spec.priority_level_configuration().name() {
        "" => errors.push(Error::required(&path, "must reference a priority level")),
        level => each(errors, &path, level, format::dns_subdomain(level)),
    }
    let list = SPEC.child("rules");
    for (at, rules) in spec.rules().iter().enumerate() {
        self::rules(errors, &list.index(at), rules);
    }
    if !is_as_fixed(name, spec) {
        let why = format!("spec of '{name}' must equal the fixed value");
        errors.push(Error::invalid(&SPEC, internal(spec.node()), why));
    }
    status(errors, schema);
}

pub(super) fn status(errors: &mut ErrorList, schema: FlowSchema<'_>) {
    let conditions = schema.status().conditions();
    let types: Vec<&str> = conditions.iter().map(|c| c.type_()).collect();
    condition_types(errors, &types);
}

/// The types of the conditions of a status: there, and each once.
pub(super) fn condition_types(errors: &mut ErrorList, types: &[&str]) {
    let list = Path::new("status.conditions");
    for (at, ty) in types.iter().enumerate() {
        let path = list.index(at);
        let path = path.child("type");
        if types[..at].contains(ty) {
            errors.push(Error::duplicate(&path, quoted(ty)));
        }
        required(errors, &path, ty);
    }
}

fn rules(errors: &mut ErrorList, path: &Path<'_>, rules: PolicyRulesWithSubjects<'_>) {
    let list = path.child("subjects");
    if rules.subjects().is_empty() {
        let why = "subjects must contain at least one value";
        errors.push(Error::required(&list, why));
    }
    for (at, subject) in rules.subjects().iter().enumerate() {
        self::subject(errors, &list.index(at), subject);
    }
    if rules.resource_rules().is_empty() && rules.non_resource_rules().is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(Error::required(path, why));
    }
    let list = path.child("resourceRules");
    for (at, rule) in rules.resource_rules().iter().enumerate() {
        resource_rule(errors, &list.index(at), rule);
    }
    let list = path.child("nonResourceRules");
    for (at, rule) in rules.non_resource_rules().iter().enumerate() {
        non_resource_rule(errors, &list.index(at), rule);
    }
}

fn subject(errors: &mut ErrorList, path: &Path<'_>, subject: Subject<'_>) {
    let (user, group) = (subject.user(), subject.group());
    let account = subject.service_account();
    let kinds = [
        ("serviceAccount", "ServiceAccount", account.is_some()),
        ("user", "User", user.is_some()),
        ("group", "Group", group.is_some()),
    ];
    let kind = subject.kind();
    let Some((field, _, given)) = kinds.iter().find(|(_, of, _)| *of == kind) else {
        enumerated(errors, &path.child("kind"), kind, SUBJECTS);
        return;
    };
    let place = path.child(field);
    if !given {
        let why = format!("{field} is required when subject kind is '{kind}'");
        errors.push(Error::required(&place, why));
    } else if let Some(account) = account.filter(|_| kind == "ServiceAccount") {
        service_account(errors, &place, account);
    } else {
        let name = match kind {
            "User" => user.map(|user| user.name()),
            _ => group.map(|group| group.name()),
        };
        required(errors, &place.child("name"), name.unwrap_or_default());
    }
    for (field, of, _) in kinds.iter().filter(|(_, of, given)| *given && *of != kind) {
        let why = format!("{field} is forbidden when subject kind is not '{of}'");
        errors.push(Error::forbidden(&path.child(field), why));
    }
}

fn service_account(errors: &mut ErrorList, path: &Path<'_>, account: ServiceAccountSubject<'_>) {
    let (place, name) = (path.child("name"), account.name());
    if required(errors, &place, name) && name != "*" {
        each(errors, &place, name, format::dns_subdomain(name));
    }
    let place = path.child("namespace");
    match account.namespace() {
        "" => {
            let why = "must specify namespace for service account";
            errors.push(Error::required(&place, why));
        }
        namespace => each(errors, &place, namespace, format::dns_label(namespace)),
    }
}

fn resource_rule(errors: &mut ErrorList, path: &Path<'_>, rule: ResourcePolicyRule<'_>) {
    verbs(errors, &path.child("verbs"), rule.verbs());
    let list = path.child("apiGroups");
    let empty = "resource rules must supply at least one api group";
    some(errors, &list, rule.api_groups(), (empty, "api groups"));
    let list = path.child("resources");
    let empty = "resource rules must supply at least one resource";
    some(errors, &list, rule.resources(), (empty, "resources"));
    let (list, namespaces) = (path.child("namespaces"), rule.namespaces());
    if namespaces.is_empty() && rule.cluster_scope() {
        return;
    }
    let empty = "resource rules that are not cluster scoped must supply at least one namespace";
    some(errors, &list, namespaces, (empty, "namespaces"));
    if namespaces.contains("*") {
        return;
    }
    for (at, namespace) in namespaces.iter().enumerate() {
        for message in format::dns_label(namespace) {
            let why =
                format!("each member of this list must be '*' or a DNS-1123 label; {message}");
            errors.push(Error::invalid(&list.index(at), namespace, why));
        }
    }
}

fn non_resource_rule(errors: &mut ErrorList, path: &Path<'_>, rule: NonResourcePolicyRule<'_>) {
    verbs(errors, &path.child("verbs"), rule.verbs());
    let (list, urls) = (path.child("nonResourceURLs"), rule.non_resource_urls());
    let empty = "nonResourceURLs must contain at least one value";
    some(errors, &list, urls, (empty, "non-resource URLs"));
    if urls.contains("*") {
        return;
    }
    for (at, url) in urls.iter().enumerate() {
        if let Some(why) = wrong_url(url) {
            errors.push(Error::invalid(&list.index(at), url, why));
        }
    }
}

fn verbs(errors: &mut ErrorList, path: &Path<'_>, verbs: List<'_, str>) {
    let empty = "verbs must contain at least one value";
    some(errors, path, verbs, (empty, "verbs"));
    if !verbs.contains("*") && verbs.iter().any(|verb| !VERBS.contains(&verb)) {
        errors.push(Error::not_supported(path, shown(verbs.node()), VERBS));
    }
}

/// A list that is not empty, in which `*` stands alone; with what is said of it.
fn some(errors: &mut ErrorList, path: &Path<'_>, list: List<'_, str>, (empty, what): (&str, &str)) {
    if list.is_empty() {
        errors.push(Error::required(path, empty));
    } else if list.len() > 1 && list.contains("*") {
        let why = format!("if '*' is present, must not specify other {what}");
        errors.push(Error::invalid(path, shown(list.node()), why));
    }
}

/// What is wrong with a path, at whose end `*` stands for all that follows.
fn wrong_url(url: &str) -> Option<&'static str> {
    let wildcards = url.matches('*').count();
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ if wildcards > 1 || (wildcards == 1 && !url.ends_with("/*")) => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_ends_of_paths() {
        for url in ["/", "/*", "/healthz", "/healthz/*"] {
            assert_eq!(wrong_url(url), None, "{url}");
        }
        for url in ["", "a", "/a b", "/a//b", "/a*", "/*/a", "/*/*"] {
            assert!(wrong_url(url).is_some(), "{url}");
        }
    }
}
