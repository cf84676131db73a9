//! The terminal that a person sits at: raw while a container's terminal is shown in it.

use std::io::IsTerminal;

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Makes the terminal raw, until it is dropped: what is typed goes to the container key by key.
pub struct Raw(Termios);

impl Raw {
    /// `None` if standard input is no terminal.
    pub fn begin() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// Whether a person types.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// Columns and rows, if there are any.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdin()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
