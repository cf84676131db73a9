//! What every component stands on: the client, shared informers with projections, the keyed work queue and the reconcile
//! loop over it, expectations, events, leader election, the clock and randomness.
//!
//! It knows the API's verbs, and nothing of what any kind means. Time and randomness come from outside: on tokio's
//! paused clock and with a seeded [`Random`] everything here is deterministic on one thread.

pub mod backoff;
pub mod client;
pub mod clock;
pub mod controller;
pub mod election;
pub mod events;
pub mod expectations;
pub mod healthz;
pub mod informer;
pub mod key;
pub mod object;
pub mod queue;
pub mod random;
pub mod resource;
pub mod shutdown;
pub mod supervise;

pub use backoff::{Backoff, BackoffPolicy};
pub use client::{Client, Error, Patch, ResultExt};
pub use clock::{Clock, SharedClock, SystemClock, TokioClock};
pub use controller::{Context, Controller, Next, ReconcileError, Wiring};
pub use expectations::Expectations;
pub use informer::{Change, Informer, Informers, Object, Projection, Scope};
pub use key::Key;
pub use queue::Queue;
pub use random::Random;
pub use resource::Resource;
pub use tokio_util::sync::CancellationToken;
