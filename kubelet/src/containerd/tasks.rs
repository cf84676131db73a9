use containerd_client::services::v1::{
    CloseIoRequest, CreateTaskRequest, DeleteProcessRequest, DeleteTaskRequest, ExecProcessRequest,
    GetRequest, KillRequest, ListTasksRequest, ResizePtyRequest, StartRequest, UpdateTaskRequest,
    WaitRequest,
};
use containerd_client::types::v1::{Process, Status};
use prost_types::{Any, Timestamp};

use super::error::{gone, optional};
use super::{Containerd, Error, Mount};

const PROCESS_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";

const RESOURCES_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/// A container's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its container.
    pub id: String,
    /// Process id on the node; 0 when it has none any more.
    pub pid: u32,
    /// What it does.
    pub state: TaskState,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Made and not started yet.
    Created,
    /// Running, or paused.
    Running,
    /// Ended.
    Stopped(Exit),
    /// containerd cannot tell: its shim is gone.
    Unknown,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit status; 128 and the signal's number for one that was killed.
    pub code: u32,
    /// When.
    pub at: jiff::Timestamp,
}

/// Where a process's input comes from and its output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stdio {
    /// A FIFO's path; empty for no input.
    pub stdin: String,
    /// A `binary://` or `file://` URI, or a FIFO's path.
    pub stdout: String,
    /// The same; empty for a terminal, which has one output.
    pub stderr: String,
    /// All are a terminal's.
    pub terminal: bool,
}

/// A task to be made.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its container.
    pub id: String,
    /// The root file system.
    pub rootfs: Vec<Mount>,
    /// Where its input comes from and its output goes.
    pub stdio: Stdio,
    /// The OCI runtime's binary: a name or a path.
    pub oci_runtime: String,
}

impl Containerd {
    /// Makes the task of a container: its process exists afterwards, and waits to be started.
    ///
    /// # Errors
    /// When the OCI runtime refuses the spec; the message says why.
    pub async fn create_task(&self, new: NewTask) -> Result<u32, Error> {
        let request = CreateTaskRequest {
            container_id: new.id,
            rootfs: new.rootfs,
            stdin: new.stdio.stdin,
            stdout: new.stdio.stdout,
            stderr: new.stdio.stderr,
            terminal: new.stdio.terminal,
            options: Some(runtime_options(&new.oci_runtime)),
            ..Default::default()
        };
        let answer = self
            .tasks_service()
            .create(request)
            .await
            .map_err(Error::call("create a task"))?;
        Ok(answer.into_inner().pid)
    }

    /// Lets the created process, or the executed one named `exec` if it is not empty, run.
    ///
    /// # Errors
    /// When its program cannot be executed; the message says why.
    pub async fn start_task(&self, id: &str, exec: &str) -> Result<u32, Error> {
        let request = StartRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
        };
        let answer = self
            .tasks_service()
            .start(request)
            .await
            .map_err(Error::call("start a task"))?;
        Ok(answer.into_inner().pid)
    }

    /// The task of a container.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        let request = GetRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
        };
        let answer = optional(
            self.tasks_service()
                .get(request)
                .await
                .map_err(Error::call("look up a task")),
        )?;
        Ok(answer
            .and_then(|answer| answer.into_inner().process)
            .map(Task::from))
    }

    /// All tasks of the namespace.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn tasks(&self) -> Result<Vec<Task>, Error> {
        let answer = self
            .tasks_service()
            .list(ListTasksRequest::default())
            .await
            .map_err(Error::call("list tasks"))?;
        Ok(answer
            .into_inner()
            .tasks
            .into_iter()
            .map(Task::from)
            .collect())
    }

    /// Waits until the process of a container, or the executed one named `exec`, has ended.
    ///
    /// # Errors
    /// When there is none, or containerd goes away meanwhile.
    pub async fn wait_task(&self, id: &str, exec: &str) -> Result<Exit, Error> {
        let request = WaitRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
        };
        let answer = self
            .patient()
            .tasks_service()
            .wait(request)
            .await
            .map_err(Error::call("wait for a task"))?
            .into_inner();
        Ok(Exit {
            code: answer.exit_status,
            at: timestamp(answer.exited_at.as_ref()),
        })
    }

    /// Sends a signal to a container's process (to all of them if `all`), or to the executed one named `exec`. Fine if it has ended.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn kill_task(
        &self,
        id: &str,
        exec: &str,
        signal: u32,
        all: bool,
    ) -> Result<(), Error> {
        let request = KillRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
            signal,
            all,
        };
        match gone(
            self.tasks_service()
                .kill(request)
                .await
                .map(|_| ())
                .map_err(Error::call("signal a task")),
        ) {
            Err(error) if error.is_failed_precondition() => Ok(()),
            result => result,
        }
    }

    /// Removes an ended or never started task; how it ended. `None` if there is none.
    ///
    /// # Errors
    /// When it still runs.
    pub async fn delete_task(&self, id: &str) -> Result<Option<Exit>, Error> {
        let request = DeleteTaskRequest {
            container_id: id.to_owned(),
        };
        let answer = optional(
            self.tasks_service()
                .delete(request)
                .await
                .map_err(Error::call("delete a task")),
        )?;
        Ok(answer.map(|answer| {
            let answer = answer.into_inner();
            Exit {
                code: answer.exit_status,
                at: timestamp(answer.exited_at.as_ref()),
            }
        }))
    }

    /// Prepares a further process, named `exec`, in a running container. All of `stdio` are FIFOs.
    ///
    /// # Errors
    /// When the container does not run.
    pub async fn create_exec(
        &self,
        id: &str,
        exec: &str,
        process: &serde_json::Value,
        stdio: Stdio,
    ) -> Result<(), Error> {
        let request = ExecProcessRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
            stdin: stdio.stdin,
            stdout: stdio.stdout,
            stderr: stdio.stderr,
            terminal: stdio.terminal,
            spec: Some(Any {
                type_url: PROCESS_TYPE.to_owned(),
                value: process.to_string().into_bytes(),
            }),
        };
        self.tasks_service()
            .exec(request)
            .await
            .map(|_| ())
            .map_err(Error::call("execute in a container"))
    }

    /// Sets the size of the terminal of a container's process, or of the executed one named `exec`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn resize(&self, id: &str, exec: &str, width: u16, height: u16) -> Result<(), Error> {
        let request = ResizePtyRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
            width: width.into(),
            height: height.into(),
        };
        let resized = self.tasks_service().resize_pty(request).await;
        resized
            .map(|_| ())
            .map_err(Error::call("resize a terminal"))
    }

    /// Lets a container that runs use other `resources` (the OCI runtime spec's). What they do not name stays as it is.
    ///
    /// # Errors
    /// When it does not run, or the kernel refuses.
    pub async fn update_task(&self, id: &str, resources: &serde_json::Value) -> Result<(), Error> {
        let request = UpdateTaskRequest {
            container_id: id.to_owned(),
            resources: Some(Any {
                type_url: RESOURCES_TYPE.to_owned(),
                value: resources.to_string().into_bytes(),
            }),
            ..Default::default()
        };
        let updated = self.tasks_service().update(request).await;
        updated
            .map(|_| ())
            .map_err(Error::call("change what a container may use"))
    }

    /// Ends the input of a container's process, or of the executed one named `exec`. Fine if it has ended.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn close_stdin(&self, id: &str, exec: &str) -> Result<(), Error> {
        let request = CloseIoRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
            stdin: true,
        };
        let closed = self.tasks_service().close_io(request).await;
        gone(closed.map(|_| ()).map_err(Error::call("close the input")))
    }

    /// Removes an executed process that has ended; fine if there is none.
    ///
    /// # Errors
    /// When it still runs.
    pub async fn delete_exec(&self, id: &str, exec: &str) -> Result<(), Error> {
        let request = DeleteProcessRequest {
            container_id: id.to_owned(),
            exec_id: exec.to_owned(),
        };
        let deleted = self
            .tasks_service()
            .delete_process(request)
            .await
            .map(|_| ());
        gone(deleted.map_err(Error::call("delete an executed process")))
    }
}

impl From<Process> for Task {
    fn from(process: Process) -> Self {
        let state = match process.status() {
            Status::Created => TaskState::Created,
            Status::Running | Status::Paused | Status::Pausing => TaskState::Running,
            Status::Stopped => TaskState::Stopped(Exit {
                code: process.exit_status,
                at: timestamp(process.exited_at.as_ref()),
            }),
            Status::Unknown => TaskState::Unknown,
        };
        // containerd names the container in `id`; `container_id` is empty for it.
        Self {
            id: process.id,
            pid: process.pid,
            state,
        }
    }
}

/// `containerd.runc.v1.Options` with nothing but the binary's name (field 6).
pub(super) fn runtime_options(binary: &str) -> Any {
    let mut value = vec![6 << 3 | 2];
    let mut length = binary.len();
    while length >= 0x80 {
        value.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    value.push(length as u8);
    value.extend_from_slice(binary.as_bytes());
    Any {
        type_url: "containerd.runc.v1.Options".to_owned(),
        value,
    }
}

/// The epoch for what is missing or out of range.
pub(super) fn timestamp(time: Option<&Timestamp>) -> jiff::Timestamp {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
        .unwrap_or_default()
}
