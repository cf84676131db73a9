//! The way of every request before and after the pipeline: request info → who → in whose name → seat → may they → the
//! handler → the answer, with whatever went wrong translated into a Status once.
//!
//! [`ApiServer`] is a tower service, called by the connections of `serve` and, through [`ApiServer::in_process`], by the
//! components of the same process. This module must not know any kind, nor how a request came in.

mod edge;
mod in_process;
mod router;

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::audit::{AuditSink, Refused};
use crate::authn::{Authenticator, ClientCertificate, Wanted, impersonate};
use crate::authz::{Attributes, Authorizer};
use crate::env::Env;
use crate::flow::FlowControl;
use crate::health::Health;
use crate::identity::SharedIdentity;
use crate::metrics::Metrics;
use crate::request::{
    ContextBuilder, Query, RequestContext, RequestInfo, Stage, Timings, requested_timeout,
};
use crate::status::{Status, negotiate, render};

pub use edge::Failure;
pub use in_process::{Caller, InProcess};

/// How long a request may take, unless it streams: upstream's `--request-timeout`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What is known of the connection on which a request came: an extension of the request.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The client's address.
    pub peer: Option<std::net::SocketAddr>,
    /// The client's certificate, if it showed one.
    pub certificate: Option<ClientCertificate>,
}

/// Answers requests for resources: the pipeline.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers the request that `cx` describes; it is authorized. Dropped at the deadline, or when the client goes away:
    /// what must not be cut short (a write that is sequenced) runs in a task of its own.
    async fn handle(
        &self,
        cx: Arc<RequestContext>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status>;
}

/// What an [`ApiServer`] is made of.
pub struct Wiring {
    /// Time and randomness.
    pub env: Env,
    /// Tells who is calling.
    pub authenticator: Arc<Authenticator>,
    /// Tells what they may.
    pub authorizer: Arc<Authorizer>,
    /// Hands out seats.
    pub flow: Arc<FlowControl>,
    /// The health checks.
    pub health: Arc<Health>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Takes note of requests.
    pub audit: Arc<dyn AuditSink>,
    /// Ends when the server shuts down.
    pub draining: CancellationToken,
    /// Answers requests for resources.
    pub resources: Arc<dyn Handler>,
    /// Fixed paths besides health, version and metrics: discovery, OpenAPI. A route takes the context as
    /// `Extension<Arc<RequestContext>>`.
    pub routes: Router,
}

/// A request that did not get as far as its handler.
struct Refusal {
    verb: &'static str,
    /// Who is calling, if that is known.
    identity: Option<SharedIdentity>,
    failure: Failure,
}

struct Inner {
    parts: Wiring,
    router: Router,
}

/// The server: a service from requests to answers. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer(Arc<Inner>);

impl ApiServer {
    /// A server made of `parts`.
    pub fn new(parts: Wiring) -> ApiServer {
        let router = router::fixed_paths(&parts);
        ApiServer(Arc::new(Inner { parts, router }))
    }

    /// Answers one request.
    pub async fn answer(self, request: Request<Body>) -> Response<Body> {
        let received = Instant::now();
        let (mut head, body) = request.into_parts();
        let audit_id = edge::audit_id(&head.headers, &self.0.parts.env);
        let format = negotiate(&head.headers, head.uri.query().unwrap_or_default());
        let outcome = self.0.prepare(&mut head, &audit_id, received).await;
        let mut response = match outcome {
            Ok(cx) => {
                let outcome = self
                    .0
                    .run(Arc::clone(&cx), Request::from_parts(head, body))
                    .await;
                cx.timings().add(Stage::Total, received.elapsed());
                let mut response = outcome.unwrap_or_else(|failure| failure.answer(format));
                let code = response.status().as_u16();
                edge::add_warnings(&mut response, &cx);
                self.0.parts.metrics.record(&cx, code);
                self.0.parts.audit.record(&cx, code);
                response
            }
            Err(Refusal {
                verb,
                identity,
                failure,
            }) => {
                let response = failure.answer(format);
                let code = response.status().as_u16();
                self.0.parts.metrics.record_refused(verb, code);
                self.0.parts.audit.record_refused(&Refused {
                    audit_id: &audit_id,
                    identity: identity.as_deref(),
                    verb,
                    path: head.uri.path(),
                    code,
                });
                response
            }
        };
        edge::add_headers(&mut response, &audit_id);
        response
    }

    /// The authorizer, to be fed by the view.
    pub fn authorizer(&self) -> &Arc<Authorizer> {
        &self.0.parts.authorizer
    }

    /// The health checks, to be added to.
    pub fn health(&self) -> &Arc<Health> {
        &self.0.parts.health
    }
}

impl Inner {
    /// Everything up to the handler.
    async fn prepare(
        &self,
        head: &mut Parts,
        audit_id: &Arc<str>,
        received: Instant,
    ) -> Result<Arc<RequestContext>, Refusal> {
        let raw_query = head.uri.query().unwrap_or_default();
        let info =
            RequestInfo::parse(&head.method, head.uri.path(), raw_query).map_err(|e| Refusal {
                verb: "",
                identity: None,
                failure: Failure::request_info(&head.uri, &e),
            })?;
        let verb = info.verb.as_str();
        let query = Query::parse(raw_query);
        let identity = self.identify(head).map_err(|failure| Refusal {
            verb,
            identity: None,
            failure,
        })?;
        let caller = Arc::clone(&identity);
        self.admit(head, audit_id, received, info, query, identity)
            .await
            .map_err(|failure| Refusal {
                verb,
                identity: Some(caller),
                failure,
            })
    }

    /// What follows once it is known who is calling.
    async fn admit(
        &self,
        head: &mut Parts,
        audit_id: &Arc<str>,
        received: Instant,
        info: RequestInfo,
        query: Query,
        mut identity: SharedIdentity,
    ) -> Result<Arc<RequestContext>, Failure> {
        let timings = Timings::default();
        timings.add(Stage::Authentication, received.elapsed());

        let deadline = match info.is_long_running() {
            true => None,
            false => {
                let wanted = requested_timeout(&query)?.unwrap_or(REQUEST_TIMEOUT);
                Some(received + wanted.min(REQUEST_TIMEOUT))
            }
        };
        let attributes = Attributes::from(&info);
        let mut impersonator = None;
        if let Some(wanted) = Wanted::read(&head.headers)? {
            let actual = impersonate(&self.parts.authorizer, &identity, &wanted, &attributes)?;
            Wanted::clear(&mut head.headers);
            impersonator = Some(std::mem::replace(&mut identity, Arc::new(actual)));
        }

        let start = Instant::now();
        let seat = self
            .parts
            .flow
            .admit(&info, &identity)
            .await
            .map_err(Failure::Busy)?;
        timings.add(Stage::FlowControl, start.elapsed());

        let start = Instant::now();
        let reason = self.parts.authorizer.require(&identity, &attributes)?;
        timings.add(Stage::Authorization, start.elapsed());

        let user_agent = edge::text(&head.headers, &http::header::USER_AGENT).to_owned();
        let cx = RequestContext::from(ContextBuilder {
            audit_id: Arc::clone(audit_id),
            identity,
            impersonator,
            info,
            query,
            user_agent,
            received,
            deadline,
            draining: self.parts.draining.clone(),
            timings,
            seat,
        });
        cx.annotate("authorization.k8s.io/decision", "allow");
        cx.annotate("authorization.k8s.io/reason", reason);
        Ok(Arc::new(cx))
    }

    /// Who is calling: an identity given in process, or the credentials of connection and headers.
    fn identify(&self, head: &mut Parts) -> Result<SharedIdentity, Failure> {
        if let Some(Caller(identity)) = head.extensions.remove::<Caller>() {
            return Ok(identity);
        }
        let connection = head.extensions.get::<Connection>();
        let certificate = connection.and_then(|c| c.certificate.as_ref());
        let identity = self.parts.authenticator.authenticate(&head.headers, certificate).map_err(|why| {
            tracing::info!(peer = ?connection.and_then(|c| c.peer), %why, "unable to authenticate a request");
            Failure::Status(Status::unauthorized())
        })?;
        strip_credentials(&mut head.headers);
        Ok(identity)
    }

    /// The handler, until its deadline; a panic is one request's failure.
    async fn run(
        &self,
        cx: Arc<RequestContext>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let deadline = cx.deadline;
        let work = async {
            if cx.info.is_resource {
                return self
                    .parts
                    .resources
                    .handle(Arc::clone(&cx), request)
                    .await
                    .map_err(Failure::Status);
            }
            request.extensions_mut().insert(Arc::clone(&cx));
            match self.router.clone().oneshot(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        let outcome = match deadline {
            None => work.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, work).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let why = "request did not complete within the allotted timeout";
                    return Err(Failure::Status(Status::timeout(why, 0)));
                }
            },
        };
        outcome.unwrap_or_else(|panic| {
            self.parts.metrics.record_panic();
            let panic = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or(panic.downcast_ref::<&str>().copied());
            tracing::error!(panic, path = cx.info.path, id = %cx.audit_id, "a handler panicked");
            Err(Failure::Panic)
        })
    }
}

/// Credentials are of no use behind authentication; nobody shall act on them or pass them on.
fn strip_credentials(headers: &mut HeaderMap) {
    headers.remove(http::header::AUTHORIZATION);
    let front_proxy: Vec<_> = headers
        .keys()
        .filter(|n| n.as_str().starts_with("x-remote-"))
        .cloned()
        .collect();
    for name in front_proxy {
        headers.remove(name);
    }
}

impl tower::Service<Request<Body>> for ApiServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.answer(request).await) })
    }
}

#[cfg(test)]
mod tests;
