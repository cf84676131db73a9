//! The node's status, from what the machine says. Pure but for reading /proc and /etc.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Capacity;
use crate::config::Config;

const MAX_IMAGES: usize = 50;

/// What is measured each time.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Bytes of memory that are available.
    pub memory_available: i64,
    /// Percent of the pods' file system that is available.
    pub disk_available_percent: i64,
    /// Why the node cannot run pods; empty if it can.
    pub not_ready: String,
    /// Names and bytes of images.
    pub images: Vec<(Vec<String>, u64)>,
    /// containerd's version.
    pub containerd: String,
}

/// The status; `old` are its conditions as they are, for the times of their transitions.
pub fn compute(
    config: &Config,
    capacity: &Capacity,
    port: u16,
    measured: &Measured,
    old: &Value,
    now: Timestamp,
) -> Value {
    let resources = |memory: i64| {
        json!({
            "cpu": if capacity.cpu_millis % 1000 == 0 { (capacity.cpu_millis / 1000).to_string() } else { format!("{}m", capacity.cpu_millis) },
            "memory": format!("{}Ki", memory / 1024),
            "ephemeral-storage": format!("{}Ki", capacity.storage_bytes / 1024),
            "pods": config.max_pods.to_string(),
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
        })
    };
    let mut images = measured.images.clone();
    images.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let images: Vec<Value> = images
        .iter()
        .take(MAX_IMAGES)
        .map(|(names, bytes)| json!({"names": names, "sizeBytes": bytes}))
        .collect();
    let ip = config.node_ip.to_string();
    json!({
        "capacity": resources(capacity.memory_bytes),
        // Pods are kept off what the node's own processes need before eviction would begin.
        "allocatable": resources(capacity.memory_bytes - config.eviction_hard.memory_bytes),
        "conditions": conditions(config, measured, old, now),
        "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": config.node_name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": node_info(&measured.containerd),
        "images": images,
        // Upstream's names for a kubelet that speaks WebSockets itself, so that API servers need not translate for it, and for
        // one that resizes every init container.
        "declaredFeatures": ["ExtendWebSocketsToKubelet", "InPlacePodVerticalScalingInitContainers"],
    })
}

fn conditions(config: &Config, measured: &Measured, old: &Value, now: Timestamp) -> Value {
    let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let memory = measured.memory_available < config.eviction_hard.memory_bytes;
    let disk = measured.disk_available_percent < config.eviction_hard.disk_percent;
    let ready = measured.not_ready.is_empty();
    let choose = |bad: bool,
                  yes: (&'static str, &'static str),
                  no: (&'static str, &'static str)| if bad { yes } else { no };
    let memory_words = choose(
        memory,
        (
            "KubeletHasInsufficientMemory",
            "kubelet has insufficient memory available",
        ),
        (
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
    );
    let disk_words = choose(
        disk,
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    );
    let ready_message = if ready {
        "kubelet is posting ready status"
    } else {
        &measured.not_ready
    };
    let all = [
        ("MemoryPressure", memory, memory_words.0, memory_words.1),
        ("DiskPressure", disk, disk_words.0, disk_words.1),
        (
            "PIDPressure",
            false,
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        (
            "Ready",
            ready,
            if ready {
                "KubeletReady"
            } else {
                "KubeletNotReady"
            },
            ready_message,
        ),
    ];
    let list = all.into_iter().map(|(kind, holds, reason, message)| {
        let status = if holds { "True" } else { "False" };
        let known = old
            .as_array()
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind && condition["status"] == status);
        let since = known
            .and_then(|known| known["lastTransitionTime"].as_str())
            .unwrap_or(&seconds)
            .to_owned();
        json!({
            "type": kind,
            "status": status,
            "lastHeartbeatTime": seconds,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        })
    });
    list.collect()
}

fn node_info(containerd: &str) -> Value {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let release = read("/etc/os-release");
    let pretty = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned();
    let machine_id = read("/etc/machine-id");
    let product = read("/sys/class/dmi/id/product_uuid");
    json!({
        "machineID": machine_id,
        "systemUUID": if product.is_empty() { machine_id.clone() } else { product },
        "bootID": read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": read("/proc/sys/kernel/osrelease"),
        "osImage": if pretty.is_empty() { "Linux".to_owned() } else { pretty },
        "containerRuntimeVersion": format!("containerd://{containerd}"),
        "kubeletVersion": crate::VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": crate::go::architecture(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_keep_their_time_while_the_status_stays() {
        let measured = Measured {
            memory_available: 1 << 30,
            disk_available_percent: 50,
            ..Default::default()
        };
        let old = json!([
            {"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"},
            {"type": "DiskPressure", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"},
        ]);
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let config = Config::new("n1", std::net::IpAddr::from([127, 0, 0, 1]));
        let list = conditions(&config, &measured, &old, now);
        let find = |kind: &str| {
            list.as_array()
                .unwrap()
                .iter()
                .find(|c| c["type"] == kind)
                .unwrap()
                .clone()
        };
        assert_eq!(find("Ready")["lastTransitionTime"], "2020-01-01T00:00:00Z");
        assert_eq!(
            find("DiskPressure")["lastTransitionTime"],
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(find("DiskPressure")["status"], "False");
    }
}
