//! JSON values as Go prints them: in the messages that upstream's clients see.

use serde_json::Value;

use crate::codec::quote;

/// As `%v` prints it: `map[a:1 b:[x y]]`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

/// As `%v` prints a pointer to a box that holds it.
pub(crate) fn pointer(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}

/// As `%#v` prints the box in which upstream's merging library holds it.
pub(crate) fn wrapped(value: &Value) -> String {
    format!("&value.valueUnstructured{{Value:{}}}", literal(value))
}

/// As `%#v` prints it: as it would stand in source.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}:{}", quote(key), literal(value)))
                .collect();
            entries.sort();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        Value::String(text) => quote(text),
        Value::Null => "interface {}(nil)".to_owned(),
        other => other.to_string(),
    }
}

/// As messages about JSON name its type.
pub(crate) fn json_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// As `%T` prints its type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_look_as_in_go() {
        let value = json!({ "b": [1, "x", null], "a": { "c": true } });
        assert_eq!(plain(&value), "map[a:map[c:true] b:[1 x <nil>]]");
        assert_eq!(pointer(&json!([])), "&{[]}");
        assert_eq!(wrapped(&json!(1)), "&value.valueUnstructured{Value:1}");
        assert_eq!(
            wrapped(&json!({ "a": ["b"] })),
            r#"&value.valueUnstructured{Value:map[string]interface {}{"a":[]interface {}{"b"}}}"#
        );
    }
}
