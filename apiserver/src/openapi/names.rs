//! The names under which types are published: upstream's, made from the Go packages that the types come from.

use api::TypeId;
use api::schema::Schema;

use super::model::Named;

/// The published name of every message type of a schema.
#[derive(Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// The names of a schema's types.
    pub fn new(schema: &Schema) -> Names {
        Names(schema.types().map(|(_, ty)| published(&ty.name)).collect())
    }

    /// The name of one type.
    pub fn get(&self, named: Named) -> &str {
        match named {
            Named::Message(TypeId(id)) => self.0.get(usize::from(id)).map_or("", String::as_str),
            Named::Leaf(leaf) => leaf.name(),
        }
    }
}

/// `core/v1.Pod` is published as `io.k8s.api.core.v1.Pod`.
fn published(name: &str) -> String {
    let (package, ty) = name.rsplit_once('.').unwrap_or(("", name));
    let (group, version) = package.rsplit_once('/').unwrap_or((package, ""));
    let prefix = match group {
        "meta" => "io.k8s.apimachinery.pkg.apis.meta",
        "apiextensions.k8s.io" => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        "apiregistration.k8s.io" => "io.k8s.kube-aggregator.pkg.apis.apiregistration",
        group => {
            let short = group.split('.').next().unwrap_or_default();
            return format!("io.k8s.api.{short}.{version}.{ty}");
        }
    };
    format!("{prefix}.{version}.{ty}")
}

/// A group as tags and operation ids spell it: `rbac.authorization.k8s.io` is `rbacAuthorization`, the core group `core`.
pub fn group_tag(group: &str) -> String {
    if group.is_empty() {
        return "core".to_owned();
    }
    let mut tag = String::new();
    for (index, part) in group.trim_end_matches(".k8s.io").split('.').enumerate() {
        if index == 0 {
            tag.push_str(part)
        } else {
            tag.push_str(&capitalized(part))
        }
    }
    tag
}

/// The word with its first letter in upper case.
pub fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_published_under_upstreams_names() {
        for (name, want) in [
            ("core/v1.Pod", "io.k8s.api.core.v1.Pod"),
            (
                "meta/v1.ObjectMeta",
                "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            ),
            (
                "flowcontrol.apiserver.k8s.io/v1.FlowSchema",
                "io.k8s.api.flowcontrol.v1.FlowSchema",
            ),
            (
                "apiregistration.k8s.io/v1.APIService",
                "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
            ),
        ] {
            assert_eq!(published(name), want);
        }
    }

    #[test]
    fn groups_make_tags() {
        assert_eq!(group_tag(""), "core");
        assert_eq!(group_tag("apps"), "apps");
        assert_eq!(
            group_tag("flowcontrol.apiserver.k8s.io"),
            "flowcontrolApiserver"
        );
    }
}
