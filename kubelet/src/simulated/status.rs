//! What a kubelet says of a node that is well, and of a pod that runs.

use std::net::Ipv4Addr;

use api::core::v1::Pod;
use api::tree::Tree;
use serde_json::{Value, json};

use super::Config;

/// What each node has besides pods.
const CPU: &str = "32";
const MEMORY: &str = "256Gi";
const STORAGE: &str = "1Ti";
/// What is true of a pod that runs.
const CONDITIONS: [&str; 4] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
];

/// A node's status.
pub(super) fn node(config: &Config, name: &str, address: Ipv4Addr, now: &str) -> Value {
    let there = json!({
        "cpu": CPU, "memory": MEMORY, "ephemeral-storage": STORAGE, "pods": config.max_pods.to_string(),
    });
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": "simulated",
            "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    json!({
        "capacity": there,
        "allocatable": there,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID"),
            condition("Ready", "True", "KubeletReady"),
        ],
        "addresses": [{"type": "InternalIP", "address": address.to_string()}, {"type": "Hostname", "address": name}],
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "none: simulated",
            "containerRuntimeVersion": "none://simulated", "kubeletVersion": crate::VERSION, "kubeProxyVersion": "",
            "operatingSystem": "linux", "architecture": "amd64",
        },
    })
}

/// The status of a pod all of whose containers run.
pub(super) fn running(pod: &Tree, host: Ipv4Addr, address: Ipv4Addr, now: &str) -> Value {
    let view = Pod::of(pod);
    let spec = view.spec();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let container = |name: &str, image: &str, state: Value, started: bool| {
        json!({
            "name": name, "image": image, "imageID": image, "containerID": format!("simulated://{}/{name}", view.metadata().uid()),
            "ready": true, "started": started, "restartCount": 0, "state": state, "lastState": {},
        })
    };
    let runs = json!({"running": {"startedAt": now}});
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}});
    let containers: Vec<Value> = spec
        .containers()
        .iter()
        .map(|c| container(c.name(), c.image(), runs.clone(), true))
        .collect();
    let mut status = json!({
        "phase": "Running",
        "startTime": now,
        "hostIP": host.to_string(),
        "hostIPs": [{"ip": host.to_string()}],
        "podIP": address.to_string(),
        "podIPs": [{"ip": address.to_string()}],
        "observedGeneration": view.metadata().generation(),
        "conditions": CONDITIONS.map(condition),
        "containerStatuses": containers,
    });
    let first: Vec<Value> = spec
        .init_containers()
        .iter()
        .map(|c| match c.restart_policy().unwrap_or_default() {
            // A sidecar stays.
            "Always" => container(c.name(), c.image(), runs.clone(), true),
            _ => container(c.name(), c.image(), ended.clone(), false),
        })
        .collect();
    if !first.is_empty() {
        status["initContainerStatuses"] = first.into();
    }
    status
}
