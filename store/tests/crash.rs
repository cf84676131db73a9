//! Power cuts: 1,000 runs of the embedded engine on a disk that loses or tears whatever was not synced, at random
//! points. `GANTRY_CRASH_SEED` runs one seed alone: it decides where the power goes and what survives; how the
//! engine's thread interleaves with the writers it does not decide.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Also in what tests share.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::clock::ManualClock;
use common::disk::{MemoryDisk, Random};
use common::{all, bytes, until};
use store::redb::Options;
use store::{AppendError, Error, Expect, Log, Op, Redb, Revision};

const RUNS: u64 = 1_000;
const WRITERS: u64 = 3;
/// Every writer writes its number to all of its keys, in one append.
const KEYS: u64 = 3;
/// Power cuts in a run.
const CUTS: u64 = 2;

/// What a writer knows.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    acknowledged: u64,
    at: Revision,
    attempted: u64,
}

fn options() -> Options {
    Options {
        // So small that history is dropped and read from the disk all the time.
        history: 20_000,
        recent: 2_000,
        cache: 1 << 20,
    }
}

async fn open(disk: &MemoryDisk) -> Redb {
    let clock = Arc::new(ManualClock::new());
    Redb::open_on(Box::new(disk.clone()), options(), clock)
        .await
        .unwrap()
}

fn ops(writer: u64, number: u64, size: u64) -> Vec<Op> {
    let value = format!("{number:08}{}", "x".repeat(size as usize));
    (0..KEYS)
        .map(|key| {
            let key = bytes(format!("{writer}/{key}"));
            // Every fifth is a deletion of one of the keys, so that history has those as well.
            if number.is_multiple_of(5) && key.ends_with(b"/2") {
                Op::Delete {
                    key,
                    expect: Expect::Any,
                }
            } else {
                Op::Put {
                    key,
                    value: bytes(&value),
                    expect: Expect::Any,
                    ttl: None,
                }
            }
        })
        .collect()
}

/// Writes until the power is gone.
async fn write(log: Redb, writer: u64, mut known: Known, mut random: Random) -> Known {
    loop {
        known.attempted += 1;
        assert!(
            known.attempted < 10_000,
            "the power never goes: nothing is written"
        );
        let size = 1 + random.below(3_000);
        match log.append(ops(writer, known.attempted, size)).await {
            Ok(appended) => {
                assert!(appended.revision > known.at);
                known.at = appended.revision;
                known.acknowledged = known.attempted;
            }
            Err(AppendError::Failed(Error::Unavailable(_) | Error::Unknown(_))) => return known,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn verify(log: &Redb, known: &mut [Known], seed: u64) {
    let entries = all(log, "").await;
    let head = log.head().await.unwrap();
    for (writer, known) in known.iter_mut().enumerate() {
        let mine: BTreeMap<_, _> = entries
            .iter()
            .filter(|e| e.key.starts_with(format!("{writer}/").as_bytes()))
            .map(|e| (e.key.clone(), e))
            .collect();
        let first = mine.get(&bytes(format!("{writer}/0")));
        let number = first.map_or(0, |e| {
            std::str::from_utf8(&e.value[..8]).unwrap().parse().unwrap()
        });
        assert!(
            (known.acknowledged..=known.attempted).contains(&number),
            "seed {seed}: {writer} holds {number}, knows {known:?}"
        );
        assert!(head >= known.at, "seed {seed}: head {head}, {known:?}");
        if let Some(first) = first {
            let expected = if number.is_multiple_of(5) {
                KEYS - 1
            } else {
                KEYS
            };
            assert_eq!(
                mine.len() as u64,
                expected,
                "seed {seed}: a part is missing"
            );
            for entry in mine.values() {
                assert_eq!(entry.value, first.value, "seed {seed}: torn apart");
                assert_eq!(entry.mod_revision, first.mod_revision, "seed {seed}");
            }
            if number == known.acknowledged {
                assert_eq!(first.mod_revision, known.at, "seed {seed}");
            }
        }
        // What was found counts as known from here on: it must not vanish later.
        known.acknowledged = number;
        known.at = known
            .at
            .max(first.map_or(Revision::ZERO, |e| e.mod_revision));
        known.attempted = number;
    }
    // History is whole, from wherever it begins up to the head, and ends in what the entries say.
    let oldest = match common::failure(&mut log.tail(Revision::ZERO)).await {
        Error::Compacted { oldest } => oldest,
        other => panic!("seed {seed}: {other}"),
    };
    let sets = until(&mut log.tail(oldest), head, oldest).await;
    assert_eq!(sets.len() as i64, head.0 - oldest.0, "seed {seed}: a gap");
    let mut last = BTreeMap::new();
    for set in &sets {
        for change in &*set.changes {
            last.insert(change.key.clone(), (set.revision, change.value.clone()));
        }
    }
    for (key, (at, value)) in last {
        let entry = entries.iter().find(|e| e.key == key);
        assert_eq!(entry.map(|e| &e.value), value.as_ref(), "seed {seed}");
        assert!(entry.is_none_or(|e| e.mod_revision == at), "seed {seed}");
    }
}

/// How often the power went while a sync was under way for somebody, and how many appends were acknowledged.
async fn run(seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let disk = MemoryDisk::default();
    let mut known = vec![Known::default(); WRITERS as usize];
    let (mut acknowledged, mut undecided) = (0, 0);
    open(&disk).await.shutdown().await;
    for _ in 0..CUTS {
        // Also while it recovers from the last cut.
        disk.cut_after(random.below(400));
        let clock = Arc::new(ManualClock::new());
        let opened = Redb::open_on(Box::new(disk.clone()), options(), clock).await;
        if let Ok(log) = opened {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let random = Random(random.next());
                    let known = known[writer as usize];
                    tokio::spawn(write(log.clone(), writer, known, random))
                })
                .collect();
            for (writer, known) in writers.into_iter().zip(&mut known) {
                let before = known.acknowledged;
                *known = writer.await.unwrap();
                acknowledged += known.acknowledged - before;
            }
            log.shutdown().await;
        }
        assert!(disk.is_cut());
        disk.revive(&mut random);
        let log = open(&disk).await;
        let before: Vec<u64> = known.iter().map(|k| k.acknowledged).collect();
        verify(&log, &mut known, seed).await;
        let after = known.iter().map(|k| k.acknowledged);
        undecided += after
            .zip(before)
            .filter(|(after, before)| after > before)
            .count() as u64;
        log.shutdown().await;
    }
    (acknowledged, undecided)
}

fn runs(seeds: impl Iterator<Item = u64>) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    seeds.fold((0, 0), |(acknowledged, undecided), seed| {
        let (a, u) = runtime.block_on(run(seed));
        (acknowledged + a, undecided + u)
    })
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_torn_by_a_power_cut() {
    if let Ok(seed) = std::env::var("GANTRY_CRASH_SEED") {
        runs(std::iter::once(seed.parse().unwrap()));
        return;
    }
    let halves = [0, 1].map(|first| std::thread::spawn(move || runs((first..RUNS).step_by(2))));
    let (mut acknowledged, mut undecided) = (0, 0);
    for half in halves {
        let (a, u) = half.join().unwrap();
        acknowledged += a;
        undecided += u;
    }
    println!("{acknowledged} appends acknowledged, {undecided} found that were not");
    // The test is worth something only if cuts fell on both sides of the acknowledgement.
    assert!(acknowledged > 10 * RUNS && undecided > RUNS / 50);
}
