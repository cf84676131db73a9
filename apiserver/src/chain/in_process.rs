//! Calling the server without a connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};

use super::ApiServer;
use crate::identity::{Identity, SharedIdentity};

/// The extension by which an in-process caller says who it is. A request from a connection cannot carry it: its extensions
/// are made by this program.
#[derive(Clone, Debug)]
pub struct Caller(pub SharedIdentity);

/// The server as one identity's private service: what `kube::Client::new` takes.
#[derive(Clone)]
pub struct InProcess {
    server: ApiServer,
    identity: SharedIdentity,
}

impl ApiServer {
    /// The server, called by `identity`. Everything but authentication is as over the network.
    pub fn in_process(&self, identity: Identity) -> InProcess {
        InProcess {
            server: self.clone(),
            identity: identity.into(),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl InProcess {
    /// Not generic, so that the server is compiled here once and not wherever it is called.
    fn answer(&self, mut request: Request<Body>) -> Answer {
        let (server, identity) = (self.server.clone(), SharedIdentity::clone(&self.identity));
        request.extensions_mut().insert(Caller(identity));
        Box::pin(async move { Ok(server.answer(request).await) })
    }
}

impl<B> tower::Service<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.answer(request.map(Body::new))
    }
}
