//! From requests and limits to the kernel's terms.

use api::Quantity;
use api::core::v1::{Container, Pod};

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
    let containers = || pod.spec().containers().iter();
    let sum = |resource: &str, value: fn(Quantity) -> i64| -> Option<i64> {
        containers()
            .map(|container| container.resources().limits().get(resource).map(value))
            .sum()
    };
    // Init containers run alone, before the others.
    let init = |resource: &str, value: fn(Quantity) -> i64| -> i64 {
        let limits = pod.spec().init_containers().iter();
        limits
            .filter_map(|container| container.resources().limits().get(resource).map(value))
            .max()
            .unwrap_or(0)
    };
    let every_init = |resource: &str| {
        pod.spec()
            .init_containers()
            .iter()
            .all(|c| c.resources().limits().contains_key(resource))
    };
    let overhead = pod.spec().overhead();
    PodLimits {
        cpu_shares: shares(containers().map(cpu_request).sum()),
        cpu_quota: sum("cpu", Quantity::milli_value)
            .filter(|_| every_init("cpu"))
            .map(|millis| {
                quota(
                    millis.max(init("cpu", Quantity::milli_value))
                        + overhead.get("cpu").map_or(0, Quantity::milli_value),
                )
            }),
        memory_limit: sum("memory", Quantity::value)
            .filter(|_| every_init("memory"))
            .map(|bytes| {
                bytes.max(init("memory", Quantity::value))
                    + overhead.get("memory").map_or(0, Quantity::value)
            }),
    }
}
