//! A request's options, as expressions see them.

use serde_json::{Map, Value as Json, json};

use crate::admission::{Attributes, Operation};
use crate::request::{DeleteOptions, Propagation};

/// The options, as the object that upstream makes of them. A patch has those of an update.
pub fn shown(a: &Attributes<'_>) -> Json {
    let kind = match a.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Json::Null,
    };
    let mut shown = Map::new();
    shown.insert("kind".to_owned(), kind.into());
    shown.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    if a.dry_run {
        shown.insert("dryRun".to_owned(), json!(["All"]));
    }
    if let Some(options) = a.delete {
        deletion(options, &mut shown);
        return shown.into();
    }
    for field in ["fieldManager", "fieldValidation"] {
        let given = a.cx.query.get(field).filter(|value| !value.is_empty());
        if let Some(value) = given {
            shown.insert(field.to_owned(), value.into());
        }
    }
    shown.into()
}

fn deletion(options: &DeleteOptions, shown: &mut Map<String, Json>) {
    if let Some(seconds) = options.grace_period_seconds {
        shown.insert("gracePeriodSeconds".to_owned(), seconds.into());
    }
    let mut preconditions = Map::new();
    if let Some(uid) = &options.precondition_uid {
        preconditions.insert("uid".to_owned(), uid.as_str().into());
    }
    if let Some(version) = &options.precondition_resource_version {
        preconditions.insert("resourceVersion".to_owned(), version.as_str().into());
    }
    if !preconditions.is_empty() {
        shown.insert("preconditions".to_owned(), preconditions.into());
    }
    if let Some(orphan) = options.orphan_dependents {
        shown.insert("orphanDependents".to_owned(), orphan.into());
    }
    if let Some(propagation) = options.propagation {
        let name = match propagation {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        };
        shown.insert("propagationPolicy".to_owned(), name.into());
    }
}
