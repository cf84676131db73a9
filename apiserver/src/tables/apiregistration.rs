//! API services.

use api::Tree;
use api::apiregistration::v1::APIService;
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn api_service(object: &Tree, now: Now) -> Vec<Value> {
    let service = APIService::of(object);
    let meta = service.metadata();
    let backend = service.spec().service().map_or_else(
        || "Local".to_owned(),
        |backend| format!("{}/{}", backend.namespace(), backend.name()),
    );
    let available = service
        .status()
        .conditions()
        .iter()
        .find(|c| c.type_() == "Available")
        .map_or_else(
            || "Unknown".to_owned(),
            |c| match (c.status(), c.reason()) {
                ("True", _) | (_, "") => c.status().to_owned(),
                (status, reason) => format!("{status} ({reason})"),
            },
        );
    cells![
        meta.name(),
        backend,
        available,
        now.since(meta.creation_timestamp())
    ]
}
