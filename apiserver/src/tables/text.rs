//! What several kinds show in the same way.

use std::collections::BTreeSet;

use api::core::v1::Container;
use api::meta::v1::LabelSelector;
use api::selector::label;
use api::view::{List, MapRef};

/// What stands for nothing.
pub const NONE: &str = "<none>";
/// What stands for a value that was not given.
pub const UNSET: &str = "<unset>";

/// The text, or what stands for nothing.
pub fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Texts with commas between them.
pub fn joined<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    separated(texts, ",")
}

/// Texts with something between them.
pub fn separated<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, between: &str) -> String {
    let mut out = String::new();
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        out.push_str(text.as_ref());
    }
    out
}

/// Names and images of containers.
pub fn containers(containers: List<'_, Container<'_>>) -> [String; 2] {
    [
        joined(containers.iter().map(|c| c.name())),
        joined(containers.iter().map(|c| c.image())),
    ]
}

/// Labels as a selector.
pub fn labels(labels: MapRef<'_, str>) -> String {
    let text = joined(labels.iter().map(|(key, value)| format!("{key}={value}")));
    if text.is_empty() {
        NONE.to_owned()
    } else {
        text
    }
}

/// A selector in one line; `None` if it is none.
pub fn selector(selector: Option<LabelSelector<'_>>) -> Option<String> {
    let Some(selector) = selector else {
        return Some(String::new());
    };
    let selector = label::LabelSelector::of(selector).ok()?;
    Some(selector.to_string())
}

/// A selector in one line.
pub fn format_selector(of: Option<LabelSelector<'_>>) -> String {
    match selector(of) {
        None => "<error>".to_owned(),
        Some(text) => or(&text, NONE).to_owned(),
    }
}

/// The first `most` of a list, and how many there are besides.
pub fn first_of<T: AsRef<str>>(list: impl IntoIterator<Item = T>, most: usize) -> Option<String> {
    let (mut shown, mut count) = (Vec::new(), 0);
    for text in list {
        count += 1;
        if shown.len() < most {
            shown.push(text);
        }
    }
    let text = joined(shown);
    if count > most {
        return Some(format!("{text} + {} more...", count - most));
    }
    (!text.is_empty()).then_some(text)
}

/// Texts sorted, each once, with commas between them.
pub fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    joined(texts.into_iter().collect::<BTreeSet<&str>>())
}

/// `True`, `False`, or what stands for neither.
pub fn boolean(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(first_of(["a", "b"], 3).as_deref(), Some("a,b"));
        assert_eq!(
            first_of(["a", "b", "c", "d", "e"], 3).as_deref(),
            Some("a,b,c + 2 more...")
        );
        assert_eq!(first_of([""; 0], 3), None);
    }

    #[test]
    fn sets_are_sorted_and_without_repetition() {
        assert_eq!(set(["b", "a", "b"]), "a,b");
    }
}
