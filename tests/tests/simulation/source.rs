//! Time and randomness of a simulation, in the forms in which each crate takes them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use runtime::{Clock as _, Random, SharedClock, TokioClock};
use tokio::time::Instant;

/// The day on which every simulation begins.
const DAY: i64 = 1_767_225_600;

/// Simulated time: the wall clock goes with tokio's paused one.
#[derive(Clone, Copy)]
pub struct Time {
    wall: TokioClock,
    start: Instant,
}

impl Time {
    /// Time from now on. Must be called inside the simulation's runtime.
    pub fn start() -> Time {
        let day = jiff::Timestamp::from_second(DAY).expect("a day of this century");
        Time {
            wall: TokioClock::starting_at(day),
            start: Instant::now(),
        }
    }

    /// How long the simulation has been going on.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// For components.
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.wall)
    }
}

impl apiserver::env::Clock for Time {
    fn now(&self) -> jiff::Timestamp {
        self.wall.now()
    }
}

impl store::clock::Clock for Time {
    fn now(&self) -> Duration {
        let now = self.wall.now().duration_since(jiff::Timestamp::UNIX_EPOCH);
        Duration::try_from(now).expect("after 1970")
    }
}

/// The API server's randomness: uids, generated names.
pub struct Bytes(Mutex<StdRng>);

impl Bytes {
    /// A source that is determined by `random`.
    pub fn fork(random: &Random) -> Arc<Bytes> {
        Arc::new(Bytes(Mutex::new(StdRng::seed_from_u64(
            random.below(u64::MAX),
        ))))
    }
}

impl apiserver::env::Random for Bytes {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().fill_bytes(out);
    }
}

/// A time between two, in milliseconds, both included.
pub fn between(random: &Random, least: u64, most: u64) -> Duration {
    Duration::from_millis(least + random.below(most - least + 1))
}

/// True so many times in a thousand.
pub fn chance(random: &Random, per_mille: u64) -> bool {
    random.below(1000) < per_mille
}
