//! Labels and the selectors that choose by them, as upstream's apimachinery matches.

use std::sync::Arc;

use crate::text::Text;

/// The labels of an object, sorted by key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Default for Labels {
    fn default() -> Self {
        Labels(Arc::new([]))
    }
}

impl Labels {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Text> {
        self.0
            .binary_search_by(|(k, _)| (**k).cmp(key))
            .ok()
            .map(|i| &self.0[i].1)
    }

    /// Pairs in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(k, v)| (k, v))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Text, Text)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort();
        // An object's map has each key once; for other sources the last value of a key wins.
        pairs.reverse();
        pairs.dedup_by(|later, first| later.0 == first.0);
        pairs.reverse();
        Labels(pairs.into())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .map(|(k, v)| (Text::from(k), Text::from(v)))
            .collect()
    }
}

/// What a requirement asks of the value of its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// The key is there with one of these values.
    In(Box<[Text]>),
    /// The key is absent, or has none of these values.
    NotIn(Box<[Text]>),
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
    /// The key's value is an integer greater than this.
    Gt(i64),
    /// The key's value is an integer less than this.
    Lt(i64),
    /// What upstream cannot parse (an unknown operator, a bound that is no integer): matches nothing.
    Invalid,
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirement {
    /// The label's key.
    pub key: Text,
    /// The condition.
    pub operator: Operator,
}

impl Requirement {
    /// The requirement `operator` of the API (`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`) on `key`.
    pub fn parse(key: Text, operator: &str, values: Vec<Text>) -> Requirement {
        let bound = || match values.as_slice() {
            [one] => one.parse::<i64>().ok(),
            _ => None,
        };
        let operator = match operator {
            "In" if !values.is_empty() => Operator::In(values.into()),
            "NotIn" if !values.is_empty() => Operator::NotIn(values.into()),
            "Exists" if values.is_empty() => Operator::Exists,
            "DoesNotExist" if values.is_empty() => Operator::DoesNotExist,
            "Gt" => bound().map_or(Operator::Invalid, Operator::Gt),
            "Lt" => bound().map_or(Operator::Invalid, Operator::Lt),
            _ => Operator::Invalid,
        };
        Requirement { key, operator }
    }

    /// Whether `labels` meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|v| values.contains(v)),
            Operator::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt(bound) => number().is_some_and(|n| n > *bound),
            Operator::Lt(bound) => number().is_some_and(|n| n < *bound),
            Operator::Invalid => false,
        }
    }
}

/// A label selector: all its requirements hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// The selector that is absent: it selects nothing.
    Nothing,
    /// All of these, in canonical order; none of them selects everything.
    All(Box<[Requirement]>),
}

impl Selector {
    /// The selector of these requirements, in canonical order, so that equal selectors compare equal.
    pub fn new(mut requirements: Vec<Requirement>) -> Selector {
        for requirement in &mut requirements {
            if let Operator::In(values) | Operator::NotIn(values) = &mut requirement.operator {
                values.sort();
            }
        }
        requirements.sort();
        requirements.dedup();
        Selector::All(requirements.into())
    }

    /// The selector that each of these pairs is present.
    pub fn of_labels(labels: &Labels) -> Selector {
        Selector::new(
            labels
                .iter()
                .map(|(k, v)| Requirement {
                    key: k.clone(),
                    operator: Operator::In([v.clone()].into()),
                })
                .collect(),
        )
    }

    /// This and that.
    pub fn and(&self, more: &Selector) -> Selector {
        match (self, more) {
            (Selector::All(a), Selector::All(b)) => {
                Selector::new(a.iter().chain(b.iter()).cloned().collect())
            }
            _ => Selector::Nothing,
        }
    }

    /// Whether it selects everything for want of requirements.
    pub fn is_empty(&self) -> bool {
        matches!(self, Selector::All(requirements) if requirements.is_empty())
    }

    /// Whether `labels` are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(requirements) => requirements.iter().all(|r| r.matches(labels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(operator: &str, values: &[&str]) -> Requirement {
        Requirement::parse(
            "k".into(),
            operator,
            values.iter().map(|v| Text::from(*v)).collect(),
        )
    }

    #[test]
    fn every_operator_matches_as_upstream() {
        let none = Labels::default();
        let five: Labels = [("k", "5")].into_iter().collect();
        let word: Labels = [("k", "five")].into_iter().collect();
        for (operator, values, on_none, on_five, on_word) in [
            ("In", &["5", "6"][..], false, true, false),
            ("NotIn", &["5"][..], true, false, true),
            ("Exists", &[][..], false, true, true),
            ("DoesNotExist", &[][..], true, false, false),
            ("Gt", &["4"][..], false, true, false),
            ("Gt", &["5"][..], false, false, false),
            ("Lt", &["6"][..], false, true, false),
            ("Lt", &["x"][..], false, false, false),
            ("In", &[][..], false, false, false),
            ("Near", &["5"][..], false, false, false),
        ] {
            let r = requirement(operator, values);
            assert_eq!(
                [r.matches(&none), r.matches(&five), r.matches(&word)],
                [on_none, on_five, on_word],
                "{operator} {values:?}"
            );
        }
    }

    #[test]
    fn equal_selectors_are_equal_whatever_their_order() {
        let a = Selector::new(vec![
            requirement("In", &["a", "b"]),
            requirement("Exists", &[]),
        ]);
        let b = Selector::new(vec![
            requirement("Exists", &[]),
            requirement("In", &["b", "a"]),
        ]);
        assert_eq!(a, b);
        assert!(!a.is_empty() && Selector::new(vec![]).is_empty() && !Selector::Nothing.is_empty());
        assert_eq!(a.and(&Selector::Nothing), Selector::Nothing);
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        let labels: Labels = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(labels.get("a").map(|v| &**v), Some("3"));
        assert_eq!(labels.iter().count(), 2);
    }
}
