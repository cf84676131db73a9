//! Connections: TLS, HTTP/1.1 (with Upgrade) and HTTP/2 on one port.
//!
//! Buffers are small, so that 10,000 idle watches stay cheap; heads are bounded; a client that is slow to speak, or gone
//! without a word, is let go. On shutdown no connection is accepted, requests in work are finished, and whoever is not done
//! by then is cut. This module must not know what a request means.

mod connection;
mod head;
mod rewind;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::ApiServer;
use crate::env::Env;

pub(crate) use connection::tune;
pub use tls::{TlsError, TlsFiles, TlsState};

/// Bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a client may take for its TLS handshake.
    pub handshake: Duration,
    /// How long a client may take for the head of a request (HTTP/1.1).
    pub head: Duration,
    /// How long it may be silent between two.
    pub idle: Duration,
    /// Bytes of a request's head.
    pub head_bytes: u32,
    /// After how long without a sign of life a client is asked for one (HTTP/2).
    pub ping_interval: Duration,
    /// How long it may take to give it.
    pub ping_timeout: Duration,
    /// Requests at once on one connection (HTTP/2).
    pub streams: u32,
    /// Bytes of an answer that wait for a slow client, by stream (HTTP/2).
    pub send_buffer: usize,
    /// Bytes that TLS takes ahead of the socket.
    pub tls_buffer: usize,
    /// How long requests in work may go on after shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(10),
            // Upstream's ReadHeaderTimeout (there it limits the handshake, too) and IdleTimeout.
            head: Duration::from_secs(32),
            idle: Duration::from_secs(90),
            // Upstream's MaxHeaderBytes.
            head_bytes: 1 << 20,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            streams: 1000,
            send_buffer: 128 << 10,
            tls_buffer: 256 << 10,
            drain: Duration::from_secs(4),
        }
    }
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
    tls: Arc<TlsState>,
    service: ApiServer,
    limits: Limits,
    env: Env,
}

impl Server {
    /// A server of `service` on `listener`.
    pub fn new(listener: TcpListener, tls: Arc<TlsState>, service: ApiServer, env: Env) -> Server {
        Server {
            listener,
            tls,
            service,
            limits: Limits::default(),
            env,
        }
    }

    /// The same with other bounds.
    pub fn with_limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// The address on which it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` ends, then drains. Streams must end themselves (`RequestContext::draining`), else they are
    /// cut at the end of the drain.
    pub fn run(self, shutdown: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(self.accept(shutdown))
    }

    async fn accept(self, shutdown: CancellationToken) {
        let shared = Arc::new(connection::Shared {
            tls: self.tls,
            service: self.service,
            limits: self.limits,
            env: self.env,
            shutdown: shutdown.clone(),
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(connection::serve(stream, peer, Arc::clone(&shared)));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: those in use come back.
                        tracing::warn!(%error, "accepting a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(self.listener);
        let deadline = Instant::now() + self.limits.drain;
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, connections.join_next()).await {}
        if !connections.is_empty() {
            tracing::warn!(
                connections = connections.len(),
                "cut at the end of the drain"
            );
        }
        connections.shutdown().await;
    }
}
