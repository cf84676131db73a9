//! Definitions of custom resources.

use api::Tree;
use api::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::joined;
use crate::codec::table::timestamp;

pub fn definition(object: &Tree, _: Now) -> Vec<Value> {
    let definition = CustomResourceDefinition::of(object);
    let (meta, spec) = (definition.metadata(), definition.spec());
    let served = spec.versions().iter().filter(|version| version.served());
    let mut versions: Vec<String> = served
        .map(|version| {
            format!(
                "{}{}",
                version.name(),
                if version.storage() { "(storage)" } else { "" }
            )
        })
        .collect();
    versions.sort();
    let conditions = definition.status().conditions();
    let established = conditions
        .iter()
        .any(|c| c.type_() == "Established" && c.status() == "True");
    cells![
        meta.name(),
        spec.scope(),
        joined(versions),
        timestamp(meta.creation_timestamp().map(api::Time::seconds)),
        spec.group(),
        spec.names().kind(),
        joined(spec.names().short_names().iter()),
        established,
    ]
}
