//! The whole control plane in one thread, on simulated time, from one seed: the API server on the memory store, the scheduler,
//! the controllers and ten simulated kubelets, while each of them crashes and comes back, requests are lost or fail after
//! they took effect, and watches are cut. A Deployment of 100 pods is created, rolled and scaled.
//!
//! At **every revision** the [`invariants`] hold; everything is as it was wanted within ten simulated minutes; and each seed
//! runs twice alike, to the last byte and nanosecond. Bugs that are planted on order are found.
//!
//! Not in it: sockets and TLS, the embedded store and etcd (the memory engine passes the same conformance suite), the kubelet's
//! own code, leader election.
//!
//! - `GANTRY_SIMULATION_SEED=17` runs one seed, and prints what happens (with `--nocapture` as it happens).
//!   `GANTRY_SIMULATION_PLANTED=DroppedEvents` plants a bug in it ([`world::Planted`]).
//! - `GANTRY_SIMULATION_SEEDS=5000` runs so many, `GANTRY_SIMULATION_SEEDS=1000..2000` others than `hack/test` does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod cable;
mod component;
mod invariants;
mod kubelet;
mod log;
mod machine;
mod network;
mod picture;
mod seeds;
mod source;
mod story;
mod trace;
mod witness;
mod world;

use std::ops::Range;

use seeds::{run, spread};
use world::Planted;

/// With the system's a fifth of the time goes into it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What `hack/test` runs; a debug build is some ten times as slow.
const SEEDS: u64 = if cfg!(debug_assertions) { 6 } else { 1_000 };
/// In so many seeds a planted bug is found.
const PATIENCE: u64 = 20;

const SEED: &str = "GANTRY_SIMULATION_SEED";
const SEVERAL: &str = "GANTRY_SIMULATION_SEEDS";

/// The one seed that is asked for.
fn one() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    let seed = text.parse();
    Some(seed.unwrap_or_else(|_| panic!("{SEED} is a number: {text:?}")))
}

/// The seeds to run: a number of them, or from one to before another.
fn several() -> Range<u64> {
    let Ok(text) = std::env::var(SEVERAL) else {
        return 0..SEEDS;
    };
    let (from, to) = text.split_once("..").unwrap_or(("0", &text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) => from..to,
        _ => panic!("{SEVERAL} is a number, or two as in 100..200: {text:?}"),
    }
}

fn planted() -> Planted {
    let name = "GANTRY_SIMULATION_PLANTED";
    std::env::var(name).map_or(Planted::Nothing, |bug| {
        Planted::named(&bug).unwrap_or_else(|| panic!("{name}: no bug is named {bug:?}"))
    })
}

#[test]
fn every_seed_keeps_the_invariants_gets_there_and_repeats_exactly() {
    if let Some(seed) = one() {
        let outcome = run(seed, planted(), true).unwrap_or_else(|failure| panic!("{failure}"));
        println!("seed {seed}: {outcome:?}");
        return;
    }
    let summary = spread(several(), |seed| {
        let first = run(seed, Planted::Nothing, false)?;
        let second = run(seed, Planted::Nothing, false)?;
        match first == second {
            true => Ok(first),
            false => Err(format!(
                "seed {seed} does not repeat: {first:?}, then {second:?}"
            )),
        }
    });
    println!("{summary}");
    assert!(
        summary.failures.is_empty(),
        "{}",
        summary.failures.join("\n")
    );
}

fn is_found(planted: Planted) {
    let found = (0..PATIENCE).find_map(|seed| run(seed, planted, false).err());
    let found = found.unwrap_or_else(|| panic!("{planted:?} was not found in {PATIENCE} seeds"));
    println!("{planted:?}: {found}");
}

#[test]
fn a_controller_without_expectations_is_found() {
    is_found(Planted::NoExpectations);
}

#[test]
fn a_lost_reply_that_is_taken_for_a_failure_is_found() {
    is_found(Planted::LostReplyIsFailure);
}

#[test]
fn events_that_a_watch_drops_are_found() {
    is_found(Planted::DroppedEvents);
}
