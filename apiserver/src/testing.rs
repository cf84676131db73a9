//! Servers for tests of this crate.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;

use crate::audit::LogSink;
use crate::authn::{Authenticator, ObjectState, TokenAuthenticator, TokenConfig, TokenSubjects};
use crate::authz::Authorizer;
use crate::authz::bootstrap::Policy;
use crate::chain::{ApiServer, Handler, Wiring};
use crate::env::Env;
use crate::flow::{FlowControl, Limits};
use crate::health::Health;
use crate::request::RequestContext;
use crate::status::Status;

/// A cluster without objects.
pub struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn handle(
        &self,
        _: Arc<RequestContext>,
        _: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        Err(Status::unknown_resource())
    }
}

impl TokenSubjects for Nothing {
    fn service_account(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn pod(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn secret(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn node(&self, _: &str) -> Option<ObjectState> {
        None
    }
}

pub fn authenticator(env: &Env) -> Arc<Authenticator> {
    let config = TokenConfig {
        issuers: vec!["us".into()],
        audiences: vec!["us".into()],
    };
    Arc::new(Authenticator::new(TokenAuthenticator::new(
        vec![],
        config,
        Arc::new(Nothing),
        env.clone(),
    )))
}

pub struct Options {
    pub resources: Arc<dyn Handler>,
    pub limits: Limits,
}

pub fn server(options: Options) -> ApiServer {
    let (env, authorizer) = (Env::system(), Arc::new(Authorizer::default()));
    Policy::builtin().feed(&mut *authorizer.rbac.write());
    ApiServer::new(Wiring {
        authenticator: authenticator(&env),
        env,
        authorizer,
        flow: Arc::new(FlowControl::new(options.limits)),
        health: Arc::new(Health::new()),
        metrics: Arc::default(),
        audit: Arc::new(LogSink),
        draining: CancellationToken::new(),
        resources: options.resources,
        routes: Router::new(),
    })
}

pub fn server_with(resources: Arc<dyn Handler>) -> ApiServer {
    server(Options {
        resources,
        limits: Limits::default(),
    })
}
