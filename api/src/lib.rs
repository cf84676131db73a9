//! The kinds of the Kubernetes API: their schema, the working form and its codecs, quantities, times and selectors.
//!
//! Everything here is a pure function of its arguments: no clock, no randomness, no I/O, nothing of HTTP or storage.
//! See ARCHITECTURE.md.

pub mod aggregate;
pub mod apply;
pub mod codec;
pub mod convert;
pub mod cron;
pub mod defaults;
mod duration;
pub mod field;
mod go_format;
mod int_or_string;
pub mod kinds;
pub mod names;
pub mod node_affinity;
pub mod patch;
pub mod pem;
pub mod qos;
pub mod quantity;
pub mod quota;
pub mod schema;
pub mod selector;
pub mod time;
pub mod tree;
pub mod validation;
pub mod view;
pub mod warnings;

pub use duration::Duration;
pub use int_or_string::{IntOrString, NotPercentage};
pub use quantity::Quantity;
pub use schema::{FieldId, Schema, SchemaRef, TypeId};
pub use time::{MicroTime, Time};
pub use tree::{Kind, Ref, RefMut, Tree, Value};

// The typed views, one module a group and version: `core::v1::Pod`.
include!(concat!(env!("OUT_DIR"), "/views.rs"));
