//! SPDY/3.1 as Kubernetes' clients speak it: many streams of bytes, opened by the client, over one connection.
//!
//! Upstream's implementation knows no windows: neither side announces room nor waits for it. So does this one: what is not taken
//! holds up the connection.

mod dictionary;
mod frame;
mod headers;
mod session;
#[cfg(test)]
mod tests;

pub use frame::{Decoder, Encoder, Frame, MAX_DATA};
pub use headers::{Headers, get};
pub use session::{Connection, Event, Stream, Writer};

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It broke off.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It speaks another version.
    #[error("version {0} of SPDY, not 3")]
    Version(u16),
    /// A control frame is too long, or too short for what it is.
    #[error("a control frame of type {0} of {1} bytes")]
    Control(u16, usize),
    /// Headers cannot be read.
    #[error("{0}")]
    Headers(&'static str),
}
