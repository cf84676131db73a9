//! What is known of a request before any object is touched: what it asks for ([`RequestInfo`]), its query ([`Query`]) and
//! options, and the [`RequestContext`] that accompanies it through the pipeline.
//!
//! This module must not know how anything is stored, nor any kind.

mod body;
mod context;
mod deadline;
mod info;
mod options;
mod query;
mod timings;

pub use body::{MAX_BODY_BYTES, read_body};
pub use context::{ContextBuilder, RequestContext, Warning};
pub use deadline::{parse_duration, requested_timeout};
pub use info::{InfoError, RequestInfo, Verb};
pub use options::{
    CreateOptions, DeleteOptions, FieldValidation, GetOptions, ListOptions, PatchKind,
    PatchOptions, Propagation, ResourceVersionMatch, UpdateOptions,
};
pub use query::{Query, unescape_path};
pub use timings::{Stage, Timings};
