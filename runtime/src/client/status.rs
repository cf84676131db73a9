//! `meta/v1.Status`: how the API server says that something went wrong.

use serde::Deserialize;

/// A failure as the server reports it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `Failure`, or `Success` where a deletion answers with a status.
    pub status: String,
    /// For people.
    pub message: String,
    /// For programs: see the constants of [`reason`].
    pub reason: String,
    /// The HTTP status code.
    pub code: u16,
    /// What it is about.
    pub details: Option<Details>,
}

/// What a failure is about.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// The kind's group.
    pub group: String,
    /// The resource, in spite of the field's name.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// One entry for each field that is wrong.
    pub causes: Vec<Cause>,
    /// When to try again; 0 when the server does not say.
    pub retry_after_seconds: u32,
}

/// One reason among several.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// For programs, such as `FieldValueInvalid`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The field, as a path.
    pub field: String,
}

impl Status {
    /// A status for a server that answered with a bare code and perhaps some text.
    pub fn from_code(code: u16, message: String) -> Status {
        let reason = match code {
            400 => reason::BAD_REQUEST,
            401 => reason::UNAUTHORIZED,
            403 => reason::FORBIDDEN,
            404 => reason::NOT_FOUND,
            405 => reason::METHOD_NOT_ALLOWED,
            406 => reason::NOT_ACCEPTABLE,
            409 => reason::CONFLICT,
            410 => reason::GONE,
            413 => reason::REQUEST_ENTITY_TOO_LARGE,
            415 => reason::UNSUPPORTED_MEDIA_TYPE,
            422 => reason::INVALID,
            429 => reason::TOO_MANY_REQUESTS,
            500 => reason::INTERNAL_ERROR,
            503 => reason::SERVICE_UNAVAILABLE,
            504 => reason::TIMEOUT,
            _ => "",
        };
        Status {
            status: "Failure".into(),
            message,
            reason: reason.into(),
            code,
            details: None,
        }
    }

    /// Whether one of the causes has this reason: an eviction refused for a disruption budget has `DisruptionBudget`.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.details
            .as_ref()
            .is_some_and(|d| d.causes.iter().any(|c| c.reason == reason))
    }
}

/// The reasons that programs tell apart (`metav1.StatusReason`).
pub mod reason {
    #![allow(
        missing_docs,
        reason = "each is its own name; upstream's API reference explains them"
    )]
    pub const ALREADY_EXISTS: &str = "AlreadyExists";
    pub const BAD_REQUEST: &str = "BadRequest";
    pub const CONFLICT: &str = "Conflict";
    pub const EXPIRED: &str = "Expired";
    pub const FORBIDDEN: &str = "Forbidden";
    pub const GONE: &str = "Gone";
    pub const INTERNAL_ERROR: &str = "InternalError";
    pub const INVALID: &str = "Invalid";
    pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
    pub const NOT_ACCEPTABLE: &str = "NotAcceptable";
    pub const NOT_FOUND: &str = "NotFound";
    pub const REQUEST_ENTITY_TOO_LARGE: &str = "RequestEntityTooLarge";
    pub const SERVER_TIMEOUT: &str = "ServerTimeout";
    pub const SERVICE_UNAVAILABLE: &str = "ServiceUnavailable";
    pub const TIMEOUT: &str = "Timeout";
    pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    pub const UNAUTHORIZED: &str = "Unauthorized";
    pub const UNSUPPORTED_MEDIA_TYPE: &str = "UnsupportedMediaType";
}
