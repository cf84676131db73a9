//! The server put together: log → view → indexes → pipeline → chain. What binaries, simulations and tests start.

mod nodes;
pub(crate) mod policy;
mod subjects;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::api::kinds::Kinds;
use axum::Router;
use futures::future::BoxFuture;
use ipnet::Ipv4Net;
use store::Log;
use tokio_util::sync::CancellationToken;

use crate::admission::{
    CertificateSigners, Chain, ClusterTrustBundleAttest, Lookup, NodePodCertificates, NodeTokens,
    PodCertificateSigners, RbacEscalation,
};
use crate::audit::LogSink;
use crate::authn::keys::{SigningKey, VerifyingKey};
use crate::authn::{Authenticator, TokenAuthenticator, TokenConfig, TokenIssuer};
use crate::authz::Authorizer;
use crate::bootstrap::{self, BootstrapError, ClusterInfo};
use crate::chain::{ApiServer, Wiring};
use crate::codec::rendering::Cache;
use crate::compaction;
use crate::components::Components;
use crate::discovery::{Discovery, Group};
use crate::env::Env;
use crate::flow::{FlowControl, Limits};
use crate::health::Health;
use crate::kubelets::{self, Https, Kubelets};
use crate::leaders;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
use crate::proxy;
use crate::registry::companion::Companions;
use crate::registry::subresource::Hooks;
use crate::registry::{Api, Parts, builtin, builtin_resources};
use crate::reviews;
use crate::services::{self, Ranges, Services};
use crate::tokens::Tokens;
use crate::view::View;

/// What a server is started with.
pub struct Config {
    /// Where everything is kept.
    pub log: Arc<dyn Log>,
    /// Time and randomness.
    pub env: Env,
    /// How much of the past is kept for watches and lists, in bytes.
    pub history: usize,
    /// How often the past is forgotten; zero: never.
    pub compaction: Duration,
    /// How much of the renderings, in bytes.
    pub renderings: usize,
    /// How many requests are worked on at a time.
    pub limits: Limits,
    /// Signs service account tokens, if there is a key.
    pub signing_key: Option<SigningKey>,
    /// Further keys whose tokens are good.
    pub verifying_keys: Vec<VerifyingKey>,
    /// Who issues tokens, and for whom.
    pub tokens: TokenConfig,
    /// The pages of components in the same process; `None`: they run elsewhere, and their leaders are asked.
    pub routes: Option<Router>,
    /// Where the server is, if the cluster is to be told.
    pub cluster: Option<ClusterInfo>,
    /// Host and port by which clients reach the server: where token keys are found.
    pub external_address: String,
    /// Where Services' addresses and node ports come from.
    pub services: Ranges,
    /// Reaches kubelets.
    pub kubelets: Kubelets,
}

impl Config {
    /// The settings of a small server.
    pub fn new(log: Arc<dyn Log>, env: Env) -> Config {
        let issuer = "https://kubernetes.default.svc.cluster.local".to_owned();
        Config {
            log,
            env,
            history: 64 << 20,
            compaction: compaction::INTERVAL,
            renderings: 32 << 20,
            limits: Limits::default(),
            signing_key: None,
            verifying_keys: Vec::new(),
            tokens: TokenConfig {
                issuers: vec![issuer.clone()],
                audiences: vec![issuer],
            },
            routes: None,
            cluster: None,
            external_address: "localhost:6443".to_owned(),
            services: Ranges::new(vec![
                Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16).into(),
            ]),
            kubelets: Kubelets::default(),
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log cannot be loaded.
    #[error(transparent)]
    Log(#[from] store::Error),
    /// What a cluster begins with cannot be made.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// What Services have taken cannot be put right.
    #[error("services: {0}")]
    Services(#[from] crate::status::Status),
}

/// A server that answers.
#[derive(Clone)]
pub struct Server {
    /// The pipeline.
    pub api: Arc<Api>,
    /// The service, for connections and in-process callers.
    pub service: ApiServer,
    /// What is served: custom resources and aggregated APIs join here.
    pub discovery: Arc<Discovery>,
    /// The health checks.
    pub health: Arc<Health>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Ends what streams.
    pub draining: CancellationToken,
    /// Issues service account tokens, if there is a key.
    pub issuer: Option<Arc<TokenIssuer>>,
    /// The kubelets; those of the same process are attached here.
    pub kubelets: Kubelets,
}

impl Server {
    /// Loads the log, and answers from then on.
    ///
    /// # Errors
    /// If the log cannot be loaded, or what a cluster begins with cannot be made.
    pub fn start(config: Config) -> BoxFuture<'static, Result<Server, StartError>> {
        Box::pin(Server::load(config))
    }

    async fn load(config: Config) -> Result<Server, StartError> {
        let authorizer = Arc::new(Authorizer::default());
        let policy = Arc::new(policy::PolicyFeed::new(Arc::clone(&authorizer)));
        let nodes = Arc::new(nodes::NodeFeed::new(Arc::clone(&authorizer)));
        let view = View::start(
            Arc::clone(&config.log),
            builtin_resources(),
            vec![policy, nodes],
            config.history,
        )
        .await?;
        let kinds = builtin(&view, crate::tables::renderer);
        let keys: Vec<VerifyingKey> = config
            .signing_key
            .iter()
            .map(|key| key.public().clone())
            .chain(config.verifying_keys)
            .collect();
        let subjects = Arc::new(subjects::ViewSubjects::new(Arc::clone(&view)));
        let token_keys =
            crate::tokens::routes(issuer_of(&config.tokens), &config.external_address, &keys);
        let tokens =
            TokenAuthenticator::new(keys, config.tokens.clone(), subjects, config.env.clone());
        let authenticator = Arc::new(Authenticator::new(tokens));
        let audiences = config.tokens.audiences.clone();
        let issuer = config
            .signing_key
            .map(|key| Arc::new(TokenIssuer::new(key, config.tokens, config.env.clone())));
        let mut hooks = Hooks::default();
        reviews::serve(&mut hooks, &authenticator);
        kubelets::serve(&mut hooks, &config.kubelets);
        match Https::anonymous() {
            Ok(https) => {
                proxy::serve(&mut hooks, &config.kubelets, &https);
                hooks.insert_resource("", "componentstatuses", Arc::new(Components::new(https)));
            }
            Err(error) => tracing::error!(%error, "proxies and componentstatuses are not served"),
        }
        let kubelets = config.kubelets;
        hooks.insert(
            "",
            "serviceaccounts",
            "token",
            Arc::new(Tokens::new(issuer.clone(), audiences)),
        );
        let mut companions = Companions::default();
        companions.insert(
            "",
            "services",
            Arc::new(Services::new(config.services.clone())),
        );
        let api = Arc::new(Api::from(Parts {
            log: Arc::clone(&config.log),
            view: Arc::clone(&view),
            kinds,
            renderings: config.renderings,
            env: config.env.clone(),
            authorizer: Arc::clone(&authorizer),
            admission: Chain::standard(&view, &config.env)
                .validating(NodeTokens::new(
                    Lookup::new(Arc::clone(&view)),
                    Arc::clone(&authorizer),
                ))
                .validating(NodePodCertificates::new(
                    Lookup::new(Arc::clone(&view)),
                    Arc::clone(&authorizer),
                ))
                .validating(CertificateSigners::new(Arc::clone(&authorizer)))
                .validating(PodCertificateSigners::new(Arc::clone(&authorizer)))
                .validating(ClusterTrustBundleAttest::new(Arc::clone(&authorizer)))
                .validating(RbacEscalation::new(Arc::clone(&authorizer))),
            hooks,
            companions,
        }));
        let (health, metrics, draining) = (
            Arc::new(Health::new()),
            Arc::<Metrics>::default(),
            CancellationToken::new(),
        );
        let renderings = |read: fn(&Cache) -> u64| {
            let cache = Arc::clone(&api.cache);
            move || read(&cache)
        };
        metrics.add(
            "gantry_apiserver_encodings_total",
            "counter",
            renderings(Cache::encodings),
        );
        metrics.add(
            "gantry_apiserver_renderings_found_total",
            "counter",
            renderings(Cache::hits),
        );
        metrics.add(
            "gantry_apiserver_renderings_bytes",
            "gauge",
            renderings(|cache| cache.bytes() as u64),
        );
        let address = config
            .cluster
            .as_ref()
            .map(|c| SocketAddr::new(c.advertise_address, c.secure_port).to_string());
        let discovery = Discovery::new(
            Group::of_kinds(Kinds::builtin()),
            address,
            Arc::clone(&health),
        );
        let routes = config
            .routes
            .unwrap_or_else(|| leaders::routes(Arc::clone(&view), kubelets.clone()))
            .merge(token_keys)
            .merge(discovery.routes())
            .merge(OpenApi::new(config.env.clone()).routes());
        let started = config.env.now();
        let service = ApiServer::new(Wiring {
            env: config.env,
            authenticator,
            authorizer,
            flow: Arc::new(FlowControl::new(config.limits)),
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            audit: Arc::new(LogSink),
            draining: draining.clone(),
            resources: api.clone(),
            routes,
        });
        services::ensure_ranges(&service, &api, &config.services).await?;
        services::repair(&api).await?;
        bootstrap::ensure(&service, &view, config.cluster.as_ref(), started).await?;
        let stop = draining.clone();
        tokio::spawn(compaction::compact(
            config.log,
            view,
            config.compaction,
            stop,
        ));
        Ok(Server {
            api,
            service,
            discovery,
            health,
            metrics,
            draining,
            issuer,
            kubelets,
        })
    }

    /// Ends streams, and lets the view's task end with the log.
    pub fn stop(&self) {
        self.draining.cancel();
        self.api.view.stop();
    }
}

fn issuer_of(tokens: &TokenConfig) -> &str {
    tokens.issuers.first().map_or("", String::as_str)
}
