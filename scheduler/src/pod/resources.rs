//! Requests of a pod: the most that it needs in any moment of its life, as upstream's component-helpers compute it
//! (KEP-753 for sidecars, KEP-2837 for pod-level resources, KEP-1287 for in-place resize).

use std::collections::BTreeMap;

use crate::text::Text;

/// The resource `cpu`, counted in thousandths of a core here.
pub const CPU: &str = "cpu";
/// The resource `memory`, bytes.
pub const MEMORY: &str = "memory";
/// The resource `ephemeral-storage`, bytes.
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";
/// What a container without a CPU request counts in scores, thousandths of a core.
pub const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container without a memory request counts in scores, bytes.
pub const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts by resource name; CPU in thousandths of a core, everything else in units.
pub type ResourceList = BTreeMap<Text, i64>;

/// The amounts that nodes are filled with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Resources {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Extended resources, huge pages and the like, by name, sorted.
    pub scalars: Box<[(Text, i64)]>,
}

impl Resources {
    /// Splits a list; names that no node accounts for (unprefixed unknown ones) are left out, as upstream leaves them.
    pub fn of(list: &ResourceList) -> Resources {
        let amount = |name: &str| list.get(name).copied().unwrap_or(0);
        Resources {
            milli_cpu: amount(CPU),
            memory: amount(MEMORY),
            ephemeral_storage: amount(EPHEMERAL_STORAGE),
            scalars: list
                .iter()
                .filter(|(name, _)| is_scalar(name))
                .map(|(name, n)| (name.clone(), *n))
                .collect(),
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalars.is_empty()
    }
}

/// Whether upstream counts `name` as a scalar resource: extended resources, huge pages, prefixed native ones and
/// attachable volumes.
pub fn is_scalar(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    let extended = !native && !name.starts_with("requests.");
    extended
        || name.starts_with("hugepages-")
        || name.contains("kubernetes.io/")
        || name.starts_with("attachable-volumes-")
}

/// One container's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRequests {
    /// `resources.requests`, or what the status says is allocated or in force, by the caller's choice.
    pub requests: ResourceList,
    /// An init container with `restartPolicy: Always` (a sidecar).
    pub sidecar: bool,
}

/// Everything that a pod's requests are computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRequests {
    /// `spec.containers`.
    pub containers: Vec<ContainerRequests>,
    /// `spec.initContainers`, in order.
    pub init_containers: Vec<ContainerRequests>,
    /// While a pod is resized: containers and init containers with what is allocated, and with what is in force. The
    /// highest of all counts.
    pub in_status: Vec<(Vec<ContainerRequests>, Vec<ContainerRequests>)>,
    /// As above, of the pod as a whole, where the kubelet says so.
    pub totals_in_status: Vec<ResourceList>,
    /// The resize that the spec asks for can never be: only what is in the status counts.
    pub spec_infeasible: bool,
    /// `spec.resources.requests`: CPU, memory and huge pages of the pod as a whole.
    pub pod_level: Option<ResourceList>,
    /// `spec.overhead`.
    pub overhead: ResourceList,
}

impl PodRequests {
    /// The requests that nodes are filled with.
    pub fn total(&self) -> ResourceList {
        self.compute(&[], true)
    }

    /// CPU and memory as LeastAllocated counts a pod that is being placed: containers without a request count the
    /// defaults, and pod-level resources are not looked at (so does upstream's scorer).
    pub fn for_least_allocated(&self) -> (i64, i64) {
        cpu_and_memory(&self.compute(&DEFAULTS, false))
    }

    /// CPU and memory that a placed pod counts in scores.
    pub fn nonzero(&self) -> (i64, i64) {
        if !self.has_pod_level() {
            return cpu_and_memory(&self.compute(&DEFAULTS, true));
        }
        // With pod-level requests, only what the pod does not ask for at all gets a default.
        let total = self.total();
        let missing: Vec<_> = DEFAULTS
            .into_iter()
            .filter(|(name, _)| !total.contains_key(*name))
            .collect();
        cpu_and_memory(&self.compute(&missing, true))
    }

    fn has_pod_level(&self) -> bool {
        self.pod_level
            .iter()
            .flat_map(|list| list.keys())
            .any(|name| is_pod_level(name))
    }

    fn compute(&self, missing: &[(&str, i64)], pod_level: bool) -> ResourceList {
        let mut sum = ResourceList::new();
        if !self.spec_infeasible || (self.in_status.is_empty() && self.totals_in_status.is_empty())
        {
            sum = aggregate(&self.containers, &self.init_containers, missing);
        }
        for (containers, init_containers) in &self.in_status {
            raise(&mut sum, &aggregate(containers, init_containers, missing));
        }
        for total in &self.totals_in_status {
            raise(&mut sum, total);
        }
        if pod_level {
            for (name, amount) in self
                .pod_level
                .iter()
                .flatten()
                .filter(|(name, _)| is_pod_level(name))
            {
                sum.insert(name.clone(), *amount);
            }
        }
        add(&mut sum, &self.overhead);
        sum
    }
}

const DEFAULTS: [(&str, i64); 2] = [(CPU, DEFAULT_MILLI_CPU), (MEMORY, DEFAULT_MEMORY)];

/// The most that containers need together: while they run, or while one of the init containers does.
fn aggregate(
    containers: &[ContainerRequests],
    init_containers: &[ContainerRequests],
    missing: &[(&str, i64)],
) -> ResourceList {
    let with_defaults = |container: &ContainerRequests| {
        let mut list = container.requests.clone();
        for (name, amount) in missing {
            if !list.contains_key(*name) {
                list.insert((*name).into(), *amount);
            }
        }
        list
    };
    let mut sum = ResourceList::new();
    for container in containers {
        add(&mut sum, &with_defaults(container));
    }
    // While the i-th init container starts, the sidecars before it run beside it.
    let mut sidecars = ResourceList::new();
    let mut while_starting = ResourceList::new();
    for container in init_containers {
        let own = with_defaults(container);
        if container.sidecar {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            raise(&mut while_starting, &sidecars);
        } else {
            let mut together = sidecars.clone();
            add(&mut together, &own);
            raise(&mut while_starting, &together);
        }
    }
    raise(&mut sum, &while_starting);
    sum
}

fn is_pod_level(name: &str) -> bool {
    name == CPU || name == MEMORY || name.starts_with("hugepages-")
}

fn cpu_and_memory(list: &ResourceList) -> (i64, i64) {
    (
        list.get(CPU).copied().unwrap_or(0),
        list.get(MEMORY).copied().unwrap_or(0),
    )
}

fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, amount) in more {
        let total = sum.entry(name.clone()).or_default();
        *total = total.saturating_add(*amount);
    }
}

fn raise(high: &mut ResourceList, other: &ResourceList) {
    for (name, amount) in other {
        let highest = high.entry(name.clone()).or_insert(*amount);
        *highest = (*highest).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, i64)]) -> ResourceList {
        pairs.iter().map(|(k, v)| (Text::from(*k), *v)).collect()
    }

    fn container(pairs: &[(&str, i64)]) -> ContainerRequests {
        ContainerRequests {
            requests: list(pairs),
            sidecar: false,
        }
    }

    fn sidecar(pairs: &[(&str, i64)]) -> ContainerRequests {
        ContainerRequests {
            requests: list(pairs),
            sidecar: true,
        }
    }

    #[test]
    fn init_containers_run_one_after_another_and_containers_together() {
        let pod = PodRequests {
            containers: vec![
                container(&[(CPU, 2000), (MEMORY, 1)]),
                container(&[(CPU, 1000), (MEMORY, 1)]),
            ],
            init_containers: vec![
                container(&[(CPU, 2000), (MEMORY, 1)]),
                container(&[(CPU, 2000), (MEMORY, 3)]),
            ],
            ..Default::default()
        };
        assert_eq!(pod.total(), list(&[(CPU, 3000), (MEMORY, 3)]));
    }

    #[test]
    fn sidecars_run_beside_what_starts_after_them() {
        let pod = PodRequests {
            containers: vec![container(&[(CPU, 100)])],
            init_containers: vec![
                container(&[(CPU, 450)]),
                sidecar(&[(CPU, 200)]),
                container(&[(CPU, 300)]),
            ],
            overhead: list(&[(CPU, 10), ("example.com/x", 1)]),
            ..Default::default()
        };
        // max(450, 200+300, 100+200) + 10
        assert_eq!(pod.total(), list(&[(CPU, 510), ("example.com/x", 1)]));
    }

    #[test]
    fn containers_without_requests_count_a_default_in_scores_only() {
        let pod = PodRequests {
            containers: vec![container(&[(CPU, 50)]), container(&[])],
            ..Default::default()
        };
        assert_eq!(pod.total(), list(&[(CPU, 50)]));
        assert_eq!(pod.nonzero(), (150, 2 * DEFAULT_MEMORY));
        assert_eq!(pod.for_least_allocated(), (150, 2 * DEFAULT_MEMORY));
    }

    #[test]
    fn pod_level_requests_replace_the_sum() {
        let pod = PodRequests {
            containers: vec![container(&[(CPU, 50)]), container(&[])],
            pod_level: Some(list(&[(CPU, 700), (EPHEMERAL_STORAGE, 9)])),
            overhead: list(&[(CPU, 1)]),
            ..Default::default()
        };
        assert_eq!(pod.total(), list(&[(CPU, 701)]));
        assert_eq!(pod.nonzero(), (701, 2 * DEFAULT_MEMORY));
        assert_eq!(pod.for_least_allocated(), (151, 2 * DEFAULT_MEMORY));
    }

    #[test]
    fn while_a_pod_is_resized_the_highest_counts() {
        let pod = PodRequests {
            containers: vec![container(&[(CPU, 50), (MEMORY, 9)])],
            in_status: vec![(vec![container(&[(CPU, 80), (MEMORY, 4)])], vec![])],
            ..Default::default()
        };
        assert_eq!(pod.total(), list(&[(CPU, 80), (MEMORY, 9)]));
        let infeasible = PodRequests {
            spec_infeasible: true,
            ..pod
        };
        assert_eq!(infeasible.total(), list(&[(CPU, 80), (MEMORY, 4)]));
    }

    #[test]
    fn scalars_are_told_from_names_that_nobody_accounts_for() {
        for (name, scalar) in [
            ("nvidia.com/gpu", true),
            ("hugepages-2Mi", true),
            ("kubernetes.io/batch-cpu", true),
            ("attachable-volumes-aws-ebs", true),
            ("requests.nvidia.com/gpu", false),
            ("cpu", false),
            ("storage", false),
        ] {
            assert_eq!(is_scalar(name), scalar, "{name}");
        }
    }
}
