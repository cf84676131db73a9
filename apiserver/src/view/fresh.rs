//! Reading what is current: one question to the log for all readers that wait, then waiting for the view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use parking_lot::Mutex;
use store::{Log, Revision};
use tokio::sync::oneshot;

type Answer = Result<Revision, store::Error>;

/// Asks the log for its head, once for everybody who was waiting when the question was put.
pub(super) struct Head {
    log: Arc<dyn Log>,
    /// The log had to be waited for once: from then on questions are shared.
    shared: AtomicBool,
    round: Mutex<Round>,
}

#[derive(Default)]
struct Round {
    asking: bool,
    /// Who came after the question that is under way was put, and so needs the next.
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Head {
    pub(super) fn new(log: Arc<dyn Log>) -> Arc<Head> {
        Arc::new(Head {
            log,
            shared: AtomicBool::new(false),
            round: Mutex::default(),
        })
    }

    /// The head of the log, not older than any write acknowledged before the call.
    pub(super) async fn read(self: &Arc<Self>) -> Answer {
        // An embedded log answers at once, from memory.
        if !self.shared.load(Ordering::Relaxed) {
            if let Some(answer) = self.log.head().now_or_never() {
                return answer;
            }
            self.shared.store(true, Ordering::Relaxed);
        }
        let (sender, answer) = oneshot::channel();
        {
            let mut round = self.round.lock();
            round.waiting.push(sender);
            if !std::mem::replace(&mut round.asking, true) {
                // A task of its own: the reader that happened to come first may go away.
                tokio::spawn(Arc::clone(self).ask());
            }
        }
        answer
            .await
            .unwrap_or_else(|_| Err(store::Error::Unavailable("shutting down".to_owned())))
    }

    async fn ask(self: Arc<Self>) {
        loop {
            let readers = {
                let mut round = self.round.lock();
                if round.waiting.is_empty() {
                    round.asking = false;
                    return;
                }
                std::mem::take(&mut round.waiting)
            };
            let answer = self.log.head().await;
            for reader in readers {
                // The reader may be gone.
                let _ = reader.send(answer.clone());
            }
        }
    }
}
