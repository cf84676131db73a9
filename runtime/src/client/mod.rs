//! The client that every component speaks to the API server with.
//!
//! It wraps a [`kube::Client`], which can be made from a kubeconfig or from any tower service: in the single process that
//! is the API server's router itself. On top of it stand the verbs, on [`api::Tree`]s; protobuf wherever the kind is built in
//! and the server speaks it, JSON otherwise. It works against upstream's API server as well.
//!
//! Nothing is retried here but what the server asks to be sent again (429 or 5xx with `Retry-After`); everything else is
//! for the caller's own loop, which looks at the state again first.

mod codec;
mod connect;
mod error;
mod options;
mod request;
mod status;
mod verbs;
mod watch;
mod wire;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

pub use self::{
    codec::Encoding,
    error::{DecodeError, Error, ResultExt},
    options::{DeleteOptions, ListOptions, Patch, Propagation, WatchOptions, WriteOptions},
    request::RawResponse,
    status::{Cause, Details, Status, reason},
    verbs::{List, MAX_PAGE},
    watch::{WatchEvent, WatchStream},
    wire::ListMeta,
};

/// How long a request other than a watch may take: upstream's server gives up after 60 s, this a little later.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(65);

/// A client with an identity, shared by the parts of one component. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    shared: Arc<Shared>,
    field_manager: Arc<str>,
    timeout: Duration,
}

/// What all clones learn of the server.
#[derive(Debug, Default)]
struct Shared {
    /// The server refused a protobuf body: JSON from now on.
    json_bodies: AtomicBool,
}

impl Client {
    /// Speaks through `kube`, which may come from a kubeconfig or stand on any tower service.
    pub fn new(kube: kube::Client) -> Self {
        Client {
            kube,
            shared: Arc::default(),
            field_manager: "gantry".into(),
            timeout: REQUEST_TIMEOUT,
        }
    }

    /// Speaks straight to a tower service: no socket, no TLS. Who is calling travels as an extension that the service
    /// (or a layer around it) puts on the request. Must be called inside a tokio runtime.
    pub fn from_service<S, B>(service: S) -> Self
    where
        S: tower::Service<http::Request<kube::client::Body>, Response = http::Response<B>>
            + Send
            + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        Client::new(kube::Client::new(service, "default"))
    }

    /// The same client under another name in managedFields.
    #[must_use]
    pub fn with_field_manager(mut self, name: &str) -> Self {
        self.field_manager = name.into();
        self
    }

    /// The same client, giving up on a request after `timeout` (watches excepted).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The wrapped client, for what this one does not offer.
    pub fn kube(&self) -> &kube::Client {
        &self.kube
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("field_manager", &self.field_manager)
            .finish_non_exhaustive()
    }
}
