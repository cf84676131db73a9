//! Pods on this node. A worker for each pod compares what should be with what containerd says is, and makes the next step; see
//! `worker` for its states. What only computes (environment, resources, status, what is refused) is beside it, and pure.

mod admission;
mod allocation;
mod allocations;
pub mod back_off;
mod container;
mod env;
mod hooks;
mod lookup;
mod manager;
mod mounts;
mod record;
mod refused;
mod resources;
mod role;
mod sandbox;
mod signal;
mod status;
mod stdio;
mod worker;

pub use lookup::{ContainerLog, Lookup, PodLookup, Running};
pub use manager::Manager;
pub(crate) use record::label;
pub use refused::refused;
pub use stdio::Endpoints;
