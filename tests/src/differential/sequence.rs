//! The corpus: sequences of requests, as they are written in tests/differential/*.yaml.
//!
//! ```yaml
//! - sequence: a ConfigMap comes and goes
//!   steps:
//!     - request: POST /api/v1/namespaces/$ns/configmaps
//!       body: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
//!       keep: {version: metadata.resourceVersion}   # of each server's own answer, for what follows
//!     - request: GET /api/v1/namespaces/$ns/configmaps?watch=true&resourceVersion=$version
//!       events: 1
//! ```
//!
//! `$ns` is the sequence's namespace, which exists and has a service account `default`; it serves as a unique name, too.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// Some requests, one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// What it shows.
    #[serde(rename = "sequence")]
    pub name: String,
    /// Its requests.
    pub steps: Vec<Step>,
    /// True if no step depends on another: then each has its own first uid.
    #[serde(default)]
    pub independent: bool,
}

/// One request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Method and path with query: `GET /api/v1/pods?limit=1`.
    pub request: String,
    /// The body, sent as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// The body as it is, in place of `body`.
    #[serde(default)]
    pub text: Option<String>,
    /// The body's media type; JSON, or for a patch the merge patch's.
    #[serde(default, rename = "type")]
    pub media_type: Option<String>,
    /// The body (with its `apiVersion` and `kind`) is sent as protobuf, and protobuf is asked for.
    #[serde(default)]
    pub protobuf: bool,
    /// The media types that are accepted; JSON.
    #[serde(default)]
    pub accept: Option<String>,
    /// Who asks, by impersonation; the admin.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Values of the answer (name → dotted path) that later steps use as `$name`.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// What is special about it, for the report.
    #[serde(default)]
    pub note: String,
    /// For a watch: how many events are awaited before it is left.
    #[serde(default)]
    pub events: Option<usize>,
    /// The request is sent again until it is answered with this code, for what takes effect a little later; the last answer counts.
    #[serde(default)]
    pub until: Option<u16>,
}

impl Step {
    /// A request with a JSON body.
    pub fn new(request: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            request: request.into(),
            body,
            ..Self::default()
        }
    }

    /// The same request in protobuf, if protobuf can say what its body says.
    pub fn in_protobuf(&self) -> Option<Self> {
        super::protobuf::encoded(self.body.as_ref()?)?;
        Some(Self {
            protobuf: true,
            ..self.clone()
        })
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.request.split(' ').next().unwrap_or_default()
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        let path = self.request.split(' ').nth(1).unwrap_or_default();
        path.split('?').next().unwrap_or_default()
    }

    /// What is done, for the report: the method, and what tells patches and watches apart.
    pub fn verb(&self) -> String {
        let kind = self.media_type.as_deref().unwrap_or_default();
        match (self.method(), self.events.is_some()) {
            (_, true) => "watch".to_owned(),
            ("PATCH", _) if kind.contains("apply") => "apply".to_owned(),
            ("PATCH", _) if kind.contains("strategic") => "patch (strategic)".to_owned(),
            ("PATCH", _) if kind.contains("json-patch") => "patch (JSON)".to_owned(),
            ("PATCH", _) => "patch (merge)".to_owned(),
            (method, _) => method.to_lowercase(),
        }
    }

    /// The resource in the path, with its subresource, for the report.
    pub fn resource(&self) -> String {
        let mut parts = self.path().trim_matches('/').split('/');
        let skipped = match parts.next() {
            Some("api") => 1,
            Some("apis") => 2,
            _ => return "/".to_owned(),
        };
        let mut parts: Vec<&str> = parts.skip(skipped).collect();
        if parts.len() > 2
            && parts[0] == "namespaces"
            && !["status", "finalize"].contains(&parts[2])
        {
            parts.drain(..2);
        }
        match parts[..] {
            [] => "/".to_owned(),
            [resource] | [resource, _] => resource.to_owned(),
            [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        }
    }
}

/// Reads a file of the corpus.
///
/// # Errors
/// If it cannot be read or has unknown fields.
pub fn read(path: &Path) -> io::Result<Vec<Sequence>> {
    let text = std::fs::read_to_string(path)?;
    serde_yaml::from_str(&text)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_knows_its_verb_and_resource() {
        let of = |request: &str| Step::new(request, None).resource();
        assert_eq!(of("GET /api/v1/namespaces/a/pods/b/log?x=y"), "pods/log");
        assert_eq!(of("GET /api/v1/namespaces/a"), "namespaces");
        assert_eq!(of("PUT /api/v1/namespaces/a/status"), "namespaces/status");
        assert_eq!(of("GET /apis/apps/v1/deployments?limit=1"), "deployments");
        assert_eq!(of("GET /version"), "/");
        let mut step = Step::new("PATCH /api/v1/nodes/a", None);
        assert_eq!(step.verb(), "patch (merge)");
        step.media_type = Some("application/apply-patch+yaml".to_owned());
        assert_eq!(step.verb(), "apply");
    }
}
