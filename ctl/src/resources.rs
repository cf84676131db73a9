//! Which resources the server has, and what the user's short words for them mean.

use http::Method;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, Result};

const AGGREGATED: &str = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList";

/// One resource of one group and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural, as in URLs.
    pub plural: String,
    /// Singular.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Short names, such as `deploy`.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Verbs that it supports.
    pub verbs: Vec<String>,
    /// Subresources, such as `scale`.
    pub subresources: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods`, `deployments.apps`: how messages name the resource.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `pod/web`, `deployment.apps/web`: how messages name an object.
    pub fn object(&self, name: &str) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() {
            format!("{kind}/{name}")
        } else {
            format!("{kind}.{}/{name}", self.group)
        }
    }

    /// URL path of all objects: in one namespace, or (`None`) in all and of those without.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{}", self.group)
        };
        match namespace {
            Some(namespace) if self.namespaced => format!(
                "{root}/{}/namespaces/{namespace}/{}",
                self.version, self.plural
            ),
            _ => format!("{root}/{}/{}", self.version, self.plural),
        }
    }

    /// URL path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.path(Some(namespace)))
    }

    fn is_called(&self, word: &str) -> bool {
        self.plural == word
            || self.singular == word
            || self.kind.to_lowercase() == word
            || self.short_names.iter().any(|short| short == word)
    }
}

/// All resources of the server, in its order of preference.
#[derive(Clone, Debug)]
pub struct Resources(Vec<Resource>);

impl Resources {
    /// Asks the server, in two requests.
    pub async fn discover(cluster: &Cluster) -> Result<Self> {
        let (core, groups) = futures::try_join!(
            cluster.json_as(Method::GET, "/api", AGGREGATED, None),
            cluster.json_as(Method::GET, "/apis", AGGREGATED, None)
        )?;
        Ok(Self(read(&core).chain(read(&groups)).collect()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter()
    }

    /// What the user calls so: `po`, `deployments`, `deploy.apps`, `deployments.v1.apps`. The preferred version wins.
    pub fn find(&self, word: &str) -> Result<&Resource> {
        let word = word.to_lowercase();
        let (name, rest) = word.split_once('.').unwrap_or((&word, ""));
        let (version, group) = rest.split_once('.').unwrap_or(("", rest));
        let named = |resource: &&Resource| resource.is_called(name);
        self.0
            .iter()
            .find(|resource| resource.is_called(&word))
            .or_else(|| {
                self.0.iter().filter(named).find(|resource| {
                    !rest.is_empty()
                        && (resource.group == rest
                            || resource.group.starts_with(&format!("{rest}.")))
                })
            })
            .or_else(|| {
                self.0.iter().filter(named).find(|resource| {
                    !version.is_empty() && resource.version == version && resource.group == group
                })
            })
            .or_else(|| {
                self.0
                    .iter()
                    .filter(named)
                    .find(|resource| resource.group.is_empty() && resource.version == rest)
            })
            .ok_or_else(|| {
                Error::Usage(format!(
                    "the server has no resource {word:?}: see ctl api-resources"
                ))
            })
    }

    /// All resources of a category (`all`), each group's preferred version only.
    pub fn category(&self, word: &str) -> Vec<&Resource> {
        let mut found: Vec<&Resource> = Vec::new();
        for resource in self
            .0
            .iter()
            .filter(|resource| resource.categories.iter().any(|category| category == word))
        {
            if !found
                .iter()
                .any(|other| other.plural == resource.plural && other.group == resource.group)
            {
                found.push(resource);
            }
        }
        found
    }

    /// The resource of an object's `apiVersion` and `kind`.
    pub fn of_object(&self, api_version: &str, kind: &str) -> Result<&Resource> {
        self.0.iter().find(|resource| resource.kind == kind && resource.api_version() == api_version).ok_or_else(|| {
            Error::Usage(format!("the server has no kind {kind:?} in version {api_version:?}: is its CustomResourceDefinition installed?"))
        })
    }
}

fn read(document: &Value) -> impl Iterator<Item = Resource> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = move |value: &Value| {
        value
            .as_array()
            .map(|all| all.iter().map(text).collect())
            .unwrap_or_default()
    };
    let mut all = Vec::new();
    for group in document["items"].as_array().into_iter().flatten() {
        for version in group["versions"].as_array().into_iter().flatten() {
            for resource in version["resources"].as_array().into_iter().flatten() {
                all.push(Resource {
                    group: text(&group["metadata"]["name"]),
                    version: text(&version["version"]),
                    plural: text(&resource["resource"]),
                    singular: text(&resource["singularResource"]),
                    kind: text(&resource["responseKind"]["kind"]),
                    short_names: texts(&resource["shortNames"]),
                    categories: texts(&resource["categories"]),
                    verbs: texts(&resource["verbs"]),
                    subresources: resource["subresources"]
                        .as_array()
                        .map(|all| all.iter().map(|sub| text(&sub["subresource"])).collect())
                        .unwrap_or_default(),
                    namespaced: resource["scope"] == "Namespaced",
                });
            }
        }
    }
    all.into_iter()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Resources {
        let resource =
            |group: &str, version: &str, plural: &str, kind: &str, short: &str, namespaced| {
                Resource {
                    group: group.into(),
                    version: version.into(),
                    plural: plural.into(),
                    singular: kind.to_lowercase(),
                    kind: kind.into(),
                    short_names: vec![short.into()],
                    categories: if matches!(kind, "Pod" | "Deployment") {
                        vec!["all".into()]
                    } else {
                        Vec::new()
                    },
                    verbs: vec!["list".into()],
                    subresources: Vec::new(),
                    namespaced,
                }
            };
        Resources(vec![
            resource("", "v1", "pods", "Pod", "po", true),
            resource("", "v1", "nodes", "Node", "no", false),
            resource("", "v1", "events", "Event", "ev", true),
            resource("apps", "v1", "deployments", "Deployment", "deploy", true),
            resource(
                "autoscaling",
                "v2",
                "horizontalpodautoscalers",
                "HorizontalPodAutoscaler",
                "hpa",
                true,
            ),
            resource(
                "autoscaling",
                "v1",
                "horizontalpodautoscalers",
                "HorizontalPodAutoscaler",
                "hpa",
                true,
            ),
            resource("events.k8s.io", "v1", "events", "Event", "ev", true),
        ])
    }

    #[test]
    fn resources_are_found_by_every_name_that_kubectl_takes() {
        let all = sample();
        for word in ["po", "pod", "Pods", "pods.v1", "pods.v1."] {
            assert_eq!(all.find(word).unwrap().plural, "pods", "{word}");
        }
        for word in [
            "deploy",
            "deployments.apps",
            "deployment.v1.apps",
            "Deployment",
        ] {
            assert_eq!(all.find(word).unwrap().kind, "Deployment", "{word}");
        }
        assert_eq!(all.find("events").unwrap().group, "");
        assert_eq!(
            all.find("events.events.k8s.io").unwrap().group,
            "events.k8s.io"
        );
        assert_eq!(all.find("hpa").unwrap().version, "v2");
        assert_eq!(all.find("hpa.v1.autoscaling").unwrap().version, "v1");
        assert!(all.find("nothing").is_err());
    }

    #[test]
    fn a_category_takes_one_version_of_each_resource() {
        assert_eq!(sample().category("all").len(), 2);
    }

    #[test]
    fn paths_are_upstreams() {
        let all = sample();
        assert_eq!(
            all.find("po").unwrap().path(Some("a")),
            "/api/v1/namespaces/a/pods"
        );
        assert_eq!(all.find("po").unwrap().path(None), "/api/v1/pods");
        assert_eq!(
            all.find("no").unwrap().object_path("a", "n1"),
            "/api/v1/nodes/n1"
        );
        assert_eq!(
            all.find("deploy").unwrap().object_path("a", "web"),
            "/apis/apps/v1/namespaces/a/deployments/web"
        );
    }
}
