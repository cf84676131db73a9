//! Which writes a policy or a binding is about.

use api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use api::kinds::{Kinds, Resource};
use api::selector::label::LabelSelector;
use api::view::List;

use super::selector::{selector, selects};
use super::subject::Write;
use crate::admission::Operation;

/// What a policy or a binding is about.
#[derive(Debug)]
pub struct Matcher {
    namespaces: LabelSelector,
    objects: LabelSelector,
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    /// A rule for one version of a resource holds for the others as well.
    equivalent: bool,
}

#[derive(Debug)]
struct Rule {
    names: Vec<String>,
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

/// In which version of its resource a write matched.
#[derive(Clone, Copy, Debug)]
pub enum Matched {
    /// That of the request.
    Own,
    /// Another one.
    Other(&'static Resource),
}

impl Matched {
    /// Whether both are the same version.
    pub fn same(self, other: Matched) -> bool {
        match (self, other) {
            (Matched::Own, Matched::Own) => true,
            (Matched::Other(a), Matched::Other(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }
}

fn texts(list: List<'_, str>) -> Vec<String> {
    list.iter().map(str::to_owned).collect()
}

impl Rule {
    fn new(rule: NamedRuleWithOperations<'_>) -> Rule {
        Rule {
            names: texts(rule.resource_names()),
            operations: texts(rule.operations()),
            groups: texts(rule.api_groups()),
            versions: texts(rule.api_versions()),
            resources: texts(rule.resources()),
            scope: rule.scope().unwrap_or("*").to_owned(),
        }
    }

    /// Whether it holds for a write, taken as one of `resource`.
    fn holds(&self, write: &Write<'_>, resource: &Resource) -> bool {
        let has =
            |list: &[String], wanted: &str| list.iter().any(|own| own == "*" || own == wanted);
        let a = write.attributes;
        // A namespace is named as its own, and is in none.
        let is_cluster = a.namespace.is_empty() || a.kind.is("", "namespaces");
        let in_scope = match self.scope.as_str() {
            "Namespaced" => !is_cluster,
            "Cluster" => is_cluster,
            _ => true,
        };
        in_scope
            && has(&self.operations, operation(a.operation))
            && has(&self.groups, &resource.group)
            && has(&self.versions, &resource.version)
            && self.resources.iter().any(|own| {
                let (name, sub) = own.split_once('/').unwrap_or((own, ""));
                (name == "*" || name == resource.name) && (sub == "*" || sub == a.subresource)
            })
            && (self.names.is_empty() || self.names.iter().any(|name| name == a.name))
    }
}

/// How rules call what a write does.
pub fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

impl Matcher {
    /// Out of an object.
    ///
    /// # Errors
    /// If a selector is none.
    pub fn new(given: MatchResources<'_>) -> Result<Matcher, String> {
        Ok(Matcher {
            namespaces: selector(given.namespace_selector())?,
            objects: selector(given.object_selector())?,
            rules: given.resource_rules().iter().map(Rule::new).collect(),
            excluded: given
                .exclude_resource_rules()
                .iter()
                .map(Rule::new)
                .collect(),
            equivalent: given.match_policy() != Some("Exact"),
        })
    }

    /// Whether a write matches, and in which version.
    ///
    /// # Errors
    /// If it matches but for its namespace, of which nothing is known.
    pub fn matches(&self, write: &Write<'_>) -> Result<Option<Matched>, String> {
        let in_namespace = self.in_namespace(write);
        if in_namespace == Ok(false) || !self.selects_object(write) {
            return Ok(None);
        }
        if self.by_rules(&self.excluded, write).is_some() {
            return Ok(None);
        }
        let matched = match self.rules.is_empty() {
            true => Some(Matched::Own),
            false => self.by_rules(&self.rules, write),
        };
        match (matched, in_namespace) {
            (Some(_), Err(why)) => Err(why),
            (matched, _) => Ok(matched),
        }
    }

    fn in_namespace(&self, write: &Write<'_>) -> Result<bool, String> {
        let a = write.attributes;
        let of_namespaces = a.kind.resource.name == "namespaces";
        if self.namespaces.is_empty() || a.namespace.is_empty() && !of_namespaces {
            return Ok(true);
        }
        let is_written = matches!(a.operation, Operation::Create | Operation::Update);
        let labelled = match (
            of_namespaces && a.subresource.is_empty() && is_written,
            write.new,
        ) {
            (true, Some(new)) => Some(new),
            _ => write.namespace.as_ref(),
        };
        match labelled {
            Some(tree) => Ok(selects(&self.namespaces, tree)),
            None => Err(format!("namespaces \"{}\" not found", a.namespace)),
        }
    }

    fn selects_object(&self, write: &Write<'_>) -> bool {
        let mut objects = [write.new, write.old].into_iter().flatten();
        self.objects.is_empty() || objects.any(|object| selects(&self.objects, object))
    }

    fn by_rules(&self, rules: &[Rule], write: &Write<'_>) -> Option<Matched> {
        let own = &*write.attributes.kind.resource;
        if rules.iter().any(|rule| rule.holds(write, own)) {
            return Some(Matched::Own);
        }
        if !self.equivalent {
            return None;
        }
        rules.iter().find_map(|rule| {
            let mut others = equivalents(own, write.attributes.subresource);
            others
                .find(|other| rule.holds(write, other))
                .map(Matched::Other)
        })
    }
}

/// The other versions of a resource, in whatever group.
fn equivalents<'a>(
    own: &'a Resource,
    subresource: &'a str,
) -> impl Iterator<Item = &'static Resource> + use<'a> {
    let prefix = own.storage.as_ref().map(|storage| storage.prefix.as_str());
    let all = Kinds::builtin().resources().iter();
    all.filter(move |other| {
        let theirs = other
            .storage
            .as_ref()
            .map(|storage| storage.prefix.as_str());
        prefix.is_some()
            && theirs == prefix
            && (&other.group, &other.version) != (&own.group, &own.version)
            && (subresource.is_empty() || other.subresource(subresource).is_some())
    })
}
