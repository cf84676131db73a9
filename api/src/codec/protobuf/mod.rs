//! Protobuf, as upstream's generated (gogo) code reads and writes it: proto2 whose by-value scalars are always written.

mod decode;
mod encode;
mod envelope;
mod splice;
mod wire;

pub use decode::decode;
pub use encode::{encode, to_vec};
pub use envelope::{ENVELOPE_PREFIX, Unknown, unwrap_unknown, wrap_unknown};
pub use splice::{append_resource_version, metadata_alone, with_resource_version};
pub use wire::DecodeError;
