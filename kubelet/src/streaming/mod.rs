//! Streams over one upgraded connection: what `kubectl exec`, `attach` and `port-forward` speak with the node.
//!
//! Clients up to 1.29, and newer ones that fall back, speak SPDY/3.1; newer ones speak WebSockets, and tunnel SPDY in one to
//! forward ports. [`upgrade`] tells them apart and answers the request; [`remote`] makes of either the streams of a command;
//! [`forward`] serves connections to ports. This room knows no container.

mod channels;
pub mod forward;
pub mod idle;
pub mod remote;
pub mod spdy;
pub mod upgrade;
mod websocket;

/// A connection that has been upgraded.
pub trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static> Io for T {}
