//! Shared strings, and maps whose order of hashing never changes from run to run.

use std::collections::hash_map::DefaultHasher;
#[expect(clippy::disallowed_types, reason = "given a fixed hasher here")]
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// A string that many projections share: names, label keys and values, image names.
pub type Text = Arc<str>;

/// A map with a fixed hasher: simulated runs are equal bit for bit. Nothing may depend on its order all the same.
#[expect(clippy::disallowed_types, reason = "its hasher is fixed")]
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// A map for keys that the cluster's users cannot choose (numbers of ours): hashed in a few cycles.
#[expect(clippy::disallowed_types, reason = "its hasher is fixed")]
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// Multiplies and rotates, word by word: good enough where nobody tries to make keys collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct FastHasher(u64);

impl std::hash::Hasher for FastHasher {
    fn finish(&self) -> u64 {
        // The low bits choose the place in the table, and multiplication fills the high ones.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0xF135_7AEA_2E62_A9C5);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word as u64);
    }

    fn write_i32(&mut self, word: i32) {
        self.write_u64(word as u64);
    }
}

/// A set with a fixed hasher.
#[expect(clippy::disallowed_types, reason = "its hasher is fixed")]
pub type Set<K> = HashSet<K, BuildHasherDefault<DefaultHasher>>;

/// Keeps one copy of every value that is equal: thousands of pods of one Deployment share their strings and their needs.
///
/// Values that nobody else holds any more are dropped when the pool has doubled since it was last swept.
#[derive(Debug)]
pub struct Pool<T: ?Sized> {
    values: Set<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized + std::hash::Hash + Eq> Default for Pool<T> {
    fn default() -> Self {
        Pool {
            values: Set::default(),
            sweep_at: 1024,
        }
    }
}

impl<T: ?Sized + std::hash::Hash + Eq> Pool<T> {
    /// The pool's copy of `value`, which becomes it if there is none yet.
    pub fn share(&mut self, value: Arc<T>) -> Arc<T> {
        match self.values.get(&value) {
            Some(known) => known.clone(),
            None => self.keep(value),
        }
    }

    fn keep(&mut self, value: Arc<T>) -> Arc<T> {
        if self.values.len() >= self.sweep_at {
            self.values.retain(|v| Arc::strong_count(v) > 1);
            self.sweep_at = (self.values.len() * 2).max(1024);
        }
        self.values.insert(value.clone());
        value
    }

    /// How many distinct values are held.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl Pool<str> {
    /// The pool's copy of `text`; nothing is allocated when there is one.
    pub fn text(&mut self, text: &str) -> Text {
        match self.values.get(text) {
            Some(known) => known.clone(),
            None => self.keep(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_become_one() {
        let mut pool: Pool<str> = Pool::default();
        let (a, b) = (pool.share("x".into()), pool.text("x"));
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn a_full_pool_forgets_what_nobody_holds() {
        let mut pool: Pool<str> = Pool::default();
        let held = pool.share("held".into());
        for i in 0..5000 {
            pool.share(i.to_string().into());
        }
        assert!(pool.len() <= 1025, "{}", pool.len());
        assert!(Arc::ptr_eq(&held, &pool.share("held".into())));
    }
}
