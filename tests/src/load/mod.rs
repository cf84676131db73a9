//! The load that `hack/bench` puts on an API server: the same bytes for ours and for upstream's.

pub mod client;
pub mod objects;
pub mod scenario;
pub mod timing;
