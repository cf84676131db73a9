//! Keeping a pod running: sandbox, volumes, containers in their order, restarts.

use std::time::Duration;

use api::core::v1::{Container, Pod};
use tokio::time::Instant;

use super::{Desired, RETRY, Role, State, Worker};
use crate::pod::record::Attempt;
use crate::pod::status::{self, is_over, is_sidecar};
use crate::pod::{container, hooks, refused, sandbox};

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
        let resized = self.resize(pod).await;
        let next = self.ensure_containers(pod).await;
        if status::is_decided(pod, &self.observed) {
            return self.settle(pod).await;
        }
        // What was started anew for it has what it is allowed now.
        let resized = match (resized, &self.observed.resize.in_progress) {
            (None, Some(_)) => self.resize(pod).await,
            (resized, _) => resized,
        };
        let next = earlier(resized, next);
        let refresh = (!pod.spec().volumes().is_empty())
            .then(|| Instant::now() + self.shared.config.sync_frequency);
        earlier(earlier(next, refresh), self.deadline(pod))
    }

    /// The status says that it is over, and nothing of it is here any more.
    pub(super) fn was_over(&self, pod: Pod<'_>) -> bool {
        self.observed.attempts.is_empty() && is_over(pod)
    }

    /// The pod is over: its sidecars are ended, what it needed to run goes, what it said stays.
    async fn settle(&mut self, pod: Pod<'_>) -> Option<Instant> {
        if self.was_over(pod) {
            self.state = State::Over;
            return None;
        }
        if let Err(error) = self.look_at_made().await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
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
                Some(sandbox) => Ok((sandbox.clone(), self.limits)),
                None => {
                    let limits = self.widest_limits(pod);
                    let sandbox = sandbox::ensure(&self.shared, pod, limits).await;
                    sandbox.map(|sandbox| (sandbox, limits))
                }
            }
        };
        let age = self.shared.config.sync_frequency;
        let volumes = self.volumes.ensure(&self.shared.objects, pod, &facts, age);
        let (sandbox, volumes) = tokio::join!(sandbox, volumes);
        match sandbox {
            Ok((sandbox, limits)) => {
                self.limits = limits;
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
            if self.desired.borrow().is_deleted() {
                return next;
            }
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
            // A hook may have been cut short for it.
            if self.desired.borrow().is_deleted() {
                return next;
            }
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
                Some(_) if attempt.is_replaced() => attempt.number + 1,
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
                // Made and not known to have started: an earlier kubelet was interrupted, or containerd did not answer. It is
                // found or made anew under the same number.
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
            .is_some_and(|attempt| attempt.ended().is_some() && !attempt.is_replaced())
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
                if container
                    .lifecycle()
                    .is_some_and(|lifecycle| lifecycle.post_start().is_some())
                {
                    // Until its hook is done, it is told to be in the making.
                    self.publish(pod);
                }
                self.observed.waiting.remove(name);
                let (id, running) = (attempt.id.clone(), attempt.is_running());
                self.keep(name, attempt).await;
                if !running {
                    // Its start was not answered, and it has ended since.
                    return Some(Instant::now());
                }
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
                    Some(attempt) if attempt.ended().is_some() => {
                        self.keep(name, attempt).await;
                        self.record_ends(pod).await;
                        self.ended_at.insert(name.to_owned(), Instant::now());
                        let back_off = self.back_offs.entry(name.to_owned()).or_default();
                        if back_off.delay().is_zero() {
                            back_off.grow(now);
                        }
                        Some(Instant::now() + Duration::from_secs(1))
                    }
                    Some(attempt) => {
                        self.keep(name, attempt).await;
                        Some(Instant::now() + Duration::from_secs(10))
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
        let mut left = Vec::new();
        for attempt in old {
            if let Err(error) = self.remove_attempt(&attempt.id).await {
                tracing::warn!(pod = %self.key, container = name, %error, "cannot remove an old container");
                left.push(attempt);
                continue;
            }
            for file in
                crate::logs::files(&dir.join(format!("{}.log", attempt.number))).unwrap_or_default()
            {
                let _ = std::fs::remove_file(file);
            }
        }
        // With the next one it is tried again.
        if let Some(attempts) = self.observed.attempts.get_mut(name) {
            attempts.splice(..0, left);
        }
    }

    /// Runs the postStart hook. Like upstream's, it holds up everything else of its pod but the pod's end.
    async fn post_start(&mut self, container: Container<'_>, role: Role, id: &str) {
        let Some(handler) = container
            .lifecycle()
            .and_then(|lifecycle| lifecycle.post_start())
        else {
            return;
        };
        let target = self.target(id);
        let result = match hooks::read(handler, container, &target) {
            Ok(hook) => {
                // Who looks into the container meanwhile finds it.
                self.tell();
                let mut desired = self.desired.clone();
                tokio::select! {
                    biased;
                    _ = desired.wait_for(Desired::is_deleted) => return,
                    result = hooks::run(&self.shared, &hook, "post-start", &target) => result,
                }
            }
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
