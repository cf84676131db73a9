//! `pods/log`: the log of a container, streamed from the kubelet of the pod's node at the pace of the client.

use api::core::v1::Pod;
use async_trait::async_trait;
use axum::body::Body;
use futures::StreamExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::log_options::LogOptions;
use super::target::{container, find_node};
use super::{Kubelets, websocket};
use crate::codec::object::decode;
use crate::registry::subresource::Hook;
use crate::registry::{Api, Call};
use crate::status::{Details, Reason, Status};

/// How much of a kubelet's refusal is read, in bytes.
const MAX_REFUSAL: usize = 4096;

/// Serves logs.
pub struct Logs {
    kubelets: Kubelets,
}

impl Logs {
    /// Logs from these kubelets.
    pub fn new(kubelets: Kubelets) -> Logs {
        Logs { kubelets }
    }
}

#[async_trait]
impl Hook for Logs {
    async fn serve(&self, api: &Api, call: &Call<'_>, _: Body) -> Result<Response<Body>, Status> {
        let options = LogOptions::parse(&call.cx.query)?;
        options.validate(call.name())?;
        let object = api
            .fresh(call.cx, call.kind, &call.key())
            .await?
            .ok_or_else(|| Status::not_found(call.kind.qualified(), call.name()))?;
        let pod = decode(&call.kind.codec, &object)?;
        let container = container(&pod, &options.container)?;
        let node = Pod::of(&pod).spec().node_name();
        if node.is_empty() {
            // Nothing has run: nothing was said.
            return Ok(text(StatusCode::NO_CONTENT, Body::empty()));
        }
        let node = find_node(api, call, node)?;
        let mut path = format!(
            "/containerLogs/{}/{}/{container}",
            call.namespace(),
            call.name()
        );
        let query = options.query();
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let answer = self
            .kubelets
            .get(&node, &path, !options.insecure)
            .await
            .map_err(|error| Status::new(500, Reason::Unknown, error.to_string(), None))?;
        if !matches!(answer.status().as_u16(), 200..=206) {
            return Err(refusal(call.name(), answer).await);
        }
        // A log may be followed for days: it takes no seat from others.
        call.cx.leave_seat();
        let draining = call.cx.draining.clone();
        if let (true, Some(client)) = (websocket::is_wanted(call.headers), call.upgrade.take()) {
            return Ok(match websocket::agree(call.headers) {
                Ok(agreed) => {
                    let body = answer.into_body().into_data_stream();
                    websocket::serve(&agreed, client, body, draining)
                }
                Err(refusal) => *refusal,
            });
        }
        let stream = answer
            .into_body()
            .into_data_stream()
            .take_until(async move { draining.cancelled().await });
        Ok(text(StatusCode::OK, Body::from_stream(stream)))
    }
}

fn text(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

/// What a kubelet's refusal is to the client (upstream: `GenericHttpResponseChecker`).
async fn refusal(pod: &str, answer: Response<Body>) -> Status {
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_REFUSAL)
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&body).into_owned();
    let (reason, message) = match code {
        500 => return Status::internal(said),
        400 => return Status::bad_request(said),
        401 => (Reason::Unauthorized, "the server has asked for the client to provide credentials".to_owned()),
        403 => (Reason::Forbidden, said),
        404 => (Reason::NotFound, "the server could not find the requested resource".to_owned()),
        405 => (Reason::MethodNotAllowed, "the server does not allow this method on the requested resource".to_owned()),
        429 => (
            Reason::TooManyRequests,
            "the server has received too many requests and has asked us to try again later".to_owned(),
        ),
        503 => (Reason::ServiceUnavailable, "the server is currently unable to handle the request".to_owned()),
        504 => (
            Reason::Timeout,
            "the server was unable to return a response in the time allotted, but may still be processing the request".to_owned(),
        ),
        501.. => (
            Reason::InternalError,
            format!("an error on the server ({}) has prevented the request from succeeding", api::field::quote(&said)),
        ),
        _ => (
            Reason::Unknown,
            format!("the server responded with the status code {code} but did not return more information"),
        ),
    };
    let details = Details {
        name: pod.to_owned(),
        kind: "pods/log".to_owned(),
        ..Details::default()
    };
    Status::new(
        code,
        reason,
        format!("{message} ( pods/log {pod})"),
        Some(details),
    )
}
