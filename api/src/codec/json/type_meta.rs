//! `apiVersion` and `kind` of a body, before it is known what it is.

use super::error::DecodeError;
use super::string::{find_special, replace_invalid_utf8, unescape};
use super::syntax::{self, skip_space, skip_value};

/// What a body says that it is; empty where it does not say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TypeMeta {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
}

/// Reads `apiVersion` and `kind` of a JSON object; as upstream, the names' case does not matter here, and the last one wins.
///
/// # Errors
/// When the body is no JSON object, or one of the two is no string.
pub fn type_meta(bytes: &[u8]) -> Result<TypeMeta, DecodeError> {
    syntax::check(bytes)?;
    let mut meta = TypeMeta::default();
    let mut at = skip_space(bytes, 0);
    match bytes.get(at) {
        Some(b'{') => at = skip_space(bytes, at + 1),
        Some(b'n') => return Ok(meta),
        other => {
            let value = value_name(other.copied());
            let expected = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
            return Err(DecodeError::Type {
                value: value.into(),
                place: "value".into(),
                expected: expected.into(),
            });
        }
    }
    let mut wrong = None;
    // The text is known to be well-formed, so each step finds what it looks for.
    while bytes.get(at) == Some(&b'"') {
        let (key, after) = read_string(bytes, at);
        at = skip_space(bytes, skip_space(bytes, after) + 1);
        let target = match key.as_str() {
            key if key.eq_ignore_ascii_case("apiVersion") => {
                Some((&mut meta.api_version, "apiVersion"))
            }
            key if key.eq_ignore_ascii_case("kind") => Some((&mut meta.kind, "kind")),
            _ => None,
        };
        let end = skip_value(bytes, at)?;
        match (target, bytes.get(at)) {
            (Some((target, _)), Some(b'"')) => *target = read_string(bytes, at).0,
            (Some(_), Some(b'n')) | (None, _) => {}
            (Some((_, name)), byte) => {
                wrong.get_or_insert_with(|| DecodeError::Type {
                    value: value_name(byte.copied()).into(),
                    place: format!("struct field .{name}"),
                    expected: "string".into(),
                });
            }
        }
        at = skip_space(bytes, skip_space(bytes, end) + 1);
    }
    wrong.map_or(Ok(meta), Err)
}

pub(super) fn value_name(first: Option<u8>) -> &'static str {
    match first {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

fn read_string(bytes: &[u8], at: usize) -> (String, usize) {
    let start = at + 1;
    let mut end = start;
    loop {
        end = find_special(bytes, end);
        match bytes.get(end) {
            Some(b'\\') => end += 2,
            _ => break,
        }
    }
    let mut out = String::new();
    unescape(
        &replace_invalid_utf8(bytes.get(start..end).unwrap_or_default()),
        &mut out,
    );
    (out, end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_two_among_others() {
        let meta = type_meta(
            br#" {"a":{"kind":"no"},"apiVersion":"apps\/v1","kind":"Deployment","z":[1]} "#,
        )
        .unwrap();
        assert_eq!(
            (meta.api_version.as_str(), meta.kind.as_str()),
            ("apps/v1", "Deployment")
        );
        assert_eq!(type_meta(b"{}").unwrap(), TypeMeta::default());
    }

    #[test]
    fn refuses_what_is_no_object_or_no_string() {
        let error = type_meta(br#"{"kind":1}"#).unwrap_err().to_string();
        assert_eq!(
            error,
            "json: cannot unmarshal number into Go struct field .kind of type string"
        );
        assert!(type_meta(b"[]").is_err());
        assert!(type_meta(b"{").is_err());
    }
}
