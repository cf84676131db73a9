//! The load that `hack/bench` puts on an API server: the same bytes for ours and for upstream's.

pub mod client;
pub mod closed_loop;
pub mod credentials;
pub mod objects;
pub mod scenario;
pub mod timing;
pub mod watch;
