//! For each kind, thousands of objects with one thing changed: removed, of a wrong type, out of range, doubled, unknown. What
//! fields there are is taken from upstream's OpenAPI document, not from our own table.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value, json};

use super::sequence::{Sequence, Step};
use crate::load::client::Connection;

/// Cases of one sequence: few enough that a repetition costs little.
const CHUNK: usize = 40;
/// How deep absent fields are added below those that are there.
const ADDED_DEPTH: usize = 3;

/// A kind as the server lists it.
struct Resource {
    path: String,
    namespaced: bool,
}

/// Upstream's documents: schemas by name, and resources by apiVersion and kind.
pub struct Documents {
    schemas: Map<String, Value>,
    kinds: BTreeMap<(String, String), String>,
    resources: BTreeMap<(String, String), Resource>,
}

impl Documents {
    /// Reads them from a server.
    ///
    /// # Errors
    /// If it does not answer with what an API server answers.
    pub async fn read(connection: &mut Connection) -> io::Result<Self> {
        let mut documents = Self {
            schemas: Map::new(),
            kinds: BTreeMap::new(),
            resources: BTreeMap::new(),
        };
        let mut versions = vec![("v1".to_owned(), "/api/v1".to_owned())];
        let groups = connection.get_json("/apis").await?;
        for group in list(&groups["groups"]) {
            for version in list(&group["versions"]) {
                let version = text(&version["groupVersion"]).to_owned();
                versions.push((version.clone(), format!("/apis/{version}")));
            }
        }
        for (version, path) in versions {
            documents.add_version(connection, &version, &path).await?;
        }
        Ok(documents)
    }

    async fn add_version(
        &mut self,
        connection: &mut Connection,
        version: &str,
        path: &str,
    ) -> io::Result<()> {
        for resource in list(&connection.get_json(path).await?["resources"]) {
            let name = text(&resource["name"]);
            if !name.contains('/') {
                let key = (version.to_owned(), text(&resource["kind"]).to_owned());
                let namespaced = resource["namespaced"] == true;
                let path = format!(
                    "{path}/{}{name}",
                    if namespaced { "namespaces/$ns/" } else { "" }
                );
                self.resources
                    .entry(key)
                    .or_insert(Resource { path, namespaced });
            }
        }
        let document = connection.get_json(&format!("/openapi/v3{path}")).await?;
        for (name, schema) in document["components"]["schemas"]
            .as_object()
            .into_iter()
            .flatten()
        {
            for kind in list(&schema["x-kubernetes-group-version-kind"]) {
                let group = text(&kind["group"]);
                let slash = if group.is_empty() { "" } else { "/" };
                let key = (
                    format!("{group}{slash}{}", text(&kind["version"])),
                    text(&kind["kind"]).to_owned(),
                );
                self.kinds.insert(key, name.clone());
            }
            self.schemas.insert(name.clone(), schema.clone());
        }
        Ok(())
    }

    /// What a reference stands for.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"]
            .as_str()
            .or_else(|| schema["allOf"][0]["$ref"].as_str());
        match reference.and_then(|reference| reference.rsplit('/').next()) {
            Some(name) => self.schemas.get(name).unwrap_or(schema),
            None => schema,
        }
    }

    /// The sequences of a valid object: it is made as it is, and with each change, always as a dry run.
    pub fn sequences(&self, object: &Value) -> Vec<Sequence> {
        let key = (
            text(&object["apiVersion"]).to_owned(),
            text(&object["kind"]).to_owned(),
        );
        let (Some(resource), Some(schema)) = (self.resources.get(&key), self.kinds.get(&key))
        else {
            return Vec::new();
        };
        let mut object = object.clone();
        if resource.namespaced {
            object["metadata"]["namespace"] = json!("$ns");
        }
        let request = format!("POST {}?dryRun=All&fieldValidation=Strict", resource.path);
        // Both servers' administrators by one name: some kinds name who asks.
        let step = |note: String, object: Value| Step {
            note,
            user: Some("admin".to_owned()),
            groups: vec!["system:masters".to_owned()],
            ..Step::new(request.clone(), Some(object))
        };
        let mut steps = vec![step("valid".to_owned(), object.clone())];
        let mut changes = Vec::new();
        self.changes(
            &object,
            &self.schemas[schema],
            &mut Vec::new(),
            &mut changes,
        );
        for (path, change) in changes {
            let mut changed = object.clone();
            let note = change.apply(&mut changed, &path);
            steps.push(step(note, changed));
        }
        let name = format!("{} {}", key.0, key.1);
        steps
            .chunks(CHUNK)
            .enumerate()
            .map(|(number, steps)| Sequence {
                name: format!("{name}, changed, {}", number + 1),
                steps: steps.to_vec(),
                independent: true,
            })
            .collect()
    }

    fn changes(
        &self,
        value: &Value,
        schema: &Value,
        path: &mut Vec<String>,
        out: &mut Vec<(Vec<String>, Change)>,
    ) {
        let schema = self.resolve(schema);
        let top = path.is_empty();
        if !top {
            out.push((path.clone(), Change::Remove));
            for wrong in wrong_values(value, schema) {
                out.push((path.clone(), Change::Set(wrong)));
            }
        }
        match value {
            Value::Object(map) => {
                out.push((
                    path.clone(),
                    Change::Add("unknownField".to_owned(), json!(1)),
                ));
                for (name, value) in map {
                    let known = &schema["properties"][name];
                    let inner = if known.is_null() {
                        &schema["additionalProperties"]
                    } else {
                        known
                    };
                    path.push(name.clone());
                    self.changes(value, inner, path, out);
                    path.pop();
                }
                self.additions(map, schema, path, out, ADDED_DEPTH);
            }
            Value::Array(items) => {
                if let Some(first) = items.first() {
                    out.push((
                        path.clone(),
                        Change::Set(Value::Array(
                            [items.as_slice(), std::slice::from_ref(first)].concat(),
                        )),
                    ));
                    path.push("0".to_owned());
                    self.changes(first, &schema["items"], path, out);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Fields that the object does not have, each with a few values.
    fn additions(
        &self,
        map: &Map<String, Value>,
        schema: &Value,
        path: &[String],
        out: &mut Vec<(Vec<String>, Change)>,
        depth: usize,
    ) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            // What is absent on the top level of every object is the server's own.
            let own = path.is_empty() && ["status", "apiVersion", "kind"].contains(&name.as_str());
            if map.contains_key(name) || own || name == "managedFields" {
                continue;
            }
            for value in self.samples(property, depth) {
                out.push((path.to_vec(), Change::Add(name.clone(), value)));
            }
        }
    }

    /// Values of a schema's type: usual ones and those at the edges.
    fn samples(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let schema = self.resolve(schema);
        match text(&schema["type"]) {
            "string" => match list(&schema["enum"]).first() {
                Some(first) => vec![first.clone(), json!("NotOneOfThem")],
                None => vec![
                    json!("some-value"),
                    json!("Wrong Value!"),
                    json!("x".repeat(300)),
                ],
            },
            "integer" => vec![json!(1), json!(-1), json!(0), json!(2_000_000_000)],
            "number" => vec![json!(1.5)],
            "boolean" => vec![json!(true), json!(false)],
            "array" => {
                let item = self
                    .samples(&schema["items"], depth.saturating_sub(1))
                    .into_iter()
                    .next();
                let mut samples = vec![json!([])];
                samples.extend(item.map(|item| json!([item])));
                samples
            }
            "object" if schema["properties"].is_object() => {
                let mut samples = vec![json!({})];
                if depth > 0 {
                    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                        let values = self.samples(property, depth - 1);
                        samples
                            .extend(values.into_iter().take(3).map(|value| json!({name: value})));
                    }
                }
                samples
            }
            "object" => vec![json!({"key": "value"}), json!({"Bad Key!": "value"})],
            // An integer or a string, as of ports and quantities.
            _ => vec![json!(1), json!("1"), json!("what"), json!(-1)],
        }
    }
}

/// What is done at a place of an object.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Set(Value),
    Add(String, Value),
}

impl Change {
    /// Does it, and says what it did.
    fn apply(&self, object: &mut Value, path: &[String]) -> String {
        let shown = path.join(".");
        let (last, parents) = match path.split_last() {
            Some((last, parents)) => (last.as_str(), parents),
            None => ("", path),
        };
        match self {
            Self::Add(name, value) => {
                let target = descend(object, path);
                target[name] = value.clone();
                format!("{shown}.{name} = {}", brief(value))
            }
            Self::Set(value) => {
                *child(descend(object, parents), last) = value.clone();
                format!("{shown} = {}", brief(value))
            }
            Self::Remove => {
                match descend(object, parents) {
                    Value::Object(map) => _ = map.remove(last),
                    Value::Array(items) => items.clear(),
                    _ => {}
                }
                format!("{shown} removed")
            }
        }
    }
}

fn descend<'a>(object: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(object, |value, name| child(value, name))
}

fn child<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    match name.parse::<usize>() {
        Ok(index) if value.is_array() => &mut value[index],
        _ => &mut value[name],
    }
}

/// Values that do not belong where `value` stands.
fn wrong_values(value: &Value, schema: &Value) -> Vec<Value> {
    let all = [
        json!("text"),
        json!(5),
        json!(true),
        json!({}),
        json!([]),
        Value::Null,
    ];
    let kind = std::mem::discriminant(value);
    let mut wrong: Vec<Value> = all
        .into_iter()
        .filter(|other| std::mem::discriminant(other) != kind)
        .collect();
    match value {
        Value::String(_) => {
            wrong.extend([json!(""), json!("Wrong Value!"), json!("x".repeat(300))])
        }
        Value::Number(_) => {
            wrong.extend([json!(-1), json!(0), json!(99_999_999_999_i64), json!(1.5)])
        }
        Value::Object(_) if schema["properties"].is_null() => {
            wrong.extend([json!({}), json!({"Bad Key!": "x"})])
        }
        Value::Object(_) => wrong.push(json!({})),
        Value::Array(_) => wrong.push(json!([])),
        _ => {}
    }
    wrong
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
