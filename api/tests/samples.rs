//! Upstream's own sample objects, one of each kind with every field set, through every codec: byte for byte.
//!
//! They stand in the Go module `k8s.io/api` (testdata/HEAD), which `hack/upstream` pins.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use api::Tree;
use api::codec::{json, protobuf, yaml};
use api::patch;
use api::schema::{Schema, TypeId};
use bytes::Bytes;
use serde_json::Value;

mod upstream;

use upstream::same_bytes;

/// How many kinds the module has samples of.
const SAMPLES: usize = 193;

struct Sample {
    name: String,
    api_version: String,
    kind: String,
    ty: TypeId,
    protobuf: Bytes,
    /// Without the indentation of the file.
    json: String,
    yaml: String,
}

/// The samples; none where Go is absent.
fn samples() -> Option<Vec<Sample>> {
    let module = upstream::go(&["list", "-m", "-f", "{{.Dir}}", "k8s.io/api"])?;
    let dir = Path::new(module.trim()).join("testdata/HEAD");
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_str()?.strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert_eq!(names.len(), SAMPLES, "{}", dir.display());
    Some(names.iter().map(|name| Sample::load(&dir, name)).collect())
}

impl Sample {
    fn load(dir: &Path, name: &str) -> Sample {
        let read = |suffix: &str| std::fs::read(dir.join(format!("{name}.{suffix}"))).unwrap();
        let text = |suffix: &str| String::from_utf8(read(suffix)).unwrap();
        let indented = text("json");
        let protobuf = Bytes::from(read("pb"));
        let envelope = protobuf::unwrap_unknown(&protobuf).unwrap();
        // A watch event says nowhere what it is.
        let mut words = name.rsplitn(3, '.');
        let (kind, version, group) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let group = if group == "core" { "" } else { group };
        Sample {
            name: name.to_owned(),
            ty: upstream::type_of_kind(group, version, kind),
            api_version: envelope.api_version,
            kind: envelope.kind,
            protobuf,
            json: compact(&indented),
            yaml: text("yaml"),
        }
    }

    fn json_tree(&self) -> Tree {
        let mut strict = json::Strict::new();
        let tree = json::decode(
            Schema::builtin(),
            self.ty,
            self.json.clone().into_bytes(),
            &mut strict,
        )
        .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert!(
            strict.errors().is_empty(),
            "{}: {:?}",
            self.name,
            strict.errors()
        );
        tree
    }

    fn protobuf_tree(&self) -> Tree {
        let envelope = protobuf::unwrap_unknown(&self.protobuf).unwrap();
        let mut tree = protobuf::decode(
            Schema::builtin(),
            self.ty,
            self.protobuf.slice(envelope.raw),
        )
        .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        // Protobuf carries them in the envelope alone.
        let ty = Schema::builtin().ty(self.ty);
        for (field, value) in [("kind", &self.kind), ("apiVersion", &self.api_version)] {
            if let Some(id) = ty.field(field) {
                tree.root_mut().set(id, value.as_str());
            }
        }
        tree
    }

    fn to_protobuf(&self, tree: &Tree) -> Vec<u8> {
        let mut out = Vec::new();
        protobuf::wrap_unknown(
            &self.api_version,
            &self.kind,
            &protobuf::to_vec(tree),
            &mut out,
        );
        out
    }
}

/// JSON without the white space between its tokens.
fn compact(indented: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    indented
        .chars()
        .filter(|&c| {
            if quoted {
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
                return true;
            }
            quoted = c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// Runs a check on every sample, and names all that fail.
fn every_sample(check: impl Fn(&Sample) -> Result<(), String>) {
    if let Some(samples) = samples() {
        upstream::every(&samples, |sample| sample.name.clone(), check);
    }
}

#[test]
fn protobuf_comes_back_byte_for_byte() {
    every_sample(|sample| {
        same_bytes(
            &sample.to_protobuf(&sample.protobuf_tree()),
            &sample.protobuf,
        )
    });
}

#[test]
fn json_comes_back_byte_for_byte() {
    every_sample(|sample| same_bytes(&json::to_vec(&sample.json_tree()), sample.json.as_bytes()));
}

#[test]
fn json_becomes_upstreams_protobuf() {
    every_sample(|sample| same_bytes(&sample.to_protobuf(&sample.json_tree()), &sample.protobuf));
}

#[test]
fn protobuf_becomes_upstreams_json() {
    every_sample(|sample| {
        same_bytes(
            &json::to_vec(&sample.protobuf_tree()),
            sample.json.as_bytes(),
        )
    });
}

#[test]
fn yaml_is_read_as_the_same_object() {
    every_sample(|sample| {
        let mut strict = json::Strict::new();
        let tree = yaml::decode(
            Schema::builtin(),
            sample.ty,
            sample.yaml.as_bytes(),
            &mut strict,
        )
        .map_err(|e| e.to_string())?;
        if !strict.errors().is_empty() {
            return Err(format!("{:?}", strict.errors()));
        }
        same_bytes(&json::to_vec(&tree), sample.json.as_bytes())
    });
}

#[test]
fn yaml_is_written_as_upstream_writes_it() {
    every_sample(|sample| {
        same_bytes(
            yaml::to_string(&sample.json_tree()).as_bytes(),
            sample.yaml.as_bytes(),
        )
    });
}

#[test]
fn both_sources_make_equal_trees() {
    every_sample(|sample| {
        if sample.json_tree() == sample.protobuf_tree() {
            Ok(())
        } else {
            Err("the trees differ".to_owned())
        }
    });
}

/// Each value of a document, at most so deep, with the way to it: `{"a": {"b": value}}`.
fn pieces(document: &Value, depth: usize) -> Vec<(Value, Value)> {
    let Value::Object(fields) = document else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in fields {
        let around = |inner: Value| Value::Object([(name.clone(), inner)].into_iter().collect());
        found.push((around(value.clone()), around(Value::Null)));
        if depth > 1 {
            let deeper = pieces(value, depth - 1).into_iter();
            found.extend(deeper.map(|(set, removed)| (around(set), around(removed))));
        }
    }
    found
}

/// By types or on plain JSON, a merge patch makes the same.
#[test]
fn a_merge_patch_by_types_makes_what_one_on_plain_json_makes() {
    every_sample(|sample| {
        let document: Value = serde_json::from_str(&sample.json).unwrap();
        let decoded = |text: String| {
            let mut strict = json::Strict::new();
            json::decode(Schema::builtin(), sample.ty, text.into_bytes(), &mut strict).unwrap()
        };
        let check = |object: &Tree, patch: &Value| {
            let (patch, mut strict) = (patch.to_string(), json::Strict::new());
            let merged = patch::merge(object, patch.as_bytes(), &mut strict);
            let plain = patch::shown_merge(object, patch.as_bytes()).map(decoded);
            match (merged, plain) {
                (Ok(merged), Ok(plain)) => {
                    same_bytes(&json::to_vec(&merged), &json::to_vec(&plain))
                        .and_then(|()| {
                            same_bytes(&protobuf::to_vec(&merged), &protobuf::to_vec(&plain))
                        })
                        .map_err(|difference| format!("{patch}: {difference}"))
                }
                (merged, plain) => Err(format!("{patch}: {merged:?}, {plain:?}")),
            }
        };
        let whole = sample.json_tree();
        let names_its_kind =
            |(set, _): &(Value, Value)| set.get("kind").or(set.get("apiVersion")).is_some();
        let pieces = pieces(&document, 5);
        for (set, removed) in pieces.iter().filter(|p| !names_its_kind(p)) {
            check(&whole, set)?;
            check(&whole, removed)?;
            // Without it there, and back again.
            let without = patch::merge(
                &whole,
                removed.to_string().as_bytes(),
                &mut json::Strict::new(),
            );
            if let Ok(without) = without {
                check(&without, set)?;
                check(&without, removed)?;
            }
        }
        Ok(())
    });
}
