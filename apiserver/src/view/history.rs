//! What happened to one resource, as far back as the memory for it reaches: for watches from an older revision, for
//! watchers that fell behind, and for lists at an older revision.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use store::Revision;

use super::object::Object;

/// What one revision did to one object.
#[derive(Debug)]
pub struct Event {
    /// The revision.
    pub revision: Revision,
    /// The version before; none for a creation.
    pub old: Option<Arc<Object>>,
    /// The version that the revision wrote; none for a deletion.
    pub new: Option<Arc<Object>>,
    departed: OnceLock<Arc<Object>>,
}

impl Event {
    /// An event; one of `old` and `new` is there.
    pub fn new(revision: Revision, old: Option<Arc<Object>>, new: Option<Arc<Object>>) -> Event {
        Event {
            revision,
            old,
            new,
            departed: OnceLock::new(),
        }
    }

    /// The object that it is about, in its newest known version.
    pub fn subject(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// The version before with this event's revision: what a watcher is shown for whom the object is gone. Made once, so
    /// that all watchers share its renderings.
    pub fn departed(&self) -> Option<&Arc<Object>> {
        let old = self.old.as_ref()?;
        Some(
            self.departed
                .get_or_init(|| Arc::new(old.departed(self.revision))),
        )
    }

    /// What keeping the event costs, in bytes: the version before, which nothing else keeps.
    pub fn weight(&self) -> usize {
        self.old.as_ref().map_or(0, |old| old.weight()) + 2 * std::mem::size_of::<Event>()
    }
}

/// One resource's past events, in order.
#[derive(Debug, Default)]
pub struct History {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    floor: Revision,
}

impl History {
    /// An empty history: everything up to `floor` is forgotten.
    pub fn starting(floor: Revision) -> History {
        History {
            floor,
            ..History::default()
        }
    }

    /// Every event after this revision is kept.
    pub fn floor(&self) -> Revision {
        self.floor
    }

    /// What it costs, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the newest event; returns what it costs.
    pub fn push(&mut self, event: Arc<Event>) -> usize {
        let weight = event.weight();
        self.bytes += weight;
        self.events.push_back(event);
        weight
    }

    /// Forgets the oldest revision; returns how many bytes that frees, 0 when nothing is left.
    pub fn forget_oldest(&mut self) -> usize {
        let before = self.bytes;
        let Some(revision) = self.events.front().map(|e| e.revision) else {
            return 0;
        };
        while let Some(event) = self.events.pop_front_if(|e| e.revision == revision) {
            self.bytes -= event.weight();
        }
        self.floor = revision;
        before - self.bytes
    }

    /// Forgets everything: what happened up to `floor` is unknown.
    pub fn reset(&mut self, floor: Revision) {
        *self = History::starting(floor);
    }

    /// The events after `revision`, oldest first; `None` when some of them are forgotten.
    pub fn after(
        &self,
        revision: Revision,
    ) -> Option<impl DoubleEndedIterator<Item = &Arc<Event>>> {
        if revision < self.floor {
            return None;
        }
        let start = self.events.partition_point(|e| e.revision <= revision);
        Some(self.events.range(start..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: i64) -> Arc<Event> {
        Arc::new(Event::new(Revision(revision), None, None))
    }

    #[test]
    fn what_is_forgotten_is_told_from_what_never_was() {
        let mut history = History::starting(Revision(5));
        for revision in [7, 8, 8, 10] {
            history.push(event(revision));
        }
        let after = |h: &History, r| {
            h.after(Revision(r))
                .map(|e| e.map(|e| e.revision.0).collect::<Vec<_>>())
        };
        assert_eq!(after(&history, 4), None);
        assert_eq!(after(&history, 5), Some(vec![7, 8, 8, 10]));
        assert_eq!(after(&history, 8), Some(vec![10]));
        assert_eq!(after(&history, 99), Some(vec![]));
        assert!(history.forget_oldest() > 0);
        // A revision goes whole.
        history.forget_oldest();
        assert_eq!(after(&history, 7), None);
        assert_eq!(after(&history, 8), Some(vec![10]));
        history.forget_oldest();
        assert_eq!((history.bytes(), history.forget_oldest()), (0, 0));
    }
}
