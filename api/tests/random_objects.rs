//! Random objects of every kind that upstream knows, as upstream writes them: zero values, absent and empty lists and nil pointers,
//! which its samples lack. `GANTRY_SEED` chooses other ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::Tree;
use api::codec::{json, protobuf};
use api::schema::{Schema, TypeId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

mod upstream;

use upstream::same_bytes;

struct Object {
    group: String,
    version: String,
    kind: String,
    ty: TypeId,
    /// As Go made it.
    protobuf: Bytes,
    /// Go's JSON of that.
    json: String,
    /// Go's protobuf and JSON of that JSON.
    protobuf_of_json: Vec<u8>,
    json_of_json: String,
}

impl Object {
    fn parse(line: &str) -> Object {
        let columns: Vec<&str> = line.split('\t').collect();
        let [
            group,
            version,
            kind,
            protobuf,
            json,
            protobuf_of_json,
            json_of_json,
        ] = columns[..]
        else {
            panic!("seven columns, not: {line}")
        };
        Object {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            ty: upstream::type_of_kind(group, version, kind),
            protobuf: STANDARD.decode(protobuf).unwrap().into(),
            json: json.to_owned(),
            protobuf_of_json: STANDARD.decode(protobuf_of_json).unwrap(),
            json_of_json: json_of_json.to_owned(),
        }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn json_tree(&self) -> Result<Tree, String> {
        let mut strict = json::Strict::new();
        let tree = json::decode(
            Schema::builtin(),
            self.ty,
            self.json.clone().into_bytes(),
            &mut strict,
        )
        .map_err(|error| error.to_string())?;
        if strict.errors().is_empty() {
            Ok(tree)
        } else {
            Err(format!("{:?}", strict.errors()))
        }
    }

    fn protobuf_tree(&self) -> Result<Tree, String> {
        let envelope =
            protobuf::unwrap_unknown(&self.protobuf).map_err(|error| error.to_string())?;
        let mut tree = protobuf::decode(
            Schema::builtin(),
            self.ty,
            self.protobuf.slice(envelope.raw),
        )
        .map_err(|error| error.to_string())?;
        let ty = Schema::builtin().ty(self.ty);
        for (field, value) in [("kind", &self.kind), ("apiVersion", &self.api_version())] {
            tree.root_mut()
                .set(ty.field(field).unwrap(), value.as_str());
        }
        Ok(tree)
    }

    fn to_protobuf(&self, tree: &Tree) -> Vec<u8> {
        let mut out = Vec::new();
        protobuf::wrap_unknown(
            &self.api_version(),
            &self.kind,
            &protobuf::to_vec(tree),
            &mut out,
        );
        out
    }
}

fn every_object(check: impl Fn(&Object) -> Result<(), String>) {
    let seed = std::env::var("GANTRY_SEED").unwrap_or_else(|_| "1".to_owned());
    let Some(text) = upstream::go(&["run", "./schema", "-seed", &seed, "-count", "3", "objects"])
    else {
        return;
    };
    let objects: Vec<Object> = text.lines().map(Object::parse).collect();
    assert!(objects.len() > 900, "every kind, three times");
    upstream::every(
        &objects,
        |object| format!("{}/{}", object.api_version(), object.kind),
        check,
    );
}

#[test]
fn protobuf_comes_back_byte_for_byte() {
    every_object(|object| {
        same_bytes(
            &object.to_protobuf(&object.protobuf_tree()?),
            &object.protobuf,
        )
    });
}

#[test]
fn protobuf_becomes_upstreams_json() {
    every_object(|object| {
        same_bytes(
            &json::to_vec(&object.protobuf_tree()?),
            object.json.as_bytes(),
        )
    });
}

#[test]
fn json_comes_back_as_upstream_gives_it_back() {
    every_object(|object| {
        same_bytes(
            &json::to_vec(&object.json_tree()?),
            object.json_of_json.as_bytes(),
        )
    });
}

#[test]
fn json_becomes_upstreams_protobuf() {
    every_object(|object| {
        same_bytes(
            &object.to_protobuf(&object.json_tree()?),
            &object.protobuf_of_json,
        )
    });
}
