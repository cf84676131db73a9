//! Nodes that differ only in their own scores.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use crate::decision::fast::Coordinate;
use crate::plugins::NORMALISED;
use crate::snapshot::NodeIx;
use crate::text::FastMap;

/// What the nodes of a bucket have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Raw scores that are normalised.
    pub(super) raw: [i64; NORMALISED],
    /// Where they are in each topology: hard constraints first.
    pub(super) coordinates: SmallVec<[Coordinate; 4]>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    key: Key,
    size: usize,
    levels: BTreeMap<u16, BTreeSet<NodeIx>>,
}

impl Bucket {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The highest sum of own scores, and the nodes that have it.
    pub(super) fn highest(&self) -> Option<(u16, &BTreeSet<NodeIx>)> {
        self.levels
            .last_key_value()
            .map(|(level, nodes)| (*level, nodes))
    }
}

#[derive(Debug, Default)]
pub(super) struct Buckets {
    all: Vec<Bucket>,
    by_key: FastMap<Key, u32>,
    /// Empty ones, which are used again before a new one is made.
    empty: Vec<u32>,
}

impl Buckets {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.all.iter()
    }

    /// The bucket of this key.
    pub(super) fn find(&mut self, key: Key) -> u32 {
        if let Some(at) = self.by_key.get(&key) {
            return *at;
        }
        // One that was emptied and filled again meanwhile is no longer empty.
        while let Some(at) = self.empty.pop() {
            let bucket = &mut self.all[at as usize];
            if bucket.size == 0 {
                self.by_key.remove(&bucket.key);
                bucket.key = key.clone();
                self.by_key.insert(key, at);
                return at;
            }
        }
        let at = self.all.len() as u32;
        self.all.push(Bucket {
            key: key.clone(),
            size: 0,
            levels: BTreeMap::new(),
        });
        self.by_key.insert(key, at);
        at
    }

    pub(super) fn insert(&mut self, bucket: u32, level: u16, node: NodeIx) {
        let bucket = &mut self.all[bucket as usize];
        if bucket.levels.entry(level).or_default().insert(node) {
            bucket.size += 1;
        }
    }

    pub(super) fn remove(&mut self, at: u32, level: u16, node: NodeIx) {
        let bucket = &mut self.all[at as usize];
        let Some(nodes) = bucket.levels.get_mut(&level) else {
            return;
        };
        if nodes.remove(&node) {
            bucket.size -= 1;
        }
        if nodes.is_empty() {
            bucket.levels.remove(&level);
        }
        if bucket.size == 0 {
            self.empty.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(raw: i64) -> Key {
        Key {
            raw: [raw; NORMALISED],
            coordinates: SmallVec::new(),
        }
    }

    #[test]
    fn emptied_buckets_are_used_again() {
        let mut buckets = Buckets::default();
        for raw in 0..100 {
            let at = buckets.find(key(raw));
            buckets.insert(at, 1, NodeIx(7));
            assert_eq!(buckets.find(key(raw)), at);
            buckets.remove(at, 1, NodeIx(7));
        }
        assert_eq!(buckets.iter().count(), 1);
    }

    #[test]
    fn a_bucket_that_was_filled_again_is_not_given_away() {
        let mut buckets = Buckets::default();
        let at = buckets.find(key(1));
        buckets.insert(at, 1, NodeIx(7));
        buckets.remove(at, 1, NodeIx(7));
        let again = buckets.find(key(1));
        buckets.insert(again, 2, NodeIx(8));
        assert_ne!(buckets.find(key(2)), again);
        assert_eq!(buckets.find(key(1)), again);
    }
}
