//! CSINodes: which drivers run on a node, and what they call it.
//! <https://kubernetes-csi.github.io/docs/csi-node-object.html>
//!
//! The health of storage in the status belongs to a feature that is off by default.

use std::collections::{BTreeMap, BTreeSet};

use super::super::check::{IMMUTABLE, each, not_negative, quoted, required, shown};
use super::super::{format, pod};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::storage::v1::{CSINode, CSINodeDriver};

const DRIVERS: Path<'static> = Path::new("spec.drivers");
const NODE_ID_MAX: usize = 256;

pub(crate) fn create(errors: &mut ErrorList, node: CSINode<'_>) {
    let mut names = BTreeSet::new();
    for (at, item) in node.spec().drivers().iter().enumerate() {
        let path = DRIVERS.index(at);
        let place = path.child("name");
        pod::driver_name(errors, &place, item.name());
        identity(errors, &path, item);
        if !names.insert(item.name()) {
            errors.push(Error::duplicate(&place, item.name()));
        }
        topology_keys(errors, &path, item);
    }
}

fn identity(errors: &mut ErrorList, path: &Path<'_>, driver: CSINodeDriver<'_>) {
    let (place, id) = (path.child("nodeID"), driver.node_id());
    required(errors, &place, id);
    if id.len() > NODE_ID_MAX {
        let why = format!("must be {NODE_ID_MAX} characters or less");
        errors.push(Error::invalid(&place, id, why));
    }
    if let Some(count) = driver.allocatable().and_then(|limits| limits.count()) {
        not_negative(errors, &path.child("allocatable.count"), count);
    }
}

/// Upstream names the driver, not the key, in these errors.
fn topology_keys(errors: &mut ErrorList, path: &Path<'_>, driver: CSINodeDriver<'_>) {
    let mut seen = BTreeSet::new();
    for key in driver.topology_keys() {
        required(errors, path, key);
        if !seen.insert(key) {
            errors.push(Error::duplicate(path, key));
        }
        each(errors, path, key, format::label_key(key));
    }
}

/// Of a driver that stays only the number of its volumes may change.
pub(crate) fn update(errors: &mut ErrorList, new: CSINode<'_>, old: CSINode<'_>) {
    create(errors, new);
    let mut drivers: BTreeMap<&str, Vec<CSINodeDriver<'_>>> = BTreeMap::new();
    for driver in new.spec().drivers() {
        drivers.entry(driver.name()).or_default().push(driver);
    }
    for before in old.spec().drivers() {
        for driver in drivers.get(before.name()).into_iter().flatten() {
            let same = driver.node_id() == before.node_id()
                && driver.topology_keys().iter().eq(before.topology_keys());
            if !same {
                errors.push(Error::invalid(&DRIVERS, internal(*driver), IMMUTABLE));
            }
        }
    }
}

/// A driver as upstream's internal struct shows it, without what may change.
fn internal(driver: CSINodeDriver<'_>) -> BadValue {
    let text = |value: BadValue| match value {
        BadValue::Json(text) => text,
        _ => String::new(),
    };
    BadValue::Json(format!(
        "{{\"Name\":{},\"NodeID\":{},\"TopologyKeys\":{},\"Allocatable\":null}}",
        text(quoted(driver.name())),
        text(quoted(driver.node_id())),
        text(shown(driver.topology_keys().node())),
    ))
}
