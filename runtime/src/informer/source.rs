//! One list and one watch: a loop of states, each of which knows how to recover.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use api::tree::Tree;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Scope;
use crate::{
    backoff::{Backoff, BackoffPolicy},
    client::{Client, Error, ListOptions, MAX_PAGE, WatchEvent, WatchOptions, WatchStream},
    key::Key,
    object::Meta,
    random::Random,
    resource::Resource,
};

/// A watch is ended by the server after this many seconds and up to as many more: client-go's numbers.
const MIN_WATCH_SECONDS: u64 = 300;

/// A streamed list that shows nothing for so long comes from a server which ignored the request for one.
const INITIAL_PATIENCE: Duration = Duration::from_secs(60);

/// A watch that ends sooner than this, and without an event, is a failure.
const SHORTEST_WATCH: Duration = Duration::from_secs(1);

/// Where a source's objects go.
pub(super) trait Sink: Send + Sync {
    /// This is how the object is now.
    fn upsert(&self, object: &Tree);
    /// The object is gone.
    fn remove(&self, key: &Key);
    /// A list is complete: whatever was not in it is gone.
    fn complete(&self, seen: &BTreeSet<Key>);
    /// Nothing will be told any more: what listens is let go of, as it may hold this very sink.
    fn ended(&self);
}

/// Tells a source's sinks that it has ended, whether it ran to its end or its runtime was dropped.
pub(super) struct Ending(pub(super) Arc<Source>);

impl Drop for Ending {
    fn drop(&mut self) {
        for sink in self.0.sinks() {
            sink.ended();
        }
    }
}

/// What a source is doing.
enum State {
    /// Nothing is known, or it cannot be continued from. Asks for a streamed list.
    /// Recovers: to `Listing` if the server knows no streamed lists, else by way of `Backoff` to itself.
    Start,
    /// The streamed list arrives. What is already known stays readable meanwhile.
    /// Recovers: if it breaks off, what came is kept, nothing is taken for deleted, and it begins again.
    Initial {
        stream: WatchStream,
        seen: BTreeSet<Key>,
    },
    /// Reads pages, from a server without streamed lists.
    /// Recovers: an expired page token is answered by one unpaged list; the rest as in `Start`.
    Listing { page_size: u32 },
    /// A revision is known, up to which everything has been seen; there is no stream.
    /// Recovers: to `Start` when the revision has expired (410), else by way of `Backoff` to itself.
    Resume { version: String },
    /// Changes arrive.
    /// Recovers: to `Resume` at the last revision seen, when the stream ends or breaks; to `Start` on 410.
    Watching {
        stream: WatchStream,
        version: String,
        since: Instant,
        quiet: bool,
    },
    /// Waits before it goes on.
    Backoff { delay: Duration, then: Box<State> },
}

/// The list and watch of one resource and scope.
pub(super) struct Source {
    client: Client,
    random: Random,
    resource: Resource,
    scope: Scope,
    sinks: Mutex<Vec<Arc<dyn Sink>>>,
    sink_added: Notify,
}

impl Source {
    pub(super) fn new(client: Client, random: Random, resource: Resource, scope: Scope) -> Self {
        Source {
            client,
            random,
            resource,
            scope,
            sinks: Mutex::default(),
            sink_added: Notify::new(),
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Adds a receiver. If the source runs already, it lists anew for it; the others see no difference.
    pub(super) fn add_sink(&self, sink: Arc<dyn Sink>) {
        self.sinks.lock().push(sink);
        self.sink_added.notify_one();
    }

    /// Runs until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        let mut streams_lists = true;
        let mut state = State::Start;
        loop {
            // Dropping a step in the middle loses its state, which is why a new receiver begins at the start.
            state = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.sink_added.notified() => State::Start,
                next = self.step(state, &mut backoff, &mut streams_lists) => next,
            };
        }
    }

    async fn step(&self, state: State, backoff: &mut Backoff, streams_lists: &mut bool) -> State {
        match state {
            State::Start if !*streams_lists => State::Listing {
                page_size: MAX_PAGE,
            },
            State::Start => match self.watch(String::new(), true).await {
                Ok(stream) => State::Initial {
                    stream,
                    seen: BTreeSet::new(),
                },
                Err(error) if matches!(error.code(), 400 | 405 | 422) => {
                    *streams_lists = false;
                    State::Listing {
                        page_size: MAX_PAGE,
                    }
                }
                Err(error) => self.back_off(backoff, &error, State::Start),
            },
            State::Initial {
                mut stream,
                mut seen,
            } => {
                let Ok(event) = timeout(INITIAL_PATIENCE, stream.next()).await else {
                    *streams_lists = false;
                    return State::Listing {
                        page_size: MAX_PAGE,
                    };
                };
                match event {
                    Some(Ok(WatchEvent::Bookmark {
                        resource_version,
                        initial_events_end,
                    })) => {
                        if !initial_events_end {
                            return State::Initial { stream, seen };
                        }
                        self.complete(&seen);
                        backoff.reset();
                        State::Watching {
                            stream,
                            version: resource_version,
                            since: Instant::now(),
                            quiet: true,
                        }
                    }
                    Some(Ok(event)) => {
                        if let Some((key, present)) = self.apply(&event) {
                            if present {
                                seen.insert(key)
                            } else {
                                seen.remove(&key)
                            };
                        }
                        State::Initial { stream, seen }
                    }
                    Some(Err(error)) => self.back_off(backoff, &error, State::Start),
                    None => self.back_off(backoff, &ended_early(), State::Start),
                }
            }
            State::Listing { page_size } => match self.list(page_size).await {
                Ok(version) => {
                    backoff.reset();
                    State::Resume { version }
                }
                Err(error) if error.is_expired() && page_size > 0 => {
                    State::Listing { page_size: 0 }
                }
                Err(error) => self.back_off(backoff, &error, State::Start),
            },
            State::Resume { version } => match self.watch(version.clone(), false).await {
                Ok(stream) => State::Watching {
                    stream,
                    version,
                    since: Instant::now(),
                    quiet: true,
                },
                Err(error) if error.is_expired() => self.back_off(backoff, &error, State::Start),
                Err(error) => self.back_off(backoff, &error, State::Resume { version }),
            },
            State::Watching {
                mut stream,
                version,
                since,
                quiet,
            } => match stream.next().await {
                Some(Ok(event)) => {
                    backoff.reset();
                    let version = match event {
                        WatchEvent::Bookmark {
                            resource_version, ..
                        } => resource_version,
                        WatchEvent::Added(ref object)
                        | WatchEvent::Modified(ref object)
                        | WatchEvent::Deleted(ref object) => {
                            self.apply(&event);
                            Meta::of(object).resource_version.to_owned()
                        }
                    };
                    State::Watching {
                        stream,
                        version,
                        since,
                        quiet: false,
                    }
                }
                None if quiet && since.elapsed() < SHORTEST_WATCH => {
                    self.back_off(backoff, &ended_early(), State::Resume { version })
                }
                None => State::Resume { version },
                Some(Err(error)) if error.is_expired() => {
                    self.back_off(backoff, &error, State::Start)
                }
                Some(Err(error)) => self.back_off(backoff, &error, State::Resume { version }),
            },
            State::Backoff { delay, then } => {
                tokio::time::sleep(delay).await;
                *then
            }
        }
    }

    fn back_off(&self, backoff: &mut Backoff, error: &Error, then: State) -> State {
        let delay = error
            .retry_after()
            .unwrap_or_default()
            .max(backoff.fail(&self.random));
        // The first failure in a row is everyday life: a server that restarts, a revision that expired.
        if backoff.failures() > 1 {
            tracing::warn!(resource = %self.resource, %error, ?delay, "list or watch failed; trying again");
        } else {
            tracing::debug!(resource = %self.resource, %error, ?delay, "list or watch failed; trying again");
        }
        State::Backoff {
            delay,
            then: Box::new(then),
        }
    }

    async fn watch(&self, resource_version: String, initial: bool) -> Result<WatchStream, Error> {
        let seconds = MIN_WATCH_SECONDS + self.random.below(MIN_WATCH_SECONDS);
        let options = WatchOptions {
            labels: self.scope.labels.clone(),
            fields: self.scope.fields.clone(),
            resource_version,
            initial,
            timeout_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        };
        self.client
            .watch(&self.resource, &self.scope.namespace, &options)
            .await
    }

    /// Reads all pages into the sinks and returns the revision that they show.
    async fn list(&self, page_size: u32) -> Result<String, Error> {
        let mut options = ListOptions {
            labels: self.scope.labels.clone(),
            fields: self.scope.fields.clone(),
            limit: page_size,
            ..Default::default()
        };
        let mut seen = BTreeSet::new();
        loop {
            let page = self
                .client
                .list(&self.resource, &self.scope.namespace, &options)
                .await?;
            for object in &page.items {
                seen.insert(Meta::of(object).key());
                for sink in self.sinks() {
                    sink.upsert(object);
                }
            }
            if page.meta.continue_token.is_empty() {
                self.complete(&seen);
                return Ok(page.meta.resource_version);
            }
            options.continue_token = page.meta.continue_token;
        }
    }

    /// Hands an event on, and says which object it was about and whether it is there now.
    fn apply(&self, event: &WatchEvent) -> Option<(Key, bool)> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                for sink in self.sinks() {
                    sink.upsert(object);
                }
                Some((Meta::of(object).key(), true))
            }
            WatchEvent::Deleted(object) => {
                let key = Meta::of(object).key();
                for sink in self.sinks() {
                    sink.remove(&key);
                }
                Some((key, false))
            }
            WatchEvent::Bookmark { .. } => None,
        }
    }

    fn complete(&self, seen: &BTreeSet<Key>) {
        for sink in self.sinks() {
            sink.complete(seen);
        }
    }

    /// The receivers. Cloned, since their handlers run meanwhile and may add informers.
    fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks.lock().clone()
    }
}

fn ended_early() -> Error {
    Error::Transport("the watch ended at once".into())
}
