//! What can go wrong between a component and the API server, and what that means for the caller.

use std::time::Duration;

use super::status::{Status, reason};

/// A request's failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered, and refused.
    #[error("{}", .0.message)]
    Api(Box<Status>),
    /// No answer came, or not all of it. The request **may have taken effect**.
    #[error("no answer from the API server: {0}")]
    Transport(#[source] tower::BoxError),
    /// No answer came in time. The request **may have taken effect**.
    #[error("no answer from the API server within {0:?}")]
    TimedOut(Duration),
    /// The answer could not be read. The request **may have taken effect**.
    #[error("an answer of the API server cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The request could not be made from what was given.
    #[error("a request cannot be made: {0}")]
    Request(String),
    /// The kubeconfig or the TLS material cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Config(String),
}

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The protobuf envelope.
    #[error("protobuf: {0}")]
    Wire(&'static str),
    /// JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The object, by the schema of its kind.
    #[error("{kind}: {what}")]
    Object {
        /// The kind that was expected.
        kind: String,
        /// What is wrong.
        what: String,
    },
    /// A media type that was not asked for.
    #[error("unexpected content type {0:?}")]
    ContentType(String),
}

impl Error {
    /// The server's answer, if there was one.
    pub fn status(&self) -> Option<&Status> {
        if let Error::Api(status) = self {
            Some(status)
        } else {
            None
        }
    }

    /// The HTTP status code; 0 if the server did not answer.
    pub fn code(&self) -> u16 {
        self.status().map_or(0, |s| s.code)
    }

    /// The server's reason; empty if it did not answer.
    pub fn reason(&self) -> &str {
        self.status().map_or("", |s| s.reason.as_str())
    }

    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == 404
    }

    /// An object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == reason::ALREADY_EXISTS
    }

    /// The object is not at the resourceVersion, or has not the uid, that the request named.
    pub fn is_conflict(&self) -> bool {
        self.reason() == reason::CONFLICT
    }

    /// The object, as it would be, breaks a rule: trying again unchanged is in vain.
    pub fn is_invalid(&self) -> bool {
        self.reason() == reason::INVALID
    }

    /// Not allowed, by rights or by admission.
    pub fn is_forbidden(&self) -> bool {
        self.code() == 403
    }

    /// The asked-for revision is no longer known: list anew.
    pub fn is_expired(&self) -> bool {
        self.code() == 410 || matches!(self.reason(), reason::EXPIRED | reason::GONE)
    }

    /// The namespace of a create is being deleted.
    pub fn is_namespace_terminating(&self) -> bool {
        self.status()
            .is_some_and(|s| s.has_cause("NamespaceTerminating"))
    }

    /// Trying again later, unchanged, may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Transport(_) | Error::TimedOut(_) => true,
            Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
            Error::Decode(_) | Error::Request(_) | Error::Config(_) => false,
        }
    }

    /// It is unknown whether a write took effect.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Error::Transport(_) | Error::TimedOut(_) | Error::Decode(_) => true,
            Error::Api(status) => matches!(status.code, 500 | 502 | 504),
            Error::Request(_) | Error::Config(_) => false,
        }
    }

    /// When the server asks to be left alone until.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.status()?.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }
}

/// For results where absence is a good answer.
pub trait ResultExt<T>: Sized {
    /// Turns "not found" into `None`.
    fn optional(self) -> Result<Option<T>, Error>;
}

impl<T> ResultExt<T> for Result<T, Error> {
    fn optional(self) -> Result<Option<T>, Error> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
