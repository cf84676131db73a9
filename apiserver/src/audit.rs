//! Where it is noted who did what. The sink is called once a request, when the head of its answer is known.

use crate::identity::Identity;
use crate::request::RequestContext;

/// A request that was refused before it reached its handler.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The request's id.
    pub audit_id: &'a str,
    /// Who is calling; `None` if the credentials are wrong.
    pub identity: Option<&'a Identity>,
    /// The verb; empty if the path cannot be read.
    pub verb: &'static str,
    /// The path, as sent.
    pub path: &'a str,
    /// The answer's code.
    pub code: u16,
}

/// Takes note of requests. Called on the request's path: it must neither wait nor fail.
pub trait AuditSink: Send + Sync + 'static {
    /// The request `cx` was answered with `code`.
    fn record(&self, cx: &RequestContext, code: u16);

    /// A request was refused before it reached its handler.
    fn record_refused(&self, refused: &Refused<'_>);
}

/// Notes requests in the process's own log, at the level `debug` of the target `audit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

impl AuditSink for LogSink {
    fn record(&self, cx: &RequestContext, code: u16) {
        tracing::debug!(
            target: "audit",
            id = %cx.audit_id,
            user = cx.identity.name,
            impersonator = cx.impersonator.as_ref().map(|i| i.name.as_str()),
            verb = %cx.info.verb,
            path = cx.info.path,
            code,
            annotations = ?cx.annotations(),
        );
    }

    fn record_refused(&self, refused: &Refused<'_>) {
        tracing::debug!(
            target: "audit",
            id = refused.audit_id,
            user = refused.identity.map(|i| i.name.as_str()),
            verb = refused.verb,
            path = refused.path,
            code = refused.code,
            "refused",
        );
    }
}
