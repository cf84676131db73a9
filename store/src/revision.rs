//! The position in the log.

use std::fmt;

/// A position in the log: global, strictly increasing, never reused. It is what the Kubernetes API calls a
/// `resourceVersion`, and what etcd calls a revision.
///
/// An empty log stands at [`Revision::FIRST`], as etcd's does, so that 0 is free to mean "none" or "any".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

impl Revision {
    /// No revision: older than everything.
    pub const ZERO: Revision = Revision(0);
    /// The head of a log nothing was ever written to.
    pub const FIRST: Revision = Revision(1);

    /// The revision that follows this one.
    #[must_use]
    pub const fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
