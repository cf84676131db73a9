//! What the kernel says of a process: memory and processor time.

use std::fs;
use std::io;
use std::time::Duration;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Of its own: heap and stacks.
    pub anonymous: u64,
    /// With what it shares with others: its program's pages among them.
    pub resident: u64,
    /// The most that was resident since [`reset_peak`].
    pub peak: u64,
}

/// The memory of a process.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other(format!("no {name} in /proc/{pid}/status")))
    };
    Ok(Memory {
        anonymous: field("RssAnon")?,
        resident: field("VmRSS")?,
        peak: field("VmHWM")?,
    })
}

/// From now on the peak counts anew.
pub fn reset_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Processor time of a process so far, of all its threads.
pub fn processor(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    of_stat(&stat)
}

/// Processor time of those threads whose name begins with `prefix`.
pub fn processor_of_threads(pid: u32, prefix: &str) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path();
        if fs::read_to_string(path.join("comm"))?.starts_with(prefix) {
            // Nanoseconds on a processor, more exact than the ticks of `stat`.
            let schedstat = fs::read_to_string(path.join("schedstat"))?;
            let nanos = schedstat
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok());
            sum += Duration::from_nanos(nanos.unwrap_or(0));
        }
    }
    Ok(sum)
}

/// User and system time out of the text of `/proc/PID/stat`.
fn of_stat(stat: &str) -> io::Result<Duration> {
    // The name, in parentheses, may have spaces in it; the numbers begin behind it with the state.
    let numbers = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = numbers.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        // Linux counts in hundredths of a second on every platform that we run on.
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 10)),
        _ => Err(io::Error::other(format!(
            "not the text of a stat file: {stat}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test may")]
    fn a_name_with_parentheses_and_spaces_does_not_move_the_fields() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(of_stat(stat).unwrap(), Duration::from_secs(2));
    }

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test may")]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(
            memory.anonymous > 0
                && memory.resident >= memory.anonymous
                && memory.peak >= memory.resident
        );
    }
}
