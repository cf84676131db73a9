//! Label selectors as objects have them: `matchLabels` and `matchExpressions`.

use super::label::{InvalidRequirement, LabelSelector, Operator, Requirement};
use crate::codec::quote;
use crate::meta::v1;

/// What is no selector, though an object has it for one; the words are upstream's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidSelector {
    /// No such operator.
    #[error("{} is not a valid label selector operator", quote(.0))]
    Operator(String),
    /// A key or value that is none.
    #[error(transparent)]
    Requirement(#[from] InvalidRequirement),
}

impl LabelSelector {
    /// The selector that an object has; an empty one selects everything (upstream: `LabelSelectorAsSelector`).
    ///
    /// # Errors
    /// If it is none.
    pub fn of(given: v1::LabelSelector<'_>) -> Result<LabelSelector, InvalidSelector> {
        let mut requirements = Vec::new();
        for (key, value) in given.match_labels() {
            let values = [value.to_owned()];
            requirements.push(Requirement::new(key, Operator::Equals, values)?);
        }
        for expression in given.match_expressions().iter() {
            let operator = match expression.operator() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(InvalidSelector::Operator(other.to_owned())),
            };
            let values = expression.values().iter().map(str::to_owned);
            requirements.push(Requirement::new(expression.key(), operator, values)?);
        }
        Ok(LabelSelector::new(requirements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{Strict, decode};
    use crate::schema::Schema;

    fn read(text: &str) -> Result<String, String> {
        let ty = v1::LabelSelector::TYPE;
        let tree = decode(Schema::builtin(), ty, text.to_owned(), &mut Strict::new()).unwrap();
        let selector = LabelSelector::of(v1::LabelSelector::of(&tree));
        selector
            .map(|selector| selector.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn selectors_of_objects_are_read() {
        let given = r#"{"matchLabels": {"b": "1"}, "matchExpressions": [
            {"key": "a", "operator": "NotIn", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}]}"#;
        assert_eq!(read(given).unwrap(), "a notin (x,y),b=1,!c");
        assert_eq!(read("{}").unwrap(), "");
    }

    #[test]
    fn what_is_no_selector_is_told() {
        let said = read(r#"{"matchExpressions": [{"key": "a", "operator": "Near"}]}"#).unwrap_err();
        assert_eq!(said, "\"Near\" is not a valid label selector operator");
        let said = read(r#"{"matchExpressions": [{"key": "a", "operator": "In"}]}"#).unwrap_err();
        assert!(said.contains("values set can't be empty"), "{said}");
        assert!(read(r#"{"matchLabels": {"a": "no value"}}"#).is_err());
    }
}
