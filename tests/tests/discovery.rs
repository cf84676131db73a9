//! What the API server says of itself, against upstream's: discovery, OpenAPI, tables.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "discovery/diff.rs"]
mod diff;
#[path = "discovery/documents.rs"]
mod documents;
#[path = "discovery/gnostic.rs"]
mod gnostic;
#[path = "discovery/openapi.rs"]
mod openapi;
#[path = "discovery/tables.rs"]
mod tables;

use e2e::load::client::{Connection, Target};
use e2e::upstream::UpstreamApiserver;

/// Upstream's server, and a connection to it.
async fn upstream() -> (UpstreamApiserver, Connection) {
    let upstream = UpstreamApiserver::start(&[]).unwrap();
    let connection = Target::from_kubeconfig(&upstream.admin)
        .unwrap()
        .connect()
        .await
        .unwrap();
    (upstream, connection)
}
