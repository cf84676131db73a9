//! Errors as clients see them: metav1.Status with upstream's reasons, codes, messages and details.
//!
//! Inside the server errors are typed where they arise; whatever reaches a client becomes a [`Status`] once, at the edge.
//! The constructors build the same words and details as k8s.io/apimachinery `pkg/api/errors`. This module must not know how
//! a request is handled.

mod encode;
mod reason;
mod render;

use std::collections::BTreeSet;
use std::fmt::Display;

use api::field::{ErrorList, quote};
use serde::Serialize;

pub use reason::Reason;
pub use render::{Format, negotiate, plain_text, render, wants_pretty};

/// A failure as a client sees it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Status(Box<Fields>);

#[derive(Clone, Debug, PartialEq)]
struct Fields {
    code: u16,
    reason: Reason,
    message: String,
    details: Option<Details>,
    /// Where a list whose token has expired may go on.
    continue_token: String,
}

/// What a failure is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind, or the resource's name: upstream uses either.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// One entry a problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// After how many seconds to try again; 0: not said.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: i32,
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// One problem among several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cause {
    /// Its machine-readable kind: `FieldValueInvalid`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field concerned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// A resource (or a kind) with its group: written `deployments.apps`, or `pods` in the core group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Qualified<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The resource's plural name, or the kind.
    pub name: &'a str,
}

impl<'a> Qualified<'a> {
    /// `name` of `group`.
    pub const fn new(group: &'a str, name: &'a str) -> Qualified<'a> {
        Qualified { group, name }
    }

    fn details(self, object: &str) -> Details {
        Details {
            name: object.to_owned(),
            group: self.group.to_owned(),
            kind: self.name.to_owned(),
            ..Details::default()
        }
    }
}

impl Display for Qualified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.group {
            "" => f.write_str(self.name),
            group => write!(f, "{}.{group}", self.name),
        }
    }
}

impl Status {
    /// A failure of any kind; the constructors named after the reasons read better.
    pub fn new(
        code: u16,
        reason: Reason,
        message: impl Into<String>,
        details: Option<Details>,
    ) -> Status {
        Status(Box::new(Fields {
            code,
            reason,
            message: message.into(),
            details,
            continue_token: String::new(),
        }))
    }

    /// The same, with one more cause.
    pub fn with_cause(mut self, cause: Cause) -> Status {
        let details = self.0.details.get_or_insert_default();
        details.causes.push(cause);
        self
    }

    /// The same, with a token by which a list may go on (`metadata.continue`).
    pub fn with_continue(mut self, token: String) -> Status {
        self.0.continue_token = token;
        self
    }

    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.0.code
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it is about.
    pub fn details(&self) -> Option<&Details> {
        self.0.details.as_ref()
    }

    /// After how many seconds to try again, if said.
    pub fn retry_after(&self) -> Option<i32> {
        self.details()
            .map(|d| d.retry_after_seconds)
            .filter(|&s| s > 0)
    }

    /// 404: there is no object `name` of `resource`.
    pub fn not_found(resource: Qualified<'_>, name: &str) -> Status {
        let message = format!("{resource} {} not found", quote(name));
        Status::new(404, Reason::NotFound, message, Some(resource.details(name)))
    }

    /// 404: the path names no resource that is served.
    pub fn unknown_resource() -> Status {
        let message = "the server could not find the requested resource";
        Status::new(404, Reason::NotFound, message, Some(Details::default()))
    }

    /// 405: the resource is served, but not with this method.
    pub fn method_not_allowed() -> Status {
        let message = "the server does not allow this method on the requested resource";
        Status::new(
            405,
            Reason::MethodNotAllowed,
            message,
            Some(Details::default()),
        )
    }

    /// 405: the resource does not support `action`.
    pub fn method_not_supported(resource: Qualified<'_>, action: &str) -> Status {
        let message = format!(
            "{action} is not supported on resources of kind {}",
            quote(&resource.to_string())
        );
        Status::new(
            405,
            Reason::MethodNotAllowed,
            message,
            Some(resource.details("")),
        )
    }

    /// 409: an object of this name exists.
    pub fn already_exists(resource: Qualified<'_>, name: &str) -> Status {
        let message = format!("{resource} {} already exists", quote(name));
        Status::new(
            409,
            Reason::AlreadyExists,
            message,
            Some(resource.details(name)),
        )
    }

    /// 409: every name tried for a generateName was taken.
    pub fn generate_name_conflict(
        resource: Qualified<'_>,
        name: &str,
        retry_after_seconds: i32,
    ) -> Status {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quote(name)
        );
        let details = Details {
            retry_after_seconds,
            ..resource.details(name)
        };
        Status::new(409, Reason::AlreadyExists, message, Some(details))
    }

    /// 409: the object is not in the state that the request expects.
    pub fn conflict(resource: Qualified<'_>, name: &str, why: impl Display) -> Status {
        let message = format!(
            "Operation cannot be fulfilled on {resource} {}: {why}",
            quote(name)
        );
        Status::new(409, Reason::Conflict, message, Some(resource.details(name)))
    }

    /// 409: the object was changed since the client read it.
    pub fn modified(resource: Qualified<'_>, name: &str) -> Status {
        const WHY: &str = "the object has been modified; please apply your changes to the latest version and try again";
        Status::conflict(resource, name, WHY)
    }

    /// 409: fields that other managers own; one cause each.
    pub fn apply_conflict(causes: Vec<Cause>, message: impl Into<String>) -> Status {
        let details = Details {
            causes,
            ..Details::default()
        };
        Status::new(409, Reason::Conflict, message, Some(details))
    }

    /// 410: what was asked for is no longer there.
    pub fn gone(message: impl Into<String>) -> Status {
        Status::new(410, Reason::Gone, message, None)
    }

    /// 410: the revision asked for is older than history.
    pub fn expired(message: impl Into<String>) -> Status {
        Status::new(410, Reason::Expired, message, None)
    }

    /// 422: the object is not valid; one cause an error.
    pub fn invalid(kind: Qualified<'_>, name: &str, errors: &ErrorList) -> Status {
        // What two rules find is told once.
        let mut told = BTreeSet::new();
        let causes = errors
            .iter()
            .map(|e| Cause {
                reason: e.kind.cause().to_owned(),
                message: e.body(),
                field: e.field.clone(),
            })
            .filter(|cause| {
                let Cause {
                    reason,
                    message,
                    field,
                } = cause;
                told.insert((field.clone(), reason.clone(), message.clone()))
            })
            .collect();
        let message = match errors.is_empty() {
            true => format!("{kind} {} is invalid", quote(name)),
            false => format!("{kind} {} is invalid: {errors}", quote(name)),
        };
        let details = Details {
            causes,
            ..kind.details(name)
        };
        Status::new(422, Reason::Invalid, message, Some(details))
    }

    /// 400: the request is malformed.
    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::new(400, Reason::BadRequest, message, None)
    }

    /// 401: the credentials are missing or wrong; which, is not said.
    pub fn unauthorized() -> Status {
        Status::new(401, Reason::Unauthorized, "Unauthorized", None)
    }

    /// 403: not allowed, for a reason that stands in `why`.
    pub fn forbidden(resource: Qualified<'_>, name: &str, why: impl Display) -> Status {
        let message = match (resource.name.is_empty() && resource.group.is_empty(), name) {
            (true, _) => format!("forbidden: {why}"),
            (false, "") => format!("{resource} is forbidden: {why}"),
            (false, name) => format!("{resource} {} is forbidden: {why}", quote(name)),
        };
        Status::new(
            403,
            Reason::Forbidden,
            message,
            Some(resource.details(name)),
        )
    }

    /// 406: none of the accepted media types can be made.
    pub fn not_acceptable(available: &[&str]) -> Status {
        let message = format!(
            "406: Not Acceptable\n\nAvailable representations: {}",
            available.join(", ")
        );
        Status::new(
            406,
            Reason::NotAcceptable,
            message,
            Some(Details::default()),
        )
    }

    /// 413: the body is too large.
    pub fn request_entity_too_large(why: impl Display) -> Status {
        let message = format!("Request entity too large: {why}");
        Status::new(413, Reason::RequestEntityTooLarge, message, None)
    }

    /// 415: a body (not a patch) of a media type that is not understood.
    pub fn unsupported_media_type(accepted: &[&str]) -> Status {
        let accepted = accepted.join(", ");
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Status::new(415, Reason::UnsupportedMediaType, message, None)
    }

    /// 415: a patch of a media type that is not understood.
    pub fn unsupported_patch_type() -> Status {
        Status::new(
            415,
            Reason::UnsupportedMediaType,
            "415: Unsupported Media Type",
            Some(Details::default()),
        )
    }

    /// 429: the server is busy; try again after `retry_after_seconds`.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: i32) -> Status {
        let details = Details {
            retry_after_seconds,
            ..Details::default()
        };
        Status::new(429, Reason::TooManyRequests, message, Some(details))
    }

    /// 500: not the client's fault.
    pub fn internal(why: impl Display) -> Status {
        let cause = Cause {
            message: why.to_string(),
            ..Cause::default()
        };
        let details = Details {
            causes: vec![cause],
            ..Details::default()
        };
        Status::new(
            500,
            Reason::InternalError,
            format!("Internal error occurred: {why}"),
            Some(details),
        )
    }

    /// 500: the operation cannot be completed now, and may be tried again.
    pub fn server_timeout(
        resource: Qualified<'_>,
        operation: &str,
        retry_after_seconds: i32,
    ) -> Status {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        let details = Details {
            retry_after_seconds,
            ..resource.details(operation)
        };
        Status::new(500, Reason::ServerTimeout, message, Some(details))
    }

    /// 503: the server, or what it stands on, is not available.
    pub fn service_unavailable(message: impl Into<String>) -> Status {
        Status::new(503, Reason::ServiceUnavailable, message, None)
    }

    /// 504: the deadline passed; the operation may still take effect.
    pub fn timeout(why: impl Display, retry_after_seconds: i32) -> Status {
        let details = Details {
            retry_after_seconds,
            ..Details::default()
        };
        Status::new(
            504,
            Reason::Timeout,
            format!("Timeout: {why}"),
            Some(details),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::field::{Error, Path};

    #[test]
    fn messages_are_upstreams() {
        let pods = Qualified::new("", "pods");
        let deployments = Qualified::new("apps", "deployments");
        let table = [
            (
                Status::not_found(pods, "x"),
                404,
                "NotFound",
                "pods \"x\" not found",
            ),
            (
                Status::not_found(deployments, "x"),
                404,
                "NotFound",
                "deployments.apps \"x\" not found",
            ),
            (
                Status::already_exists(pods, "x"),
                409,
                "AlreadyExists",
                "pods \"x\" already exists",
            ),
            (
                Status::modified(pods, "x"),
                409,
                "Conflict",
                "Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your changes to \
                 the latest version and try again",
            ),
            (
                Status::forbidden(pods, "", "no"),
                403,
                "Forbidden",
                "pods is forbidden: no",
            ),
            (
                Status::forbidden(pods, "x", "no"),
                403,
                "Forbidden",
                "pods \"x\" is forbidden: no",
            ),
            (
                Status::forbidden(Qualified::default(), "", "no"),
                403,
                "Forbidden",
                "forbidden: no",
            ),
            (Status::bad_request("why"), 400, "BadRequest", "why"),
            (
                Status::internal("boom"),
                500,
                "InternalError",
                "Internal error occurred: boom",
            ),
            (Status::timeout("slow", 0), 504, "Timeout", "Timeout: slow"),
            (Status::expired("old"), 410, "Expired", "old"),
            (
                Status::method_not_supported(deployments, "patch"),
                405,
                "MethodNotAllowed",
                "patch is not supported on resources of kind \"deployments.apps\"",
            ),
            (
                Status::server_timeout(pods, "list", 2),
                500,
                "ServerTimeout",
                "The list operation against pods could not be completed at this time, please try again.",
            ),
            (Status::unauthorized(), 401, "Unauthorized", "Unauthorized"),
        ];
        for (status, code, reason, message) in table {
            assert_eq!(
                (status.code(), status.reason().as_str(), status.message()),
                (code, reason, message)
            );
        }
    }

    #[test]
    fn an_invalid_object_names_every_field() {
        let name = Path::new("metadata");
        let errors: ErrorList = [
            Error::required(&name.child("name"), "name or generateName is required"),
            Error::forbidden(&name, "x"),
        ]
        .into_iter()
        .collect();
        let status = Status::invalid(Qualified::new("apps", "Deployment"), "", &errors);
        assert_eq!(
            status.message(),
            "Deployment.apps \"\" is invalid: [metadata.name: Required value: name or generateName is required, \
             metadata: Forbidden: x]"
        );
        let causes = &status.details().unwrap().causes;
        assert_eq!(causes[0].reason, "FieldValueRequired");
        assert_eq!(
            causes[0].message,
            "Required value: name or generateName is required"
        );
        assert_eq!(causes[0].field, "metadata.name");
        assert_eq!(causes.len(), 2);
    }
}
