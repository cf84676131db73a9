//! A request to what is proxied, on a connection of its own.

use std::io;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};

use super::location::Location;
use crate::kubelets::connection::{DIAL, dial, speak};
use crate::kubelets::{Https, Kubelets};
use crate::status::Status;

/// Sends the request; its answer's body is read as the client reads it, and the connection ends with it. `anyone`
/// reaches what is spoken to by TLS, whoever that is.
pub(super) async fn send(
    kubelets: &Kubelets,
    anyone: &Https,
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
    let stream = within(dial((host, port))).await;
    let stream = stream
        .map_err(|error| unreachable(&format!("dial tcp {}: {error}", location.authority())))?;
    let answer = match https {
        false => speak(stream, request).await,
        true => {
            let greeted = within(anyone.greet(host, stream)).await;
            speak(greeted.map_err(|error| unreachable(&error))?, request).await
        }
    };
    answer.map_err(|error| unreachable(&error))
}

async fn within<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let connected = tokio::time::timeout(DIAL, connecting).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn unreachable(why: &dyn std::fmt::Display) -> Status {
    Status::service_unavailable(format!("error trying to reach service: {why}"))
}
