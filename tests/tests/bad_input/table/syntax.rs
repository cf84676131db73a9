//! Bodies that are not what they say, too deep or too large; unknown and duplicate fields.

use serde_json::json;

use super::{DEPLOYMENTS, MAPS, create, deployment, map};
use crate::request::{Bad, send};

const STRICT: &str = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict";

fn deep(open: &str, close: &str, levels: usize) -> String {
    format!("{}{}", open.repeat(levels), close.repeat(levels))
}

pub fn cases() -> Vec<Bad> {
    let mut cases = broken();
    cases.extend(nested());
    cases.extend(large());
    cases.extend(fields());
    cases
}

fn broken() -> Vec<Bad> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "{",
        "}",
        "[]",
        "null",
        "\"x\"",
        "1",
        "true",
        "nul",
        "\u{feff}{}",
        "{}{}",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "// c\n{}",
        "{\"metadata\":{\"name\":\"b\"},}",
        "{\"metadata\":{\"name\":\"b\"}",
        "{\"metadata\":{\"name\":\"b}}",
        r#"{"metadata":{"name":"\x"}}"#,
        r#"{"metadata":{"name":"\u12"}}"#,
        "{\"metadata\":{\"name\":\"a\nb\"}}",
        r#"{"metadata":{"name":NaN}}"#,
        r#"{"metadata":{"generation":01}}"#,
        r#"{"metadata":{"generation":1.}}"#,
        r#"{"metadata":{"generation":.5}}"#,
        r#"{"metadata":{"generation":-}}"#,
        r#"{"metadata":{"generation":0x1}}"#,
        r#"{"metadata":{"generation":+1}}"#,
        r#"{"metadata":[1,]}"#,
        r#"{"metadata":{"name":"b"},"data":{"k":tru}}"#,
        r#"{"kind":1}"#,
        r#"{"apiVersion":[]}"#,
        r#"{"kind":"Service","apiVersion":"v1"}"#,
        r#"{"kind":"Foo","apiVersion":"v1"}"#,
        r#"{"kind":"ConfigMap","apiVersion":"v2"}"#,
        r#"{"kind":"ConfigMap","apiVersion":"apps/v1"}"#,
        r#"{"kind":"ConfigMap","apiVersion":"a/b/c"}"#,
        r#"{"kind":"ConfigMapList","apiVersion":"v1","items":[]}"#,
        r#"{"kind":"Status","apiVersion":"v1"}"#,
        r#"{"kind":"configmap"}"#,
        r#"{"apiVersion":"v1"}"#,
        "{}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.push(b"\0\0\0\0".to_vec());
    bodies.push(b"{\"metadata\":{\"name\":\"\xff\"}}".to_vec());
    bodies.push(b"\xff\xfe{\0}\0".to_vec());
    bodies.push(r#"{"metadata":{"name":"\ud800"}}"#.into());
    bodies
        .into_iter()
        .map(|body| send("POST", MAPS, body))
        .collect()
}

fn nested() -> Vec<Bad> {
    let mut cases = Vec::new();
    for (name, body) in [
        (
            "objects in data",
            format!(
                r#"{{"metadata":{{"name":"b"}},"data":{}1{}}}"#,
                "{\"a\":".repeat(10_001),
                "}".repeat(10_001)
            ),
        ),
        ("arrays alone", deep("[", "]", 10_001)),
        (
            "objects alone",
            format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
        ),
        (
            "an unknown field",
            format!(
                r#"{{"metadata":{{"name":"b"}},"foo":{}}}"#,
                deep("[", "]", 10_001)
            ),
        ),
        (
            "an unknown field, not closed",
            format!(r#"{{"foo":{}"#, "[".repeat(1_000_000)),
        ),
    ] {
        cases.push(send("POST", MAPS, body).named(format!("10,000 deep: {name}")));
    }
    let schema = deep(r#"{"not":"#, "}", 10_001).replace(":}", ":{}}");
    let crd = format!(
        r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{{"versions":[{{"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#
    );
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    cases.push(send("POST", path, crd).named("10,000 deep: a schema"));
    for media in ["merge-patch", "strategic-merge-patch", "json-patch"] {
        let value = deep("[", "]", 10_001);
        let body = match media {
            "json-patch" => format!(r#"[{{"op":"add","path":"/data","value":{value}}}]"#),
            _ => format!(r#"{{"data":{value}}}"#),
        };
        let case =
            send("PATCH", format!("{MAPS}/a"), body).media(&format!("application/{media}+json"));
        cases.push(case.named(format!("10,000 deep: {media}")));
    }
    cases
}

fn large() -> Vec<Bad> {
    let sized = |size: usize| {
        let head = r#"{"metadata":{"name":"b"},"data":{"k":""#;
        format!("{head}{}\"}}}}", "x".repeat(size - head.len() - 3))
    };
    let mut cases = Vec::new();
    for size in [(1 << 20) + 200, 3 << 20, (3 << 20) + 1, 8 << 20] {
        cases.push(send("POST", MAPS, sized(size)).named(format!("{size} bytes, created")));
        cases.push(
            send("PUT", format!("{MAPS}/b"), sized(size)).named(format!("{size} bytes, put")),
        );
        cases.push(
            send("PATCH", format!("{MAPS}/a"), sized(size))
                .media("application/merge-patch+json")
                .named(format!("{size} bytes, patched")),
        );
    }
    cases.push(send("DELETE", format!("{MAPS}/a"), sized(4 << 20)).named("4 MiB, deleted"));
    cases.push(send("POST", MAPS, " ".repeat((3 << 20) + 1)).named("3 MiB of spaces"));
    let many: String = (0..100_000).map(|n| format!("\"f{n}\":1,")).collect();
    let many = format!("{{{many}\"metadata\":{{\"name\":\"b\"}}}}");
    cases.push(send("POST", STRICT, many).named("100,000 unknown fields"));
    let mut big = deployment();
    let items: Vec<_> = (0..20_000)
        .map(|n| json!({ "name": format!("E{n}"), "value": "" }))
        .collect();
    big["spec"]["template"]["spec"]["containers"][0]["env"] = items.into();
    big["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 0 }]);
    cases.push(create(DEPLOYMENTS, &big).named("20,000 variables and a bad port"));
    cases
}

fn fields() -> Vec<Bad> {
    let mut cases = Vec::new();
    for body in [
        r#"{"metadata":{"name":"b"},"foo":1,"data":{"a":"b","a":"c"}}"#,
        r#"{"metadata":{"name":"b"},"metadata":{"name":"c"}}"#,
        r#"{"metadata":{"name":"b","nam":"c","labels":{"a":"1","a":"2"}}}"#,
        r#"{"Metadata":{"name":"b"}}"#,
        r#"{"metadata":{"name":"b","Name":"c"},"dAta":{}}"#,
        r#"{"metadata":{"name":"b","ownerReferences":[{"x":1},{"x":1,"uid":"u","uid":"v"}]}}"#,
        r#"{"metadata":{"name":"b"},"":1," ":2,"a.b":3,"\"":4}"#,
        r#"{"kind":"ConfigMap","kind":"ConfigMap","metadata":{"name":"b"}}"#,
    ] {
        cases.push(send("POST", STRICT, body));
        cases.push(send("POST", MAPS, body));
        cases.push(send("POST", format!("{MAPS}?fieldValidation=Ignore"), body));
    }
    let mut object = deployment();
    object["metadata"]["name"] = "new".into();
    object["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{ "port": 1 }, { "containerport": 2 }]);
    object["spec"]["replica"] = 3.into();
    cases.push(create(
        &format!("{DEPLOYMENTS}?fieldValidation=Strict"),
        &object,
    ));
    cases.push(create(&format!("{MAPS}?fieldValidation=Foo"), &map()));
    let long = format!(
        "{{\"metadata\":{{\"name\":\"b\"}},\"{}\":1}}",
        "x".repeat(10_000)
    );
    cases.push(send("POST", STRICT, long.clone()).named("a long unknown field"));
    cases.push(send("POST", MAPS, long).named("a long unknown field, warned of"));
    cases
}
