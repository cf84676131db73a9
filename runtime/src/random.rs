//! Seeded randomness: one source for each component, so that a simulation with the same seed makes the same choices.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The letters and digits of generated names: upstream's set, without vowels and look-alikes.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A shared pseudo-random source. Clones draw from the same sequence; [`Random::fork`] starts an independent one.
#[derive(Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// A sequence that is wholly determined by `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Random(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A sequence that nobody can foretell, seeded by the operating system: for real processes.
    pub fn from_os() -> Self {
        Random(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }

    /// An independent source, seeded by this one: what one part draws does not shift the draws of another.
    pub fn fork(&self) -> Random {
        Random::from_seed(self.0.lock().random())
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.0.lock().random_range(0..bound)
        }
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&self) -> f64 {
        self.0.lock().random()
    }

    /// `base` lengthened by a random part of up to `factor` times itself: `base ..= base * (1 + factor)`.
    pub fn jitter(&self, base: Duration, factor: f64) -> Duration {
        base.saturating_add(base.mul_f64(self.unit() * factor.max(0.0)))
    }

    /// A suffix for a generated name, of `len` characters that cannot spell words.
    pub fn suffix(&self, len: usize) -> String {
        let mut rng = self.0.lock();
        (0..len)
            .map(|_| char::from(NAME_ALPHABET[rng.random_range(0..NAME_ALPHABET.len())]))
            .collect()
    }

    /// A version 4 UUID in its text form.
    pub fn uuid(&self) -> String {
        let mut b: [u8; 16] = self.0.lock().random();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex: String = b.iter().map(|x| format!("{x:02x}")).collect();
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_another_does_not() {
        let draw = |seed| {
            let r = Random::from_seed(seed);
            (r.suffix(10), r.below(1000), r.uuid())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn jitter_stays_within_its_factor() {
        let r = Random::from_seed(1);
        for _ in 0..1000 {
            let d = r.jitter(Duration::from_secs(10), 0.5);
            assert!(
                (Duration::from_secs(10)..=Duration::from_secs(15)).contains(&d),
                "{d:?}"
            );
        }
    }

    #[test]
    fn a_uuid_says_its_version_and_variant() {
        let id = Random::from_seed(3).uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
    }
}
