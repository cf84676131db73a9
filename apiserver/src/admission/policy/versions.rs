//! The object that a mutating policy changes, in the version that it asks for, and back.

use std::borrow::Cow;

use api::convert::convert;
use api::{Ref, Schema, Tree};

use super::matching::Matched;
use super::subject::{body, in_version};
use crate::admission::Attributes;
use crate::registry::meta;

/// Between the object of a request and what a policy changes.
pub struct Versions<'a> {
    attributes: &'a Attributes<'a>,
    matched: Matched,
}

impl<'a> Versions<'a> {
    /// For a write that matched so.
    pub fn new(attributes: &'a Attributes<'a>, matched: Matched) -> Versions<'a> {
        Versions {
            attributes,
            matched,
        }
    }

    /// What the policy changes.
    ///
    /// # Errors
    /// If the object has no such version.
    pub fn shown<'t>(&self, object: &'t Tree) -> Result<Cow<'t, Tree>, String> {
        match body(self.attributes, object)? {
            Cow::Borrowed(object) => in_version(self.attributes, object, self.matched),
            owned => Ok(owned),
        }
    }

    /// The request's object, with what the policy changed.
    ///
    /// # Errors
    /// If what came out has no such version.
    pub fn kept(&self, before: &Tree, changed: Tree) -> Result<Tree, String> {
        if self.attributes.subresource == "scale" {
            // A Scale says one thing of the object.
            let replicas = changed.root().path("spec.replicas").and_then(Ref::as_i64);
            let mut object = before.clone();
            meta::ensure(&mut object.root_mut(), "spec", |spec| {
                meta::set(spec, "replicas", replicas.unwrap_or_default());
            });
            return Ok(object);
        }
        if changed.type_id() == before.type_id() {
            return Ok(changed);
        }
        let codec = &self.attributes.kind.codec;
        let schema = Schema::builtin().into();
        convert(&changed, &schema, codec.type_id, &codec.api_version)
            .map_err(|error| format!("failed to convert object: {error}"))
    }
}
