//! Requests and answers as `application/vnd.kubernetes.protobuf`. The same bytes go to both servers, so that what is compared is
//! how they read them; what comes back is decoded, field by field as in JSON.

use std::io;

use api::codec::json::{self, Strict};
use api::codec::protobuf;
use api::schema::{Schema, TypeId};
use serde_json::Value;

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

fn type_of(api_version: &str, kind: &str) -> Option<TypeId> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Schema::builtin().type_of_kind(group, version, kind)
}

/// An object in its envelope; none if protobuf cannot say what the JSON says: wrong types, fields that there are not, a kind that
/// it does not have.
pub fn encoded(object: &Value) -> Option<Vec<u8>> {
    let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let ty = type_of(version, kind)?;
    let mut strict = Strict::new();
    let tree = json::decode(Schema::builtin(), ty, object.to_string(), &mut strict).ok()?;
    let mut out = Vec::new();
    protobuf::wrap_unknown(version, kind, &protobuf::to_vec(&tree), &mut out);
    strict.is_empty().then_some(out)
}

/// What an answer says, as JSON.
///
/// # Errors
/// If it is no envelope of a known kind.
pub fn decoded(answer: &[u8]) -> io::Result<Value> {
    let unknown = protobuf::unwrap_unknown(answer).map_err(io::Error::other)?;
    let ty = type_of(&unknown.api_version, &unknown.kind).ok_or_else(|| {
        io::Error::other(format!(
            "no kind {} of {}",
            unknown.kind, unknown.api_version
        ))
    })?;
    let message = answer[unknown.raw].to_vec();
    let tree = protobuf::decode(Schema::builtin(), ty, message).map_err(io::Error::other)?;
    let mut value: Value =
        serde_json::from_slice(&json::to_vec(&tree)).map_err(io::Error::other)?;
    // The envelope says what it is, not the message.
    value["apiVersion"] = unknown.api_version.into();
    value["kind"] = unknown.kind.into();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_comes_back_as_it_went() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
        let back = decoded(&encoded(&object).unwrap()).unwrap();
        assert_eq!(back, object);
        let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": 1}});
        assert!(encoded(&wrong).is_none());
        let unknown = json!({"apiVersion": "v1", "kind": "ConfigMap", "more": 1});
        assert!(encoded(&unknown).is_none());
    }
}
