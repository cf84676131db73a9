//! The roles and bindings of [`Policy::builtin`] as objects.

use serde_json::{Map, Value, json};

use super::Seed;
use crate::authz::Rule;
use crate::authz::bootstrap::{AGGREGATE_PREFIX, AUTOUPDATE, Binding, LABEL, Policy, Role};
use crate::authz::rbac::{RoleRef, Subject};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Where roles and bindings stand in the log.
pub(super) const PREFIXES: [&str; 4] = [
    "roles/",
    "clusterroles/",
    "rolebindings/",
    "clusterrolebindings/",
];

/// The user that our controllers are, alone or in one process with the server.
const CONTROLLERS: &str = "system:kube-controller-manager";
/// What the role of each of upstream's controllers begins with.
const CONTROLLER_ROLE: &str = "system:controller:";
/// Upstream's controller manager is a service account of its own for each controller; ours is one user, who has the roles of
/// those that it runs.
const OUR_CONTROLLERS: [&str; 21] = [
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "disruption-controller",
    "generic-garbage-collector",
    "job-controller",
    "namespace-controller",
    "node-controller",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "service-account-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "volumeattributesclass-protection-controller",
];

pub(super) fn seeds() -> Vec<Seed> {
    let policy = Policy::builtin();
    let ours = OUR_CONTROLLERS.iter().map(|name| controller(name));
    policy
        .roles
        .iter()
        .map(|r| role(policy, r))
        .chain(policy.bindings.iter().map(binding))
        .chain(ours)
        .collect()
}

fn controller(name: &str) -> Seed {
    let object = json!({
        "metadata": metadata("", &format!("gantry:controller:{name}")),
        "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": format!("{CONTROLLER_ROLE}{name}") },
        "subjects": [{ "apiGroup": GROUP, "kind": "User", "name": CONTROLLERS }],
    });
    Seed::new(
        path("", "clusterrolebindings"),
        "clusterrolebindings/",
        object,
    )
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({
        "name": name,
        "labels": { LABEL.0: LABEL.1 },
        "annotations": { AUTOUPDATE.0: AUTOUPDATE.1 },
    });
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn path(namespace: &str, plural: &str) -> String {
    match namespace {
        "" => format!("/apis/{GROUP}/v1/{plural}"),
        namespace => format!("/apis/{GROUP}/v1/namespaces/{namespace}/{plural}"),
    }
}

fn role(policy: &Policy, role: &Role) -> Seed {
    let mut object = json!({ "metadata": metadata(&role.namespace, &role.name) });
    for target in &role.aggregates_to {
        object["metadata"]["labels"][format!("{AGGREGATE_PREFIX}{target}")] = "true".into();
    }
    let rules = match &role.collects {
        // The controller would fill them; a cluster without it yet has them at once.
        Some(what) => {
            let labels = json!({ format!("{AGGREGATE_PREFIX}{what}"): "true" });
            object["aggregationRule"] =
                json!({ "clusterRoleSelectors": [{ "matchLabels": labels }] });
            policy.collected(what)
        }
        None => role.rules.clone(),
    };
    object["rules"] = rules.iter().map(rule).collect();
    match role.namespace.as_str() {
        "" => Seed::new(path("", "clusterroles"), "clusterroles/", object),
        namespace => Seed::new(path(namespace, "roles"), "roles/", object),
    }
}

fn rule(rule: &Rule) -> Value {
    let mut out = Map::new();
    let lists = [
        ("verbs", &rule.verbs),
        ("apiGroups", &rule.groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.names),
        ("nonResourceURLs", &rule.urls),
    ];
    for (field, list) in lists {
        if !list.is_empty() {
            out.insert(
                field.to_owned(),
                list.iter().map(|item| Value::from(&**item)).collect(),
            );
        }
    }
    out.into()
}

fn binding(binding: &Binding) -> Seed {
    let (kind, name) = match &binding.role {
        RoleRef::ClusterRole(name) => ("ClusterRole", name),
        RoleRef::Role(name) => ("Role", name),
    };
    let subjects: Vec<Value> = binding.subjects.iter().map(subject).collect();
    let mut object = json!({
        "metadata": metadata(&binding.namespace, &binding.name),
        "roleRef": { "apiGroup": GROUP, "kind": kind, "name": name },
    });
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    match binding.namespace.as_str() {
        "" => Seed::new(
            path("", "clusterrolebindings"),
            "clusterrolebindings/",
            object,
        ),
        namespace => Seed::new(path(namespace, "rolebindings"), "rolebindings/", object),
    }
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
        Subject::Group(name) => json!({ "apiGroup": GROUP, "kind": "Group", "name": name }),
        Subject::ServiceAccount { namespace, name } => {
            json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
        }
    }
}
