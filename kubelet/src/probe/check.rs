use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api::IntOrString;
use api::core::v1::{Container, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction};
use tokio::net::TcpStream;

use super::{Grpc, Target};
use crate::containerd::Containerd;
use crate::exec::{self, Outcome};

/// An HTTP question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Whom to ask.
    pub address: SocketAddr,
    /// Over TLS; the certificate is not looked at.
    pub tls: bool,
    /// The `Host` header.
    pub host: String,
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
    /// By connecting.
    Tcp(SocketAddr),
    /// By the gRPC health checking protocol.
    Grpc(Grpc),
    /// By executing in the container.
    Exec(Vec<String>),
}

impl Action {
    /// An HTTP question to this container.
    ///
    /// # Errors
    /// When the port's name is not one of the container's, or the host is no address.
    pub fn http(
        get: HTTPGetAction<'_>,
        container: Container<'_>,
        target: &Target,
    ) -> Result<Self, String> {
        let port = resolve_port(&get.port(), container)?;
        let ip = host(get.host(), target.address)?;
        let headers: Vec<(String, String)> = get
            .http_headers()
            .iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect();
        let own_host = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| value.clone());
        let path = if get.path().starts_with('/') {
            get.path().to_owned()
        } else {
            format!("/{}", get.path())
        };
        let address = SocketAddr::new(ip, port);
        Ok(Self::Http(Http {
            address,
            tls: get.scheme() == "HTTPS",
            host: own_host.unwrap_or_else(|| address.to_string()),
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
        Ok(Self::Tcp(SocketAddr::new(
            host(socket.host(), target.address)?,
            port,
        )))
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

fn host(host: &str, pod: IpAddr) -> Result<IpAddr, String> {
    match host {
        "" => Ok(pod),
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        host => host
            .parse()
            .map_err(|_| format!("host {host:?} is no address")),
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
    pub execs: Arc<AtomicU64>,
}

impl Checker {
    /// Asks once.
    ///
    /// # Errors
    /// The reason, if the answer is bad or none comes within `timeout`.
    pub async fn check(&self, timeout: Duration) -> Result<(), String> {
        match &self.action {
            Action::Http(http) => super::http::get(http, timeout, AGENT).await,
            Action::Grpc(grpc) => super::grpc::check(grpc, timeout, AGENT).await,
            Action::Tcp(address) => {
                match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(format!("dial tcp {address}: {error}")),
                    Err(_) => Err(format!("dial tcp {address}: i/o timeout")),
                }
            }
            Action::Exec(args) => {
                let name = format!("probe-{}", self.execs.fetch_add(1, Ordering::Relaxed));
                let Target { container, dir, .. } = &self.target;
                match exec::run(&self.containerd, container, &name, args, timeout, dir).await {
                    Ok(Outcome::Exited { code: 0, .. }) => Ok(()),
                    Ok(Outcome::Exited { output, .. }) => Err(output),
                    Ok(Outcome::TimedOut) => Err(format!(
                        "command timed out: {:?} timed out after {}",
                        args.join(" "),
                        crate::go::duration(timeout)
                    )),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }
}
