//! The storage group: classes of volumes, what CSI drivers say of themselves, and which volume is attached to which node.
//! <https://kubernetes.io/docs/concepts/storage/storage-classes/>

mod attachment;
mod capacity;
mod class;
mod driver;
mod node;

pub(super) use attachment::{create as attachment, update as attachment_update};
pub(super) use capacity::{create as capacity, update as capacity_update};
pub(super) use class::{
    attributes_class, attributes_class_update, storage_class, storage_class_update,
};
pub(super) use driver::{create as driver, update as driver_update};
pub(super) use node::{create as node, update as node_update};

use super::check::IMMUTABLE;
use crate::field::{BadValue, Error, Path};

const SPEC: Path<'static> = Path::new("spec");

/// A field that may not change, in the words of upstream's newer rules, which show nothing of it. They stand behind all others.
fn immutable(path: &Path<'_>) -> Error {
    Error::invalid(path, BadValue::Json("null".to_owned()), IMMUTABLE)
}
