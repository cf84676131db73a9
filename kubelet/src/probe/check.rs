use std::net::SocketAddr;
use std::time::Duration;

use api::IntOrString;
use api::core::v1::{Container, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction};
use runtime::Random;
use tokio::net::TcpStream;

use super::{Grpc, Target};
use crate::containerd::Containerd;
use crate::exec::{self, Outcome};

/// An HTTP question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Whom to ask: an address, or a name that is looked up each time.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Over TLS; the certificate is not looked at.
    pub tls: bool,
    /// The `Host` header, if it is not whom is asked.
    pub host_header: Option<String>,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// By a GET.
    Http(Http),
    /// By connecting to a host and port.
    Tcp(String),
    /// By the gRPC health checking protocol.
    Grpc(Grpc),
    /// By executing in the container.
    Exec(Vec<String>),
}

impl Action {
    /// An HTTP question to this container.
    ///
    /// # Errors
    /// When the port's name is not one of the container's.
    pub fn http(
        get: HTTPGetAction<'_>,
        container: Container<'_>,
        target: &Target,
    ) -> Result<Self, String> {
        let port = resolve_port(&get.port(), container)?;
        let headers: Vec<(String, String)> = get
            .http_headers()
            .iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect();
        let host_header = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| value.clone());
        let path = if get.path().starts_with('/') {
            get.path().to_owned()
        } else {
            format!("/{}", get.path())
        };
        Ok(Self::Http(Http {
            host: host(get.host(), target),
            port,
            tls: get.scheme() == "HTTPS",
            host_header,
            path,
            headers,
        }))
    }

    /// A connection to this container.
    ///
    /// # Errors
    /// As [`Action::http`].
    pub fn tcp(
        socket: TCPSocketAction<'_>,
        container: Container<'_>,
        target: &Target,
    ) -> Result<Self, String> {
        let port = resolve_port(&socket.port(), container)?;
        Ok(Self::Tcp(authority(&host(socket.host(), target), port)))
    }

    /// A question about a service's health at the pod's address. Its port has no name.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn grpc(grpc: GRPCAction<'_>, target: &Target) -> Result<Self, String> {
        let port = u16::try_from(grpc.port()).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| format!("invalid port number: {}", grpc.port()))?;
        Ok(Self::Grpc(Grpc {
            address: SocketAddr::new(target.address, port),
            service: grpc.service().unwrap_or_default().to_owned(),
        }))
    }

    /// A command in this container.
    pub fn exec(exec: ExecAction<'_>) -> Self {
        Self::Exec(exec.command().iter().map(str::to_owned).collect())
    }
}

fn host(host: &str, target: &Target) -> String {
    match host {
        "" => target.address.to_string(),
        host => host.to_owned(),
    }
}

/// Host and port as URLs have them.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A port by its number or its name among the container's.
///
/// # Errors
/// When there is none of that name.
pub fn resolve_port(port: &IntOrString, container: Container<'_>) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => container
            .ports()
            .iter()
            .find(|port| port.name() == name)
            .map(|port| port.container_port())
            .or_else(|| name.parse().ok()),
    };
    let valid = number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| *number > 0);
    valid.ok_or_else(|| format!("container has no port {port:?}"))
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All is well.
    Well,
    /// It is not, for this reason; no answer in time is a bad one.
    Bad(String),
    /// It could not be asked at all, for this reason.
    Unknown(String),
}

impl From<Result<(), String>> for Answer {
    fn from(asked: Result<(), String>) -> Self {
        asked.map_or_else(Self::Bad, |()| Self::Well)
    }
}

/// How probes name themselves to servers.
const AGENT: &str = "kube-probe/1.37";

/// Asks one container in one way.
#[derive(Clone, Debug)]
pub struct Checker {
    /// How.
    pub action: Action,
    /// Whom.
    pub target: Target,
    /// Where processes are executed.
    pub containerd: Containerd,
    /// Names executed processes apart.
    pub random: Random,
}

impl Checker {
    /// Asks once.
    pub async fn check(&self, timeout: Duration) -> Answer {
        match &self.action {
            Action::Http(http) => super::http::get(http, timeout, AGENT).await.into(),
            Action::Grpc(grpc) => super::grpc::check(grpc, timeout, AGENT).await.into(),
            Action::Tcp(address) => {
                match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
                    Ok(Ok(_)) => Answer::Well,
                    Ok(Err(error)) => Answer::Bad(format!("dial tcp {address}: {error}")),
                    Err(_) => Answer::Bad(format!("dial tcp {address}: i/o timeout")),
                }
            }
            Action::Exec(args) => {
                let name = exec::name("probe", &self.random);
                let Target { container, dir, .. } = &self.target;
                match exec::run(&self.containerd, container, &name, args, timeout, dir).await {
                    Ok(Outcome::Exited { code: 0, .. }) => Answer::Well,
                    Ok(Outcome::Exited { output, .. }) => Answer::Bad(output),
                    Ok(Outcome::TimedOut) => Answer::Bad(format!(
                        "command timed out: {:?} timed out after {}",
                        args.join(" "),
                        crate::go::duration(timeout)
                    )),
                    Err(error) => Answer::Unknown(error.to_string()),
                }
            }
        }
    }
}
