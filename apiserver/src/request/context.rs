//! What accompanies a request through the pipeline.

use std::sync::Arc;
use std::time::Duration;

use api::field::is_print;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Query, RequestInfo, Stage, Timings};
use crate::flow::Seat;
use crate::identity::SharedIdentity;

/// How many bytes of warnings an answer carries at most, as upstream.
const MAX_WARNING_BYTES: usize = 4096;
/// To how many characters a warning is cut when there are more bytes than that.
const MAX_ONE_WARNING: usize = 256;

/// One warning for the client (RFC 9111 code 299).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(String);

impl Warning {
    /// A warning of one line; control characters become spaces.
    pub fn new(text: &str) -> Warning {
        Warning(
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
        )
    }

    /// The value of the `Warning` header.
    pub fn header(&self) -> Option<HeaderValue> {
        let quoted = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()).ok()
    }
}

/// What accompanies a request through the pipeline: who asks for what, until when, and what is to be told of it.
///
/// Shared by reference; what changes on the way (timings, warnings, annotations) does so inside.
#[derive(Debug)]
pub struct RequestContext {
    /// The request's id, from the client's `Audit-ID` or random; the answer carries it.
    pub audit_id: Arc<str>,
    /// On whose behalf the request is done.
    pub identity: SharedIdentity,
    /// Who impersonates that identity, if anybody does.
    pub impersonator: Option<SharedIdentity>,
    /// What is asked for.
    pub info: RequestInfo,
    /// The query.
    pub query: Query,
    /// The client's `User-Agent`: the default field manager is its first word.
    pub user_agent: String,
    /// When the head of the request arrived.
    pub received: Instant,
    /// When the request must have been answered; `None` for a long-running one.
    pub deadline: Option<Instant>,
    /// Ends when the server shuts down: a stream ends itself then.
    pub draining: CancellationToken,
    timings: Timings,
    warnings: Mutex<Vec<Warning>>,
    annotations: Mutex<Vec<(String, String)>>,
    seat: Mutex<Option<Seat>>,
}

/// What a [`RequestContext`] is made of.
#[derive(Debug)]
#[allow(missing_docs)] // As in RequestContext.
pub struct ContextBuilder {
    pub audit_id: Arc<str>,
    pub identity: SharedIdentity,
    pub impersonator: Option<SharedIdentity>,
    pub info: RequestInfo,
    pub query: Query,
    pub user_agent: String,
    pub received: Instant,
    pub deadline: Option<Instant>,
    pub draining: CancellationToken,
    pub timings: Timings,
    pub seat: Option<Seat>,
}

impl From<ContextBuilder> for RequestContext {
    fn from(b: ContextBuilder) -> RequestContext {
        RequestContext {
            audit_id: b.audit_id,
            identity: b.identity,
            impersonator: b.impersonator,
            info: b.info,
            query: b.query,
            user_agent: b.user_agent,
            received: b.received,
            deadline: b.deadline,
            draining: b.draining,
            timings: b.timings,
            warnings: Mutex::default(),
            annotations: Mutex::default(),
            seat: Mutex::new(b.seat),
        }
    }
}

impl RequestContext {
    /// Warns the client; a warning that repeats is sent once.
    pub fn warn(&self, text: &str) {
        let warning = Warning::new(text);
        let mut warnings = self.warnings.lock();
        let used: usize = warnings
            .iter()
            .map(|w| w.0.len().min(MAX_ONE_WARNING))
            .sum();
        if !text.is_empty() && used < MAX_WARNING_BYTES && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// The warnings so far; each is cut when all are too long together.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.lock().clone();
        if warnings.iter().map(|w| w.0.len()).sum::<usize>() > MAX_WARNING_BYTES {
            for Warning(text) in &mut warnings {
                let end = text.char_indices().nth(MAX_ONE_WARNING).map(|(at, _)| at);
                text.truncate(end.unwrap_or(text.len()));
            }
        }
        warnings
    }

    /// Notes a fact for the audit log.
    pub fn annotate(&self, key: &str, value: impl Into<String>) {
        self.annotations.lock().push((key.to_owned(), value.into()));
    }

    /// The facts noted for the audit log.
    pub fn annotations(&self) -> Vec<(String, String)> {
        self.annotations.lock().clone()
    }

    /// What each stage took so far.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Runs `work` as part of `stage`.
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.timings.add(stage, start.elapsed());
        result
    }

    /// Awaits `work` as part of `stage`.
    pub async fn time_async<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = work.await;
        self.timings.add(stage, start.elapsed());
        result
    }

    /// How much time is left; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Gives up the seat before the request ends: what begins as a list and turns into a stream must not keep it.
    pub fn leave_seat(&self) {
        self.seat.lock().take();
    }

    /// The default field manager: what is printable of the user agent up to its first `/`, of 128 bytes at most.
    pub fn default_field_manager(&self) -> String {
        let mut manager = String::new();
        for c in self
            .user_agent
            .split('/')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| is_print(*c))
        {
            if manager.len() + c.len_utf8() > 128 {
                break;
            }
            manager.push(c);
        }
        manager
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_quoted_and_stays_on_its_line() {
        let warning = Warning::new("a \"b\"\nc\\");
        assert_eq!(warning.header().unwrap(), "299 - \"a \\\"b\\\" c\\\\\"");
    }
}
