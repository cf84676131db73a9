//! Turns: those who charge the quotas of one namespace go one after another.
//!
//! What keeps the books right is the compare-and-append; turns only spare the attempts of which all but one would fail. Nobody
//! holds more than one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Namespaces share these: as many can charge at a time.
const LANES: usize = 64;

/// A turn; dropping it lets the next go.
pub(super) struct Turn(#[expect(dead_code, reason = "kept to be dropped")] OwnedSemaphorePermit);

/// See the module.
pub(super) struct Turns(Vec<Arc<Semaphore>>);

impl Default for Turns {
    fn default() -> Turns {
        Turns((0..LANES).map(|_| Arc::new(Semaphore::new(1))).collect())
    }
}

impl Turns {
    /// Waits for the namespace's turn, first come, first served.
    pub(super) async fn take(&self, namespace: &str) -> Option<Turn> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        let lane = (hasher.finish() % LANES as u64) as usize;
        let permit = Arc::clone(self.0.get(lane)?).acquire_owned().await;
        // Nobody closes them.
        permit.ok().map(Turn)
    }
}
