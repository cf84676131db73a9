//! Colours, on a terminal only and never when `NO_COLOR` is set.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

/// What a text says, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Under way, or worth a look.
    Waiting,
    /// Broken.
    Bad,
    /// Less important.
    Dim,
    /// More important.
    Bold,
}

/// True if standard output takes colours.
pub fn coloured() -> bool {
    static COLOURED: OnceLock<bool> = OnceLock::new();
    *COLOURED.get_or_init(|| {
        std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    })
}

/// The text in its tone, if colours are on.
pub fn paint(text: &str, tone: Tone) -> String {
    if coloured() {
        always(text, tone)
    } else {
        text.to_owned()
    }
}

fn always(text: &str, tone: Tone) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Waiting => "33",
        Tone::Bad => "31",
        Tone::Dim => "2",
        Tone::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The tone of a status word, as tables show them (`Running`, `CrashLoopBackOff`, `Init:0/1`).
pub fn of_status(word: &str) -> Option<Tone> {
    let bad = [
        "Error",
        "BackOff",
        "Failed",
        "OOMKilled",
        "Evicted",
        "NotReady",
        "Invalid",
        "Unknown",
        "Lost",
        "ErrImage",
        "UnexpectedAdmission",
    ];
    match word {
        "Running" | "Ready" | "Active" | "Bound" | "Completed" | "Succeeded" | "Complete"
        | "Available" => Some(Tone::Good),
        "Pending" | "ContainerCreating" | "PodInitializing" | "Terminating" | "SchedulingGated"
        | "Warning" => Some(Tone::Waiting),
        _ if bad.iter().any(|part| word.contains(part)) => Some(Tone::Bad),
        _ if word.starts_with("Init:") => Some(Tone::Waiting),
        _ => None,
    }
}

/// Output of programs and other people is printed as it is, but for control characters, which could steer the terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_have_tones() {
        assert_eq!(of_status("Running"), Some(Tone::Good));
        assert_eq!(of_status("CrashLoopBackOff"), Some(Tone::Bad));
        assert_eq!(of_status("Init:0/2"), Some(Tone::Waiting));
        assert_eq!(of_status("web-1"), None);
        assert_eq!(always("x", Tone::Bad), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\n");
    }
}
