//! Which events become objects of their own, which are counted up, combined, or left out. Pure: time is an argument.
//!
//! The numbers are client-go's (`tools/record`): more than 10 similar events within 10 minutes are combined; an object has 25
//! events at once and one more every 5 minutes; 4096 of each are remembered.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{Event, EventType, ObjectRef};

const SIMILAR_LIMIT: usize = 10;
const SIMILAR_WINDOW: SignedDuration = SignedDuration::from_secs(600);
const BURST: f64 = 25.0;
const REFILL_SECONDS: f64 = 300.0;
const REMEMBERED: usize = 4096;
const COMBINED: &str = "(combined from similar events): ";

/// What to do about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Make an object.
    Create {
        message: String,
        count: u64,
        first: Timestamp,
    },
    /// Count up the object of this name.
    Update {
        name: String,
        message: String,
        count: u64,
        first: Timestamp,
    },
}

/// What makes events similar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Similar {
    regarding: ObjectRef,
    r#type: EventType,
    reason: String,
}

/// What makes events equal; without a message, all that were combined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Equal {
    similar: Similar,
    message: Option<String>,
}

#[derive(Debug)]
struct Group {
    messages: Vec<String>,
    last: Timestamp,
}

#[derive(Debug)]
struct Series {
    count: u64,
    first: Timestamp,
    name: Option<String>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// Remembers what was told.
#[derive(Debug)]
pub(super) struct Correlator {
    groups: Bounded<Similar, Group>,
    series: Bounded<Equal, Series>,
    buckets: Bounded<ObjectRef, Bucket>,
}

impl Correlator {
    pub(super) fn new() -> Self {
        Correlator {
            groups: Bounded::new(),
            series: Bounded::new(),
            buckets: Bounded::new(),
        }
    }

    /// What to do about this event; `None` to leave it out. The id is for [`Correlator::stored`].
    pub(super) fn note(&mut self, event: &Event, now: Timestamp) -> Option<(Equal, Step)> {
        let similar = Similar {
            // The revision changes all the time, and tells nothing apart.
            regarding: ObjectRef {
                resource_version: String::new(),
                ..event.regarding.clone()
            },
            r#type: event.r#type,
            reason: event.reason.clone(),
        };
        let group = self.groups.entry(&similar, || Group {
            messages: Vec::new(),
            last: now,
        });
        if now.duration_since(group.last) > SIMILAR_WINDOW {
            group.messages.clear();
        }
        group.last = now;
        if !group.messages.contains(&event.message) {
            if group.messages.len() >= SIMILAR_LIMIT {
                group.messages.remove(0);
            }
            group.messages.push(event.message.clone());
        }
        let combined = group.messages.len() >= SIMILAR_LIMIT;
        let (id, message) = if combined {
            (
                Equal {
                    similar,
                    message: None,
                },
                format!("{COMBINED}{}", event.message),
            )
        } else {
            (
                Equal {
                    similar,
                    message: Some(event.message.clone()),
                },
                event.message.clone(),
            )
        };
        let series = self.series.entry(&id, || Series {
            count: 0,
            first: now,
            name: None,
        });
        series.count += 1;
        let (count, first) = (series.count, series.first);
        let step = match &series.name {
            Some(name) => Step::Update {
                name: name.clone(),
                message,
                count,
                first,
            },
            None => Step::Create {
                message,
                count,
                first,
            },
        };
        self.take_token(&id.similar.regarding, now)
            .then_some((id, step))
    }

    /// The event stands in the object of this name.
    pub(super) fn stored(&mut self, id: Equal, name: String) {
        if let Some(series) = self.series.get_mut(&id) {
            series.name = Some(name);
        }
    }

    fn take_token(&mut self, regarding: &ObjectRef, now: Timestamp) -> bool {
        let bucket = self.buckets.entry(regarding, || Bucket {
            tokens: BURST,
            at: now,
        });
        let refill = now.duration_since(bucket.at).as_secs_f64().max(0.0) / REFILL_SECONDS;
        bucket.tokens = (bucket.tokens + refill).min(BURST);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

/// A map which forgets the oldest entry when it is full.
#[derive(Debug)]
struct Bounded<K, V> {
    map: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    fn new() -> Self {
        Bounded {
            map: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    fn entry(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        if !self.map.contains_key(key) {
            if self.order.len() >= REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.map.remove(&oldest);
            }
            self.order.push_back(key.clone());
        }
        self.map.entry(key.clone()).or_insert_with(make)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, message: &str) -> Event {
        Event {
            regarding: ObjectRef {
                name: name.into(),
                ..Default::default()
            },
            r#type: EventType::Normal,
            reason: "Tested".into(),
            message: message.into(),
            action: String::new(),
            related: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
    }

    #[test]
    fn an_equal_event_counts_up_the_stored_object() {
        let mut c = Correlator::new();
        let (id, first) = c.note(&event("a", "m"), at(0)).expect("told");
        assert_eq!(
            first,
            Step::Create {
                message: "m".into(),
                count: 1,
                first: at(0)
            }
        );
        c.stored(id, "a.1".into());
        let (_, second) = c.note(&event("a", "m"), at(9)).expect("told");
        assert_eq!(
            second,
            Step::Update {
                name: "a.1".into(),
                message: "m".into(),
                count: 2,
                first: at(0)
            }
        );
    }

    #[test]
    fn the_tenth_similar_event_is_combined_and_later_ones_count_it_up() {
        let mut c = Correlator::new();
        for i in 0..9 {
            let (id, step) = c.note(&event("a", &format!("m{i}")), at(i)).expect("told");
            assert!(matches!(step, Step::Create { .. }));
            c.stored(id, format!("a.{i}"));
        }
        let (id, step) = c.note(&event("a", "m9"), at(9)).expect("told");
        assert_eq!(
            step,
            Step::Create {
                message: format!("{COMBINED}m9"),
                count: 1,
                first: at(9)
            }
        );
        c.stored(id, "a.9".into());
        let (_, step) = c.note(&event("a", "m10"), at(10)).expect("told");
        assert!(matches!(step, Step::Update { count: 2, .. }));
        let (_, step) = c.note(&event("a", "late"), at(1000)).expect("told");
        assert!(
            matches!(step, Step::Create { count: 1, .. }),
            "after the window it stands alone again"
        );
    }

    #[test]
    fn an_object_is_told_about_25_times_at_once_and_then_every_five_minutes() {
        let mut c = Correlator::new();
        let told = (0..100)
            .filter(|_| c.note(&event("a", "m"), at(0)).is_some())
            .count();
        assert_eq!(told, 25);
        assert!(
            c.note(&event("b", "m"), at(0)).is_some(),
            "others are not affected"
        );
        assert!(c.note(&event("a", "m"), at(299)).is_none());
        assert!(c.note(&event("a", "m"), at(301)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let mut c = Correlator::new();
        for i in 0..REMEMBERED + 100 {
            c.note(&event(&format!("o{i}"), "m"), at(0));
        }
        assert_eq!(c.groups.map.len(), REMEMBERED);
        assert_eq!(c.series.map.len(), REMEMBERED);
        assert_eq!(c.buckets.map.len(), REMEMBERED);
    }
}
