//! Label selectors out of objects, for matching.

use api::Tree;
use api::meta::v1::LabelSelector as Given;
use api::selector::label::{LabelSelector, Operator, Requirement};
use api::view;

/// A selector; without one, everything is selected.
///
/// # Errors
/// If it is none, in words.
pub fn selector(given: Option<Given<'_>>) -> Result<LabelSelector, String> {
    let Some(given) = given else {
        return Ok(LabelSelector::everything());
    };
    let mut requirements = Vec::new();
    for (key, value) in given.match_labels() {
        let requirement = Requirement::new(key, Operator::In, [value.to_owned()]);
        requirements.push(requirement.map_err(|error| error.to_string())?);
    }
    for expression in given.match_expressions().iter() {
        let operator = match expression.operator() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                return Err(format!(
                    "\"{other}\" is not a valid label selector operator"
                ));
            }
        };
        let values = expression.values().iter().map(str::to_owned);
        let requirement = Requirement::new(expression.key(), operator, values);
        requirements.push(requirement.map_err(|error| error.to_string())?);
    }
    Ok(LabelSelector::new(requirements))
}

/// Whether an object's labels are selected.
pub fn selects(selector: &LabelSelector, object: &Tree) -> bool {
    let labels = view::metadata(object).labels();
    selector.matches(|key| labels.get(key))
}
