//! The kubelets, as the API server calls them: over HTTPS at the address that a node reports, or in process.
//!
//! What is asked of a kubelet (logs, commands, ports) stands in files of its own; [`Kubelets`] only knows how to reach one.

pub(crate) mod connection;
mod https;
mod log;
mod log_options;
pub(crate) mod passage;
mod stream_options;
mod streams;
mod target;
mod websocket;

use std::collections::HashMap;
use std::sync::Arc;

use api::Tree;
use api::core::v1::Node;
use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use parking_lot::RwLock;
use tower::ServiceExt;

pub(crate) use https::Verify;
pub use https::{Https, HttpsConfigError, HttpsError};
pub use log::Logs;

use self::streams::{Stream, Streams};
use crate::registry::subresource::Hooks;

/// The port of a kubelet that reports none.
const PORT: u16 = 10250;
/// Which of a node's addresses is taken: addresses first, as kubeadm sets upstream up, since a node's name need not resolve.
const PREFERRED: [&str; 5] = [
    "InternalIP",
    "ExternalIP",
    "InternalDNS",
    "ExternalDNS",
    "Hostname",
];

/// Why a kubelet does not answer.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// The node reports no address.
    #[error("no preferred addresses found; known addresses: [{0}]")]
    NoAddress(String),
    /// This server has no certificate to show to kubelets.
    #[error(
        "this API server is not configured to reach kubelets: --kubelet-client-certificate and --kubelet-client-key"
    )]
    NotConfigured,
    /// The request could not be made.
    #[error("Get \"https://{host}:{port}{path}\": {why}")]
    Https {
        /// The kubelet's address.
        host: String,
        /// Its port.
        port: u16,
        /// What was asked for.
        path: String,
        /// Why not.
        why: HttpsError,
    },
}

/// Reaches kubelets. Cheap to clone.
#[derive(Clone, Default)]
pub struct Kubelets(Arc<Inner>);

#[derive(Default)]
struct Inner {
    https: ArcSwapOption<Https>,
    local: RwLock<HashMap<String, Router>>,
}

impl Kubelets {
    /// Reaches kubelets of other processes by `https` from now on: at start, and when certificates were renewed.
    pub fn use_https(&self, https: Https) {
        self.0.https.store(Some(Arc::new(https)));
    }

    /// Calls the kubelet of `node`, which runs in this process, by its router from now on.
    pub fn attach(&self, node: &str, router: Router) {
        self.0.local.write().insert(node.to_owned(), router);
    }

    /// The kubelet of `node` runs in this process no more.
    pub fn detach(&self, node: &str) {
        self.0.local.write().remove(node);
    }

    /// What reaches components of other processes.
    ///
    /// # Errors
    /// If there is no certificate to show to them.
    pub(crate) fn https(&self) -> Result<Arc<Https>, KubeletError> {
        self.0.https.load_full().ok_or(KubeletError::NotConfigured)
    }

    /// Sends a GET to the kubelet of a node. `verify` off: whatever certificate the kubelet shows is taken, which the client must
    /// have asked for.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn get(
        &self,
        node: &Tree,
        path: &str,
        verify: bool,
    ) -> Result<Response<Body>, KubeletError> {
        let mut request = Request::new(Body::empty());
        // Written by this server: a path and a query, escaped.
        *request.uri_mut() = path.parse().unwrap_or_default();
        self.send(node, request, verify).await
    }

    /// Sends a request, whose target is a path, to the kubelet of a node.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn send(
        &self,
        node: &Tree,
        request: Request<Body>,
        verify: bool,
    ) -> Result<Response<Body>, KubeletError> {
        let view = Node::of(node);
        let local = self.0.local.read().get(view.metadata().name()).cloned();
        if let Some(router) = local {
            let Ok(response) = router.oneshot(request).await;
            return Ok(response);
        }
        let https = self.https()?;
        let verify = match verify {
            true => Verify::Authority,
            false => Verify::Nothing,
        };
        let (host, port) = location(node)?;
        let path = request.uri().to_string();
        https
            .send(&host, port, request, verify)
            .await
            .map_err(|why| KubeletError::Https {
                host,
                port,
                path,
                why,
            })
    }
}

/// Where a node says that its kubelet is.
pub(crate) fn location(node: &Tree) -> Result<(String, u16), KubeletError> {
    let status = Node::of(node).status();
    let of_type = |wanted: &str| {
        status
            .addresses()
            .iter()
            .find(|a| a.type_() == wanted)
            .map(|a| a.address().to_owned())
    };
    let host = PREFERRED
        .iter()
        .find_map(|wanted| of_type(wanted))
        .ok_or_else(|| {
            let known: Vec<String> = status
                .addresses()
                .iter()
                .map(|a| format!("{} {}", a.type_(), a.address()))
                .collect();
            KubeletError::NoAddress(known.join(", "))
        })?;
    let port = status.daemon_endpoints().kubelet_endpoint().port();
    Ok((
        host,
        u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .unwrap_or(PORT),
    ))
}

/// Serves what kubelets answer.
pub fn serve(hooks: &mut Hooks, kubelets: &Kubelets) {
    hooks.insert("", "pods", "log", Arc::new(Logs::new(kubelets.clone())));
    for stream in [Stream::Exec, Stream::Attach, Stream::PortForward] {
        let hook = Arc::new(Streams::new(kubelets.clone(), stream));
        hooks.insert("", "pods", stream.subresource(), hook);
    }
}
