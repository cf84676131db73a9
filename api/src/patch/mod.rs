//! Patches: JSON patch (RFC 6902), JSON merge patch (RFC 7386) and strategic merge patch.
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>
//!
//! A patch is a document about a document, with directives that no schema has, so it works on plain JSON values; what comes
//! out is decoded by the schema, which is where unknown fields and wrong types are found. Server-side apply is another
//! matter: see [`crate::apply`].

use serde_json::Value;

use crate::codec::json::{self, DecodeError, Strict};
use crate::codec::quote;
use crate::schema::FieldId;
use crate::tree::{Ref, Tree};

mod merge;
mod merge_tree;
mod operations;
mod strategic;

/// More operations than this in a JSON patch are refused.
pub const MAX_OPERATIONS: usize = 10_000;
/// What the `copy` operations of one JSON patch may add in all, in bytes.
const MAX_COPIED: usize = 3 << 20;

/// How Go calls an object without a type.
const OBJECT: &str = "map[string]interface {}";

/// Why a patch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The patch is not a patch (400).
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit the object (422).
    #[error("{0}")]
    Inapplicable(String),
    /// The patch cannot be merged with the object (500, as upstream answers).
    #[error("{0}")]
    Unmergeable(String),
    /// The patch has too many operations (413).
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// What came out is no object of its kind (422).
    #[error("{why}")]
    Decode {
        /// What is wrong with it.
        why: DecodeError,
        /// What came out, or for a strategic merge patch what went in, as messages show it.
        shown: String,
    },
}

/// Applies an RFC 6902 patch; doubled fields of the patch and unknown fields of the result are added to `strict`.
pub fn json(object: &Tree, patch: &[u8], strict: &mut Strict) -> Result<Tree, PatchError> {
    let document = patched_by_json(object, patch, strict)?;
    typed(object, &document, strict, || document.to_string())
}

fn patched_by_json(object: &Tree, patch: &[u8], strict: &mut Strict) -> Result<Value, PatchError> {
    let operations = match parse(patch, strict)? {
        Value::Array(operations) => operations,
        Value::Null => Vec::new(),
        other => {
            return Err(mistyped(
                "error decoding patch: ",
                &other,
                "[]handlers.jsonPatchOp",
            ));
        }
    };
    operations::check(&operations)?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations(operations.len()));
    }
    let mut document = document(object)?;
    operations::apply(&mut document, &operations)?;
    Ok(document)
}

/// Applies an RFC 7386 merge patch.
pub fn merge(object: &Tree, patch: &[u8], strict: &mut Strict) -> Result<Tree, PatchError> {
    if let Some(merged) = merge_tree::apply(object, patch) {
        return Ok(merged);
    }
    let document = patched_by_merge(object, patch, strict)?;
    typed(object, &document, strict, || document.to_string())
}

fn patched_by_merge(object: &Tree, patch: &[u8], strict: &mut Strict) -> Result<Value, PatchError> {
    let patch = parse(patch, strict)?;
    match &patch {
        Value::Object(_) => {}
        Value::Null => return Err(PatchError::Malformed("Invalid JSON Patch".to_owned())),
        other => return Err(mistyped("error decoding patch: ", other, OBJECT)),
    }
    let mut document = document(object)?;
    merge::apply(&mut document, patch);
    Ok(document)
}

/// What a patch made of an object, as messages show it; for what strict decoding found wrong with it.
///
/// # Errors
/// If it cannot be applied.
pub fn shown_json(object: &Tree, patch: &[u8]) -> Result<String, PatchError> {
    Ok(patched_by_json(object, patch, &mut Strict::new())?.to_string())
}

/// The same of a merge patch.
///
/// # Errors
/// If it cannot be applied.
pub fn shown_merge(object: &Tree, patch: &[u8]) -> Result<String, PatchError> {
    Ok(patched_by_merge(object, patch, &mut Strict::new())?.to_string())
}

/// A strategic merge patch, as messages show it.
///
/// # Errors
/// If it is no JSON.
pub fn shown_strategic(patch: &[u8]) -> Result<String, PatchError> {
    Ok(crate::go_format::plain(&parse(patch, &mut Strict::new())?))
}

/// Applies a strategic merge patch, by the merge keys of the object's schema.
pub fn strategic(object: &Tree, patch: &[u8], strict: &mut Strict) -> Result<Tree, PatchError> {
    let patch = match parse(patch, strict)? {
        Value::Object(patch) => patch,
        Value::Null => serde_json::Map::new(),
        other => return Err(mistyped("", &other, OBJECT)),
    };
    let shown = patch.clone();
    let mut patch = patch;
    // What the object is stays as it is.
    patch.retain(|key, _| key != "kind" && key != "apiVersion");
    // A directive at the top may be about any field.
    let named = match patch.keys().any(|name| name.starts_with('$')) {
        true => None,
        false => fields_named(object, patch.keys().map(String::as_str)),
    };
    let part = named.as_deref().map(|named| part_of(object, named));
    let Value::Object(document) = document(part.as_ref().unwrap_or(object))? else {
        return Err(PatchError::Inapplicable(
            "the object is no JSON object".to_owned(),
        ));
    };
    let merged = strategic::apply(object.schema(), object.type_id(), document, patch)?;
    let patched = typed(object, &Value::Object(merged), strict, || {
        crate::go_format::plain(&Value::Object(shown.clone()))
    })
    .map_err(|error| match error {
        PatchError::Decode { why, shown } => PatchError::Decode {
            why: DecodeError::Leaf(converted(why)),
            shown,
        },
        error => error,
    })?;
    Ok(match named {
        Some(named) => with_fields_of(object, &patched, &named),
        None => patched,
    })
}

/// The fields of the object's type that have these names; none if it has no type.
fn fields_named<'a>(object: &Tree, names: impl Iterator<Item = &'a str>) -> Option<Vec<FieldId>> {
    let ty = object.root().ty()?;
    Some(names.filter_map(|name| ty.field(name)).collect())
}

/// Of an object what it is, and these fields: what a patch does not name need not be written out and read again.
fn part_of(object: &Tree, named: &[FieldId]) -> Tree {
    let mut part = Tree::with_schema(object.schema(), object.type_id());
    let what = fields_named(object, ["apiVersion", "kind"].into_iter()).unwrap_or_default();
    for id in what.into_iter().chain(named.iter().copied()) {
        if let Some(value) = object.root().field(id) {
            part.root_mut().set_copy(id, value);
        }
    }
    part
}

/// `object`, with these fields as they are in `patched`.
fn with_fields_of(object: &Tree, patched: &Tree, named: &[FieldId]) -> Tree {
    let mut whole = object.clone();
    let mut root = whole.root_mut();
    for id in named {
        match patched.root().field(*id) {
            Some(value) => root.set_copy(*id, value),
            None => drop(root.remove(*id)),
        }
    }
    whole
}

/// Reads the patch; the decoder of the API itself finds doubled fields and limits the depth.
fn parse(patch: &[u8], strict: &mut Strict) -> Result<Value, PatchError> {
    let malformed = |error: &dyn std::fmt::Display| {
        PatchError::Malformed(format!("error decoding patch: {error}"))
    };
    json::decode_untyped(patch.to_vec(), strict).map_err(|error| match error {
        DecodeError::Syntax(json::SyntaxError::Depth(_)) => {
            PatchError::Malformed("invalid JSON patch".to_owned())
        }
        error => malformed(&error),
    })?;
    serde_json::from_slice(patch).map_err(|error| malformed(&error))
}

fn document(object: &Tree) -> Result<Value, PatchError> {
    // The encoder writes JSON that every reader takes; an error here would be its bug, and is told as one.
    serde_json::from_slice(&json::to_vec(object))
        .map_err(|error| PatchError::Inapplicable(error.to_string()))
}

fn typed(
    object: &Tree,
    document: &Value,
    strict: &mut Strict,
    shown: impl Fn() -> String,
) -> Result<Tree, PatchError> {
    let failed = |why| PatchError::Decode {
        why,
        shown: shown(),
    };
    let text = document.to_string().into_bytes();
    let patched = json::decode(object.schema(), object.type_id(), text, strict).map_err(failed)?;
    for field in ["apiVersion", "kind"] {
        let of = |tree: &Tree| {
            tree.root()
                .get(field)
                .and_then(Ref::as_str)
                .map(str::to_owned)
        };
        // What the patch takes away is what the request says it is.
        if of(&patched).is_some_and(|given| !given.is_empty() && Some(given) != of(object)) {
            let text = |field| document[field].as_str().unwrap_or_default().to_owned();
            let why = format!(
                "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                quote(&text("kind")),
                quote(&text("apiVersion"))
            );
            return Err(failed(DecodeError::Leaf(why)));
        }
    }
    Ok(patched)
}

/// What is wrong with a merged object, in the words of the converter that upstream uses for it in place of a decoder.
fn converted(error: DecodeError) -> String {
    let DecodeError::Type {
        value, expected, ..
    } = &error
    else {
        return error.to_string();
    };
    let found = match value.as_str() {
        "object" => "map",
        "array" => "slice",
        whole if whole.starts_with("number") && !whole.contains(['.', 'e', 'E']) => "int64",
        number if number.starts_with("number") => "float64",
        other => other,
    };
    match expected.as_str() {
        list if list.starts_with("[]") => format!("cannot restore slice from {found}"),
        map if map.starts_with("map[") => format!("cannot restore map from {found}"),
        "string" if found == "int64" => "cannot convert int64 to string".to_owned(),
        "int32" | "int64" if found == "float64" => format!("cannot convert float64 to {expected}"),
        "string" | "bool" | "int32" | "int64" | "float64" => {
            format!("unrecognized type: {expected}")
        }
        _ if found == "string" => error.to_string(),
        _ => format!("cannot restore struct from: {found}"),
    }
}

/// JSON of the wrong type, in the words of Go's decoder.
fn mistyped(before: &str, value: &Value, wanted: &str) -> PatchError {
    let found = crate::go_format::json_name(value);
    PatchError::Malformed(format!(
        "{before}json: cannot unmarshal {found} into Go value of type {wanted}"
    ))
}
