//! Components that crash and come back, each with nothing but what its memory has to find out again.

use std::ops::RangeInclusive;
use std::time::Duration;

use runtime::{CancellationToken, Random};
use tokio::task::JoinHandle;

use crate::network::{LONGEST_WAY, Link};
use crate::source::between;
use crate::trace::Trace;

/// One life of a component.
pub struct Life {
    /// Its main task.
    pub task: JoinHandle<()>,
    /// Ends the tasks that it has started.
    pub stop: CancellationToken,
    /// Its way to the API server.
    pub link: Link,
}

impl Life {
    /// Ends it in the midst of whatever it does: what it has sent goes its way, and nothing follows.
    pub fn crash(self) {
        self.link.die();
        self.task.abort();
        self.stop.cancel();
    }
}

/// How long lives are, and the times between them, in milliseconds.
#[derive(Clone)]
pub struct Span {
    /// From start to crash.
    pub life: RangeInclusive<u64>,
    /// From crash to start. Longer than a request may be on its way: as with a lease that has to run out first, nobody acts
    /// while something of a former life is still to come.
    pub pause: RangeInclusive<u64>,
}

/// Keeps a component going from crash to crash.
pub async fn keep(
    name: String,
    span: Option<Span>,
    random: Random,
    trace: Trace,
    mut start: impl FnMut() -> Life,
) {
    loop {
        let life = start();
        let Some(span) = &span else {
            return std::future::pending().await;
        };
        tokio::time::sleep(draw(&random, &span.life)).await;
        trace.note(format_args!("{name} crashes"));
        life.crash();
        let least = Duration::from_millis(10) + 2 * LONGEST_WAY;
        tokio::time::sleep(draw(&random, &span.pause).max(least)).await;
        trace.note(format_args!("{name} starts again"));
    }
}

/// A time within a range.
pub fn draw(random: &Random, range: &RangeInclusive<u64>) -> Duration {
    between(random, *range.start(), *range.end())
}
