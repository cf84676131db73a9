//! Waiting for a condition, with a limit and with the last thing seen in the message.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Calls `probe` until it gives `Ok`; panics after `limit` with the last reason.
pub fn until<T, E: Display>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(value) => return value,
            Err(reason) if Instant::now() > end => panic!("{what}: not within {limit:?}: {reason}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
