//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::head::{Progress, Timed};
use super::rewind::Rewind;
use super::{Limits, TlsState};
use crate::chain::{ApiServer, Connection};
use crate::env::Env;
use crate::status::plain_text;

/// What all connections have in common.
pub(super) struct Shared {
    pub tls: Arc<TlsState>,
    pub service: ApiServer,
    pub limits: Limits,
    pub env: Env,
    pub shutdown: CancellationToken,
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%peer, %error, "socket options");
    }
    let accepted = tokio::select! {
        biased;
        () = shared.shutdown.cancelled() => return,
        accepted = tokio::time::timeout(shared.limits.handshake, accept(stream, &shared)) => accepted,
    };
    let stream = match accepted {
        Ok(Ok(Some(stream))) => stream,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS handshake");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "TLS handshake: timed out");
            return;
        }
    };
    let session = stream.get_ref().1;
    let certificate = session
        .peer_certificates()
        .and_then(|chain| shared.tls.judge(chain, &shared.env));
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let progress = Progress::default();
    let service = Service {
        progress: progress.clone(),
        server: shared.service.clone(),
        connection: Connection {
            peer: Some(peer),
            certificate,
        },
        head_bytes: usize::try_from(shared.limits.head_bytes).unwrap_or(1 << 20),
    };
    let limits = &shared.limits;
    let outcome = if is_http2 {
        let io = TokioIo::new(stream);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.head_bytes)
            .max_send_buf_size(limits.send_buffer)
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_timeout)
            .serve_connection(io, service);
        drive(connection, &shared.shutdown, |c| c.graceful_shutdown()).await
    } else {
        let io = TokioIo::new(Timed::new(stream, progress, limits.head));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_buf_size(usize::try_from(limits.head_bytes).unwrap_or(1 << 20))
            .half_close(false)
            .serve_connection(io, service)
            .with_upgrades();
        drive(connection, &shared.shutdown, |c| c.graceful_shutdown()).await
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "connection");
    }
}

/// Runs a connection; tells it to finish when the shutdown begins.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    shutdown: &CancellationToken,
    finish: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        outcome = connection.as_mut() => return outcome,
    }
    finish(connection.as_mut());
    connection.await
}

/// The TLS handshake. `None` if the client speaks plain HTTP: it has been told so.
async fn accept(
    stream: TcpStream,
    shared: &Shared,
) -> std::io::Result<Option<TlsStream<Rewind<TcpStream>>>> {
    let mut stream = Rewind::peek(stream).await?;
    if matches!(
        stream.first(),
        b"GET /" | b"HEAD " | b"POST " | b"PUT /" | b"OPTIO" | b"PATCH" | b"DELET"
    ) {
        const ANSWER: &[u8] =
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        // What the client has sent must be read, else the answer is lost in a reset; a bounded amount, for the time of a
        // handshake.
        let mut rest = [0; 4096];
        for _ in 0..256 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        return Ok(None);
    }
    let mut stream = TlsAcceptor::from(shared.tls.config())
        .accept(stream)
        .await?;
    stream
        .get_mut()
        .1
        .set_buffer_limit(Some(shared.limits.tls_buffer));
    Ok(Some(stream))
}

/// No delay for small answers, and a client that is gone without a word is found out: by probes while nothing is sent, and
/// by the lack of acknowledgements while something is.
pub(crate) fn tune(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    sockopt::set_tcp_user_timeout(stream, 120_000)?;
    Ok(())
}

/// The server as hyper calls it: knows the connection.
struct Service {
    progress: Progress,
    server: ApiServer,
    connection: Connection,
    head_bytes: usize,
}

/// Whether a path begins at the root and its escapes are such.
fn is_path(path: &str) -> bool {
    let mut escapes = path.split('%');
    escapes.next().is_some_and(|start| start.starts_with('/'))
        && escapes.all(|rest| {
            rest.as_bytes()
                .get(..2)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
}

/// What hyper lets through and Go's server does not; the connection ends with the answer.
fn refuse(request: &Request<Body>, head_bytes: usize) -> Option<Response<Body>> {
    let headers = request.headers();
    // hyper looks at its bound only when a head is not yet whole: one that comes in large pieces can be twice as long.
    let line = request
        .uri()
        .path_and_query()
        .map_or(0, |p| p.as_str().len());
    let head: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let mut response = if line + head > head_bytes {
        plain_text(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "431 Request Header Fields Too Large",
        )
    } else if request.version() == Version::HTTP_11 && !headers.contains_key(header::HOST) {
        plain_text(
            StatusCode::BAD_REQUEST,
            "400 Bad Request: missing required Host header",
        )
    } else if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        Response::new(Body::empty())
    } else if !is_path(request.uri().path()) && request.method() != Method::CONNECT {
        let mut response = Response::new(Body::from("400 Bad Request"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    } else if headers
        .get(header::EXPECT)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::EXPECTATION_FAILED;
        response
    } else {
        return None;
    };
    if request.version() != Version::HTTP_2 {
        response
            .headers_mut()
            .insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    }
    Some(response)
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.progress.begin();
        let progress = self.progress.clone();
        let mut request = request.map(Body::new);
        if let Some(response) = refuse(&request, self.head_bytes) {
            progress.end();
            return Box::pin(async { Ok(response) });
        }
        request.extensions_mut().insert(self.connection.clone());
        let server = self.server.clone();
        Box::pin(async move {
            let response = server.answer(request).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                progress.upgrade();
            }
            progress.end();
            Ok(response)
        })
    }
}
