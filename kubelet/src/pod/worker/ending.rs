//! Ends: of a container, of all of them, of the pod.

use std::collections::HashMap;
use std::time::Duration;

use api::core::v1::Pod;
use tokio::time::Instant;

use super::stopping::{DEFAULT_GRACE_SECONDS, Grace};
use super::{RETRY, Role, State, Worker, find, last_words};
use crate::containerd::{Error, Exit, TaskState};
use crate::oci::cgroup;
use crate::pod::record::{Attempt, Ended, Phase, label};
use crate::pod::status::is_sidecar;
use crate::pod::{container, resources, sandbox};

/// For a container's writer to write what it has.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Worker {
    /// Records the ends that were seen: why, the termination message, in containerd's labels too. When to try again what failed.
    pub(super) async fn record_ends(&mut self, pod: Pod<'_>) -> Option<Instant> {
        let mut next = None;
        let unrecorded: Vec<(String, Attempt)> = self
            .observed
            .attempts
            .iter()
            .flat_map(|(name, attempts)| {
                attempts
                    .iter()
                    .filter(|a| a.unrecorded)
                    .map(|a| (name.clone(), a.clone()))
            })
            .collect();
        for (name, mut attempt) in unrecorded {
            let Phase::Ended(ended) = &mut attempt.phase else {
                continue;
            };
            let seen = ended.reason.is_empty();
            if seen {
                // The cgroup is there as long as the task is.
                let killed_for_memory = ended.code == 137
                    && cgroup::oom_kills(self.shared.host.cgroups, &attempt.cgroup) > 0;
                ended.reason = match ended.code {
                    0 => "Completed",
                    _ if killed_for_memory => "OOMKilled",
                    _ => "Error",
                }
                .into();
            }
            if ended.message.is_empty() {
                ended.message = last_words::written(&attempt.termination).await;
            }
            // Only then: until its end is recorded, the task is all that knows it.
            let recorded = self.label_end(&name, &attempt.id, ended).await
                && self.delete_ended(&name, &attempt.id).await;
            if recorded {
                let log = self
                    .shared
                    .log_dir(self.key.namespace(), self.key.name(), &self.uid, &name)
                    .join(format!("{}.log", attempt.number));
                // Whoever reads that it has ended may ask for all that it said; with its task the shim lets go of the output,
                // and the log's writer ends.
                crate::logs::written(&log, LAST_WORDS).await;
                let fall_back = find(pod, &name).is_some_and(|(container, _)| {
                    container.termination_message_policy() == "FallbackToLogsOnError"
                });
                if ended.message.is_empty() && fall_back && ended.code != 0 {
                    ended.message = last_words::logged(log).await;
                    self.label_end(&name, &attempt.id, ended).await;
                }
                attempt.unrecorded = false;
            } else {
                next = Some(Instant::now() + RETRY);
            }
            if seen {
                self.ended_at.insert(name.clone(), Instant::now());
            }
            self.observed.started.remove(&attempt.id);
            self.observed.ready.remove(&attempt.id);
            if let Some(stopping) = self.stops.remove(&attempt.id) {
                stopping.ended();
            }
            self.probes.retain(|key, token| {
                let other = !key.ends_with(&attempt.id);
                if !other {
                    token.cancel();
                }
                other
            });
            if let Some(known) = self
                .observed
                .attempts
                .get_mut(&name)
                .and_then(|list| list.iter_mut().find(|a| a.id == attempt.id))
            {
                *known = attempt;
            }
        }
        next
    }

    /// Records how a container ended where a kubelet after this one finds it; false if that has to be tried again.
    async fn label_end(&self, container: &str, id: &str, ended: &Ended) -> bool {
        let end = serde_json::to_string(ended).unwrap_or_default();
        let labels = HashMap::from([(label::EXIT.to_owned(), end)]);
        match self.shared.containerd.label_container(id, labels).await {
            Err(error) if !error.is_not_found() => {
                tracing::warn!(pod = %self.key, container, %error, "cannot record a container's end");
                false
            }
            _ => true,
        }
    }

    /// Deletes the task of a container that has ended; false if that has to be tried again.
    async fn delete_ended(&self, container: &str, id: &str) -> bool {
        let containerd = &self.shared.containerd;
        let Err(error) = containerd.delete_task(id).await else {
            return true;
        };
        tracing::warn!(pod = %self.key, container, %error, "cannot delete an ended task");
        // Whoever was told that it has ended is right from now on.
        if let Ok(Some(task)) = containerd.task(id).await
            && task.state == TaskState::Running
            && let Err(error) = containerd.kill_task(id, "", 9, true).await
        {
            tracing::warn!(pod = %self.key, container, %error, "cannot kill a container");
        }
        false
    }

    /// Looks whether what was made and not seen to start runs all the same: it is ended like any other then.
    ///
    /// # Errors
    /// When containerd cannot be asked.
    pub(super) async fn look_at_made(&mut self) -> Result<(), String> {
        for attempt in self.observed.attempts.values_mut().flatten() {
            if attempt.phase == Phase::Created {
                let begun = container::begun(&self.shared, &attempt.id).await;
                if let Some(begun) = begun.map_err(|error| error.to_string())? {
                    *attempt = begun;
                }
            }
        }
        Ok(())
    }

    /// Ends all containers, then the pod.
    pub(super) async fn end(&mut self, pod: Pod<'_>, gone: bool) -> Option<Instant> {
        self.observed.ending = true;
        let deleting = gone || pod.metadata().deletion_timestamp().is_some();
        let grace = if gone {
            None
        } else {
            pod.metadata().deletion_grace_period_seconds()
        };
        if let Err(error) = self.look_at_made().await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
        }
        let running = self.running();
        if !running.is_empty() {
            return Some(self.end_running(pod, &running, grace).await);
        }
        for token in self.probes.values() {
            token.cancel();
        }
        self.probes.clear();
        if !gone {
            self.publish(pod);
        }
        if let Err(error) = self.release(pod).await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
        }
        if !deleting {
            self.state = State::Over;
            return None;
        }
        if let Err(error) = self.forget().await {
            self.warn_once("FailedKillPod", &format!("error killing pod: {error}"));
            return Some(Instant::now() + RETRY);
        }
        self.observed.attempts.clear();
        self.state = State::Gone;
        if !gone {
            self.publisher.flush().await;
            self.publisher.remove().await;
            self.state = State::Released;
        }
        None
    }

    /// Name and id of all attempts that run.
    pub(super) fn running(&self) -> Vec<(String, String)> {
        let attempts = self.observed.attempts.iter();
        attempts
            .flat_map(|(name, attempts)| attempts.iter().map(move |attempt| (name, attempt)))
            .filter(|(_, attempt)| attempt.is_running())
            .map(|(name, attempt)| (name.clone(), attempt.id.clone()))
            .collect()
    }

    /// Begins to end all of them, and has those signalled that are next in order; when to look again. `asked` is for how many
    /// seconds of grace was asked now.
    pub(super) async fn end_running(
        &mut self,
        pod: Pod<'_>,
        running: &[(String, String)],
        asked: Option<i64>,
    ) -> Instant {
        let now = Instant::now();
        let grace = match (self.grace, asked) {
            (Some(grace), Some(asked)) => grace.asked_again(asked, now),
            (Some(grace), None) => grace,
            (None, asked) => {
                let seconds = asked.or(pod.spec().termination_grace_period_seconds());
                Grace::new(seconds.unwrap_or(DEFAULT_GRACE_SECONDS), now)
            }
        };
        self.grace = Some(grace);
        self.end_probes_that_kill();
        let sidecar = |name: &str| {
            find(pod, name)
                .is_some_and(|(container, role)| role == Role::Init && is_sidecar(container))
        };
        let main: Vec<_> = running.iter().filter(|(name, _)| !sidecar(name)).collect();
        // Those that stay beside the others go last, the last one first.
        let order = |name: &str| {
            pod.spec()
                .init_containers()
                .iter()
                .position(|container| container.name() == name)
        };
        let last = running.iter().max_by_key(|(name, _)| order(name));
        let targets: Vec<(String, String)> = if main.is_empty() {
            last.into_iter().cloned().collect()
        } else {
            main.into_iter().cloned().collect()
        };
        for (name, id) in running {
            self.begin_stop(id, &format!("Stopping container {name}"), grace);
        }
        for (_, id) in targets {
            if let Some(stopping) = self.stops.get(&id) {
                stopping.its_turn();
            }
        }
        // Ends are told by events; should one be lost, this finds out.
        if self.look_for_ends(running).await {
            Instant::now()
        } else {
            Instant::now() + Duration::from_secs(5)
        }
    }

    /// Whether one has ended.
    async fn look_for_ends(&mut self, running: &[(String, String)]) -> bool {
        let mut found = false;
        for (_, id) in running {
            let exit = match self.shared.containerd.task(id).await {
                Ok(Some(task)) => match task.state {
                    TaskState::Stopped(exit) => exit,
                    _ => continue,
                },
                Ok(None) => Exit {
                    code: 255,
                    at: self.shared.clock.now(),
                },
                Err(error) => {
                    tracing::warn!(pod = %self.key, %error, "cannot look at a task");
                    continue;
                }
            };
            self.note_exit(id, exit);
            found = true;
        }
        found
    }

    /// Takes away what the pod needed to run: network, namespaces, volumes, cgroup.
    pub(super) async fn release(&mut self, pod: Pod<'_>) -> Result<(), String> {
        // A made but never started task holds them.
        for attempt in self
            .observed
            .attempts
            .values()
            .flatten()
            .filter(|attempt| attempt.phase == Phase::Created)
        {
            self.shared
                .containerd
                .delete_task(&attempt.id)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.volumes
            .remove()
            .await
            .map_err(|error| error.to_string())?;
        // Of one whose object is gone, the volumes are not known any more.
        let volumes = pod.spec().volumes();
        if pod.spec().containers().is_empty() || volumes.iter().any(|v| v.image().is_some()) {
            let containerd = &self.shared.containerd;
            let removed = containerd.remove_views(label::POD_UID, &self.uid).await;
            removed.map_err(|error| error.to_string())?;
        }
        let cgroups: Vec<String> = if pod.status().qos_class().is_empty() {
            self.observed
                .attempts
                .values()
                .flatten()
                .filter_map(|a| a.cgroup.rsplit_once('/'))
                .map(|(parent, _)| parent.to_owned())
                .collect()
        } else {
            vec![resources::cgroup(&self.shared.config.cgroup_root, pod)]
        };
        sandbox::remove(&self.shared, &self.uid, cgroups.first().map(String::as_str)).await?;
        self.sandbox = None;
        self.observed.sandboxed = false;
        let _ = tokio::fs::remove_dir_all(self.target("").dir).await;
        Ok(())
    }

    /// Takes away what containerd has of an attempt that does not run.
    pub(super) async fn remove_attempt(&self, id: &str) -> Result<(), Error> {
        self.shared.containerd.delete_task(id).await?;
        self.shared.containerd.delete_container(id).await
    }

    /// Takes away what is left of an ended pod: its containers and their logs.
    async fn forget(&mut self) -> Result<(), String> {
        for attempt in self.observed.attempts.values().flatten() {
            let removed = self.remove_attempt(&attempt.id).await;
            removed.map_err(|error| error.to_string())?;
        }
        self.shared.containerd.remove_shim(&self.uid).await;
        let logs = self
            .shared
            .pod_log_dir(self.key.namespace(), self.key.name(), &self.uid);
        match tokio::fs::remove_dir_all(&logs).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", logs.display()))
            }
            _ => Ok(()),
        }
    }
}
