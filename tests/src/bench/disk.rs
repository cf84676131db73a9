//! The disk below: what bounds every durable write.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::load::timing::Latencies;

/// How long one sync of 1 KiB takes.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    p50: Duration,
    p99: Duration,
}

impl Disk {
    /// One whose syncs all take so long.
    #[cfg(test)]
    pub fn of_micros(micros: u64) -> Disk {
        let time = Duration::from_micros(micros);
        Disk {
            p50: time,
            p99: time,
        }
    }

    /// The median, in microseconds.
    pub fn sync_micros(&self) -> f64 {
        self.p50.as_secs_f64() * 1e6
    }
}

/// Measures the disk that `directory` is on.
///
/// # Errors
/// On a tmpfs: nothing that is acknowledged there is durable.
pub fn probe(directory: &Path) -> io::Result<Disk> {
    if statfs(directory)?.filesystem_type() == TMPFS_MAGIC {
        return Err(io::Error::other(format!(
            "{} is a tmpfs: set GANTRY_BENCH_DIR to a directory on a disk",
            directory.display()
        )));
    }
    let mut file = tempfile::tempfile_in(directory)?;
    let mut latencies = Latencies::default();
    for _ in 0..1000 {
        file.write_all(&[b'x'; 1024])?;
        let begun = Instant::now();
        file.sync_data()?;
        latencies.add(begun.elapsed());
    }
    Ok(Disk {
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
    })
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.p50.as_micros(), self.p99.as_micros());
        write!(f, "fdatasync of 1 KiB: p50 {p50} µs, p99 {p99} µs")
    }
}
