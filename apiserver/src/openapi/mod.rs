//! OpenAPI: what the server serves, said so that clients can read it. Made on demand from the table of kinds and the schema, in
//! both versions of OpenAPI, as JSON and as gnostic's protobuf.
//!
//! [`document`] says what stands in each document, [`definitions`] makes its types, [`operations`] its paths; both are kept in
//! the terms of [`model`] until a writer puts them into bytes. No sentence of upstream's is in it: descriptions are left out, or
//! are short ones of our own ([`describe`]). This module must not know requests, objects or storage.

pub mod definitions;
pub mod describe;
pub mod document;
mod facts;
mod gnostic_v2;
mod gnostic_v3;
mod json;
pub mod model;
pub mod names;
pub mod operations;
mod parameters;
mod proto;
mod serve;
mod shared;
mod store;
mod write_json;
mod yaml;

pub use document::{Source, Subject};
pub use serve::OpenApi;
pub use store::{Documents, Form, Rendered};
pub use write_json::write as to_json;

/// Writes a document as gnostic's protobuf.
pub fn to_protobuf(document: &model::Document<'_>, names: &names::Names) -> Vec<u8> {
    match document.dialect {
        model::Dialect::V2 => gnostic_v2::write(document, names),
        model::Dialect::V3 => gnostic_v3::write(document, names),
    }
}
