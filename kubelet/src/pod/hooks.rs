//! `postStart` and `preStop`.

use std::time::Duration;

use api::core::v1::{Container, LifecycleHandler};

use crate::context::Shared;
use crate::exec::{self, Outcome};
use crate::probe::{Action, Target, http_answered};

/// As upstream, a hook may take as long as it takes: whoever runs it lets go of it.
const UNLIMITED: Duration = Duration::MAX;

/// What a hook does, taken out of the pod's object.
#[derive(Clone, Debug)]
pub enum Hook {
    /// Ask or execute.
    Act(Action),
    /// Wait.
    Sleep(Duration),
}

/// Reads a handler.
///
/// # Errors
/// When it names an unknown port, or nothing to do.
pub fn read(
    handler: LifecycleHandler<'_>,
    container: Container<'_>,
    target: &Target,
) -> Result<Hook, String> {
    if let Some(exec) = handler.exec() {
        Ok(Hook::Act(Action::exec(exec)))
    } else if let Some(get) = handler.http_get() {
        Action::http(get, container, target).map(Hook::Act)
    } else if let Some(sleep) = handler.sleep() {
        Ok(Hook::Sleep(Duration::from_secs(
            u64::try_from(sleep.seconds()).unwrap_or(0),
        )))
    } else if handler.tcp_socket().is_some() {
        Err("tcpSocket is no lifecycle handler".into())
    } else {
        Err("invalid handler: it names nothing to do".into())
    }
}

/// Runs it to its end. `kind` is which one of its container's it is.
///
/// # Errors
/// When it fails.
pub async fn run(shared: &Shared, hook: &Hook, kind: &str, target: &Target) -> Result<(), String> {
    match hook {
        Hook::Sleep(duration) => {
            tokio::time::sleep(*duration).await;
            Ok(())
        }
        // As upstream, whatever the answer says: it is told, not asked.
        Hook::Act(Action::Http(http)) => http_answered(http, UNLIMITED, "kube-lifecycle/1.37")
            .await
            .map(drop),
        Hook::Act(Action::Tcp(_) | Action::Grpc(_)) => {
            Err("only exec, httpGet and sleep are lifecycle handlers".into())
        }
        Hook::Act(Action::Exec(args)) => {
            match exec::run(
                &shared.containerd,
                &target.container,
                &exec::name(kind, &shared.random),
                args,
                UNLIMITED,
                &target.dir,
            )
            .await
            {
                Ok(Outcome::Exited { code: 0, .. }) => Ok(()),
                Ok(Outcome::Exited { code, output }) => {
                    Err(format!("command {args:?} exited with {code}: {output}"))
                }
                Ok(Outcome::TimedOut) => Err(format!("command {args:?} timed out")),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}
