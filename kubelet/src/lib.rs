//! The kubelet: one node's pods, run through containerd.
//!
//! Beneath stand rooms that know nothing of pods: [`containerd`] (its API), [`image`], [`oci`] (what a container is to an OCI
//! runtime), [`logs`], [`probe`], [`exec`], [`streaming`], and the crate `network`. [`volume`] and [`pod`] know pods; [`node`] and [`server`]
//! stand for the node as a whole; [`attach`] brings the streams of a client and of a container together. [`run()`] composes them.
//! [`simulated`] is another kubelet: many nodes, and no machine.
//!
//! containerd is the truth: nothing that matters is remembered elsewhere, so a kubelet may be killed at any moment and the next
//! one goes on. It must not know the store, nor other nodes.

pub mod attach;
pub mod config;
pub mod containerd;
pub mod context;
pub mod eviction;
pub mod exec;
mod go;
pub mod image;
pub mod logs;
pub mod node;
pub mod objects;
pub mod oci;
pub mod pod;
pub mod pod_facts;
pub mod probe;
pub mod server;
pub mod simulated;
pub mod streaming;
pub mod volume;

mod run;

pub use config::Config;
pub use run::{Error, cleanup, connect, run, running_containerd};

/// The Kubernetes version whose kubelet this is.
pub const VERSION: &str = "v1.37.1";
