//! Disruption budgets.

use api::policy::v1::PodDisruptionBudget;
use api::{IntOrString, Tree};
use serde_json::Value;

use super::age::Now;
use super::cells;

pub fn disruption_budget(object: &Tree, now: Now) -> Vec<Value> {
    let budget = PodDisruptionBudget::of(object);
    let (meta, spec) = (budget.metadata(), budget.spec());
    let or_none = |bound: Option<IntOrString>| {
        bound.map_or_else(|| "N/A".to_owned(), |bound| bound.to_string())
    };
    cells![
        meta.name(),
        or_none(spec.min_available()),
        or_none(spec.max_unavailable()),
        budget.status().disruptions_allowed(),
        now.since(meta.creation_timestamp()),
    ]
}
