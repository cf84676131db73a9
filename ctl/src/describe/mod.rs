//! How single objects are shown in full: what matters of pods, workloads, nodes and services first, and every other field of
//! any kind as an indented outline, so that nothing is left out and a kind that nobody thought of is shown too.

use std::io::Write;

use serde_json::{Map, Value};

use crate::duration;
use crate::error::Result;
use crate::output::style::{self, Tone};

mod pod;

/// Shows an object: its summary, its outline.
pub fn object(object: &Value, out: &mut dyn Write) -> Result<()> {
    let metadata = &object["metadata"];
    pair(out, "Name", text(&metadata["name"]))?;
    if metadata["namespace"].is_string() {
        pair(out, "Namespace", text(&metadata["namespace"]))?;
    }
    pair(
        out,
        "Kind",
        &format!(
            "{} ({})",
            text(&object["kind"]),
            text(&object["apiVersion"])
        ),
    )?;
    let created = text(&metadata["creationTimestamp"]);
    pair(
        out,
        "Created",
        &format!("{created} ({} ago)", duration::since(created)),
    )?;
    if let Some(deleted) = metadata["deletionTimestamp"].as_str() {
        pair(
            out,
            "Deleted",
            &style::paint(
                &format!("{deleted} ({} ago)", duration::since(deleted)),
                Tone::Waiting,
            ),
        )?;
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        pair(
            out,
            "Owned by",
            &format!("{}/{}", text(&owner["kind"]), text(&owner["name"])),
        )?;
    }
    for (title, field) in [
        ("Labels", "labels"),
        ("Annotations", "annotations"),
        ("Finalizers", "finalizers"),
    ] {
        lines(out, title, &metadata[field])?;
    }
    if object["kind"] == "Pod" {
        return pod::describe(object, out);
    }
    let mut rest = object.as_object().cloned().unwrap_or_default();
    for known in ["apiVersion", "kind", "metadata"] {
        rest.remove(known);
    }
    if object["kind"] == "Secret" {
        // Only sizes: what is shown on a screen is no secret any more.
        for field in ["data", "stringData"] {
            if let Some(Value::Object(data)) = rest.get_mut(field) {
                data.values_mut().for_each(|value| {
                    *value = format!("{} bytes", decoded_length(text(value))).into()
                });
            }
        }
    }
    conditions(out, &object["status"]["conditions"])?;
    if let Some(status) = rest.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
    }
    outline(out, &rest, 0)
}

/// The number of bytes that a base64 text stands for.
fn decoded_length(text: &str) -> usize {
    let digits = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
        .count();
    digits * 3 / 4
}

/// A text, or nothing.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Says that there is none.
pub(crate) fn none(out: &mut dyn Write, title: &str) -> Result<()> {
    pair(out, title, "<none>")
}

/// `Title:   value`, aligned.
pub(crate) fn pair(out: &mut dyn Write, title: &str, value: &str) -> Result<()> {
    let mut shown = value.lines();
    writeln!(
        out,
        "{:<16} {}",
        format!("{title}:"),
        shown.next().unwrap_or_default()
    )?;
    for line in shown {
        writeln!(out, "{:<16} {line}", "")?;
    }
    Ok(())
}

fn lines(out: &mut dyn Write, title: &str, value: &Value) -> Result<()> {
    let all: Vec<String> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", text(value)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| text(item).to_owned()).collect(),
        _ => Vec::new(),
    };
    if all.is_empty() {
        Ok(())
    } else {
        pair(out, title, &style::harmless(&all.join("\n")))
    }
}

/// A status's conditions, as a table.
pub(crate) fn conditions(out: &mut dyn Write, value: &Value) -> Result<()> {
    let mut table =
        crate::output::table::Table::new(&["  CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    for condition in value.as_array().into_iter().flatten() {
        table.push([
            format!("  {}", text(&condition["type"])),
            text(&condition["status"]).to_owned(),
            condition["lastTransitionTime"]
                .as_str()
                .map(duration::since)
                .unwrap_or_default(),
            text(&condition["reason"]).to_owned(),
            text(&condition["message"]).to_owned(),
        ]);
    }
    if table.rows.is_empty() {
        return Ok(());
    }
    pair(out, "Conditions", "")?;
    table.print(out, true, &mut Vec::new())
}

/// `podCIDRs` → `Pod CIDRs`.
fn title(name: &str) -> String {
    let mut title = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            title.push(' ');
        }
        title.extend(if title.is_empty() {
            c.to_uppercase().collect::<Vec<_>>()
        } else {
            vec![c]
        });
        before = c;
    }
    title
}

/// Everything of a message, indented.
pub(crate) fn outline(out: &mut dyn Write, map: &Map<String, Value>, depth: usize) -> Result<()> {
    for (name, value) in map {
        field(out, &title(name), value, depth)?;
    }
    Ok(())
}

fn field(out: &mut dyn Write, name: &str, value: &Value, depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Null => Ok(()),
        Value::Object(map) if map.is_empty() => Ok(()),
        Value::Array(items) if items.is_empty() => Ok(()),
        Value::Object(map) => {
            writeln!(out, "{indent}{name}:")?;
            // The keys of data and labels are the user's own words.
            let own_words = map.values().all(Value::is_string);
            for (key, value) in map {
                field(
                    out,
                    &if own_words { key.clone() } else { title(key) },
                    value,
                    depth + 1,
                )?;
            }
            Ok(())
        }
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let all: Vec<String> = items.iter().map(crate::output::jsonpath::plain).collect();
            writeln!(out, "{indent}{name}: {}", style::harmless(&all.join(", ")))?;
            Ok(())
        }
        Value::Array(items) => {
            writeln!(out, "{indent}{name}:")?;
            for item in items {
                let label = item["name"]
                    .as_str()
                    .or(item["type"].as_str())
                    .or(item["key"].as_str())
                    .unwrap_or("-");
                field(out, label, item, depth + 1)?;
            }
            Ok(())
        }
        scalar => {
            let shown = style::harmless(&crate::output::jsonpath::plain(scalar));
            if shown.contains('\n') {
                writeln!(out, "{indent}{name}:")?;
                for line in shown.lines() {
                    writeln!(out, "{indent}  {line}")?;
                }
            } else {
                writeln!(out, "{indent}{name}: {shown}")?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(value: &Value) -> String {
        let mut out = Vec::new();
        object(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_kind_is_shown_with_every_field() {
        let text = shown(&json!({
            "apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "a", "labels": {"k": "v"}},
            "spec": {"podCIDRs": ["1", "2"], "list": [{"name": "n", "deep": {"x": 1}}], "empty": {}},
        }));
        for part in [
            "Name:            a",
            "k=v",
            "Pod CIDRs: 1, 2",
            "    n:",
            "X: 1",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("Empty"));
    }

    #[test]
    fn secrets_are_shown_by_their_size() {
        let text = shown(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "aHVudGVyMg=="}}),
        );
        assert!(
            text.contains("password: 7 bytes") && !text.contains("aHVudGVyMg"),
            "{text}"
        );
    }
}
