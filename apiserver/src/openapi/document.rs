//! Which documents there are, and what stands in each.

use std::collections::BTreeSet;

use api::Schema;
use api::kinds::Kinds;

use super::definitions::Definitions;
use super::model::{Content, Dialect, Document, Leaf, Named, PathItem};
use super::names::{Names, capitalized, group_tag};
use super::operations::Paths;

/// A document of OpenAPI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Everything, in OpenAPI 2.0.
    All,
    /// `/api`, `/apis` or the path of a group: what its discovery documents are.
    Discovery(Option<String>),
    /// `/apis`: the list of groups.
    Groups,
    /// A group and version with its resources.
    Version(String, String),
    /// `/version`.
    ServerVersion,
    /// `/.well-known/openid-configuration`: who issues service account tokens.
    Issuer,
    /// `/openid/v1/jwks`: by which keys those are verified.
    IssuerKeys,
}

impl Subject {
    /// Every document of OpenAPI 3.0, by its name in the index, sorted.
    pub fn listed(kinds: &Kinds) -> Vec<(String, Subject)> {
        let mut all = vec![
            ("api".to_owned(), Subject::Discovery(None)),
            ("apis".to_owned(), Subject::Groups),
            ("version".to_owned(), Subject::ServerVersion),
            (
                ".well-known/openid-configuration".to_owned(),
                Subject::Issuer,
            ),
            ("openid/v1/jwks".to_owned(), Subject::IssuerKeys),
        ];
        for group in kinds.groups() {
            let path = group_path(&group.name);
            if !group.name.is_empty() {
                all.push((path.clone(), Subject::Discovery(Some(group.name.clone()))));
            }
            for version in &group.versions {
                all.push((
                    format!("{path}/{version}"),
                    Subject::Version(group.name.clone(), version.clone()),
                ));
            }
        }
        all.sort();
        all
    }

    /// The document of that name.
    pub fn named(kinds: &Kinds, name: &str) -> Option<Subject> {
        Subject::listed(kinds)
            .into_iter()
            .find(|(listed, _)| listed == name)
            .map(|(_, subject)| subject)
    }
}

fn group_path(group: &str) -> String {
    if group.is_empty() {
        "api".to_owned()
    } else {
        format!("apis/{group}")
    }
}

/// Makes documents out of the tables.
pub struct Source<'a> {
    /// The served kinds.
    pub kinds: &'a Kinds,
    /// Their types.
    pub schema: &'a Schema,
    /// The types' published names.
    pub names: Names,
}

impl<'a> Source<'a> {
    /// A source of documents about these kinds.
    pub fn new(kinds: &'a Kinds, schema: &'a Schema) -> Source<'a> {
        Source {
            kinds,
            schema,
            names: Names::new(schema),
        }
    }

    /// One document.
    pub fn document(&'a self, subject: &'a Subject) -> Document<'a> {
        let mut paths = Paths::new(self.schema);
        self.add(subject, &mut paths);
        let paths = paths.finish();
        let dialect = if *subject == Subject::All {
            Dialect::V2
        } else {
            Dialect::V3
        };
        let about = match subject {
            Subject::Version(group, version) => Some((group.as_str(), version.as_str())),
            _ => None,
        };
        let definitions = Definitions::new(self.schema, &self.names, dialect, about);
        Document {
            dialect,
            types: definitions.reachable(roots(&paths)),
            paths,
        }
    }

    fn add(&self, subject: &Subject, paths: &mut Paths<'_>) {
        let answer = |name: &str| self.schema.type_by_name(name).map(Named::Message);
        let mut document = |path: &str, tag: String, id: String, of: Option<Named>| {
            if let Some(of) = of {
                paths.add_document(path, tag, id, of);
            }
        };
        match subject {
            Subject::Issuer => paths.add_text(
                "/.well-known/openid-configuration/",
                "WellKnown",
                "getServiceAccountIssuerOpenIDConfiguration",
                &["application/json"],
            ),
            Subject::IssuerKeys => paths.add_text(
                "/openid/v1/jwks/",
                "openid",
                "getServiceAccountIssuerOpenIDKeyset",
                &["application/jwk-set+json"],
            ),
            Subject::All => {
                for (_, subject) in Subject::listed(self.kinds) {
                    self.add(&subject, paths);
                }
            }
            Subject::ServerVersion => {
                let info = Some(Named::Leaf(Leaf::VersionInfo));
                document(
                    "/version/",
                    "version".to_owned(),
                    "getCodeVersion".to_owned(),
                    info,
                );
            }
            Subject::Groups => {
                document(
                    "/apis/",
                    "apis".to_owned(),
                    "getAPIVersions".to_owned(),
                    answer("meta/v1.APIGroupList"),
                );
            }
            Subject::Discovery(None) => {
                document(
                    "/api/",
                    "core".to_owned(),
                    "getCoreAPIVersions".to_owned(),
                    answer("meta/v1.APIVersions"),
                );
            }
            Subject::Discovery(Some(group)) => {
                let tag = group_tag(group);
                let id = format!("get{}APIGroup", capitalized(&tag));
                document(
                    &format!("/{}/", group_path(group)),
                    tag,
                    id,
                    answer("meta/v1.APIGroup"),
                );
            }
            Subject::Version(group, version) => {
                let tag = group_tag(group);
                let id = format!(
                    "get{}{}APIResources",
                    capitalized(&tag),
                    capitalized(version)
                );
                let path = format!("/{}/{version}/", group_path(group));
                document(
                    &path,
                    format!("{tag}_{version}"),
                    id,
                    answer("meta/v1.APIResourceList"),
                );
                for resource in self.kinds.of_version(group, version) {
                    paths.add_resource(resource);
                }
            }
        }
    }
}

/// The types that operations name.
fn roots(paths: &[PathItem]) -> BTreeSet<Named> {
    let mut found = BTreeSet::new();
    for operation in paths.iter().flat_map(|item| &item.operations) {
        found.extend(operation.body.map(|(named, _)| named));
        found.extend(
            operation
                .responses
                .iter()
                .filter_map(|(_, content)| match content {
                    Content::Type(named) => Some(*named),
                    Content::Text => None,
                }),
        );
    }
    found
}
