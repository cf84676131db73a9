//! Which resources the server serves, custom ones included: for those controllers that work on all of them.

use std::collections::BTreeSet;

use http::{Request, header};
use runtime::{Client, Error, Resource, client::DecodeError, resource::Form};
use serde::Deserialize;

const ACCEPT: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// A resource that the server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The resource, of which only metadata is asked for.
    pub resource: Resource,
    /// What can be done with it.
    pub verbs: BTreeSet<String>,
}

impl Served {
    /// Whether all of these can be done with it.
    pub fn allows(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.contains(*verb))
    }
}

/// What the server serves.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// Each resource in the version that its group prefers among those that have it.
    pub resources: Vec<Served>,
    /// Group versions that could not be discovered, such as those of an aggregated server that is down.
    pub failed: Vec<String>,
}

impl Discovery {
    /// Asks the server.
    pub async fn read(client: &Client) -> Result<Discovery, Error> {
        let mut found = Discovery::default();
        for path in ["/api", "/apis"] {
            match Document::read(client, path).await? {
                Document::Aggregated { items } => {
                    items.into_iter().for_each(|group| found.add_group(group))
                }
                Document::Versions { versions } => {
                    for version in versions {
                        found.add_legacy(client, "", &version).await;
                    }
                }
                Document::Groups { groups } => {
                    for group in groups {
                        // The preferred one first; of a resource in several versions the first is kept.
                        let preferred = &group.preferred_version.version;
                        let others = group
                            .versions
                            .iter()
                            .map(|v| &v.version)
                            .filter(|v| *v != preferred);
                        for version in std::iter::once(preferred).chain(others) {
                            found.add_legacy(client, &group.name, version).await;
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The resource of a kind, in any version.
    pub fn by_kind(&self, group: &str, kind: &str) -> Option<&Resource> {
        let mut resources = self.resources.iter().map(|served| &served.resource);
        resources.find(|resource| resource.group() == group && resource.kind() == kind)
    }

    fn add_group(&mut self, group: AggregatedGroup) {
        let name = group.metadata.name;
        for version in group.versions {
            if version.freshness == "Stale" {
                self.failed.push(format!("{name}/{}", version.version));
            }
            for resource in version.resources {
                let namespaced = resource.scope == "Namespaced";
                let kind = resource.response_kind.map(|k| k.kind).unwrap_or_default();
                self.add(
                    &name,
                    &version.version,
                    &resource.resource,
                    &kind,
                    namespaced,
                    resource.verbs,
                );
            }
        }
    }

    async fn add_legacy(&mut self, client: &Client, group: &str, version: &str) {
        let path = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        let list = client.json(http::Method::GET, path, None).await;
        let Some(list) = list
            .ok()
            .and_then(|value| serde_json::from_value::<ResourceList>(value).ok())
        else {
            self.failed.push(format!("{group}/{version}"));
            return;
        };
        for r in list.resources.into_iter().filter(|r| !r.name.contains('/')) {
            self.add(group, version, &r.name, &r.kind, r.namespaced, r.verbs);
        }
    }

    fn add(
        &mut self,
        group: &str,
        version: &str,
        plural: &str,
        kind: &str,
        namespaced: bool,
        verbs: Vec<String>,
    ) {
        let known = self
            .resources
            .iter()
            .any(|s| s.resource.group() == group && s.resource.plural() == plural);
        if !known {
            let resource = Resource::new(group, version, plural, kind, namespaced, Form::Metadata);
            self.resources.push(Served {
                resource,
                verbs: verbs.into_iter().collect(),
            });
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Aggregated { items: Vec<AggregatedGroup> },
    Groups { groups: Vec<Group> },
    Versions { versions: Vec<String> },
}

impl Document {
    async fn read(client: &Client, path: &str) -> Result<Document, Error> {
        let request = Request::get(path)
            .header(header::ACCEPT, ACCEPT)
            .body(Vec::new())
            .map_err(|e| Error::Request(e.to_string()))?;
        let response = client.raw(request).await?;
        serde_json::from_slice(&response.body).map_err(|e| Error::Decode(DecodeError::Json(e)))
    }
}

#[derive(Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    versions: Vec<GroupVersion>,
    preferred_version: GroupVersion,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_the_first_is_kept_and_stale_ones_are_named() {
        let text = r#"{"items": [{"metadata": {"name": "g"}, "versions": [
            {"version": "v2", "freshness": "Current", "resources": [
                {"resource": "things", "responseKind": {"kind": "Thing"}, "scope": "Namespaced", "verbs": ["list"]}]},
            {"version": "v1", "freshness": "Stale", "resources": [
                {"resource": "things", "responseKind": {"kind": "Thing"}, "scope": "Namespaced", "verbs": []},
                {"resource": "olds", "scope": "Cluster", "verbs": ["list", "delete"]}]}]}]}"#;
        let Document::Aggregated { items } = serde_json::from_str(text).expect("well-formed")
        else {
            panic!("aggregated")
        };
        let mut found = Discovery::default();
        items.into_iter().for_each(|group| found.add_group(group));
        let names: Vec<_> = found
            .resources
            .iter()
            .map(|s| {
                (
                    s.resource.plural(),
                    s.resource.version(),
                    s.resource.namespaced(),
                )
            })
            .collect();
        assert_eq!(names, [("things", "v2", true), ("olds", "v1", false)]);
        assert_eq!(found.failed, ["g/v1"]);
        assert_eq!(
            found.by_kind("g", "Thing").map(|r| r.plural()),
            Some("things")
        );
        assert!(
            found.resources[1].allows(&["list", "delete"])
                && !found.resources[0].allows(&["delete"])
        );
    }
}
