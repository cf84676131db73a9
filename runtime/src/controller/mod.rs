//! The reconcile loop: one for every controller, the scheduler's helpers and the kubelet.
//!
//! - Every informer that a controller needs is synced before its first reconcile.
//! - One worker a key; a key made dirty while it is in work runs again ([`crate::queue`]).
//! - An error or a panic retries the key after a back-off of its own; the others go on.
//! - Level-triggered: the key may be of something that is gone, or that needs nothing.

mod run;
mod wiring;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::{
    run::{Wired, wire},
    wiring::Wiring,
};
use crate::{
    client::{self, Client},
    clock::SharedClock,
    events::Recorder,
    informer::Informers,
    key::Key,
    queue::Queue,
    random::Random,
};

/// Brings one kind of thing from what is to what should be.
pub trait Controller: Send + Sync + 'static {
    /// For logs, events and managedFields.
    const NAME: &'static str;

    /// Who its events say that they come from, where that is not its name.
    const EVENT_SOURCE: &'static str = Self::NAME;

    /// How many keys are worked on at once.
    fn workers(&self) -> usize {
        5
    }

    /// Says which informers it needs, and which keys their changes make dirty.
    fn wire(&self, wiring: &mut Wiring<'_>);

    /// Looks at what the key stands for, and makes the next step. It may be cancelled between any two requests.
    fn reconcile(
        &self,
        cx: &Context,
        key: &Key,
    ) -> impl Future<Output = Result<Next, ReconcileError>> + Send;
}

/// When a key is looked at again, if nothing makes it dirty before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not.
    Done,
    /// After this time.
    After(Duration),
    /// After the key's back-off: nothing is wrong, but something is not there yet.
    Retry,
}

/// Why a reconcile did not get through. The key is retried after its back-off.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A request failed.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl ReconcileError {
    /// An error that is only a sentence.
    pub fn message(text: impl Into<String>) -> Self {
        ReconcileError::Other(text.into().into())
    }
}

/// What a reconcile works with.
#[derive(Clone)]
pub struct Context {
    /// Speaks to the API server.
    pub client: Client,
    /// The wall clock.
    pub clock: SharedClock,
    /// Randomness.
    pub random: Random,
    /// Tells people what happens.
    pub events: Recorder,
    /// The informers of this process.
    pub informers: Informers,
    /// The controller's own queue.
    pub queue: Queue<Key>,
    /// The process is about to end.
    pub shutdown: CancellationToken,
}
