//! Pods: what a pod is doing, in one word.

use api::core::v1::{Container, ContainerStatus, Pod, PodCondition, PodStatus};
use api::view::List;
use api::{Time, Tree};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{NONE, or};
use crate::codec::table::RowCondition;

/// Says of pods that have ended that they have.
pub fn condition(object: &Tree) -> Option<RowCondition> {
    match Pod::of(object).status().phase() {
        "Succeeded" => Some(RowCondition {
            reason: "Succeeded",
            message: "The pod has completed successfully.",
        }),
        "Failed" => Some(RowCondition {
            reason: "Failed",
            message: "The pod failed.",
        }),
        _ => None,
    }
}

/// The cells of a pod.
pub fn pod(object: &Tree, now: Now) -> Vec<Value> {
    let pod = Pod::of(object);
    let (meta, spec, status) = (pod.metadata(), pod.spec(), pod.status());
    let state = State::of(pod);
    let restarts = match state.last_restart {
        Some(_) if state.restarts != 0 => {
            format!("{} ({} ago)", state.restarts, now.since(state.last_restart))
        }
        _ => state.restarts.to_string(),
    };
    let ip = status.pod_ips().first().map_or("", |ip| ip.ip());
    cells![
        meta.name(),
        format!("{}/{}", state.ready, state.total),
        state.reason,
        restarts,
        now.since(meta.creation_timestamp()),
        or(ip, NONE),
        or(spec.node_name(), NONE),
        or(status.nominated_node_name(), NONE),
        readiness_gates(pod),
    ]
}

fn readiness_gates(pod: Pod<'_>) -> String {
    let (gates, conditions) = (pod.spec().readiness_gates(), pod.status().conditions());
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates
        .iter()
        .filter(|gate| first(conditions, gate.condition_type()).is_some_and(is_true))
        .count();
    format!("{open}/{}", gates.len())
}

fn first<'a>(conditions: List<'a, PodCondition<'a>>, kind: &str) -> Option<PodCondition<'a>> {
    conditions
        .iter()
        .find(|condition| condition.type_() == kind)
}

fn is_true(condition: PodCondition<'_>) -> bool {
    condition.status() == "True"
}

/// What is to be said of a pod's containers.
struct State {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Time>,
}

/// How often containers were started again, and when last.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, container: ContainerStatus<'_>) {
        self.count += i64::from(container.restart_count());
        let ended = container
            .last_state()
            .terminated()
            .and_then(|ended| ended.finished_at());
        if ended.map(Time::seconds) > self.last.map(Time::seconds) {
            self.last = ended;
        }
    }
}

impl State {
    fn of(pod: Pod<'_>) -> State {
        let (spec, status) = (pod.spec(), pod.status());
        let mut state = State {
            reason: or(status.reason(), status.phase()).to_owned(),
            ready: 0,
            total: spec.containers().len()
                + spec
                    .init_containers()
                    .iter()
                    .filter(|c| is_restartable(*c))
                    .count(),
            restarts: 0,
            last_restart: None,
        };
        let gated =
            |c: PodCondition<'_>| c.type_() == "PodScheduled" && c.reason() == "SchedulingGated";
        if status.conditions().iter().any(gated) {
            state.reason = "SchedulingGated".to_owned();
        }
        let (initializing, all, sidecars) = state.init_containers(pod);
        let mut restarts = all;
        if !initializing || first(status.conditions(), "Initialized").is_some_and(is_true) {
            restarts = sidecars;
            state.containers(status, &mut restarts);
        }
        (state.restarts, state.last_restart) = (restarts.count, restarts.last);
        let deleted = pod.metadata().deletion_timestamp().is_some();
        if deleted && status.reason() == "NodeLost" {
            state.reason = "Unknown".to_owned();
        } else if deleted && !matches!(status.phase(), "Succeeded" | "Failed") {
            state.reason = "Terminating".to_owned();
        }
        state
    }

    /// Whether the pod is still initializing, with the restarts of all init containers and of the sidecars among them.
    fn init_containers(&mut self, pod: Pod<'_>) -> (bool, Restarts, Restarts) {
        let (mut all, mut sidecars) = (Restarts::default(), Restarts::default());
        let declared = pod.spec().init_containers();
        for (index, container) in pod.status().init_container_statuses().iter().enumerate() {
            let is_sidecar = declared
                .iter()
                .find(|c| c.name() == container.name())
                .is_some_and(is_restartable);
            all.add(container);
            if is_sidecar {
                sidecars.add(container);
            }
            let (ended, waiting) = (container.state().terminated(), container.state().waiting());
            if ended.is_some_and(|ended| ended.exit_code() == 0) {
                continue;
            }
            if is_sidecar && container.started() == Some(true) {
                self.ready += usize::from(container.ready());
                continue;
            }
            self.reason = match (ended, waiting.map(|waiting| waiting.reason())) {
                (Some(ended), _) if !ended.reason().is_empty() => {
                    format!("Init:{}", ended.reason())
                }
                (Some(ended), _) if ended.signal() != 0 => {
                    format!("Init:Signal:{}", ended.signal())
                }
                (Some(ended), _) => format!("Init:ExitCode:{}", ended.exit_code()),
                (None, Some(reason)) if !matches!(reason, "" | "PodInitializing") => {
                    format!("Init:{reason}")
                }
                _ => format!("Init:{index}/{}", declared.len()),
            };
            return (true, all, sidecars);
        }
        (false, all, sidecars)
    }

    fn containers(&mut self, status: PodStatus<'_>, restarts: &mut Restarts) {
        let (mut running, mut failed) = (false, None);
        for container in status.container_statuses().iter().rev() {
            restarts.add(container);
            let state = container.state();
            let waiting = state.waiting().map_or("", |waiting| waiting.reason());
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(ended) = state.terminated() {
                self.reason = match (ended.reason(), ended.signal()) {
                    ("", 0) => format!("ExitCode:{}", ended.exit_code()),
                    ("", signal) => format!("Signal:{signal}"),
                    (reason, _) => reason.to_owned(),
                };
                if ended.exit_code() != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if container.ready() && state.running().is_some() {
                running = true;
                self.ready += 1;
            }
        }
        // One container that has ended does not make a pod whose others run complete.
        if self.reason == "Completed" {
            let is_ready = status
                .conditions()
                .iter()
                .any(|c| c.type_() == "Ready" && is_true(c));
            match failed {
                _ if running && is_ready => self.reason = "Running".to_owned(),
                Some(reason) => self.reason = reason,
                None if running => self.reason = "NotReady".to_owned(),
                None => {}
            }
        }
    }
}

fn is_restartable(container: Container<'_>) -> bool {
    container.restart_policy() == Some("Always")
}
