//! What is to be decided on.

use api::field::quote;

use crate::identity::Identity;
use crate::request::RequestInfo;
use crate::status::{Qualified, Status};

/// A requirement `field = value` of a field selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRequirement<'a> {
    /// The field.
    pub field: &'a str,
    /// The value that it must have.
    pub value: &'a str,
}

/// What somebody wants to do. Strings are empty where a part is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// Whether a resource is concerned; else a path is.
    pub is_resource: bool,
    /// The verb.
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The API version.
    pub version: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The path, if no resource is concerned.
    pub path: &'a str,
    /// The unparsed field selector.
    pub field_selector: &'a str,
}

impl<'a> From<&'a RequestInfo> for Attributes<'a> {
    fn from(info: &'a RequestInfo) -> Attributes<'a> {
        Attributes {
            is_resource: info.is_resource,
            verb: info.verb.as_str(),
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
            field_selector: &info.field_selector,
        }
    }
}

impl<'a> Attributes<'a> {
    /// `verb` on an object of the resource, in a namespace or (empty) at the cluster scope.
    pub const fn resource(
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> Attributes<'a> {
        Attributes {
            is_resource: true,
            verb,
            group,
            resource,
            namespace,
            name,
            version: "v1",
            subresource: "",
            path: "",
            field_selector: "",
        }
    }

    /// The equality requirements of the field selector. A selector that does not parse requires nothing.
    pub fn field_requirements(&self) -> impl Iterator<Item = FieldRequirement<'a>> {
        let selector = self.field_selector;
        // Values with an escaped comma cannot equal a name; they need no care here.
        selector.split(',').filter_map(|term| {
            let (field, value) = term.split_once('=')?;
            (!field.ends_with('!')).then(|| FieldRequirement {
                field,
                value: value.strip_prefix('=').unwrap_or(value),
            })
        })
    }

    /// The refusal, in upstream's words.
    pub fn forbidden(&self, identity: &Identity, reason: &str) -> Status {
        let user = quote(&identity.name);
        let what = if !self.is_resource {
            format!("User {user} cannot {} path {}", self.verb, quote(self.path))
        } else {
            let resource = match self.subresource {
                "" => quote(self.resource),
                subresource => quote(&format!("{}/{subresource}", self.resource)),
            };
            let scope = match self.namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {}", quote(namespace)),
            };
            format!(
                "User {user} cannot {} resource {resource} in API group {} {scope}",
                self.verb,
                quote(self.group)
            )
        };
        let what = what
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let why = if reason.is_empty() {
            what
        } else {
            format!("{what}: {reason}")
        };
        Status::forbidden(Qualified::new(self.group, self.resource), self.name, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_upstreams() {
        let bob = Identity::user("bob", []);
        let say = |a: Attributes<'_>, reason| a.forbidden(&bob, reason).message().to_owned();
        assert_eq!(
            say(Attributes::resource("list", "", "pods", "default", ""), ""),
            "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        );
        assert_eq!(
            say(Attributes::resource("get", "", "nodes", "", "x"), ""),
            "nodes \"x\" is forbidden: User \"bob\" cannot get resource \"nodes\" in API group \"\" at the cluster scope"
        );
        let scale = Attributes {
            subresource: "scale",
            ..Attributes::resource("update", "apps", "deployments", "d", "x")
        };
        assert_eq!(
            say(scale, "why"),
            "deployments.apps \"x\" is forbidden: User \"bob\" cannot update resource \"deployments/scale\" in API group \
             \"apps\" in the namespace \"d\": why"
        );
        assert_eq!(
            say(
                Attributes {
                    verb: "get",
                    path: "/a<b",
                    ..Attributes::default()
                },
                ""
            ),
            "forbidden: User \"bob\" cannot get path \"/a&lt;b\""
        );
    }
}
