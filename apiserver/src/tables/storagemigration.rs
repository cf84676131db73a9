//! Migrations of stored versions.

use api::Tree;
use api::storagemigration::v1::StorageVersionMigration;
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn migration(object: &Tree, _: Now) -> Vec<Value> {
    let migration = StorageVersionMigration::of(object);
    let resource = migration.spec().resource();
    let name = match resource.group() {
        "" => resource.resource().to_owned(),
        group => format!("{}.{group}", resource.resource()),
    };
    let counts = |kind: &str| matches!(kind, "Running" | "Failed" | "Succeeded");
    let conditions = migration.status().conditions();
    let state = conditions
        .iter()
        .rfind(|c| c.status() == "True" && counts(c.type_()));
    cells![
        migration.metadata().name(),
        name,
        state.map_or("Unknown", |c| c.type_())
    ]
}
