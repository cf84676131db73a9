//! Whose API server is measured, and how it is started for that.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};

use super::poll;
use crate::apiserver::Apiserver;
use crate::load::client::Target;
use crate::upstream::UpstreamApiserver;

/// Ours or theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Our `apiserver` on the embedded store.
    Gantry,
    /// Upstream's kube-apiserver on upstream's etcd.
    Upstream,
}

impl Subject {
    /// Its name in files and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gantry => "gantry",
            Self::Upstream => "upstream",
        }
    }
}

/// A running API server.
pub struct ApiServer {
    /// Where it is, as the admin.
    pub target: Target,
    running: Running,
    /// From the start of its first process until `/readyz` answered.
    pub ready_after: Duration,
}

enum Running {
    Gantry(Apiserver),
    Upstream(Box<UpstreamApiserver>),
}

impl ApiServer {
    /// Starts one on an empty store and waits until it is ready.
    pub async fn start(subject: Subject) -> io::Result<Self> {
        let begun = Instant::now();
        match subject {
            Subject::Gantry => Self::ours(Apiserver::launch(&[])?, begun).await,
            Subject::Upstream => {
                let upstream = tokio::task::block_in_place(|| {
                    UpstreamApiserver::start(&["--allow-privileged=true"])
                })?;
                Ok(Self {
                    target: Target::from_kubeconfig(&upstream.admin)?,
                    running: Running::Upstream(Box::new(upstream)),
                    ready_after: begun.elapsed(),
                })
            }
        }
    }

    async fn ours(server: Apiserver, begun: Instant) -> io::Result<Self> {
        let ready_after = ready(&server.admin, begun).await?;
        Ok(Self {
            target: Target::from_kubeconfig(&server.admin)?,
            running: Running::Gantry(server),
            ready_after,
        })
    }

    /// Ends it in order and starts it again on what it stored. Only for ours.
    pub async fn restart(self) -> io::Result<Self> {
        let Running::Gantry(mut server) = self.running else {
            return Err(io::Error::other("only our API server is started again"));
        };
        tokio::task::block_in_place(|| server.end())?;
        let begun = Instant::now();
        Self::ours(server.relaunch(&[])?, begun).await
    }

    /// A kubeconfig of a member of `system:masters`.
    pub fn admin(&self) -> &Path {
        match &self.running {
            Running::Gantry(server) => &server.admin,
            Running::Upstream(upstream) => &upstream.admin,
        }
    }

    /// A kubeconfig of upstream's scheduler or of ours.
    pub fn scheduler_kubeconfig(&self) -> io::Result<PathBuf> {
        match &self.running {
            Running::Gantry(server) => Ok(server.directory().join("scheduler.conf")),
            Running::Upstream(upstream) => upstream.kubeconfig_for("system:kube-scheduler", &[]),
        }
    }

    /// The processes that store and serve: with etcd there are two.
    pub fn pids(&mut self) -> Vec<u32> {
        match &mut self.running {
            Running::Gantry(server) => vec![server.process.pid()],
            Running::Upstream(upstream) => {
                vec![upstream.process.pid(), upstream.etcd.process().pid()]
            }
        }
    }
}

/// Waits until the server of a kubeconfig says that it is ready; the file itself may still be to come.
pub async fn ready(admin: &Path, begun: Instant) -> io::Result<Duration> {
    poll::until(
        "the API server is ready",
        begun,
        Duration::from_secs(60),
        || async {
            let Ok(target) = Target::from_kubeconfig(admin) else {
                return false;
            };
            let Ok(mut connection) = target.connect().await else {
                return false;
            };
            let answer = connection
                .call(Method::GET, "/readyz", "application/json", Bytes::new())
                .await;
            matches!(answer, Ok((StatusCode::OK, _)))
        },
    )
    .await
}
