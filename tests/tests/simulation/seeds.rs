//! Running seeds: each in a runtime of its own, in one thread from beginning to end.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::story::{Outcome, tell};
use crate::world::Planted;

/// Runs one seed.
///
/// # Errors
/// What went wrong, when, and how to see it again.
pub fn run(seed: u64, planted: Planted, printed: bool) -> Result<Outcome, String> {
    note_panics();
    PANIC.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    let outcome = runtime.block_on(tell(seed, planted, printed));
    drop(runtime);
    let bug = match planted {
        Planted::Nothing => String::new(),
        planted => format!(" GANTRY_SIMULATION_PLANTED={planted:?}"),
    };
    let again = format!(
        "\n    again: GANTRY_SIMULATION_SEED={seed}{bug} cargo test --release --workspace --test simulation every_seed -- --nocapture"
    );
    if let Some(panic) = PANIC.take() {
        return Err(format!("seed {seed}: {panic}{again}"));
    }
    outcome.map_err(|broken| {
        format!(
            "seed {seed}, after {:.3} simulated seconds, at revision {}: {}{again}",
            broken.at.as_secs_f64(),
            broken.revision,
            broken.what,
        )
    })
}

thread_local! {
    /// The first panic of this thread's seed.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// No component panics: they are supervised, and would go on as if nothing had been.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANIC.with_borrow_mut(|first| {
                first.get_or_insert_with(|| panic.to_string());
            });
            before(panic);
        }));
    });
}

/// What many seeds came to.
#[derive(Default)]
pub struct Summary {
    seeds: u64,
    revisions: i64,
    simulated: Duration,
    longest: Duration,
    real: Duration,
    /// By seed.
    pub failures: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds twice in {:.1} s: {} revisions, {:.1} simulated hours, the longest {:.0} s; {} failed",
            self.seeds,
            self.real.as_secs_f64(),
            self.revisions,
            self.simulated.as_secs_f64() / 3600.0,
            self.longest.as_secs_f64(),
            self.failures.len(),
        )
    }
}

/// Runs seeds on as many threads as there are cores.
pub fn spread(seeds: Range<u64>, run: impl Fn(u64) -> Result<Outcome, String> + Sync) -> Summary {
    let (next, summary) = (AtomicU64::new(seeds.start), Mutex::new(Summary::default()));
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = run(seed);
                    let mut summary = summary.lock();
                    summary.seeds += 1;
                    match result {
                        Ok(outcome) => {
                            summary.revisions += outcome.revisions;
                            summary.simulated += outcome.took;
                            summary.longest = summary.longest.max(outcome.took);
                        }
                        Err(failure) => summary.failures.push(failure),
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner();
    summary.real = began.elapsed();
    summary
}
