//! Defaults and validation: where the pipeline meets the api crate's rules.

use api::field::ErrorList;
use api::{Time, Tree};
use api::{validation, warnings};

use super::{Kind, certificates, key_pairs, meta};
use crate::admission::policy;
use crate::request::RequestContext;
use crate::status::Status;

/// Fills in what a client may leave out.
pub fn default(tree: &mut Tree) {
    api::defaults::apply(tree);
}

/// Takes out what belongs to features that are off and that the current object, if there is one, does not use.
pub fn drop_disabled(tree: &mut Tree, old: Option<&Tree>) {
    api::defaults::drop_disabled(tree, old);
}

/// The defaults, and the times that default to the present, `now` in seconds since 1970.
pub fn default_at(tree: &mut Tree, now: i64) {
    default(tree);
    if let Some(now) = Time::from_seconds(now) {
        api::defaults::stamp(tree, now);
    }
}

/// Refuses a new object that is not valid.
///
/// # Errors
/// 422, with a cause for each field.
pub fn validate_create(kind: &Kind, new: &Tree) -> Result<(), Status> {
    let mut errors = validation::create(&kind.resource, new);
    certificates::create(&mut errors, new);
    policy::verify(&mut errors, new, None);
    refuse(kind, new, &errors)
}

/// Refuses an update that is not valid, or changes what must not change. `now` is in seconds since 1970.
///
/// # Errors
/// 422, with a cause for each field.
pub fn validate_update(
    kind: &Kind,
    subresource: &str,
    new: &Tree,
    old: &Tree,
    now: i64,
) -> Result<(), Status> {
    let mut errors = validation::update(&kind.resource, subresource, new, old);
    certificates::update(&mut errors, subresource, new, old, now);
    if subresource.is_empty() {
        policy::verify(&mut errors, new, Some(old));
    }
    refuse(kind, new, &errors)
}

/// Tells the client what is advised against in a new object.
pub fn warn_create(cx: &RequestContext, new: &Tree) {
    for text in warnings::create(new) {
        cx.warn(&text);
    }
    key_pairs::warn(cx, new);
}

/// Tells the client what is advised against in a changed object.
pub fn warn_update(cx: &RequestContext, subresource: &str, new: &Tree, old: &Tree) {
    for text in warnings::update(subresource, new, old) {
        cx.warn(&text);
    }
    if subresource.is_empty() {
        key_pairs::warn(cx, new);
    }
}

fn refuse(kind: &Kind, tree: &Tree, errors: &ErrorList) -> Result<(), Status> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(
            kind.qualified_kind(),
            meta::of(tree).name(),
            errors,
        )),
    }
}
