//! containerd's own API, over its unix socket: what this node really runs. Works on 1.6 and later: the services that appeared
//! in 1.7 (transfer, sandbox, streaming) are not used.
//!
//! It knows containerd's objects, not pods: labels carry what the rest of the kubelet wants to find again.

mod client;
mod containers;
mod content;
mod error;
mod events;
mod images;
mod leases;
pub mod leftovers;
mod own;
mod shim;
mod snapshots;
mod tasks;
mod views;

pub use client::{Containerd, Lease};
pub use containers::Container;
pub use containers::NewContainer;
pub use content::Descriptor;
pub use error::Error;
pub use events::{Event, Events};
pub use images::Image;
pub use own::{OwnInstance, keep_own, serve_own};
pub use snapshots::Mount;
pub use tasks::{Exit, NewTask, Stdio, Task, TaskState};
