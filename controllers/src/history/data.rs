//! What stands in a ControllerRevision: the patch that brings a template back, in the form in which upstream's controllers
//! write it, so that either's can take over the other's.

use api::{
    codec::json::{self, DecodeError, Strict},
    core::v1::PodTemplateSpec,
    schema::Schema,
    tree::Tree,
    view::View,
};
use runtime::ReconcileError;
use serde_json::{Map, Value, json};

/// The characters of upstream's generated names: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The patch that sets a template: its keys in order, as Go writes a map.
pub fn of(template: PodTemplateSpec<'_>) -> Result<Vec<u8>, ReconcileError> {
    let mut bytes = Vec::new();
    if let Some(node) = template.node() {
        json::encode_value(node, &mut bytes);
    }
    let mut template: Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => return Err(ReconcileError::Other(error.into())),
    };
    template["$patch"] = json!("replace");
    let mut text = sorted(json!({"spec": {"template": template}})).to_string();
    // Go's encoder escapes what could end a script in HTML. Outside of texts these do not occur in JSON.
    for (from, to) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    Ok(text.into_bytes())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The template that such a patch sets, with the defaults that a stored one has: an older release may have written it without
/// those that came since. `None` if there is no template in it.
pub fn template(data: &[u8]) -> Option<Tree> {
    let mut patch: Value = serde_json::from_slice(data).ok()?;
    let template = patch.pointer_mut("/spec/template")?;
    template.as_object_mut()?.shift_remove("$patch");
    let mut tree = decode(template).ok()?;
    api::defaults::apply(&mut tree);
    tree.compact();
    Some(tree)
}

fn decode(template: &Value) -> Result<Tree, DecodeError> {
    let body = template.to_string().into_bytes();
    json::decode(
        Schema::builtin(),
        PodTemplateSpec::TYPE,
        body,
        &mut Strict::new(),
    )
}

/// The hash by which upstream names a StatefulSet's revisions: FNV-1 over the patch and the number of collisions.
pub fn hash(data: &[u8], collisions: i32) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in data.iter().chain(collisions.to_string().as_bytes()) {
        hash = hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte);
    }
    let digits = hash.to_string();
    let encode = |digit: u8| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]);
    digits.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::template::TemplateDigest;

    /// As upstream's v1.34 stored it, under the name `test-776999688b`.
    const STORED: &str = r#"{"spec":{"template":{"$patch":"replace","metadata":{"annotations":{"test":"value"},"labels":{"app":"foo"}},"spec":{"containers":[{"image":"test","imagePullPolicy":"Always","name":"test","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#;

    #[test]
    fn a_template_is_written_and_named_as_upstream_does() {
        let tree = template(STORED.as_bytes()).expect("a template");
        let data = of(PodTemplateSpec::of(&tree)).expect("encodes");
        assert_eq!(String::from_utf8_lossy(&data), STORED);
        assert_eq!(hash(&data, 0), "776999688b");
        assert_ne!(hash(&data, 1), hash(&data, 0));
    }

    #[test]
    fn what_says_the_same_is_the_same_however_it_is_written() {
        let old = STORED.replace(
            r#""metadata":{"#,
            r#""metadata":{"creationTimestamp":null,"#,
        );
        let digest = |text: &str| {
            let tree = template(text.as_bytes()).expect("a template");
            TemplateDigest::whole(PodTemplateSpec::of(&tree))
        };
        assert_eq!(digest(&old), digest(STORED));
        assert_eq!(
            digest(&STORED.replace(r#""dnsPolicy":"ClusterFirst","#, "")),
            digest(STORED),
            "defaults"
        );
        assert_ne!(digest(&STORED.replace("foo", "bar")), digest(STORED));
    }

    #[test]
    fn what_go_escapes_is_escaped() {
        let text = STORED.replace(r#""value""#, r#""a<b>&c""#);
        let tree = template(text.as_bytes()).expect("a template");
        let data = of(PodTemplateSpec::of(&tree)).expect("encodes");
        assert!(String::from_utf8_lossy(&data).contains(r#""a\u003cb\u003e\u0026c""#));
    }

    #[test]
    fn what_is_no_patch_of_a_template_is_none() {
        for data in [
            "",
            "null",
            "{}",
            r#"{"spec":{}}"#,
            r#"{"spec":{"template":1}}"#,
            "nonsense",
        ] {
            assert!(template(data.as_bytes()).is_none(), "{data}");
        }
    }
}
