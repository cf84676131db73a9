//! What several controllers need to know of objects: small projections, and how they are read. Nothing of what any controller
//! does about them.

pub mod claim;
pub mod condition;
pub mod job;
pub mod namespace;
pub mod node;
pub mod owner;
pub mod pod;
pub mod replica_set;
pub mod selector;
pub mod template;
pub mod usage;
pub mod work;

use std::collections::BTreeMap;

use api::view::MapRef;
use jiff::Timestamp;

/// Labels or annotations.
pub type Texts = BTreeMap<String, String>;

/// A map of texts, owned.
pub fn texts(map: MapRef<'_, str>) -> Texts {
    map.iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// A point in time as jiff's.
pub fn timestamp(time: Option<api::Time>) -> Option<Timestamp> {
    Timestamp::from_second(time?.seconds()).ok()
}

/// RFC 3339 in whole seconds, as `metav1.Time` is written.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.0}")
}
