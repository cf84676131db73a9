//! `pods/exec`, `pods/attach` and `pods/portforward`: connections that go on to the kubelet of the pod's node. Nothing of what
//! is spoken on them is understood here: kubelets speak SPDY and WebSockets, upstream's in all of kubectl's versions from v1.36 on.

use api::core::v1::Pod;
use async_trait::async_trait;
use axum::body::Body;
use http::{Method, Response};

use super::target::{container, find_node};
use super::{Kubelets, passage, stream_options};
use crate::admission::Operation;
use crate::authz::{Attributes, Decision};
use crate::codec::object::decode;
use crate::registry::subresource::Hook;
use crate::registry::{Api, Call};
use crate::request::Verb;
use crate::status::Status;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Exec,
    Attach,
    PortForward,
}

impl Stream {
    pub(super) fn subresource(self) -> &'static str {
        match self {
            Stream::Exec => "exec",
            Stream::Attach => "attach",
            Stream::PortForward => "portforward",
        }
    }
}

/// Serves one of them.
pub(super) struct Streams {
    kubelets: Kubelets,
    stream: Stream,
}

impl Streams {
    pub(super) fn new(kubelets: Kubelets, stream: Stream) -> Streams {
        Streams { kubelets, stream }
    }
}

#[async_trait]
impl Hook for Streams {
    async fn serve(&self, api: &Api, call: &Call<'_>, _: Body) -> Result<Response<Body>, Status> {
        may_create(api, call)?;
        let object = api
            .fresh(call.cx, call.kind, &call.key())
            .await?
            .ok_or_else(|| Status::not_found(call.kind.qualified(), call.name()))?;
        let pod = decode(&call.kind.codec, &object)?;
        let attributes = call.body_attributes(Operation::Connect, false);
        let options = stream_options::object(call)?;
        api.admission.judge_body(&attributes, &options).await?;
        let query = &call.cx.query;
        let (namespace, name) = (call.namespace(), call.name());
        let (path, query) = match self.stream {
            Stream::PortForward => (
                format!("/portForward/{namespace}/{name}"),
                stream_options::of_ports(query)?,
            ),
            Stream::Exec | Stream::Attach => {
                let container = container(&pod, query.get("container").unwrap_or_default())?;
                (
                    format!(
                        "/{}/{namespace}/{name}/{container}",
                        self.stream.subresource()
                    ),
                    stream_options::of_container(query),
                )
            }
        };
        let node = Pod::of(&pod).spec().node_name();
        if node.is_empty() {
            let why = format!("pod {name} does not have a host assigned");
            return Err(Status::bad_request(why));
        }
        let node = find_node(api, call, node)?;
        let path = match query.is_empty() {
            true => path,
            false => format!("{path}?{query}"),
        };
        let method = match call.cx.info.verb {
            Verb::Create => Method::POST,
            _ => Method::GET,
        };
        passage::open(&self.kubelets, &node, call, method, &path).await
    }
}

/// Browsers' WebSockets begin with a GET, which is no less than a POST here: who may only read may not run commands
/// (upstream: `AuthorizePodWebsocketUpgradeCreatePermission`).
fn may_create(api: &Api, call: &Call<'_>) -> Result<(), Status> {
    if call.cx.info.verb == Verb::Create {
        return Ok(());
    }
    let attributes = Attributes {
        verb: Verb::Create.as_str(),
        ..Attributes::from(&call.cx.info)
    };
    match api.authorizer.authorize(&call.cx.identity, &attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::NoOpinion(why) => Err(Status::forbidden(call.kind.qualified(), call.name(), why)),
    }
}
