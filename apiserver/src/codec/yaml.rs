//! YAML for people, out of JSON.

use api::codec::{json, yaml};

/// YAML of a JSON document.
pub fn from_json(document: &[u8]) -> Vec<u8> {
    match json::decode_untyped(document.to_vec(), &mut json::Strict::new()) {
        Ok(tree) => yaml::to_string(&tree).into_bytes(),
        // Our own encoder made it; and JSON is YAML.
        Err(_) => document.to_vec(),
    }
}
