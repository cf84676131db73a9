//! A request to what is proxied, on a connection of its own.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::location::Location;
use crate::kubelets::{Https, Kubelets};
use crate::status::Status;

/// How long a connection may take to be made: Go's figure for its default transport.
const DIAL: Duration = Duration::from_secs(30);

/// Sends the request; its answer's body is read as the client reads it, and the connection ends with it.
pub(super) async fn send(
    kubelets: &Kubelets,
    location: &Location,
    mut request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let (host, port, https) = match location {
        Location::Kubelet(node) => {
            let sent = kubelets.send(node, request, true).await;
            return sent.map_err(|error| unreachable(&error));
        }
        Location::Address { host, port, https } => (*host, *port, *https),
    };
    if !request.headers().contains_key(header::HOST)
        && let Ok(authority) = HeaderValue::from_str(&location.authority())
    {
        request.headers_mut().insert(header::HOST, authority);
    }
    let dial = dial(host, port);
    let stream = tokio::time::timeout(DIAL, dial).await;
    let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = stream
        .map_err(|error| unreachable(&format!("dial tcp {}: {error}", location.authority())))?;
    if !https {
        return speak(stream, request).await;
    }
    let anyone = Arc::new(Https::anonymous().map_err(Status::internal)?);
    let greeting = anyone.greet(host, stream);
    let greeted = tokio::time::timeout(DIAL, greeting).await;
    let stream = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    speak(stream.map_err(|error| unreachable(&error))?, request).await
}

async fn dial(host: IpAddr, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| unreachable(&error))?;
    // Ends when the answer was read, or is not wanted any more.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a proxied connection broke off");
        }
    });
    let answer = sender.send_request(request).await;
    Ok(answer.map_err(|error| unreachable(&error))?.map(Body::new))
}

fn unreachable(why: &dyn std::fmt::Display) -> Status {
    Status::service_unavailable(format!("error trying to reach service: {why}"))
}
