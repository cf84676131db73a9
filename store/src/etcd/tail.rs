//! A tail: one watch of the prefix, made anew where it stopped whenever it breaks.
//!
//! The watch is read by a task of its own, which hands events to the reader through a bounded queue. When that is
//! full the task waits, then etcd does: it sets the watcher back and lets it catch up from its history.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::etcd::Engine;
use crate::etcd::head::{Place, ensure_barrier};
use crate::history::shut_down;
use crate::{Change, ChangeSet, Error, Revision, Tail, TailEvent};

/// How many events wait for the reader.
const QUEUE: usize = 256;
/// How long after a failure the watch is made anew: doubled each time, up to the second value.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often progress is asked for while it is wanted.
const ASK: Duration = Duration::from_millis(100);

type Event = Result<TailEvent, Error>;

pub(super) fn tail(engine: &Arc<Engine>, after: Revision) -> Tail {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (place, wanted) = engine.head.join(after);
    let follower = Follower {
        engine: Arc::clone(engine),
        place,
        wanted,
        sender,
    };
    tokio::spawn(follower.run());
    Tail::new(ReceiverStream::new(receiver))
}

struct Follower {
    engine: Arc<Engine>,
    place: Arc<Place>,
    wanted: watch::Receiver<Revision>,
    sender: mpsc::Sender<Event>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.place.close();
    }
}

/// The reader is gone, or was told of an error.
struct Done;

impl Follower {
    async fn run(mut self) {
        let mut closed = self.engine.closing.subscribe();
        let sender = self.sender.clone();
        tokio::select! {
            biased;
            () = sender.closed() => {}
            _ = closed.wait_for(|closed| *closed) => {
                drop(sender.try_send(Err(shut_down())));
            }
            Done = self.follow() => {}
        }
    }

    async fn follow(&mut self) -> Done {
        let mut backoff = BACKOFF.0;
        loop {
            let (member, client) = self.engine.members.preferred();
            let before = self.place.reached();
            let why = match self.open(client).await {
                Ok((stream, can_ask)) => match self.read(stream, can_ask).await {
                    ControlFlow::Break(done) => return done,
                    ControlFlow::Continue(why) => why,
                },
                Err(why) => why,
            };
            tracing::debug!(%why, "a watch of etcd broke and is made anew");
            self.engine.members.give_up(member);
            if self.place.reached() > before {
                backoff = BACKOFF.0;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// A watch of everything after where the reader is, and whether its member can be asked for progress.
    async fn open(&self, mut client: etcd_client::Client) -> Result<(WatchStream, bool), String> {
        // From the revision the reader has, not the next: were that the last one compacted, etcd would not say that
        // deletions are missing. What comes twice is dropped.
        let options = WatchOptions::new()
            .with_prefix()
            .with_start_revision(self.place.reached().0.max(1));
        let prefix = self.engine.full_key(b"");
        let open = async {
            let version = client.status().await?.version().to_owned();
            let mut watch = client.watch_client().max_decoding_message_size(usize::MAX);
            let stream = watch.watch(prefix, Some(options)).await?;
            Ok::<_, etcd_client::Error>((stream, progress_is_trustworthy(&version)))
        };
        match tokio::time::timeout(self.engine.timeout, open).await {
            Ok(opened) => opened.map_err(|e| e.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Reads until the watch breaks.
    async fn read(&mut self, mut stream: WatchStream, can_ask: bool) -> ControlFlow<Done, String> {
        self.place.needs_barrier.store(!can_ask, Ordering::Relaxed);
        if !can_ask {
            ensure_barrier(&self.engine);
        }
        let mut ask = tokio::time::interval(ASK);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.wanted.mark_changed();
        // Since when it is behind with nothing heard.
        let mut silent = Instant::now();
        loop {
            let behind = self.place.reached() < *self.wanted.borrow();
            let response = tokio::select! {
                biased;
                response = stream.message() => response,
                Ok(()) = self.wanted.changed() => {
                    if !behind {
                        silent = Instant::now();
                    }
                    ask.reset_immediately();
                    continue;
                }
                // A member that hangs or is cut off: another one can do better.
                () = tokio::time::sleep_until(silent + self.engine.timeout), if behind => {
                    return ControlFlow::Continue("the member is silent".to_owned());
                }
                _ = ask.tick(), if behind && can_ask => {
                    if let Err(error) = stream.request_progress().await {
                        return ControlFlow::Continue(error.to_string());
                    }
                    continue;
                }
            };
            silent = Instant::now();
            let response = match response {
                Ok(Some(response)) => response,
                Ok(None) => return ControlFlow::Continue("the stream ended".to_owned()),
                Err(error) => return ControlFlow::Continue(error.to_string()),
            };
            if response.canceled() {
                if response.compact_revision() > 0 {
                    let oldest = Revision(response.compact_revision());
                    return self.fail(Error::Compacted { oldest }).await;
                }
                return ControlFlow::Continue(response.cancel_reason().to_owned());
            }
            let events = match events(&self.engine, &response, can_ask) {
                Ok(events) => events,
                Err(error) => return self.fail(error).await,
            };
            for event in events {
                let revision = event.revision();
                if revision <= self.place.reached() {
                    continue;
                }
                if self.sender.send(Ok(event)).await.is_err() {
                    return ControlFlow::Break(Done);
                }
                self.place.reach(revision);
            }
        }
    }

    async fn fail(&self, error: Error) -> ControlFlow<Done, String> {
        // If it cannot be sent, nobody is there to be told.
        let _ = self.sender.send(Err(error)).await;
        ControlFlow::Break(Done)
    }
}

/// What a response holds: etcd sends each revision whole, in order, and a response of no events once all are sent.
fn events(
    engine: &Engine,
    response: &WatchResponse,
    trust_progress: bool,
) -> Result<VecDeque<TailEvent>, Error> {
    let mut out = VecDeque::new();
    let mut all = response.events().iter().peekable();
    if all.peek().is_none() && !response.created() && trust_progress {
        let reached = engine.header_revision(response.header())?;
        out.push_back(TailEvent::Progress(reached));
    }
    let nameless = || Error::Corrupt("etcd sent an event without a key".to_owned());
    let at = |event: &etcd_client::Event| event.kv().map_or(0, etcd_client::KeyValue::mod_revision);
    let barrier = engine.barrier_key();
    while let Some(revision) = all.peek().map(|event| at(event)) {
        let mut changes = Vec::new();
        while let Some(event) = all.next_if(|event| at(event) == revision) {
            let kv = event.kv().ok_or_else(nameless)?;
            if kv.key() == barrier {
                continue;
            }
            let key = kv.key().get(engine.prefix.len()..).ok_or_else(nameless)?;
            let put = event.event_type() == EventType::Put;
            changes.push(Change {
                key: Bytes::copy_from_slice(key),
                value: put.then(|| Bytes::copy_from_slice(kv.value())),
                create_revision: Revision(if put { kv.create_revision() } else { 0 }),
            });
        }
        let revision = Revision(revision);
        out.push_back(if changes.is_empty() {
            TailEvent::Progress(revision)
        } else {
            TailEvent::Changes(ChangeSet {
                revision,
                changes: changes.into(),
            })
        });
    }
    Ok(out)
}

/// Whether a progress notification comes only after all events up to it: from 3.4.31 and 3.5.13 on.
fn progress_is_trustworthy(version: &str) -> bool {
    let mut parts = version
        .split(['.', '-', '+'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (parts.next(), parts.next(), parts.next());
    let (Some(major), Some(minor), Some(patch)) = version else {
        return false;
    };
    match (major, minor) {
        (3, 4) => patch >= 31,
        (3, 5) => patch >= 13,
        other => other >= (3, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::progress_is_trustworthy;

    #[test]
    fn progress_is_trusted_from_the_versions_on_that_repaired_it() {
        for old in ["3.4.23", "3.4.30", "3.5.12", "3.3.99", "", "nonsense"] {
            assert!(!progress_is_trustworthy(old), "{old}");
        }
        for new in ["3.4.31", "3.5.13", "3.6.0", "3.7.0-rc.1", "4.0.0"] {
            assert!(progress_is_trustworthy(new), "{new}");
        }
    }
}
