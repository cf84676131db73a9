//! The controllers: each brings one kind of thing from what is to what should be. One file or folder a controller; they
//! know nothing of each other, nor of how the API server stores anything. What several of them need is in `object`, `pods`,
//! `history` and `written`. [`run()`] runs those that are asked for, on one set of informers, alone or by leader election.

pub mod cronjob;
pub mod daemonset;
pub mod deployment;
mod discovery;
pub mod disruption;
pub mod garbage;
mod history;
pub mod job;
pub mod namespace;
pub mod node;
mod object;
pub mod pod_certificate_cleaner;
pub mod pod_gc;
mod pods;
pub mod protection;
pub mod quota;
pub mod replicaset;
pub mod role_aggregation;
pub mod root_ca;
mod run;
pub mod service_account;
pub mod statefulset;
pub mod ttl_after_finished;
mod written;

pub use run::{
    Config, LeaderElection, NAMES, RunError, Selection, SelectionError, local_time_zone, run,
};
