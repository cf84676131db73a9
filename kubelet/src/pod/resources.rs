//! From requests and limits to the kernel's terms.

use api::Quantity;
use api::aggregate;
use api::core::v1::{Container, Pod, ResourceRequirements};

use crate::oci::Resources;
use crate::oci::cgroup::PodLimits;

const MIN_SHARES: u64 = 2;
const MIN_QUOTA: i64 = 1000;

fn shares(millis: i64) -> u64 {
    u64::try_from(millis * 1024 / 1000)
        .unwrap_or(0)
        .clamp(MIN_SHARES, 262_144)
}

fn quota(millis: i64) -> i64 {
    (millis * 100).max(MIN_QUOTA)
}

fn cpu_request(container: Container<'_>) -> i64 {
    let resources = container.resources();
    resources
        .requests()
        .get("cpu")
        .or(resources.limits().get("cpu"))
        .map_or(0, Quantity::milli_value)
}

/// What a container may use; `memory_capacity` is the node's, in bytes.
pub fn container(pod: Pod<'_>, container: Container<'_>, memory_capacity: i64) -> Resources {
    let limits = container.resources().limits();
    Resources {
        cpu_shares: shares(cpu_request(container)),
        cpu_quota: limits
            .get("cpu")
            .map(Quantity::milli_value)
            .filter(|millis| *millis > 0)
            .map(quota),
        memory_limit: limits
            .get("memory")
            .map(Quantity::value)
            .filter(|bytes| *bytes > 0),
        oom_score_adj: oom_score_adj(pod, container, memory_capacity),
    }
}

/// The less of its request a container of class Burstable asks for, the earlier it goes.
fn oom_score_adj(pod: Pod<'_>, container: Container<'_>, memory_capacity: i64) -> i32 {
    const CRITICAL: i32 = 2_000_000_000;
    if pod
        .spec()
        .priority()
        .is_some_and(|priority| priority >= CRITICAL)
    {
        return -997;
    }
    match pod.status().qos_class() {
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let request = container
                .resources()
                .requests()
                .get("memory")
                .map_or(0, Quantity::value);
            let score = 1000 - 1000 * i128::from(request) / i128::from(memory_capacity.max(1));
            i32::try_from(score.clamp(3, 999)).unwrap_or(999)
        }
    }
}

/// The pod's cgroup below the kubelet's root.
pub fn cgroup(root: &str, pod: Pod<'_>) -> String {
    let class = match pod.status().qos_class() {
        "Guaranteed" => "",
        "BestEffort" => "/besteffort",
        _ => "/burstable",
    };
    format!(
        "{}/kubepods{class}/pod{}",
        root.trim_end_matches('/'),
        pod.metadata().uid()
    )
}

/// Limits of all containers together: set only where each of them has one.
pub fn pod(pod: Pod<'_>) -> PodLimits {
    let spec = pod.spec();
    let requests = aggregate::of_containers(spec, ResourceRequirements::requests);
    let limits = aggregate::of_containers(spec, ResourceRequirements::limits);
    let all = || spec.containers().iter().chain(spec.init_containers());
    let limit = |resource: &str, value: fn(Quantity) -> i64| -> Option<i64> {
        let each = all().all(|c| {
            let own = c.resources().limits().get(resource);
            own.is_some_and(|limit| !limit.is_zero())
        });
        let limit = limits.get(resource).filter(|_| each)?;
        Some(value(*limit) + spec.overhead().get(resource).map_or(0, value))
    };
    let asked = requests.get("cpu").map_or(0, |cpu| cpu.milli_value());
    let overhead = spec.overhead().get("cpu").map_or(0, Quantity::milli_value);
    PodLimits {
        cpu_shares: shares(asked + overhead),
        cpu_quota: limit("cpu", Quantity::milli_value).map(quota),
        memory_limit: limit("memory", Quantity::value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{Strict, decode};
    use api::schema::Schema;
    use api::tree::Tree;
    use serde_json::{Value, json};

    fn tree(spec: Value) -> Tree {
        let text = json!({ "spec": spec }).to_string();
        decode(Schema::builtin(), Pod::TYPE, text, &mut Strict::new()).unwrap()
    }

    fn container(name: &str, cpu: &str, memory: Option<&str>) -> Value {
        let mut limits = json!({"cpu": cpu});
        if let Some(memory) = memory {
            limits["memory"] = json!(memory);
        }
        json!({"name": name, "resources": {"requests": {"cpu": cpu}, "limits": limits}})
    }

    #[test]
    fn a_pods_limits_hold_its_containers_and_sidecars_together() {
        let mut sidecar = container("s", "500m", Some("1Mi"));
        sidecar["restartPolicy"] = json!("Always");
        let init = [sidecar, container("i", "100m", Some("4Mi"))];
        let limits = |memory| {
            let containers = [
                container("a", "1", Some("2Mi")),
                container("b", "1", memory),
            ];
            pod(Pod::of(&tree(
                json!({"containers": containers, "initContainers": init}),
            )))
        };
        let most = limits(Some("3Mi"));
        assert_eq!(
            (most.cpu_shares, most.cpu_quota, most.memory_limit),
            (2560, Some(250_000), Some(6 << 20))
        );
        // One that is not limited leaves them all without.
        let most = limits(None);
        assert_eq!((most.cpu_quota, most.memory_limit), (Some(250_000), None));
    }
}
