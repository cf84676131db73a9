//! Renderings: a version's bytes as clients get them, made at most once while they are asked for.
//!
//! A rendering hangs at the version that it shows, so that it needs no look-up and goes when the version goes. All
//! renderings together are capped in bytes: those which nobody asked for since the clock's hand last came by go first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::view::Object;

/// How a version is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// The served kind (group, version and kind), as the registry numbers them.
    pub kind: u32,
    /// The media type.
    pub media: Media,
    /// The whole object or its metadata.
    pub shape: Shape,
}

/// The media types that objects are served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Media {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Shape {
    /// All of it.
    #[default]
    Whole,
    /// A `PartialObjectMetadata` of `meta.k8s.io/v1`, or of `v1beta1`.
    Metadata {
        /// `v1beta1` instead of `v1`.
        beta: bool,
    },
}

/// The renderings of one version.
#[derive(Default)]
pub struct Renderings(Mutex<Option<Box<Filled>>>);

struct Filled {
    cache: Arc<Totals>,
    forms: SmallVec<[(Form, Bytes); 2]>,
    used: bool,
}

impl Drop for Filled {
    fn drop(&mut self) {
        let bytes = self
            .forms
            .iter()
            .map(|(_, rendering)| rendering.len())
            .sum();
        self.cache.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.cache.versions.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Totals {
    bytes: AtomicUsize,
    versions: AtomicUsize,
    encodings: AtomicU64,
    hits: AtomicU64,
}

/// The renderings of all versions.
pub struct Cache {
    limit: usize,
    totals: Arc<Totals>,
    hand: Mutex<VecDeque<Weak<Object>>>,
}

impl Cache {
    /// A cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Cache {
        Cache {
            limit,
            totals: Arc::default(),
            hand: Mutex::default(),
        }
    }

    /// How many renderings were made: with any number of readers, one a version, kind and media type while they are hot.
    pub fn encodings(&self) -> u64 {
        self.totals.encodings.load(Ordering::Relaxed)
    }

    /// How many were found made.
    pub fn hits(&self) -> u64 {
        self.totals.hits.load(Ordering::Relaxed)
    }

    /// What the renderings take, in bytes.
    pub fn bytes(&self) -> usize {
        self.totals.bytes.load(Ordering::Relaxed)
    }

    /// The version in a form, made by `render` unless it is there. Whoever comes meanwhile waits for it (a few
    /// microseconds), and does not make it again.
    ///
    /// # Errors
    /// Those of `render`.
    pub fn get<E>(
        &self,
        object: &Arc<Object>,
        form: Form,
        render: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let mut slot = object.renderings.0.lock();
        if let Some(filled) = slot.as_mut()
            && let Some((_, rendering)) = filled.forms.iter().find(|(f, _)| *f == form)
        {
            let rendering = rendering.clone();
            filled.used = true;
            self.totals.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(rendering);
        }
        let rendering = render()?;
        self.totals.encodings.fetch_add(1, Ordering::Relaxed);
        let first = slot.is_none();
        let filled = slot.get_or_insert_with(|| {
            self.totals.versions.fetch_add(1, Ordering::Relaxed);
            Box::new(Filled {
                cache: Arc::clone(&self.totals),
                forms: SmallVec::new(),
                used: false,
            })
        });
        filled.forms.push((form, rendering.clone()));
        drop(slot);
        self.totals
            .bytes
            .fetch_add(rendering.len(), Ordering::Relaxed);
        self.admit(first.then(|| Arc::downgrade(object)));
        Ok(rendering)
    }

    fn admit(&self, object: Option<Weak<Object>>) {
        let mut hand = self.hand.lock();
        hand.extend(object);
        // Versions that went by themselves leave their places behind; these must not pile up.
        if hand.len() > 1024 + 2 * self.totals.versions.load(Ordering::Relaxed) {
            hand.retain(|object| object.strong_count() > 0);
        }
        let mut steps = 2 * hand.len();
        while self.bytes() > self.limit && steps > 0 {
            steps -= 1;
            let Some(weak) = hand.pop_front() else { return };
            let Some(object) = weak.upgrade() else {
                continue;
            };
            // Dropped after the lock is released.
            let taken = {
                let Some(mut slot) = object.renderings.0.try_lock() else {
                    hand.push_back(weak);
                    continue;
                };
                match slot
                    .as_mut()
                    .is_some_and(|filled| std::mem::take(&mut filled.used))
                {
                    true => {
                        hand.push_back(weak);
                        None
                    }
                    false => slot.take(),
                }
            };
            drop(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Projection;
    use store::Revision;

    const JSON: Form = Form {
        kind: 0,
        media: Media::Json,
        shape: Shape::Whole,
    };

    fn object(name: &str) -> Arc<Object> {
        Arc::new(Object::new(
            name.into(),
            Revision(1),
            Revision(1),
            Bytes::new(),
            Projection::default(),
        ))
    }

    fn render(cache: &Cache, object: &Arc<Object>, bytes: usize) -> Bytes {
        cache
            .get(object, JSON, || Ok::<_, ()>(Bytes::from(vec![b'x'; bytes])))
            .unwrap()
    }

    #[test]
    fn a_version_is_made_once_for_all_who_ask() {
        let (cache, object) = (Cache::new(1000), object("a"));
        for _ in 0..100 {
            assert_eq!(render(&cache, &object, 10).len(), 10);
        }
        assert_eq!(
            (cache.encodings(), cache.hits(), cache.bytes()),
            (1, 99, 10)
        );
        let other = Form {
            media: Media::Protobuf,
            ..JSON
        };
        cache
            .get(&object, other, || Ok::<_, ()>(Bytes::from_static(b"p")))
            .unwrap();
        assert_eq!((cache.encodings(), cache.bytes()), (2, 11));
        drop(object);
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn what_nobody_asks_for_goes_first() {
        let cache = Cache::new(100);
        let hot = object("hot");
        render(&cache, &hot, 40);
        let cold: Vec<_> = (0..50).map(|i| object(&format!("cold-{i}"))).collect();
        for object in &cold {
            render(&cache, &hot, 40);
            render(&cache, object, 40);
            assert!(cache.bytes() <= 120, "{}", cache.bytes());
        }
        assert_eq!(cache.encodings(), 51, "the hot one was made once");
    }

    #[test]
    fn places_of_versions_that_are_gone_do_not_pile_up() {
        let cache = Cache::new(1 << 20);
        for i in 0..10_000 {
            render(&cache, &object(&i.to_string()), 1);
        }
        assert!(cache.hand.lock().len() <= 1025);
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let (cache, object) = (Cache::new(10), object("a"));
        assert_eq!(
            cache.get(&object, JSON, || Err::<Bytes, _>("no")),
            Err("no")
        );
        assert_eq!(render(&cache, &object, 1).len(), 1);
    }
}
