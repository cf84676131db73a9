//! Conversion between the versions of a kind.
//!
//! Versions of a built-in kind that are served beside each other have the same fields, but for those that are named here: Events
//! have other names in `events.k8s.io`, and a HorizontalPodAutoscaler of `v1` keeps in annotations what only `v2` can say.

mod autoscaler;
mod event;

pub(crate) use autoscaler::ANNOTATIONS;
use serde_json::Value;

use crate::codec::json;
use crate::schema::{SchemaRef, TypeId};
use crate::tree::Tree;

/// A version that cannot be made of another.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// What came out is no object of the version.
    #[error("cannot convert between versions: {0}")]
    Decode(#[from] json::DecodeError),
    /// What went in could not be read back: a mistake of the encoder.
    #[error("cannot convert between versions: {0}")]
    Json(#[from] serde_json::Error),
}

/// The tree as another version of its kind.
///
/// # Errors
/// If the versions differ in a way that is not known here.
pub fn convert(
    tree: &Tree,
    schema: &SchemaRef,
    to: TypeId,
    api_version: &str,
) -> Result<Tree, ConvertError> {
    let mut document: Value = serde_json::from_slice(&json::to_vec(tree))?;
    document["apiVersion"] = api_version.into();
    let from = tree.root().ty().map_or("", |ty| ty.name.as_str());
    let decode = |document: &Value| {
        let bytes = document.to_string().into_bytes();
        json::decode(schema.clone(), to, bytes, &mut json::Strict::new())
    };
    match (from, schema.ty(to).name.as_str()) {
        ("core/v1.Event", "events.k8s.io/v1.Event") => event::to_events(&mut document),
        ("events.k8s.io/v1.Event", "core/v1.Event") => event::to_core(&mut document),
        (autoscaler::V2, autoscaler::V1) => autoscaler::to_v1(&mut document),
        (autoscaler::V1, autoscaler::V2) => {
            let plain = document.clone();
            autoscaler::to_v2(&mut document);
            // Annotations that are none of ours after all are not a reason to fail.
            return Ok(decode(&document).or_else(|_| {
                let mut document = plain;
                autoscaler::drop_annotations(&mut document);
                autoscaler::to_v2(&mut document);
                decode(&document)
            })?);
        }
        _ => {}
    }
    Ok(decode(&document)?)
}
