//! The table: what no server should take, by what is wrong with it. Both servers get the same; what upstream's answers is right.

mod heads;
mod media;
mod metadata;
mod options;
mod patches;
mod paths;
mod reviews;
mod selectors;
mod syntax;
mod types;
mod versions;

use serde_json::{Value, json};

use super::request::{Bad, send};

/// ConfigMaps of the namespace that all cases use.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Deployments there.
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
/// Pods there.
pub const PODS: &str = "/api/v1/namespaces/default/pods";

/// What must exist: the collection and the object.
pub fn fixtures() -> Vec<(&'static str, Value)> {
    vec![
        (
            "/api/v1/namespaces/default/serviceaccounts",
            json!({ "metadata": { "name": "default" } }),
        ),
        (
            MAPS,
            json!({ "metadata": { "name": "a" }, "data": { "k": "v" } }),
        ),
        (DEPLOYMENTS, deployment()),
        (PODS, pod()),
    ]
}

/// A Deployment that is taken.
pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": {
            "selector": { "matchLabels": { "app": "d" } },
            "template": {
                "metadata": { "labels": { "app": "d" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] },
            },
        },
    })
}

/// A Pod that is taken.
pub fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "c", "image": "i" }] },
    })
}

/// A ConfigMap that is not yet there.
pub fn map() -> Value {
    json!({ "metadata": { "name": "b" } })
}

/// `object` with `value` at `pointer`, whose parents are there.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name.replace("~1", "/")] = value,
    }
    object
}

/// A create of `object`.
pub fn create(collection: &str, object: &Value) -> Bad {
    send("POST", collection, object.to_string())
}

/// A text for a query.
pub fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Everything.
pub fn all() -> Vec<Bad> {
    [
        syntax::cases(),
        types::cases(),
        metadata::cases(),
        selectors::cases(),
        versions::cases(),
        options::cases(),
        media::cases(),
        patches::cases(),
        paths::cases(),
        reviews::cases(),
        heads::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
