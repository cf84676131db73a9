//! Containers that are added to a pod that runs: started once, beside whatever the others do.

use std::path::PathBuf;

use api::core::v1::Pod;
use tokio::time::Instant;

use super::starting::earlier;
use super::{Role, Worker};
use crate::containerd::TaskState;
use crate::pod::container::StartError;
use crate::pod::refused::container_refused;
use crate::pod::role::common;

impl Worker {
    /// Starts those that were never started; when to look again at the latest.
    pub(super) async fn ensure_ephemeral(&mut self, pod: Pod<'_>) -> Option<Instant> {
        let mut next = None;
        for container in pod.spec().ephemeral_containers().iter().map(common) {
            let name = container.name();
            let at = format!("spec.ephemeralContainers[{name}]");
            let refused = container_refused(&at, container, self.shared.host.selinux);
            if !refused.is_empty() {
                let message = format!("this node does not support: {}", refused.join(", "));
                self.warn_once("UnsupportedField", &message);
                let why = ("UnsupportedField".to_owned(), message);
                self.observed.waiting.insert(name.to_owned(), why);
                continue;
            }
            let started = self.ensure_container(pod, container, Role::Ephemeral);
            next = earlier(next, started.await);
        }
        next
    }

    /// The process namespace of the container that an ephemeral one targets; `None` if the container has one of its own.
    ///
    /// # Errors
    /// When the target was never started, or does not run.
    pub(super) async fn target_processes(
        &self,
        pod: Pod<'_>,
        name: &str,
        role: Role,
    ) -> Result<Option<PathBuf>, StartError> {
        let mut ephemeral = pod.spec().ephemeral_containers().iter();
        let target = ephemeral
            .find(|container| role == Role::Ephemeral && container.name() == name)
            .map(|container| container.target_container_name())
            .filter(|target| !target.is_empty());
        let Some(target) = target else {
            return Ok(None);
        };
        let attempt = self.observed.latest(target).ok_or_else(|| {
            let message = format!("unable to find target container {target}");
            StartError::new("CreateContainerConfigError", message)
        })?;
        if pod.spec().host_pid() {
            return Ok(None);
        }
        let failed = |message: String| StartError::new("CreateContainerError", message);
        let task = self.shared.containerd.task(&attempt.id).await;
        match task.map_err(|error| failed(error.to_string()))? {
            Some(task) if task.state == TaskState::Running => {
                Ok(Some(format!("/proc/{}/ns/pid", task.pid).into()))
            }
            _ => Err(failed(format!(
                "invalid target container: container {target:?} is not running"
            ))),
        }
    }
}
