//! Probes of a pod's containers: begun as soon as a container runs, and what becomes of what they find.

use api::core::v1::{Container, Pod, Probe};
use tokio_util::sync::CancellationToken;

use super::{Message, Role, Worker, find};
use crate::pod::record::Attempt;
use crate::pod::status::is_sidecar;
use crate::probe::{self, Action, Checker, Kind, Report, Timing};

impl Worker {
    /// Starts the probes that a running container lacks.
    pub(super) fn begin_probes(&mut self, pod: Pod<'_>, container: Container<'_>, role: Role) {
        let Some(attempt) = self
            .observed
            .latest(container.name())
            .filter(|attempt| attempt.is_running())
            .cloned()
        else {
            return;
        };
        if role == Role::Ephemeral || role == Role::Init && !is_sidecar(container) {
            return;
        }
        // What an earlier kubelet wrote of the same attempt counts until a probe says otherwise.
        let before = pod
            .status()
            .container_statuses()
            .iter()
            .chain(pod.status().init_container_statuses())
            .find(|status| status.container_id().ends_with(&attempt.id));
        let known = |kind: &str, id: &str| format!("{kind} {id}");
        if !self.observed.started.contains(&attempt.id) {
            match container.startup_probe() {
                Some(probe) if before.and_then(|status| status.started()) != Some(true) => {
                    let key = known("startup", &attempt.id);
                    self.begin_probe(key, container, &attempt, Kind::Startup, probe, None);
                    return;
                }
                _ => {
                    self.observed.started.insert(attempt.id.clone());
                }
            }
        }
        if let Some(probe) = container.liveness_probe() {
            // It counts as passed from the start: only failures are told.
            self.begin_probe(
                known("liveness", &attempt.id),
                container,
                &attempt,
                Kind::Liveness,
                probe,
                Some(true),
            );
        }
        match container.readiness_probe() {
            Some(probe) => {
                let key = known("readiness", &attempt.id);
                if !self.probes.contains_key(&key) {
                    let ready = before.is_some_and(|status| status.ready());
                    if ready {
                        self.observed.ready.insert(attempt.id.clone());
                    }
                    self.begin_probe(
                        key,
                        container,
                        &attempt,
                        Kind::Readiness,
                        probe,
                        ready.then_some(true),
                    );
                }
            }
            None => {
                self.observed.ready.insert(attempt.id.clone());
            }
        }
    }

    fn begin_probe(
        &mut self,
        key: String,
        container: Container<'_>,
        attempt: &Attempt,
        kind: Kind,
        probe: Probe<'_>,
        initial: Option<bool>,
    ) {
        if self.probes.contains_key(&key) {
            return;
        }
        let target = self.target(&attempt.id);
        let action = if let Some(exec) = probe.exec() {
            Ok(Action::exec(exec))
        } else if let Some(get) = probe.http_get() {
            Action::http(get, container, &target)
        } else if let Some(socket) = probe.tcp_socket() {
            Action::tcp(socket, container, &target)
        } else if let Some(grpc) = probe.grpc() {
            Action::grpc(grpc, &target)
        } else {
            Err("the probe names nothing to do".to_owned())
        };
        let action = match action {
            Ok(action) => action,
            Err(error) => {
                self.warn_once(
                    "Unhealthy",
                    &format!("{} probe errored: {error}", kind.name()),
                );
                return;
            }
        };
        let stop = CancellationToken::new();
        self.probes.insert(key, stop.clone());
        let checker = Checker {
            action,
            target,
            containerd: self.shared.containerd.clone(),
            random: self.shared.random.clone(),
        };
        let (sender, mut reports) = tokio::sync::mpsc::channel(4);
        let inbox = self.sender.clone();
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                if inbox.send(Message::Probe(report)).await.is_err() {
                    return;
                }
            }
        });
        let timing = Timing::of(probe);
        let adopted = attempt.started.is_none_or(|started| started < self.begun);
        // Those that are asked again by a kubelet that has just begun are not all asked at once, and a container is not killed
        // sooner than by upstream, whose probes have a clock that goes whatever starts.
        let spread = match kind {
            Kind::Startup | Kind::Readiness if !adopted => 0.0,
            _ => self.shared.random.unit(),
        };
        let started = attempt.started.unwrap_or(self.begun);
        let age = self.shared.clock.now().duration_since(started);
        let delay = timing.first(age.try_into().unwrap_or_default(), spread);
        tokio::spawn(probe::run(
            attempt.id.clone(),
            kind,
            timing,
            checker,
            initial,
            delay,
            sender,
            stop,
        ));
    }

    /// Nobody asks any more whether what is being ended has started, or lives; whether it is ready is asked to the end.
    pub(super) fn end_probes_that_kill(&mut self) {
        self.probes.retain(|key, token| {
            let stays = key.starts_with("readiness ");
            if !stays {
                token.cancel();
            }
            stays
        });
    }

    pub(super) fn note_report(&mut self, report: Report) {
        let tree = self.desired.borrow().pod.clone();
        let pod = Pod::of(&tree);
        let owner = self.observed.attempts.iter().find(|(_, attempts)| {
            attempts
                .iter()
                .any(|a| a.id == report.container && a.is_running())
        });
        let Some(name) = owner.map(|(name, _)| name.clone()) else {
            return;
        };
        let Some((container, role)) = find(pod, &name) else {
            return;
        };
        let reference = self.container_reference(&name, role);
        if let Some(failure) = &report.failure {
            let message = format!("{} probe {failure}", report.kind.name());
            self.shared
                .recorder
                .warning(reference, "Unhealthy", message);
        }
        let grace = |probe: Option<Probe<'_>>| {
            probe.and_then(|probe| probe.termination_grace_period_seconds())
        };
        match (report.kind, report.verdict) {
            (Kind::Readiness, Some(true)) => {
                self.observed.ready.insert(report.container);
            }
            (Kind::Readiness, Some(false)) => {
                self.observed.ready.remove(&report.container);
            }
            (Kind::Startup, Some(true)) => {
                self.observed.started.insert(report.container);
            }
            (Kind::Startup, Some(false)) => {
                let reason = format!("Container {name} failed startup probe, will be restarted");
                self.stop_attempt(&report.container, &reason, grace(container.startup_probe()));
            }
            (Kind::Liveness, Some(false)) => {
                let reason = format!("Container {name} failed liveness probe, will be restarted");
                self.stop_attempt(
                    &report.container,
                    &reason,
                    grace(container.liveness_probe()),
                );
            }
            _ => {}
        }
    }
}
