//! What the load writes.

/// A ConfigMap of about 1 KiB as JSON.
pub fn config_map(namespace: &str, name: &str) -> Vec<u8> {
    filled_map(namespace, name).to_string().into_bytes()
}

/// The same with an annotation that tells it from others.
pub fn config_map_touched(namespace: &str, name: &str, value: usize) -> Vec<u8> {
    let mut map = filled_map(namespace, name);
    map["metadata"]["annotations"] = serde_json::json!({"touched": value.to_string()});
    map.to_string().into_bytes()
}

/// The same with a name that the server makes up.
pub fn config_map_unnamed(namespace: &str) -> Vec<u8> {
    let mut map = filled_map(namespace, "");
    map["metadata"]["generateName"] = "generated-".into();
    map.to_string().into_bytes()
}

fn filled_map(namespace: &str, name: &str) -> serde_json::Value {
    let filler = "x".repeat(800);
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "load", "tier": "bench"}},
        "data": {"filler": filler},
    })
}

/// The account that pods have when they name none.
pub fn service_account() -> Vec<u8> {
    serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
        .to_string()
        .into_bytes()
}

/// A Pod as a controller would make it, of one template with all others.
pub fn pod(namespace: &str, name: &str) -> Vec<u8> {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "load", "pod-template-hash": "5d5f8b7c9d"}},
        "spec": {"containers": [{
            "name": "main", "image": "gantry.local/hello:1", "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        }]},
    })
    .to_string()
    .into_bytes()
}

/// A Node as a kubelet registers it, Ready and with much room.
pub fn node(name: &str) -> Vec<u8> {
    let room = serde_json::json!({"cpu": "32", "memory": "256Gi", "pods": "250", "ephemeral-storage": "500Gi"});
    serde_json::json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "capacity": room, "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    })
    .to_string()
    .into_bytes()
}

/// The binding of a pod to a node.
pub fn binding(pod: &str, node: &str) -> Vec<u8> {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    })
    .to_string()
    .into_bytes()
}

/// A Namespace as JSON.
pub fn namespace(name: &str) -> Vec<u8> {
    serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        .to_string()
        .into_bytes()
}

/// A merge patch that changes one annotation to what no update of this load writes: what changes nothing makes no event.
pub fn touch(value: usize) -> Vec<u8> {
    serde_json::json!({"metadata": {"annotations": {"touched": format!("watched {value}")}}})
        .to_string()
        .into_bytes()
}
