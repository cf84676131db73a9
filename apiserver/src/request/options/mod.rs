//! The options of a request, from its query: typed, with upstream's errors.
//!
//! Decoding fails with 400 and Go's words for a number that is none; validation fails with 422. Selectors stay text:
//! parsing them is `api::selector`'s.

mod delete;
mod read;
mod write;

use api::field::{ErrorList, quote};

pub use delete::{DeleteOptions, Propagation};
pub use read::{GetOptions, ListOptions, ResourceVersionMatch};
pub use write::{CreateOptions, FieldValidation, PatchKind, PatchOptions, UpdateOptions};

use super::info::flag;
use super::query::Query;
use crate::status::{Qualified, Status};

const META: &str = "meta.k8s.io";

/// The parameter as a 64-bit number; 400 with Go's words if it is none.
fn number(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(key) else {
        return Ok(None);
    };
    text.parse::<i64>()
        .map(Some)
        .map_err(|e| Status::bad_request(parse_error("ParseInt", text, e.kind())))
}

fn parse_error(function: &str, text: &str, kind: &std::num::IntErrorKind) -> String {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let why = if matches!(kind, PosOverflow | NegOverflow) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {}: {why}", quote(text))
}

fn text(query: &Query, key: &str) -> String {
    query.get(key).unwrap_or_default().to_owned()
}

fn optional_flag(query: &Query, key: &str) -> Option<bool> {
    query.get(key).map(|v| flag(Some(v)))
}

fn checked(kind: &str, errors: &ErrorList) -> Result<(), Status> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(Qualified::new(META, kind), "", errors)),
    }
}

#[cfg(test)]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (u16, String) {
    let status = result.unwrap_err();
    (status.code(), status.message().to_owned())
}
