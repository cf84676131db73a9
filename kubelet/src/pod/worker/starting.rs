//! Keeping a pod running: sandbox, volumes, containers in their order, restarts, probes.

use std::time::Duration;

use api::core::v1::{Container, Pod};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Message, RETRY, Role, State, Worker, find};
use crate::pod::record::Attempt;
use crate::pod::status::{self, is_sidecar};
use crate::pod::{container, hooks, refused, sandbox};
use crate::probe::{self, Action, Checker, Kind, Report, Timing};

/// A postStart hook may take so long.
const HOOK_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Worker {
    pub(super) async fn keep_running(&mut self, pod: Pod<'_>) -> Option<Instant> {
        let tree = self.desired.borrow().pod.clone();
        let refused = refused(&tree, self.shared.host.selinux);
        if !refused.is_empty() {
            let message = format!("this node does not support: {}", refused.join(", "));
            self.warn_once("UnsupportedField", &message);
            let spec = pod.spec();
            for container in spec.init_containers().iter().chain(spec.containers()) {
                self.observed.waiting.insert(
                    container.name().to_owned(),
                    ("UnsupportedField".into(), message.clone()),
                );
            }
            return None;
        }
        if self
            .deadline(pod)
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            let message = "Pod was active on the node longer than the specified deadline";
            self.shared
                .recorder
                .normal(self.reference(), "DeadlineExceeded", message);
            self.observed.failed = Some(("DeadlineExceeded".into(), message.into()));
            self.state = State::Ending;
            return Some(Instant::now());
        }
        // Before anything is made for it: a pod that is over stays so.
        if status::is_decided(pod, &self.observed) || self.was_over(pod) {
            return self.settle(pod).await;
        }
        if let Err(next) = self.ensure_sandbox(pod).await {
            return next;
        }
        let next = self.ensure_containers(pod).await;
        if status::is_decided(pod, &self.observed) {
            return self.settle(pod).await;
        }
        let refresh = (!pod.spec().volumes().is_empty())
            .then(|| Instant::now() + self.shared.config.sync_frequency);
        earlier(earlier(next, refresh), self.deadline(pod))
    }

    /// The status says that it is over, and nothing of it is here any more.
    pub(super) fn was_over(&self, pod: Pod<'_>) -> bool {
        self.observed.attempts.is_empty() && matches!(pod.status().phase(), "Succeeded" | "Failed")
    }

    /// The pod is over: its sidecars are ended, what it needed to run goes, what it said stays.
    async fn settle(&mut self, pod: Pod<'_>) -> Option<Instant> {
        if self.was_over(pod) {
            self.state = State::Over;
            return None;
        }
        let sidecars = self.running();
        if !sidecars.is_empty() {
            return Some(self.end_running(pod, &sidecars, None).await);
        }
        self.observed.ready.clear();
        match self.release(pod).await {
            Ok(()) => {
                self.state = State::Over;
                None
            }
            Err(error) => {
                self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
                Some(Instant::now() + RETRY)
            }
        }
    }

    fn deadline(&self, pod: Pod<'_>) -> Option<Instant> {
        let seconds = pod.spec().active_deadline_seconds()?;
        let age = self
            .shared
            .clock
            .now()
            .duration_since(self.observed.start_time?);
        let left = jiff::SignedDuration::from_secs(seconds) - age;
        Some(Instant::now() + Duration::try_from(left).unwrap_or_default())
    }

    async fn ensure_sandbox(&mut self, pod: Pod<'_>) -> Result<(), Option<Instant>> {
        let retry = Some(Instant::now() + RETRY);
        // No volume tells of the pod's address: both are made at once.
        let facts = self.shared.facts("");
        let sandbox = async {
            match &self.sandbox {
                Some(sandbox) => Ok(sandbox.clone()),
                None => sandbox::ensure(&self.shared, pod).await,
            }
        };
        let age = self.shared.config.sync_frequency;
        let volumes = self.volumes.ensure(&self.shared.objects, pod, &facts, age);
        let (sandbox, volumes) = tokio::join!(sandbox, volumes);
        match sandbox {
            Ok(sandbox) => {
                self.observed.address = sandbox.address;
                self.sandbox = Some(sandbox);
            }
            Err(error) => {
                self.warn_once(
                    "FailedCreatePodSandBox",
                    &format!("Failed to create pod sandbox: {error}"),
                );
                return Err(retry);
            }
        }
        if let Err(error) = volumes {
            self.warn_once("FailedMount", &error.to_string());
            // What runs already keeps the contents that it has.
            if !self.observed.sandboxed {
                return Err(retry);
            }
        }
        self.observed.sandboxed = true;
        Ok(())
    }

    async fn ensure_containers(&mut self, pod: Pod<'_>) -> Option<Instant> {
        let spec = pod.spec();
        // Whatever keeps the others from starting may be what they are to find out.
        let mut next = self.ensure_ephemeral(pod).await;
        // Once a main container was started, init containers are behind: only those that stay are looked after.
        let begun = spec
            .containers()
            .iter()
            .any(|container| self.observed.latest(container.name()).is_some());
        for container in spec.init_containers() {
            if begun && !is_sidecar(container) {
                continue;
            }
            if self.observed.is_initialized(container) {
                self.begin_probes(pod, container, Role::Init);
                continue;
            }
            next = earlier(
                next,
                self.ensure_container(pod, container, Role::Init).await,
            );
            if !begun && !self.observed.is_initialized(container) {
                return next;
            }
        }
        for container in spec.containers() {
            next = earlier(
                next,
                self.ensure_container(pod, container, Role::Main).await,
            );
        }
        next
    }

    /// Starts, restarts or leaves alone one container.
    pub(super) async fn ensure_container(
        &mut self,
        pod: Pod<'_>,
        container: Container<'_>,
        role: Role,
    ) -> Option<Instant> {
        let name = container.name();
        let now = Instant::now();
        let latest = self.observed.latest(name).cloned();
        let number = match &latest {
            Some(attempt) if attempt.is_running() => {
                self.observed.waiting.remove(name);
                self.begin_probes(pod, container, role);
                return None;
            }
            Some(attempt) => match attempt.ended() {
                Some(ended) => {
                    if !starts_again(pod, container, role, ended.code) {
                        self.observed.waiting.remove(name);
                        return None;
                    }
                    let ended_at = *self.ended_at.entry(name.to_owned()).or_insert(now);
                    let back_off = self.back_offs.entry(name.to_owned()).or_default();
                    if let Some(until) = back_off.until(ended_at, now) {
                        let (delay, pod_name) = (
                            back_off.delay(),
                            format!("{}_{}({})", self.key.name(), self.key.namespace(), self.uid),
                        );
                        let delay = crate::go::duration(delay);
                        let message = format!(
                            "back-off {delay} restarting failed container={name} pod={pod_name}"
                        );
                        let fresh = self
                            .observed
                            .waiting
                            .insert(name.to_owned(), ("CrashLoopBackOff".into(), message));
                        if fresh.is_none_or(|(reason, _)| reason != "CrashLoopBackOff") {
                            let message = format!(
                                "Back-off restarting failed container {name} in pod {pod_name}"
                            );
                            self.shared.recorder.warning(
                                self.container_reference(name, role),
                                "BackOff",
                                message,
                            );
                        }
                        return Some(until);
                    }
                    attempt.number + 1
                }
                // Made and never started: an earlier kubelet was interrupted. It is made anew under the same number.
                None => attempt.number,
            },
            None => 0,
        };

        let (image, volume_images) = match self.images(pod, container, role).await {
            Ok(images) => images,
            Err(wait) => {
                let reason = if wait.reason == "ContainerCreating"
                    && role != Role::Init
                    && !pod.spec().init_containers().is_empty()
                {
                    "PodInitializing"
                } else {
                    wait.reason
                };
                self.warn_of_image(name, role, reason);
                self.observed
                    .waiting
                    .insert(name.to_owned(), (reason.to_owned(), wait.message));
                return wait.until;
            }
        };
        if latest
            .as_ref()
            .is_some_and(|attempt| attempt.ended().is_some())
        {
            self.back_offs.entry(name.to_owned()).or_default().grow(now);
        }
        let Some(mut sandbox) = self.sandbox.clone() else {
            return Some(now + RETRY);
        };
        let started = async {
            sandbox.namespaces.pid = self.target_processes(pod, name, role).await?;
            self.mount_images(&volume_images).await?;
            container::start(
                &self.shared,
                pod,
                container,
                number,
                &image,
                &sandbox,
                &self.volumes,
            )
            .await
        };
        let started = started.await;
        let reference = self.container_reference(name, role);
        match started {
            Ok(attempt) => {
                self.shared
                    .recorder
                    .normal(reference.clone(), "Created", "Container created");
                self.shared
                    .recorder
                    .normal(reference, "Started", "Container started");
                self.observed.waiting.remove(name);
                let id = attempt.id.clone();
                self.keep(name, attempt).await;
                self.post_start(container, role, &id).await;
                self.begin_probes(pod, container, role);
                None
            }
            Err(error) => {
                self.shared.recorder.warning(
                    reference,
                    "Failed",
                    format!("Error: {}", error.message),
                );
                self.observed
                    .waiting
                    .insert(name.to_owned(), (error.reason.to_owned(), error.message));
                match error.attempt {
                    // It counts as a start that failed: the back-off applies.
                    Some(attempt) => {
                        self.keep(name, attempt).await;
                        self.record_ends(pod).await;
                        self.ended_at.insert(name.to_owned(), Instant::now());
                        let back_off = self.back_offs.entry(name.to_owned()).or_default();
                        if back_off.delay().is_zero() {
                            back_off.grow(now);
                        }
                        Some(Instant::now() + Duration::from_secs(1))
                    }
                    None => Some(Instant::now() + Duration::from_secs(10)),
                }
            }
        }
    }

    /// Notes an attempt; the one before it is kept for its log and its end, older ones go.
    async fn keep(&mut self, name: &str, attempt: Attempt) {
        let attempts = self.observed.attempts.entry(name.to_owned()).or_default();
        attempts.retain(|other| other.id != attempt.id);
        attempts.push(attempt);
        let surplus = attempts.len().saturating_sub(2);
        let old: Vec<Attempt> = attempts.drain(..surplus).collect();
        let dir = self
            .shared
            .log_dir(self.key.namespace(), self.key.name(), &self.uid, name);
        for attempt in old {
            if let Err(error) = self.shared.containerd.delete_container(&attempt.id).await {
                tracing::warn!(pod = %self.key, container = name, %error, "cannot remove an old container");
            }
            for file in
                crate::logs::files(&dir.join(format!("{}.log", attempt.number))).unwrap_or_default()
            {
                let _ = std::fs::remove_file(file);
            }
        }
    }

    async fn post_start(&mut self, container: Container<'_>, role: Role, id: &str) {
        let Some(handler) = container
            .lifecycle()
            .and_then(|lifecycle| lifecycle.post_start())
        else {
            return;
        };
        let target = self.target(id);
        let result = match hooks::read(handler, container, &target) {
            Ok(hook) => hooks::run(&self.shared, &hook, "post-start", &target, HOOK_TIMEOUT).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(pod = %self.key, container = container.name(), %error, "postStart hook failed");
            self.shared.recorder.warning(
                self.container_reference(container.name(), role),
                "FailedPostStartHook",
                "PostStartHook failed",
            );
            self.stop_attempt(id, "FailedPostStartHook", None);
        }
    }

    /// Starts the probes that a running container lacks.
    fn begin_probes(&mut self, pod: Pod<'_>, container: Container<'_>, role: Role) {
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
        probe: api::core::v1::Probe<'_>,
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
            execs: self.execs.clone(),
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
        // A liveness probe counts as passed from the start: only failures are told, and no delay is added for it.
        let random = self.shared.random.fork();
        let timing = Timing::of(probe);
        tokio::spawn(probe::run(
            attempt.id.clone(),
            kind,
            timing,
            checker,
            initial,
            random,
            sender,
            stop,
        ));
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
            let message = format!("{} probe failed: {failure}", report.kind.name());
            self.shared
                .recorder
                .warning(reference, "Unhealthy", message);
        }
        let grace = |probe: Option<api::core::v1::Probe<'_>>| {
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

/// Whether a container that ended with `code` is started once more.
fn starts_again(pod: Pod<'_>, container: Container<'_>, role: Role, code: i32) -> bool {
    let policy = match role {
        Role::Ephemeral => "Never",
        Role::Init if is_sidecar(container) => "Always",
        Role::Init | Role::Main => pod.spec().restart_policy(),
    };
    match policy {
        // An init container is done when it succeeded.
        "Always" if role == Role::Init && !is_sidecar(container) => code != 0,
        "Always" | "" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}
