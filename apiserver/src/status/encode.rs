//! A Status as bytes: JSON as upstream writes it, and protobuf in its envelope.
//!
//! A Status is small and its shape is fixed, so that it is written by hand and needs no schema: an error can be answered
//! whatever else is broken.

use serde::Serialize;

use super::{Cause, Details, Status};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMeta<'a>,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    code: u16,
}

#[derive(Serialize)]
struct ListMeta<'a> {
    #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
    continue_token: &'a str,
}

impl Status {
    fn wire(&self) -> Wire<'_> {
        Wire {
            kind: "Status",
            api_version: "v1",
            metadata: ListMeta {
                continue_token: &self.0.continue_token,
            },
            status: "Failure",
            message: self.message(),
            reason: self.reason().as_str(),
            details: self.details(),
            code: self.code(),
        }
    }

    /// The Status as JSON; on one line with a line feed, or indented by two spaces without.
    pub fn to_json(&self, pretty: bool) -> Vec<u8> {
        let wire = self.wire();
        // Strings and numbers alone: serialization cannot fail.
        let text = match pretty {
            true => serde_json::to_string_pretty(&wire).unwrap_or_default(),
            false => serde_json::to_string(&wire).unwrap_or_default() + "\n",
        };
        escape_html(&text).into_bytes()
    }

    /// The Status as a watch event of type `ERROR`: what ends a watch that fails after it began.
    pub fn to_watch_event(&self) -> Vec<u8> {
        let mut out = b"{\"type\":\"ERROR\",\"object\":".to_vec();
        let object = self.to_json(false);
        out.extend_from_slice(object.strip_suffix(b"\n").unwrap_or(&object));
        out.extend_from_slice(b"}\n");
        out
    }

    /// The Status as the bare protobuf message `k8s.io.apimachinery.pkg.apis.meta.v1.Status`.
    pub fn to_protobuf_message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.message().len());
        // A ListMeta: upstream's encoder writes strings that are empty, too.
        let mut list = vec![0x0a, 0, 0x12, 0];
        bytes(&mut list, 3, self.0.continue_token.as_bytes());
        bytes(&mut out, 1, &list);
        bytes(&mut out, 2, b"Failure");
        bytes(&mut out, 3, self.message().as_bytes());
        bytes(&mut out, 4, self.reason().as_str().as_bytes());
        if let Some(details) = self.details() {
            bytes(&mut out, 5, &details_message(details));
        }
        number(&mut out, 6, i64::from(self.code()));
        out
    }

    /// The Status in the envelope that `application/vnd.kubernetes.protobuf` bodies have.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut type_meta = Vec::with_capacity(16);
        bytes(&mut type_meta, 1, b"v1");
        bytes(&mut type_meta, 2, b"Status");
        let mut out = b"k8s\0".to_vec();
        bytes(&mut out, 1, &type_meta);
        bytes(&mut out, 2, &self.to_protobuf_message());
        bytes(&mut out, 3, b"");
        bytes(&mut out, 4, b"");
        out
    }
}

fn details_message(details: &Details) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, details.name.as_bytes());
    bytes(&mut out, 2, details.group.as_bytes());
    bytes(&mut out, 3, details.kind.as_bytes());
    for cause in &details.causes {
        bytes(&mut out, 4, &cause_message(cause));
    }
    number(&mut out, 5, i64::from(details.retry_after_seconds));
    bytes(&mut out, 6, details.uid.as_bytes());
    out
}

fn cause_message(cause: &Cause) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, cause.reason.as_bytes());
    bytes(&mut out, 2, cause.message.as_bytes());
    bytes(&mut out, 3, cause.field.as_bytes());
    out
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: i64) {
    varint(out, field << 3);
    varint(out, value as u64);
}

/// Go's encoder escapes what HTML or JavaScript would interpret; these characters occur in strings only.
fn escape_html(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Qualified, Status};

    #[test]
    fn json_has_upstreams_fields_in_upstreams_order() {
        let status = Status::not_found(Qualified::new("apps", "deployments"), "a<b");
        assert_eq!(
            String::from_utf8(status.to_json(false)).unwrap(),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\
             \"deployments.apps \\\"a\\u003cb\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\
             \"a\\u003cb\",\"group\":\"apps\",\"kind\":\"deployments\"},\"code\":404}\n"
        );
        let pretty = String::from_utf8(Status::unauthorized().to_json(true)).unwrap();
        // The length that upstream's answer has.
        assert_eq!(pretty.len(), 157);
        assert!(pretty.starts_with("{\n  \"kind\": \"Status\",\n"));
    }

    /// What kube-apiserver v1.37.1 answers to a GET of the ConfigMap `x` that is not there, as protobuf.
    #[test]
    fn protobuf_is_byte_equal_to_upstreams() {
        let want = include_bytes!("testdata/configmap-not-found.pb");
        assert_eq!(
            Status::not_found(Qualified::new("", "configmaps"), "x").to_protobuf(),
            want
        );
    }
}
