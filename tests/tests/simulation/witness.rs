//! Sees every revision once, in order, before anybody else does: keeps the picture, holds it against the invariants, and
//! writes the trace.

use std::fmt::Write;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use store::{Change, Log, Memory, Revision, Tail, TailEvent};

use crate::invariants::Invariants;
use crate::picture::Picture;
use crate::source::Time;
use crate::trace::Trace;

/// A rule that did not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// When, in simulated time.
    pub at: Duration,
    /// At which revision.
    pub revision: Revision,
    /// Which, and how.
    pub what: String,
}

/// See the module.
pub struct Witness {
    time: Time,
    trace: Trace,
    state: Mutex<State>,
}

struct State {
    tail: Tail,
    at: Revision,
    picture: Picture,
    invariants: Invariants,
    broken: Option<Broken>,
}

impl Witness {
    /// One that sees what is written to `log` from the beginning.
    pub fn new(log: &Memory, time: Time, trace: Trace) -> Witness {
        let state = State {
            tail: log.tail(Revision::FIRST),
            at: Revision::FIRST,
            picture: Picture::default(),
            invariants: Invariants::default(),
            broken: None,
        };
        Witness {
            time,
            trace,
            state: Mutex::new(state),
        }
    }

    /// Takes in what was written since the last look.
    pub fn look(&self) {
        let mut state = self.state.lock();
        while let Some(Some(event)) = state.tail.next().now_or_never() {
            let TailEvent::Changes(set) = event.expect("the log's history is long enough") else {
                continue;
            };
            state.at = set.revision;
            let mut relevant = false;
            for change in set.changes.iter() {
                self.trace.hash((set.revision, &change.key, &change.value));
                relevant |= state.picture.apply(change);
                if self.trace.is_printed() {
                    self.print(set.revision, change, &state.picture);
                }
            }
            if relevant && state.broken.is_none() {
                let State {
                    picture,
                    invariants,
                    ..
                } = &mut *state;
                if let Err(what) = invariants.check(picture) {
                    self.trace.note(format_args!("BROKEN: {what}"));
                    state.broken = Some(Broken {
                        at: self.time.elapsed(),
                        revision: set.revision,
                        what,
                    });
                }
            }
        }
    }

    /// The first rule that did not hold.
    pub fn broken(&self) -> Option<Broken> {
        self.state.lock().broken.clone()
    }

    /// The last revision.
    pub fn revision(&self) -> Revision {
        self.state.lock().at
    }

    /// Looks at the picture as it is.
    pub fn see<T>(&self, see: impl FnOnce(&Picture) -> T) -> T {
        see(&self.state.lock().picture)
    }

    fn print(&self, revision: Revision, change: &Change, picture: &Picture) {
        let key = String::from_utf8_lossy(&change.key);
        let mut line = format!("{revision:>6} {key}");
        // Of a change that takes away there is nothing more to say.
        let shown = match (key.split_once('/'), &change.value) {
            (_, None) => write!(line, ": gone"),
            (Some(("pods", key)), _) => write!(line, ": {:?}", picture.pods.get(key)),
            (Some(("replicasets", key)), _) => write!(line, ": {:?}", picture.sets.get(key)),
            (Some(("deployments", key)), _) => {
                write!(line, ": {:?}", picture.deployments.get(key))
            }
            _ => Ok(()),
        };
        shown.expect("a String takes all that is written");
        self.trace.print(&line);
    }
}
