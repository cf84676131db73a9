//! `/`: the paths that are served and are no resource's.

use super::groups::{Group, group_version};
use crate::health::{Endpoint, Health};

const FIXED: &[&str] = &[
    "/.well-known/openid-configuration",
    "/apis/",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/openid/v1/jwks",
    "/version",
];

/// All of them, sorted.
pub fn paths(groups: &[Group], health: &Health) -> Vec<String> {
    let mut paths: Vec<String> = FIXED.iter().map(|path| (*path).to_owned()).collect();
    for group in groups {
        let base = if group.name.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        paths.push(base.to_owned());
        if !group.name.is_empty() {
            paths.push(format!("{base}/{}", group.name));
        }
        paths.extend(
            group
                .versions
                .iter()
                .map(|v| format!("{base}/{}", group_version(&group.name, &v.name))),
        );
    }
    for endpoint in [Endpoint::Healthz, Endpoint::Livez, Endpoint::Readyz] {
        let path = format!("/{}", endpoint.as_str());
        paths.extend(
            health
                .names(endpoint)
                .into_iter()
                .map(|name| format!("{path}/{name}")),
        );
        paths.push(path);
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The document.
pub fn document(paths: &[String]) -> Vec<u8> {
    serde_json::json!({ "paths": paths })
        .to_string()
        .into_bytes()
}
