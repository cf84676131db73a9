//! JSON, as `sigs.k8s.io/json` reads it and Go's `encoding/json` writes it.

mod base64;
mod decode;
mod encode;
mod error;
pub(crate) mod string;
mod syntax;
mod type_meta;

pub use decode::{decode, decode_untyped};
pub(crate) use encode::write_float;
pub use encode::{encode, encode_value, to_vec};
pub use error::{DecodeError, Strict, StrictError, StrictKind};
pub(crate) use string::write_string;
pub use syntax::SyntaxError;
pub use type_meta::{TypeMeta, type_meta};
