//! Which node a pod goes to, and why.
//!
//! ```text
//!            informers                                     bindings, conditions, events
//!               │ run: marks what changed                            ▲
//!               ▼                                                    │
//!   ┌───── scheduling: what is so goes in, what to do comes out ─────┴──┐
//!   │  snapshot   nodes in arrays, pods on them, a log of changes       │
//!   │  workloads  services and controllers → a pod's template           │
//!   │  queue      who is tried next, and whom an event helps            │
//!   │  decision   (snapshot, template, draw) → node and explanation     │
//!   │      └ plugins   one rule a file                                  │
//!   │  preemption  whose going would make room, and where               │
//!   │  decisions  the last ones, for `explain`                          │
//!   └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everything inside the box is synchronous and pure: time, randomness and the cluster's state are given to it. Only
//! [`run()`] speaks with the API, through `runtime`; only `run::project` reads the API's objects; only [`serve`] opens a port.
//! The crate runs within `gantry up` ([`run()`] or [`Scheduler`]), and as a process of its own in place of kube-scheduler.
//!
//! It must not know the store, nor any API but the public one.
//!
//! Not here yet, and refused by name in the pod's condition: inter-pod affinity, volumes that bind to nodes, resource claims,
//! pod groups.

pub mod decision;
pub mod decisions;
pub mod labels;
pub mod plugins;
pub mod pod;
pub mod preemption;
pub mod queue;
pub mod run;
pub mod scheduling;
pub mod serve;
pub mod snapshot;
pub mod text;
pub mod workloads;

pub use run::{Config, LeaderElection, Scheduler, run};
