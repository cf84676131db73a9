//! A question in the gRPC health checking protocol (`grpc.health.v1.Health/Check`), over HTTP/2 without TLS, as KEP-2727 has it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, TimeoutExpired};
use tonic_prost::ProstCodec;

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// Between two attempts to connect: at first, and by how much it grows.
const RECONNECT: Duration = Duration::from_secs(1);
const RECONNECT_GROWTH: f64 = 1.6;
/// HTTP/2's frame of settings: the first one of every server.
const SETTINGS: u8 = 4;
const SERVING: i32 = 1;

/// A question about a service's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grpc {
    /// Whom to ask.
    pub address: SocketAddr,
    /// What for; empty asks for the server as a whole.
    pub service: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Asks once: only `SERVING` is well. A server that is not there yet is looked for until `timeout` is over.
///
/// # Errors
/// The reason in upstream's words, if it is not, or no answer comes within `timeout`.
pub async fn check(grpc: &Grpc, timeout: Duration, agent: &str) -> Result<(), String> {
    let (address, within) = (grpc.address.to_string(), crate::go::duration(timeout));
    let deadline = Instant::now() + timeout;
    let connected = Arc::new(AtomicBool::new(false));
    let late = |connected: bool| {
        if connected {
            format!("timeout: health rpc did not complete within {within}")
        } else {
            format!(
                "timeout: failed to connect service {address:?} within {within}: context deadline exceeded"
            )
        }
    };
    let asked = tokio::time::timeout_at(deadline, ask(grpc, deadline, agent, &connected)).await;
    let status = match asked {
        Err(_) => return Err(late(connected.load(Ordering::Relaxed))),
        Ok(Ok(status)) => status,
        Ok(Err(error)) => {
            return Err(match error.code() {
                Code::Unimplemented => format!(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
                    error.message()
                ),
                Code::DeadlineExceeded => late(true),
                // How the client's own end of waiting looks.
                Code::Cancelled if error.message() == TimeoutExpired(()).to_string() => late(true),
                code => format!(
                    "error: health rpc probe failed: rpc error: code = {} desc = {}",
                    code_name(code),
                    error.message()
                ),
            });
        }
    };
    if status == SERVING {
        Ok(())
    } else {
        let name = status_name(status);
        Err(format!("service unhealthy (responded with {name:?})"))
    }
}

/// The answer of a server that speaks HTTP/2, however often one has to be looked for.
async fn ask(
    grpc: &Grpc,
    deadline: Instant,
    agent: &str,
    connected: &Arc<AtomicBool>,
) -> Result<i32, Status> {
    let mut delay = RECONNECT;
    loop {
        if let Ok(channel) = connect(grpc.address, agent, connected.clone()).await {
            let answer = call(channel, &grpc.service, deadline).await;
            // Without its first frame there was no connection to a server, so the answer is none.
            if answer.is_ok() || connected.load(Ordering::Relaxed) {
                return answer;
            }
        }
        tokio::time::sleep(delay).await;
        delay = delay.mul_f64(RECONNECT_GROWTH);
    }
}

async fn connect(
    address: SocketAddr,
    agent: &str,
    connected: Arc<AtomicBool>,
) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.user_agent(agent)?;
    let connector = tower::service_fn(move |_| {
        let connected = connected.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok::<_, io::Error>(TokioIo::new(Greeted {
                stream,
                read: 0,
                connected,
            }))
        }
    });
    endpoint.connect_with_connector(connector).await
}

async fn call(channel: Channel, service: &str, deadline: Instant) -> Result<i32, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    let codec: ProstCodec<HealthCheckRequest, HealthCheckResponse> = ProstCodec::default();
    let path = PathAndQuery::from_static(CHECK);
    let answer = client.unary(request, path, codec).await?;
    Ok(answer.into_inner().status)
}

/// A connection that tells whether its server speaks HTTP/2, by the type of the first frame: the fourth byte.
struct Greeted {
    stream: TcpStream,
    read: usize,
    connected: Arc<AtomicBool>,
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let fresh = &buffer.filled()[before..];
        let at = 3_usize.checked_sub(self.read);
        if let Some(kind) = at.and_then(|at| fresh.get(at)) {
            self.connected.store(*kind == SETTINGS, Ordering::Relaxed);
        }
        self.read += fresh.len();
        polled
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// By its name in the protocol; one that the protocol does not know, by its number.
fn status_name(status: i32) -> String {
    match status {
        0 => "UNKNOWN".into(),
        1 => "SERVING".into(),
        2 => "NOT_SERVING".into(),
        3 => "SERVICE_UNKNOWN".into(),
        other => other.to_string(),
    }
}

/// As Go's implementation writes it.
fn code_name(code: Code) -> String {
    match code {
        Code::Ok => "OK".into(),
        Code::Cancelled => "Canceled".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
