//! Label selectors out of objects, for matching.

use api::Tree;
use api::meta::v1::LabelSelector as Given;
use api::selector::label::LabelSelector;
use api::view;

/// A selector; without one, everything is selected.
///
/// # Errors
/// If it is none, in words.
pub fn selector(given: Option<Given<'_>>) -> Result<LabelSelector, String> {
    given.map_or_else(
        || Ok(LabelSelector::everything()),
        |given| LabelSelector::of(given).map_err(|error| error.to_string()),
    )
}

/// Whether an object's labels are selected.
pub fn selects(selector: &LabelSelector, object: &Tree) -> bool {
    let labels = view::metadata(object).labels();
    selector.matches(|key| labels.get(key))
}
