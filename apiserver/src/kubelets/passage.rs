//! A client's connection joined to one of the kubelet's: what either sends reaches the other, at the pace of the slower one.

use std::time::Duration;

use api::Tree;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{KubeletError, Kubelets};
use crate::registry::Call;
use crate::status::Status;

/// How long the last bytes may take.
const LAST: Duration = Duration::from_secs(10);

/// Passes the upgrade that the client asks for on to the kubelet, as `path`. The kubelet sees this server's certificate, and
/// none of the client's credentials.
///
/// # Errors
/// When nothing is to be upgraded, or the kubelet cannot be reached. A refusal of its own is passed on as it is.
pub(super) async fn open(
    kubelets: &Kubelets,
    node: &Tree,
    call: &Call<'_>,
    method: Method,
    path: &str,
) -> Result<Response<Body>, Status> {
    let client = match call.upgrade.take() {
        Some(client) if wants_upgrade(call.headers) => client,
        _ => return Err(Status::bad_request("Upgrade request required")),
    };
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    // Written by this server: a path and a query, escaped.
    *request.uri_mut() = path.parse().unwrap_or_default();
    *request.headers_mut() = call.headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    remove_token(request.headers_mut());
    let answer = kubelets
        .send(node, request, true)
        .await
        .map_err(|error| match error {
            KubeletError::Https { why, .. } => {
                Status::internal(format!("error dialing backend: {why}"))
            }
            other => Status::internal(format!("error dialing backend: {other}")),
        })?;
    hand_over(call, client, answer)
}

/// Answers a client as the backend has answered, and joins the two connections if it was with an upgrade.
///
/// # Errors
/// If the backend answers with something that is neither an upgrade nor a refusal.
pub(crate) fn hand_over(
    call: &Call<'_>,
    client: OnUpgrade,
    mut answer: Response<Body>,
) -> Result<Response<Body>, Status> {
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => {}
        code if code.as_u16() < 400 => {
            let code = code.as_u16();
            let why = format!("invalid upgrade response: status code {code}");
            return Err(Status::internal(why));
        }
        _ => {
            answer.headers_mut().remove(header::TRANSFER_ENCODING);
            return Ok(answer);
        }
    }
    // It may go on for days: it takes no seat from others.
    call.cx.leave_seat();
    let backend = hyper::upgrade::on(&mut answer);
    tokio::spawn(join(client, backend, call.cx.draining.clone()));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// Whether the client asks for another protocol on its connection.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).into_iter();
    let mut values = values.filter_map(|value| value.to_str().ok());
    values.any(|value| value.to_ascii_lowercase().contains("upgrade"))
}

/// Browsers show a token among the protocols of a WebSocket: it is for nobody behind this server.
pub(crate) fn remove_token(headers: &mut HeaderMap) {
    const TOKEN: &str = "base64url.bearer.authorization.k8s.io.";
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let protocols = values.flat_map(|value| value.split(',')).map(str::trim);
    let kept: Vec<&str> = protocols
        .filter(|protocol| !protocol.is_empty() && !protocol.starts_with(TOKEN))
        .collect();
    let kept = HeaderValue::from_str(&kept.join(", ")).ok();
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept.filter(|kept| !kept.is_empty()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

async fn join(client: OnUpgrade, kubelet: OnUpgrade, draining: CancellationToken) {
    let both = async { tokio::try_join!(client, kubelet) };
    let joined = tokio::select! {
        biased;
        () = draining.cancelled() => return,
        joined = both => joined,
    };
    match joined {
        Ok((client, kubelet)) => {
            copy(TokioIo::new(client), TokioIo::new(kubelet), draining).await;
        }
        Err(error) => tracing::debug!(%error, "a connection that was to be upgraded"),
    }
}

/// Copies both ways. The end of one way ends both, as upstream: the protocols have ends of their own for what goes one way.
async fn copy<A, B>(client: A, kubelet: B, draining: CancellationToken)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_kubelet, mut to_kubelet) = tokio::io::split(kubelet);
    let ended = tokio::select! {
        biased;
        () = draining.cancelled() => Ok(0),
        ended = tokio::io::copy(&mut from_kubelet, &mut to_client) => ended,
        ended = tokio::io::copy(&mut from_client, &mut to_kubelet) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection between a client and a kubelet");
    }
    let last = async { tokio::join!(to_client.shutdown(), to_kubelet.shutdown()) };
    let _ = tokio::time::timeout(LAST, last).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};

    #[test]
    fn a_token_among_the_protocols_goes_no_further() {
        let mut headers = HeaderMap::new();
        let name = header::SEC_WEBSOCKET_PROTOCOL;
        let value = "base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io";
        headers.append(&name, HeaderValue::from_static(value));
        headers.append(&name, HeaderValue::from_static("channel.k8s.io"));
        remove_token(&mut headers);
        let kept: Vec<_> = headers.get_all(&name).into_iter().collect();
        assert_eq!(kept, ["v4.channel.k8s.io, channel.k8s.io"]);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_go_both_ways_and_either_end_ends_both() {
        for client_ends in [true, false] {
            let (mut client, a) = duplex(8);
            let (mut kubelet, b) = duplex(8);
            let copying = tokio::spawn(copy(a, b, CancellationToken::new()));
            client.write_all(b"to").await.unwrap();
            kubelet.write_all(b"from").await.unwrap();
            let (mut to, mut from) = ([0; 2], [0; 4]);
            kubelet.read_exact(&mut to).await.unwrap();
            client.read_exact(&mut from).await.unwrap();
            assert_eq!((&to, &from), (b"to", b"from"));
            // Half of one side: the other half is not waited for.
            let (ending, mut other) = match client_ends {
                true => (&mut client, kubelet),
                false => (&mut kubelet, client),
            };
            ending.shutdown().await.unwrap();
            assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
            copying.await.unwrap();
        }
    }

    /// Who takes nothing holds up the other, with no more than the buffers between, and is let go when the server ends.
    #[tokio::test(start_paused = true)]
    async fn the_slower_side_sets_the_pace() {
        let (_client, a) = duplex(8);
        let (mut kubelet, b) = duplex(8);
        let draining = CancellationToken::new();
        let copying = tokio::spawn(copy(a, b, draining.clone()));
        let large = vec![0; 1 << 20];
        let sending = tokio::time::timeout(Duration::from_secs(60), kubelet.write_all(&large));
        assert!(sending.await.is_err());
        draining.cancel();
        copying.await.unwrap();
    }
}
