//! YAML, as `sigs.k8s.io/yaml` (YAML 1.1, by way of JSON) reads and writes it.

mod read;
mod resolve;
mod write;

pub use read::{DecodeError, decode, documents, to_json};
pub use write::{encode, to_string};
