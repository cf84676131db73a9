//! What happened, in order: as a hash, by which two runs are compared, and as text for the reader of one seed.

use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::source::Time;

/// The record of one run. Clones are the same one.
#[derive(Clone)]
pub struct Trace {
    time: Time,
    printed: bool,
    hasher: Arc<Mutex<DefaultHasher>>,
}

impl Trace {
    /// An empty record, which is also printed if `printed`.
    pub fn new(time: Time, printed: bool) -> Trace {
        // `DefaultHasher::new` has fixed keys: the same in every process.
        Trace {
            time,
            printed,
            hasher: Arc::default(),
        }
    }

    /// Takes note of what `what` says, now.
    pub fn note(&self, what: impl Display) {
        let text = what.to_string();
        self.hash(&text);
        self.print(&text);
    }

    /// Takes note of bytes that are not for reading.
    pub fn hash(&self, what: impl Hash) {
        let mut hasher = self.hasher.lock();
        (self.time.elapsed().as_nanos(), what).hash(&mut *hasher);
    }

    /// Only prints, what was hashed in another form.
    pub fn print(&self, text: &str) {
        if self.printed {
            println!("{:>12.3}s {text}", self.time.elapsed().as_secs_f64());
        }
    }

    /// Whether anybody reads what is printed.
    pub fn is_printed(&self) -> bool {
        self.printed
    }

    /// The hash of everything so far.
    pub fn value(&self) -> u64 {
        self.hasher.lock().finish()
    }
}
