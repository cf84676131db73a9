//! Time and randomness from outside: what simulation replaces (design, invariant 13).

use std::sync::Arc;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

/// The wall clock. Durations are measured with `tokio::time`, never with this.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// A source of random bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's cryptographic source.
#[derive(Debug)]
pub struct OsRandom(SystemRandom);

impl Default for OsRandom {
    fn default() -> OsRandom {
        OsRandom(SystemRandom::new())
    }
}

impl Random for OsRandom {
    #[allow(clippy::expect_used)] // The kernel's source does not fail once seeded; going on without it would be unsafe.
    fn fill(&self, out: &mut [u8]) {
        self.0
            .fill(out)
            .expect("the operating system's random source answers");
    }
}

/// The two together, as every part of the server takes them.
#[derive(Clone)]
pub struct Env {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// The real clock and the operating system's randomness.
    pub fn system() -> Env {
        Env {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom::default()),
        }
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A random (version 4) UUID, in its usual lower-case form.
    pub fn uuid(&self) -> String {
        let mut bytes = [0u8; 16];
        self.random.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut out = String::with_capacity(36);
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        out
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use parking_lot::Mutex;

    /// A clock that stands until it is set.
    pub struct SetClock(pub Mutex<Timestamp>);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock()
        }
    }

    /// An environment whose clock stands at `now`.
    pub fn at(now: &str) -> (Env, Arc<SetClock>) {
        let clock = Arc::new(SetClock(Mutex::new(now.parse().unwrap())));
        (
            Env {
                clock: clock.clone(),
                random: Arc::new(OsRandom::default()),
            },
            clock,
        )
    }

    #[test]
    fn uuids_are_version_4() {
        let uuid = Env::system().uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(uuid, Env::system().uuid());
    }
}
