//! Label selectors as they stand in specs (`metav1.LabelSelector`).

use api::{meta::v1::LabelSelector, view::MapRef};

use super::Texts;

/// A selector, ready to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
    /// An operator that we do not know: nothing matches.
    Never,
}

impl Selector {
    /// Reads a selector.
    pub fn read(selector: LabelSelector<'_>) -> Selector {
        let Selector { mut requirements } = Selector::of_labels(selector.match_labels());
        for expression in selector.match_expressions() {
            let key = expression.key().to_owned();
            let values = expression.values().iter().map(str::to_owned).collect();
            requirements.push(match expression.operator() {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::DoesNotExist(key),
                _ => Requirement::Never,
            });
        }
        Selector { requirements }
    }

    /// A selector that is a plain map of labels, as older kinds have it.
    pub fn of_labels(labels: MapRef<'_, str>) -> Selector {
        let equal = labels.iter();
        Selector {
            requirements: equal
                .map(|(key, value)| Requirement::In(key.to_owned(), vec![value.to_owned()]))
                .collect(),
        }
    }

    /// It selects everything: which controllers take for a mistake.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels match.
    pub fn matches(&self, labels: &Texts) -> bool {
        self.requirements
            .iter()
            .all(|requirement| match requirement {
                Requirement::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
                Requirement::NotIn(key, values) => {
                    labels.get(key).is_none_or(|v| !values.contains(v))
                }
                Requirement::Exists(key) => labels.contains_key(key),
                Requirement::DoesNotExist(key) => !labels.contains_key(key),
                Requirement::Never => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_matches_as_documented() {
        let labels: Texts = [("app".to_owned(), "web".to_owned())].into();
        let one = |r| {
            Selector {
                requirements: vec![r],
            }
            .matches(&labels)
        };
        let web = || vec!["web".to_owned()];
        assert!(one(Requirement::In("app".into(), web())));
        assert!(!one(Requirement::In("tier".into(), web())));
        assert!(!one(Requirement::NotIn("app".into(), web())));
        assert!(
            one(Requirement::NotIn("tier".into(), web())),
            "an absent label is not in any set"
        );
        assert!(one(Requirement::Exists("app".into())));
        assert!(!one(Requirement::DoesNotExist("app".into())));
        assert!(!one(Requirement::Never));
        assert!(Selector::default().matches(&labels));
    }
}
