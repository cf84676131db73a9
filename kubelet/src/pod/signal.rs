//! Signals by their names.

use std::str::FromStr;

use nix::sys::signal::Signal;

/// The number of a signal as images and pods write it: `SIGTERM`, `TERM`, `15`.
pub fn number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse::<u32>() {
        return Some(number);
    }
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("SIG") {
        upper
    } else {
        format!("SIG{upper}")
    };
    if let Some(offset) = full.strip_prefix("SIGRTMIN") {
        return Some(34 + offset.trim_start_matches('+').parse::<u32>().unwrap_or(0));
    }
    Signal::from_str(&full)
        .ok()
        .and_then(|signal| u32::try_from(signal as i32).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_prefix_and_numbers() {
        assert_eq!(
            ["SIGTERM", "term", "9", "SIGRTMIN+3"].map(number),
            [Some(15), Some(15), Some(9), Some(37)]
        );
        assert_eq!(number("SIGNAL"), None);
    }
}
