//! Durable creates per second on the embedded engine, beside the disk's own speed.
//!
//! `cargo run --release -p store --example write_rate -- DIR [SECONDS]`
//!
//! DIR must be on a real disk; a directory is made in it and removed again. Prints creates/s with 64 writers and with
//! one, the memory it takes (the latencies kept here are in it), and how long a start takes with 100,000 entries after a clean stop and after a crash.

#![allow(clippy::disallowed_methods, reason = "it measures the machine")]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::clock::SystemClock;
use store::redb::Options;
use store::{Expect, Log, Op, Redb};

const VALUE: usize = 1_024;
const TMPFS: i64 = 0x0102_1994;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: bench DIR [SECONDS]")?;
    let seconds = args.next().map_or(Ok(5), |s| s.parse())?;
    if rustix::fs::statfs(&dir)?.f_type == TMPFS {
        return Err("a tmpfs syncs nothing: give a directory on a disk".into());
    }
    let dir = tempfile::Builder::new()
        .prefix("store-bench")
        .tempdir_in(dir)?;
    println!("fdatasync p50: {:?}", fdatasync_p50(dir.path())?);
    let before = anonymous()?;
    for writers in [64, 1] {
        let at = dir.path().join(writers.to_string());
        let log = open(&at).await?;
        println!(
            "memory of an open log: {} KiB",
            anonymous()?.saturating_sub(before)
        );
        let (rate, p50, p99) = creates(&log, writers, Duration::from_secs(seconds)).await?;
        println!("{writers} writers: {rate:.0} creates/s, p50 {p50:?}, p99 {p99:?}");
        println!(
            "memory after that: {} KiB",
            anonymous()?.saturating_sub(before)
        );
        log.shutdown().await;
    }
    starts(&dir.path().join("starts")).await?;
    Ok(())
}

/// The process's anonymous memory, in KiB.
fn anonymous() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    Ok(line
        .ok_or("no RssAnon")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?)
}

async fn open(dir: &Path) -> Result<Redb, store::Error> {
    Redb::open(dir, Options::default(), Arc::new(SystemClock)).await
}

fn create(n: u64) -> Vec<Op> {
    vec![Op::Put {
        key: Bytes::from(format!("configmaps/default/object-{n:012}")),
        value: Bytes::from(vec![b'x'; VALUE]),
        expect: Expect::Absent,
        ttl: None,
    }]
}

async fn creates(
    log: &Redb,
    writers: usize,
    time: Duration,
) -> Result<(f64, Duration, Duration), Box<dyn Error>> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (log, next) = (log.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < time {
                    let sent = Instant::now();
                    log.append(create(next.fetch_add(1, Ordering::Relaxed)))
                        .await?;
                    latencies.push(sent.elapsed());
                }
                Ok::<_, store::AppendError>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort();
    let at = |part: usize| latencies[latencies.len() * part / 100];
    Ok((rate, at(50), at(99)))
}

async fn starts(dir: &Path) -> Result<(), Box<dyn Error>> {
    let log = open(dir).await?;
    let tasks: Vec<_> = (0..64)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                for n in (writer..100_000).step_by(64) {
                    log.append(create(n)).await?;
                }
                Ok::<_, store::AppendError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    // What a crash leaves: the file as it is while the log is open.
    let crashed = dir.with_extension("crashed");
    std::fs::create_dir_all(&crashed)?;
    std::fs::copy(dir.join("log.redb"), crashed.join("log.redb"))?;
    let stop = Instant::now();
    log.shutdown().await;
    println!("clean stop: {:?}", stop.elapsed());
    for (what, dir) in [("clean", dir), ("crashed", &crashed)] {
        let start = Instant::now();
        let log = open(dir).await?;
        let opened = start.elapsed();
        let (_, entries) = log.load(b"").await?.collect().await?;
        println!(
            "start, {what}: open {opened:?}, {} entries loaded after {:?}",
            entries.len(),
            start.elapsed()
        );
        log.shutdown().await;
    }
    Ok(())
}

fn fdatasync_p50(dir: &Path) -> Result<Duration, Box<dyn Error>> {
    let file = File::create(dir.join("probe"))?;
    let mut times = Vec::new();
    for n in 0..500 {
        file.write_all_at(&[n as u8; 4096], (n % 16) * 4096)?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
