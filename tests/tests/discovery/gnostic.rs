//! Reads gnostic's protobuf by its own definition, as it lies in the Go module cache.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

/// Message definitions: per message, per number, whether it is repeated, its type and its name.
pub struct Proto(HashMap<String, HashMap<u64, (bool, String, String)>>);

impl Proto {
    /// Reads a definition out of the module that `hack/upstream` requires.
    pub fn load(file: &str) -> Proto {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream");
        let module = [
            "list",
            "-m",
            "-f",
            "{{.Dir}}",
            "github.com/google/gnostic-models",
        ];
        let output = Command::new("go")
            .args(module)
            .current_dir(directory)
            .output()
            .expect("go is installed");
        let path = String::from_utf8(output.stdout).unwrap();
        let text = std::fs::read_to_string(Path::new(path.trim()).join(file)).unwrap();
        let (mut messages, mut current) = (HashMap::new(), String::new());
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("message ") {
                current = rest.split_whitespace().next().unwrap().to_owned();
                messages.insert(current.clone(), HashMap::new());
            }
            let (repeated, field) = line
                .strip_prefix("repeated ")
                .map_or((false, line), |rest| (true, rest));
            let words: Vec<&str> = field.trim_end_matches(';').split_whitespace().collect();
            if let [kind, name, "=", number] = words[..]
                && let (Some(message), Ok(number)) = (messages.get_mut(&current), number.parse())
            {
                message.insert(number, (repeated, kind.to_owned(), name.to_owned()));
            }
        }
        Proto(messages)
    }

    /// Decodes a message into JSON.
    pub fn decode(&self, message: &str, mut bytes: &[u8]) -> Value {
        let mut found = Map::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let (repeated, kind, name) = &self.0[message][&(tag >> 3)];
            let value = match (tag & 7, kind.as_str()) {
                (0, "bool") => json!(varint(&mut bytes) != 0),
                (0, _) => json!(varint(&mut bytes)),
                (1, _) => json!(f64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
                (2, kind) => {
                    let length = varint(&mut bytes) as usize;
                    let content = take(&mut bytes, length);
                    match kind {
                        "string" => json!(std::str::from_utf8(content).unwrap()),
                        kind => self.decode(kind, content),
                    }
                }
                (wire, _) => panic!("wire type {wire} in {message}"),
            };
            match repeated {
                true => found
                    .entry(name)
                    .or_insert_with(|| json!([]))
                    .as_array_mut()
                    .unwrap()
                    .push(value),
                false => assert!(
                    found.insert(name.clone(), value).is_none(),
                    "{message}.{name} stands twice"
                ),
            }
        }
        Value::Object(found)
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

/// Without descriptions, lists of names and values as objects, YAML as what it says, and lone wrappers taken away.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Array(list)
            if !list.is_empty()
                && list
                    .iter()
                    .all(|entry| entry["name"].is_string() && is_entry(entry)) =>
        {
            let entry = |entry: &Value| {
                (
                    entry["name"].as_str().unwrap().to_owned(),
                    normal(&entry["value"]),
                )
            };
            list.iter().map(entry).collect()
        }
        Value::Array(list) => list.iter().map(normal).collect(),
        Value::Object(object) => {
            if let Some(yaml) = object.get("yaml").and_then(Value::as_str) {
                return serde_yaml::from_str(yaml).unwrap();
            }
            let kept = object
                .iter()
                .filter(|(key, value)| *key != "description" || !value.is_string());
            let object: Map<String, Value> = kept
                .map(|(key, value)| (key.clone(), normal(value)))
                .collect();
            match object
                .get("schema")
                .and_then(|schema| schema.get("all_of"))
                .and_then(Value::as_array)
            {
                Some(list)
                    if object["schema"].as_object().unwrap().len() == 1 && list.len() == 1 =>
                {
                    list[0].clone()
                }
                _ => Value::Object(object),
            }
        }
        _ => value.clone(),
    }
}

fn is_entry(value: &Value) -> bool {
    value
        .as_object()
        .unwrap()
        .keys()
        .all(|key| key == "name" || key == "value")
}

/// Puts shared parameters where they are referred to.
pub fn without_shared(mut document: Value) -> Value {
    let shared = document["parameters"].take();
    fn resolve(value: &Value, shared: &Value) -> Value {
        let reference = value["json_reference"]["_ref"]
            .as_str()
            .and_then(|r| r.strip_prefix("#/parameters/"));
        if let Some(key) = reference {
            let found = &shared["additional_properties"][key];
            assert!(found.is_object(), "{key}");
            return json!({ "parameter": found });
        }
        match value {
            Value::Object(object) => object
                .iter()
                .map(|(k, v)| (k.clone(), resolve(v, shared)))
                .collect(),
            Value::Array(list) => list.iter().map(|v| resolve(v, shared)).collect(),
            _ => value.clone(),
        }
    }
    resolve(&document, &shared)
}
