//! Media types, and bodies of YAML and protobuf that are not.

use super::{MAPS, PODS, create, map};
use crate::protobuf::{envelope, field};
use crate::request::{Bad, get, send};

const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Why the sentence about a body of YAML is not compared.
pub const PARSER: &str = "another parser words its errors differently";
/// The same of protobuf.
const NAMES: &str =
    "Go's names of fields are not in the schema, and its strings keep what is no UTF-8";

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    for media in [
        "text/plain",
        "garbage",
        "application/cbor",
        "application/json-patch+json",
        "application/xml",
        "application/json, text/plain",
        "multipart/form-data; boundary=x",
        "application/",
        "/",
        ";",
        "*/*",
        "application/*",
        "application/JSON;",
        "application/json; charset",
        PROTOBUF,
        YAML,
    ] {
        cases.push(create(MAPS, &map()).media(media));
        cases.push(send("PATCH", format!("{MAPS}/a"), "{}").media(media));
    }
    cases.push(send("POST", MAPS, "{").without(http::header::CONTENT_TYPE));
    cases.push(send("PATCH", format!("{MAPS}/a"), "{}").without(http::header::CONTENT_TYPE));
    cases.push(
        create(MAPS, &map())
            .with("content-encoding", "gzip")
            .media("application/cbor"),
    );
    cases.push(
        send("POST", MAPS, b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice())
            .with("content-encoding", "gzip"),
    );
    for accept in [
        "text/html",
        "application/xml",
        "image/png;q=0.1",
        "application/cbor",
        "application/json;as=Table;v=v1;g=foo",
        "application/json;as=Table;v=v9;g=meta.k8s.io",
        "application/json;as=Foo;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,text/html;as=x",
        "garbage",
        ";",
        "application/json;q=x",
        "text/*",
    ] {
        cases.push(get(format!("{MAPS}/a")).with("accept", accept));
        cases.push(get(MAPS).with("accept", accept));
        cases.push(
            get(format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=x"))
                .with("accept", accept),
        );
        cases.push(
            create(MAPS, &map())
                .with("accept", accept)
                .media("text/plain"),
        );
    }
    cases.push(
        get(format!("{PODS}?watch=1"))
            .with("accept", "application/json;as=Table;v=v8;g=meta.k8s.io"),
    );
    cases.extend(yaml());
    cases.extend(protobuf());
    cases
}

fn yaml() -> Vec<Bad> {
    let laughs: String = (1..30)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 10].join(",")
            )
        })
        .collect();
    let laughs = format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{laughs}");
    let mut cases = Vec::new();
    for (name, body) in [
        ("nothing", String::new()),
        ("only a marker", "---\n".into()),
        ("a scalar", "x".into()),
        ("a list", "- a\n- b\n".into()),
        ("a tab", "metadata:\n\tname: b\n".into()),
        (
            "bad indentation",
            "metadata:\n   name: b\n  labels: {}\n".into(),
        ),
        ("an open bracket", "metadata: [".into()),
        ("an open quote", "metadata: \"x".into()),
        ("an unknown alias", "metadata: *x\n".into()),
        ("a wrong type", "metadata: {name: b}\ndata: {k: 1}\n".into()),
        ("a boolean", "metadata: {name: b}\ndata: {k: yes}\n".into()),
        ("a list as key", "metadata: {name: b}\n? [a]\n: b\n".into()),
        ("a number as key", "metadata: {name: b}\n1: b\n".into()),
        ("a cycle", "metadata: &m\n  name: b\n  labels: *m\n".into()),
        ("aliases that grow without end", laughs),
        (
            "control characters",
            "metadata: {name: \"b\"}\ndata: {k: \u{1}}\n".into(),
        ),
        (
            "a directive",
            "%YAML 9.9\n---\nmetadata: {name: b}\n".into(),
        ),
        ("a wrong kind", "kind: Pod\napiVersion: v1\n".into()),
        ("100,000 brackets", "[".repeat(100_000)),
        ("100,000 dashes", "- ".repeat(100_000)),
        ("100,000 braces", "{a: ".repeat(100_000)),
    ] {
        let case = send("POST", MAPS, body)
            .media(YAML)
            .named(format!("YAML: {name}"));
        cases.push(case.words_differ(PARSER));
    }
    for body in [
        "metadata: {name: b}\nmetadata: {name: c}\n",
        "metadata: {name: b}\nfoo: 1\ndata: {a: b, a: c}\n",
        "metadata: {name: b}\n<<: {data: {k: 1}}\n",
    ] {
        cases.push(send("POST", format!("{MAPS}?fieldValidation=Strict"), body).media(YAML));
    }
    cases
}

fn protobuf() -> Vec<Bad> {
    let map = |raw: &[u8]| envelope("v1", "ConfigMap", raw);
    let name = field(1, &field(1, b"b"));
    let mut deep = field(1, b"x");
    for _ in 0..12_000 {
        deep = field(1, &deep);
    }
    let mut cases = Vec::new();
    for (name, body) in [
        ("nothing", Vec::new()),
        ("three bytes of the prefix", b"k8s".to_vec()),
        ("the prefix alone", b"k8s\0".to_vec()),
        ("another prefix", b"k9s\0\x0a\0".to_vec()),
        (
            "a length beyond the envelope",
            b"k8s\0\x0a\xff\xff\xff\xff\x07".to_vec(),
        ),
        (
            "a varint that does not end",
            b"k8s\0\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        ),
        ("a varint cut off", b"k8s\0\x0a\xff".to_vec()),
        ("another kind", envelope("v1", "Pod", &name)),
        ("an unknown kind", envelope("v1", "Foo", &name)),
        ("no kind", envelope("", "", &[])),
        ("a length beyond the object", map(b"\x0a\x7f")),
        (
            "a length near the limit of an int",
            map(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ),
        ("a varint where bytes belong", map(b"\x08\x01")),
        ("field 0", map(b"\x02\0")),
        ("an end without a start", map(b"\x0c")),
        ("a wire type that does not exist", map(b"\x0f")),
        ("a fixed field cut off", map(b"\xf9\x3e\0")),
        (
            "a map entry cut off",
            map(&[name.clone(), b"\x12\x05\x0a\x01k".to_vec()].concat()),
        ),
        ("12,000 levels", map(&deep)),
        ("groups without end", map(&b"\x4b".repeat(100_000))),
        ("JSON", super::map().to_string().into_bytes()),
    ] {
        let case = send("POST", MAPS, body)
            .media(PROTOBUF)
            .named(format!("protobuf: {name}"));
        cases.push(match name {
            "a varint where bytes belong" | "a wire type that does not exist" => {
                case.words_differ(NAMES)
            }
            "12,000 levels" => case.words_differ(NAMES),
            _ => case,
        });
    }
    cases.push(send("POST", MAPS, map(&name)).named("protobuf that says it is JSON"));
    cases.push(
        send("PATCH", format!("{MAPS}/a"), map(&name))
            .media(PROTOBUF)
            .named("protobuf as a patch"),
    );
    cases.push(
        send("DELETE", format!("{MAPS}/a"), map(&name))
            .media(PROTOBUF)
            .named("protobuf of another kind to delete with"),
    );
    cases
}
