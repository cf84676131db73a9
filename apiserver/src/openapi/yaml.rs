//! Extensions as YAML: gnostic carries them so.

use api::schema::GroupVersionKind;

use super::model::Extension;

/// A text value, with the line feed that YAML documents end with.
pub fn text(value: &str) -> String {
    format!("{}\n", scalar(value))
}

/// The value of an extension.
pub fn extension(extension: &Extension<'_>) -> String {
    match extension {
        Extension::Text(value) => text(value),
        Extension::Texts(values) => values
            .iter()
            .map(|value| format!("- {}\n", scalar(value)))
            .collect(),
        Extension::Kind(kind) => group_version_kind(kind, ""),
        Extension::Kinds(kinds) => kinds
            .iter()
            .map(|kind| format!("- {}", group_version_kind(kind, "  ")))
            .collect(),
        Extension::Union(union) => {
            let discriminator = match union.discriminator {
                "" => String::new(),
                field => format!("discriminator: {}\n  ", scalar(field)),
            };
            let fields: String = union
                .fields
                .iter()
                .map(|(field, value)| format!("    {field}: {}\n", scalar(value)))
                .collect();
            format!("- {discriminator}fields-to-discriminateBy:\n{fields}")
        }
    }
}

fn group_version_kind(kind: &GroupVersionKind, indent: &str) -> String {
    let (group, version) = (scalar(&kind.group), scalar(&kind.version));
    format!(
        "group: {group}\n{indent}kind: {}\n{indent}version: {version}\n",
        scalar(&kind.kind)
    )
}

/// Plain where YAML reads it back as the same text: words of letters and digits; else in quotes.
fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = text.bytes().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b',' | b' ' | b'-' | b'_' | b'+')
    });
    let word = !matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    );
    if begins && plain && word && !text.ends_with(' ') {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        assert_eq!(text("merge,retainKeys"), "merge,retainKeys\n");
        assert_eq!(text(""), "\"\"\n");
        assert_eq!(text("off"), "\"off\"\n");
        assert_eq!(text("s/mime"), "s/mime\n");
        let kind = GroupVersionKind {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
        };
        assert_eq!(
            extension(&Extension::Kinds(vec![kind])),
            "- group: \"\"\n  kind: Pod\n  version: v1\n"
        );
    }
}
