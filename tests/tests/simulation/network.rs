//! What lies between the components and the API server: a network that delays, loses and cuts, as the seed has it.
//!
//! A request has left its sender when it is made: that the sender dies does not call it back. No answer reaches the dead.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apiserver::chain::ApiServer;
use apiserver::identity::Identity;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use runtime::{CancellationToken, Client, Random};
use tokio::sync::oneshot;
use tower::{BoxError, ServiceExt};

use crate::cable::Cable;
use crate::source::{between, chance};
use crate::trace::Trace;

/// The longest that a request or an answer is on its way: who restarts after a crash does so later.
pub const LONGEST_WAY: Duration = Duration::from_millis(800);

/// How often what goes wrong, in a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Requests that never arrive.
    pub lost_requests: u64,
    /// Requests that take effect, and whose answer never arrives.
    pub lost_replies: u64,
    /// Requests and answers that take long.
    pub slow: u64,
    /// Pieces of a watch after, or within, which it is cut.
    pub cut_watches: u64,
    /// Planted bug: a lost answer is told as a failure, of which the server says that it did nothing.
    pub lost_replies_are_failures: bool,
    /// Planted bug: events that a watch swallows.
    pub dropped_events: u64,
}

impl Faults {
    /// A network without faults.
    pub const NONE: Faults = Faults {
        lost_requests: 0,
        lost_replies: 0,
        slow: 0,
        cut_watches: 0,
        lost_replies_are_failures: false,
        dropped_events: 0,
    };
}

/// An API server that answers, until it crashes.
#[derive(Clone)]
pub struct Answering {
    /// The server.
    pub service: ApiServer,
    /// It has crashed: requests in work are cut off, and watches.
    pub crashed: CancellationToken,
}

/// All links of a simulation. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    server: Arc<Mutex<Option<Answering>>>,
    trace: Trace,
}

impl Network {
    /// A network in which nobody answers yet.
    pub fn new(trace: Trace) -> Network {
        Network {
            server: Arc::default(),
            trace,
        }
    }

    /// From now on `server` answers, or nobody.
    pub fn set_server(&self, server: Option<Answering>) {
        *self.server.lock() = server;
    }

    /// A way to the API server for one life of a component.
    pub fn link(&self, identity: Identity, faults: Faults, random: Random) -> Link {
        Link {
            network: self.clone(),
            identity,
            faults,
            random,
            dead: CancellationToken::new(),
        }
    }

    async fn ask(
        &self,
        request: Request<kube::client::Body>,
        identity: Identity,
        watch: Option<Cable>,
    ) -> Result<Response<Body>, BoxError> {
        let server = self.server.lock().clone();
        let Some(Answering { service, crashed }) = server else {
            return Err("connection refused".into());
        };
        let answer = async {
            let Ok(response) = service.in_process(identity).oneshot(request).await;
            let (head, body) = response.into_parts();
            let body = match watch {
                Some(cable) => cable.carry(body, crashed.clone()),
                None => Body::from(body.collect().await?.to_bytes()),
            };
            Ok(Response::from_parts(head, body))
        };
        tokio::select! {
            biased;
            () = crashed.cancelled() => Err("connection reset by peer".into()),
            answer = answer => answer,
        }
    }
}

/// One component's way to the API server, as long as it lives.
#[derive(Clone)]
pub struct Link {
    network: Network,
    identity: Identity,
    faults: Faults,
    random: Random,
    dead: CancellationToken,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Answered,
    RequestLost,
    ReplyLost,
}

impl Link {
    /// A client that speaks over this link.
    pub fn client(&self, manager: &str) -> Client {
        Client::from_service(self.clone()).with_field_manager(manager)
    }

    /// The component is dead: nothing that it still does reaches anybody.
    pub fn die(&self) {
        self.dead.cancel();
    }

    fn way(&self) -> Duration {
        if chance(&self.random, self.faults.slow) {
            between(&self.random, 100, LONGEST_WAY.as_millis() as u64)
        } else {
            between(&self.random, 0, 4)
        }
    }

    fn fate(&self) -> Fate {
        let drawn = self.random.below(1000);
        if drawn < self.faults.lost_requests {
            Fate::RequestLost
        } else if drawn < self.faults.lost_requests + self.faults.lost_replies {
            Fate::ReplyLost
        } else {
            Fate::Answered
        }
    }
}

impl tower::Service<Request<kube::client::Body>> for Link {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        if self.dead.is_cancelled() {
            return Box::pin(pending());
        }
        let (there, back, fate) = (self.way(), self.way(), self.fate());
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let watch = is_watch.then(|| Cable::new(self.faults, self.random.fork()));
        let (network, identity) = (self.network.clone(), self.identity.clone());
        let lies = self.faults.lost_replies_are_failures;
        let (sender, answer) = oneshot::channel();
        tokio::spawn(async move {
            let what = format!("{} {}", request.method(), request.uri().path());
            pause(there).await;
            let answer = match fate {
                Fate::RequestLost => Err("connection reset by peer".into()),
                _ => network.ask(request, identity, watch).await,
            };
            if fate != Fate::Answered {
                network.trace.note(format_args!("{fate:?}: {what}"));
            }
            pause(back).await;
            // The sender of the request may be gone.
            let _ = sender.send(match fate {
                Fate::ReplyLost if lies => Ok(failure()),
                Fate::ReplyLost => Err("connection reset by peer".into()),
                _ => answer,
            });
        });
        let dead = self.dead.clone();
        Box::pin(async move {
            tokio::select! {
                biased;
                () = dead.cancelled() => pending().await,
                answer = answer => answer.unwrap_or_else(|_| Err("connection closed".into())),
            }
        })
    }
}

async fn pause(way: Duration) {
    if !way.is_zero() {
        tokio::time::sleep(way).await;
    }
}

/// What a server says that has done nothing.
fn failure() -> Response<Body> {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503,"message":"planted"}"#;
    let mut response = Response::new(Body::from(status));
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}
