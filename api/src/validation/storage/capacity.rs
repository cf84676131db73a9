//! CSIStorageCapacities: how much room there is for volumes of a class, and from where it is reached.
//! <https://kubernetes.io/docs/concepts/storage/storage-capacity/>

use super::super::check::{IMMUTABLE, each, immutable_text, quantity, same, selector_with, shown};
use super::super::format;
use crate::field::{Error, ErrorList, Path};
use crate::meta::v1::LabelSelector;
use crate::storage::v1::CSIStorageCapacity;
use crate::view::View;

const TOPOLOGY: Path<'static> = Path::new("nodeTopology");
const CLASS: Path<'static> = Path::new("storageClassName");

pub(crate) fn create(errors: &mut ErrorList, capacity: CSIStorageCapacity<'_>) {
    check(errors, capacity, true);
}

/// `strict`: the values in the topology must be labels'.
fn check(errors: &mut ErrorList, capacity: CSIStorageCapacity<'_>, strict: bool) {
    if let Some(topology) = capacity.node_topology() {
        selector_with(errors, &TOPOLOGY, topology, strict);
    }
    let class = capacity.storage_class_name();
    each(errors, &CLASS, class, format::dns_subdomain(class));
    if let Some(amount) = capacity.capacity() {
        quantity(errors, &Path::new("capacity"), amount);
    }
}

/// What a driver is asked for its capacity with stays as it is.
pub(crate) fn update(
    errors: &mut ErrorList,
    new: CSIStorageCapacity<'_>,
    old: CSIStorageCapacity<'_>,
) {
    check(errors, new, !old.node_topology().is_some_and(is_lax));
    let topology = new.node_topology().and_then(View::node);
    if !same(topology, old.node_topology().and_then(View::node)) {
        errors.push(Error::invalid(&TOPOLOGY, shown(topology), IMMUTABLE));
    }
    immutable_text(
        errors,
        &CLASS,
        new.storage_class_name(),
        old.storage_class_name(),
    );
}

/// Whether a topology came to be stored with something wrong in it.
fn is_lax(topology: LabelSelector<'_>) -> bool {
    let mut errors = ErrorList::new();
    selector_with(&mut errors, &TOPOLOGY, topology, true);
    !errors.is_empty()
}
