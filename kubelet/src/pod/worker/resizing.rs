//! In-place resize (KEP-1287): a resize is granted where the node has the room, and put into force where the containers run:
//! through their cgroups, or by starting them anew where their `resizePolicy` says so.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use api::core::v1::{Container, Pod};
use api::qos::COMPUTE;
use api::quota;
use api::tree::Tree;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{RETRY, State, Worker, find};
use crate::oci::cgroup::{self, PodLimits};
use crate::oci::linux_resources;
use crate::pod::allocation::{Allocation, ContainerResources};
use crate::pod::record::{Attempt, label};
use crate::pod::resources;
use crate::pod::status::{InProgress, Pending};

/// A container that runs with other resources than it is allowed.
struct Change {
    name: String,
    id: String,
    cgroup: String,
    from: ContainerResources,
    to: ContainerResources,
    restarts: bool,
}

impl Change {
    /// The memory limit that it is lowered to, if it is.
    fn lowers_memory_to(&self) -> Option<i64> {
        let limit = |resources: &ContainerResources| resources.limits.get("memory").copied();
        let to = limit(&self.to)?;
        limit(&self.from)
            .is_none_or(|from| to < from)
            .then(|| to.value())
    }
}

impl Worker {
    /// Grants what the pod asks for now, if there is room; when to ask again at the latest.
    pub(super) fn allocate(&mut self, wanted: &Arc<Tree>, gone: bool) -> Option<Instant> {
        let pod = Pod::of(wanted);
        let ending = gone || pod.metadata().deletion_timestamp().is_some();
        let asked = Allocation::of(pod);
        if self.state != State::Running
            || ending
            || self.observed.failed.is_some()
            || asked == self.allocation
        {
            self.observed.resize.pending = None;
            return None;
        }
        let generation = pod.metadata().generation();
        // What changes from here on is judged again.
        self.room.borrow_and_update();
        let before = self.allocations.of(&self.uid);
        let granted = (self.allocations).resize(&self.uid, quota::spec_requests(pod.spec()));
        self.observed.resize.told = true;
        if let Err(refusal) = granted {
            let old = self.observed.resize.pending.replace(Pending {
                reason: refusal.reason,
                message: refusal.message.clone(),
                generation,
            });
            if old.is_none_or(|old| (old.reason, old.generation) != (refusal.reason, generation)) {
                let event = format!("Resize{}", refusal.reason);
                let message = summary(pod, generation, &refusal.message);
                let message = format!("Pod resize {}: {message}", refusal.reason);
                (self.shared.recorder).warning(self.reference(), &event, message);
            }
            return Some(Instant::now() + self.shared.config.sync_frequency);
        }
        // A kubelet after this one must not judge again what was granted.
        if let Err(error) = asked.keep(&self.shared.pod_dir(&self.uid)) {
            tracing::warn!(pod = %self.key, %error, "cannot keep what a pod is allowed");
            if let Some(before) = before {
                self.allocations.set(&self.uid, before);
            }
            return Some(Instant::now() + RETRY);
        }
        self.allocation = asked;
        self.observed.resize.pending = None;
        self.observed.resize.in_progress = Some(InProgress {
            error: None,
            generation,
        });
        let message = format!("Pod resize started: {}", summary(pod, generation, ""));
        (self.shared.recorder).normal(self.reference(), "ResizeStarted", message);
        None
    }

    /// Lets the other pods of the node know what this one has.
    pub(super) fn tell_allocation(&self, wanted: &Arc<Tree>) {
        let over = matches!(self.state, State::Over | State::Released | State::Gone);
        if over || self.observed.rejected || self.was_over(Pod::of(wanted)) {
            return self.allocations.remove(&self.uid);
        }
        let tree = self.allocation.apply(wanted);
        let requests = quota::spec_requests(Pod::of(&tree).spec());
        self.allocations.set(&self.uid, requests);
    }

    /// The pod's limits that hold both what its containers are allowed and what is in force of them.
    pub(super) fn widest_limits(&self, pod: Pod<'_>) -> PodLimits {
        let wanted = self.desired.borrow().pod.clone();
        let in_force = self.allocation.in_force(&wanted, &self.observed.attempts);
        resources::pod(pod).widest(resources::pod(Pod::of(&in_force)))
    }

    /// Puts what the pod is allowed into force, and says how that goes; when to try again at the latest.
    pub(super) async fn resize(&mut self, pod: Pod<'_>) -> Option<Instant> {
        let changes = self.changes(pod);
        if changes.is_empty() && self.limits == resources::pod(pod) {
            self.finish_resize(pod);
            return None;
        }
        let resize = &mut self.observed.resize;
        resize.told = true;
        resize.in_progress.get_or_insert(InProgress {
            error: None,
            generation: pod.metadata().generation(),
        });
        match self.put_into_force(pod, changes).await {
            Ok(()) => {
                self.finish_resize(pod);
                None
            }
            Err(error) => {
                self.note_resize_error(pod, error);
                Some(Instant::now() + RETRY)
            }
        }
    }

    fn finish_resize(&mut self, pod: Pod<'_>) {
        // A container that is started anew has not what it is allowed until it runs.
        let replaced = |attempts: &Vec<Attempt>| attempts.last().is_some_and(|a| a.resized);
        if self.observed.attempts.values().any(replaced) {
            return;
        }
        if let Some(done) = self.observed.resize.in_progress.take() {
            let summary = summary(pod, done.generation, "");
            let message = format!("Pod resize completed: {summary}");
            (self.shared.recorder).normal(self.reference(), "ResizeCompleted", message);
        }
    }

    fn note_resize_error(&mut self, pod: Pod<'_>, error: String) {
        let Some(resize) = &mut self.observed.resize.in_progress else {
            return;
        };
        let generation = resize.generation;
        if resize.error.replace(error.clone()) != Some(error.clone()) {
            let message = format!("Pod resize error: {}", summary(pod, generation, &error));
            (self.shared.recorder).warning(self.reference(), "ResizeError", message);
        }
    }

    fn changes(&self, pod: Pod<'_>) -> Vec<Change> {
        let spec = pod.spec();
        let all = spec.init_containers().iter().chain(spec.containers());
        all.filter_map(|container| {
            let attempt = self.observed.latest(container.name())?;
            let from = attempt.resources.clone().filter(|_| attempt.is_running())?;
            let to = ContainerResources::of(container).compute();
            (from != to).then(|| Change {
                name: container.name().to_owned(),
                id: attempt.id.clone(),
                cgroup: attempt.cgroup.clone(),
                restarts: restarts(container, &from, &to),
                from,
                to,
            })
        })
        .collect()
    }

    /// The pod's cgroup holds its containers at every moment: it is widened before them, and narrowed after.
    async fn put_into_force(&mut self, pod: Pod<'_>, changes: Vec<Change>) -> Result<(), String> {
        let target = resources::pod(pod);
        let (restarts, mut updates): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.restarts);
        self.may_lower_memory(pod, &updates, target)?;
        for change in &restarts {
            self.replace(change).await?;
        }
        let wide = target.widest(self.limits);
        self.limit_pod(pod, wide).await?;
        // What is given back is there for the others.
        updates.sort_by_key(|change| Reverse(change.lowers_memory_to().is_some()));
        for change in &updates {
            self.update(pod, change).await?;
        }
        let all = self.observed.attempts.values();
        if all.flat_map(|list| list.last()).any(|a| a.resized) {
            // The container that is there until it is started anew may use what it was allowed before.
            return Ok(());
        }
        self.limit_pod(pod, target).await
    }

    /// Refuses limits below what is used already: the kernel would refuse them too, or kill.
    fn may_lower_memory(
        &self,
        pod: Pod<'_>,
        updates: &[Change],
        target: PodLimits,
    ) -> Result<(), String> {
        let mode = self.shared.host.cgroups;
        let mut errors = Vec::new();
        let lowered = |limit: i64| self.limits.memory_limit.is_none_or(|old| limit < old);
        if let Some(limit) = target.memory_limit.filter(|limit| lowered(*limit)) {
            let path = resources::cgroup(&self.shared.config.cgroup_root, pod);
            match cgroup::memory_usage(mode, &path) {
                None => errors.push("missing pod memory usage".to_owned()),
                Some(usage) if usage >= limit => errors.push(format!(
                    "attempting to set pod memory limit ({limit}) below current usage ({usage})"
                )),
                Some(_) => {}
            }
        }
        for change in updates {
            let Some(limit) = change.lowers_memory_to() else {
                continue;
            };
            let name = &change.name;
            match cgroup::memory_usage(mode, &change.cgroup) {
                None => errors.push(format!("missing container {name:?} memory usage")),
                Some(usage) if usage >= limit => errors.push(format!(
                    "attempting to set container {name:?} memory limit ({limit}) below current usage ({usage})"
                )),
                Some(_) => {}
            }
        }
        let all = match errors.len() {
            0 => return Ok(()),
            1 => errors.concat(),
            _ => format!("[{}]", errors.join(", ")),
        };
        Err(format!("cannot decrease memory limits: {all}"))
    }

    /// Ends a container that is to be started anew with what it is allowed.
    async fn replace(&mut self, change: &Change) -> Result<(), String> {
        self.label(change, label::RESIZED, "true".to_owned(), |attempt| {
            attempt.resized = true;
        })
        .await?;
        let reason = format!("Container {} resize requires restart", change.name);
        self.stop_attempt(&change.id, &reason, None);
        Ok(())
    }

    /// Lets a container that runs use what it is allowed.
    async fn update(&mut self, pod: Pod<'_>, change: &Change) -> Result<(), String> {
        let Some((container, _)) = find(pod, &change.name) else {
            return Ok(());
        };
        let memory = self.shared.capacity.memory_bytes;
        let allowed = resources::container(pod, container, memory);
        let mut limits = linux_resources(&allowed, &self.shared.host);
        // What is not said stays as it is.
        if allowed.cpu_quota.is_none() && change.from.limits.contains_key("cpu") {
            limits["cpu"]["quota"] = (-1).into();
        }
        if allowed.memory_limit.is_none() && change.from.limits.contains_key("memory") {
            limits["memory"] = json!({"limit": -1, "swap": -1});
        }
        let updated = self.shared.containerd.update_task(&change.id, &limits);
        updated.await.map_err(|error| error.to_string())?;
        let text = change.to.to_json().to_string();
        self.label(change, label::RESOURCES, text, |attempt| {
            attempt.resources = Some(change.to.clone());
        })
        .await
    }

    /// Notes something of an attempt where a kubelet after this one finds it, and here.
    async fn label(
        &mut self,
        change: &Change,
        label: &str,
        value: String,
        note: impl FnOnce(&mut Attempt),
    ) -> Result<(), String> {
        let labels = HashMap::from([(label.to_owned(), value)]);
        let labelled = self.shared.containerd.label_container(&change.id, labels);
        labelled.await.map_err(|error| error.to_string())?;
        let attempts = self.observed.attempts.get_mut(&change.name);
        let mut attempts = attempts.into_iter().flatten();
        if let Some(attempt) = attempts.find(|attempt| attempt.id == change.id) {
            note(attempt);
        }
        Ok(())
    }

    async fn limit_pod(&mut self, pod: Pod<'_>, limits: PodLimits) -> Result<(), String> {
        if limits == self.limits {
            return Ok(());
        }
        let path = resources::cgroup(&self.shared.config.cgroup_root, pod);
        let mode = self.shared.host.cgroups;
        tokio::task::spawn_blocking(move || cgroup::create(mode, &path, &limits))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        self.limits = limits;
        Ok(())
    }
}

/// Whether the container has to be started anew for a change of its resources.
fn restarts(container: Container<'_>, from: &ContainerResources, to: &ContainerResources) -> bool {
    let changed = |name: &str| from.of_resource(name) != to.of_resource(name);
    let mut policies = container.resize_policy().iter();
    policies.any(|policy| {
        policy.restart_policy() == "RestartContainer"
            && COMPUTE.contains(&policy.resource_name())
            && changed(policy.resource_name())
    })
}

/// What a pod's containers are to have, as JSON, for events.
fn summary(pod: Pod<'_>, generation: i64, error: &str) -> String {
    let spec = pod.spec();
    let mut all = json!({"generation": generation});
    for (field, list) in [
        ("initContainers", spec.init_containers()),
        ("containers", spec.containers()),
    ] {
        let one = |container: Container<'_>| -> Value {
            json!({"name": container.name(), "resources": ContainerResources::of(container).to_json()})
        };
        if !list.is_empty() {
            all[field] = list.iter().map(one).collect();
        }
    }
    if !error.is_empty() {
        all["error"] = error.into();
    }
    all.to_string()
}
