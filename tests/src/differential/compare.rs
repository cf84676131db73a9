//! What differs between two answers, field by field.

use serde_json::Value;

use super::server::Answer;

/// One place in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The kind of upstream's answer, or of its events; the request's path for what has none.
    pub kind: String,
    /// Where: `code`, `header NAME`, or the path in the body, with `[]` for the places of a list.
    pub field: String,
    /// What ours has there.
    pub ours: String,
    /// What upstream's has there.
    pub theirs: String,
}

/// The requests of a step are sent to both servers within this many seconds: so far apart may what they call now be.
const TOGETHER: i64 = 5;

/// All differences between the answers to a request of this path.
pub fn answers(ours: &Answer, theirs: &Answer, path: &str) -> Vec<Difference> {
    let mut found = Vec::new();
    if ours.code != theirs.code {
        found.push(Difference {
            kind: String::new(),
            field: "code".to_owned(),
            ours: ours.code.to_string(),
            theirs: theirs.code.to_string(),
        });
    }
    let names: std::collections::BTreeSet<&String> =
        ours.headers.keys().chain(theirs.headers.keys()).collect();
    for name in names {
        let of = |answer: &Answer| answer.headers.get(name).cloned().unwrap_or_default();
        if of(ours) != of(theirs) {
            found.push(Difference {
                kind: String::new(),
                field: format!("header {name}"),
                ours: of(ours),
                theirs: of(theirs),
            });
        }
    }
    values(&ours.body, &theirs.body, "", &mut found);
    let kind = kind(&theirs.body).unwrap_or(path);
    for difference in &mut found {
        kind.clone_into(&mut difference.kind);
    }
    found
}

fn kind(body: &Value) -> Option<&str> {
    let event = &body[0]["object"]["kind"];
    event.as_str().or(body["kind"].as_str())
}

fn values(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<Difference>) {
    match (ours, theirs) {
        (Value::Object(mine), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> =
                mine.keys().chain(other.keys()).collect();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let absent = Value::String("<absent>".to_owned());
                values(
                    mine.get(name).unwrap_or(&absent),
                    other.get(name).unwrap_or(&absent),
                    &path,
                    found,
                );
            }
        }
        (Value::Array(mine), Value::Array(other)) if mine.len() == other.len() => {
            for (mine, other) in mine.iter().zip(other) {
                values(mine, other, &format!("{path}[]"), found);
            }
        }
        (Value::String(mine), Value::String(other)) if mine == other || near(mine, other) => {}
        // Behind the first line upstream prints a difference of its internal structs.
        (Value::String(mine), Value::String(other))
            if path.ends_with("message") && mine.lines().next() == other.lines().next() => {}
        (Value::Number(mine), Value::Number(other))
            if mine == other || seconds(path, mine, other) => {}
        _ if ours == theirs => {}
        _ => found.push(Difference {
            kind: String::new(),
            field: path.to_owned(),
            ours: short(ours),
            theirs: short(theirs),
        }),
    }
}

/// Two times, or two ages as tables show them, that are close together.
fn near(ours: &str, theirs: &str) -> bool {
    let age = |text: &str| {
        text.strip_suffix('s')
            .and_then(|number| number.parse::<i64>().ok())
    };
    if let (Some(ours), Some(theirs)) = (age(ours), age(theirs)) {
        return (ours - theirs).abs() <= TOGETHER;
    }
    let time = |text: &str| {
        text.len()
            .checked_sub(20)
            .and_then(|_| text.parse::<jiff::Timestamp>().ok())
    };
    match (time(ours), time(theirs)) {
        (Some(mine), Some(other)) => {
            // The same precision, too: seconds or microseconds.
            ours.len() == theirs.len() && (mine.as_second() - other.as_second()).abs() <= TOGETHER
        }
        _ => false,
    }
}

/// Times of a token's claims.
fn seconds(path: &str, ours: &serde_json::Number, theirs: &serde_json::Number) -> bool {
    let is_time = [".exp", ".iat", ".nbf", ".warnafter"]
        .iter()
        .any(|end| path.ends_with(end));
    match (ours.as_i64(), theirs.as_i64()) {
        (Some(ours), Some(theirs)) => is_time && (ours - theirs).abs() <= TOGETHER,
        _ => false,
    }
}

fn short(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(ours: Value, theirs: Value) -> Vec<String> {
        let mut found = Vec::new();
        values(&ours, &theirs, "", &mut found);
        found
            .into_iter()
            .map(|difference| difference.field)
            .collect()
    }

    #[test]
    fn every_difference_is_found_by_its_path() {
        let ours = json!({"a": {"b": 1}, "l": [{"x": 1}, {"x": 2}], "only": true, "n": [1]});
        let theirs = json!({"a": {"b": 2}, "l": [{"x": 1}, {"x": 3}], "n": [1, 2]});
        assert_eq!(fields(ours, theirs), ["a.b", "l[].x", "n", "only"]);
    }

    #[test]
    fn times_are_compared_by_their_distance_and_precision() {
        let same = json!({"t": "2026-11-20T10:00:00Z"});
        assert!(fields(same.clone(), json!({"t": "2026-11-20T10:00:03Z"})).is_empty());
        assert_eq!(
            fields(same.clone(), json!({"t": "2026-11-20T10:01:00Z"})),
            ["t"]
        );
        assert_eq!(
            fields(same, json!({"t": "2026-11-20T10:00:00.000000Z"})),
            ["t"]
        );
    }
}
