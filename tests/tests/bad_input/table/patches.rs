//! Patches of every kind.

use serde_json::{Value, json};

use super::{DEPLOYMENTS, MAPS, PODS};
use crate::request::{Bad, send};

const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// Why what is said of a patched pod is not compared.
const POD: &str = "a volume's name is random, and differences are shown in another notation";
/// The same of a patch whose values have the wrong types.
const CONVERTED: &str = "upstream's converter does not name the field";
const APPLY: &str = "application/apply-patch+yaml";

fn patch(path: impl AsRef<str>, media: &str, body: impl ToString) -> Bad {
    send("PATCH", path, body.to_string()).media(media)
}

pub fn cases() -> Vec<Bad> {
    let a = format!("{MAPS}/a");
    let mut cases = Vec::new();
    for body in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "\"x\"",
        r#"{"metadata":1}"#,
        r#"{"metadata":{"name":"z"}}"#,
        r#"{"metadata":{"uid":"x"}}"#,
        r#"{"metadata":{"namespace":"other"}}"#,
        r#"{"data":{"k":1}}"#,
        r#"{"data":[]}"#,
        r#"{"kind":"Pod"}"#,
        r#"{"apiVersion":"v2"}"#,
        r#"{"metadata":null}"#,
        r#"{"metadata":{"labels":{"a b":"c"}}}"#,
        r#"{"metadata":{"managedFields":"x"}}"#,
        r#"{"metadata":{"managedFields":[{"manager":"m","operation":"Foo"}]}}"#,
        r#"{"metadata":{"generation":"x"}}"#,
    ] {
        cases.push(patch(&a, MERGE, body).words_differ(CONVERTED));
        cases.push(patch(&a, STRATEGIC, body).words_differ(CONVERTED));
    }
    for media in [MERGE, STRATEGIC] {
        cases.push(patch(format!("{MAPS}/nope"), media, "{}"));
        cases.push(
            patch(
                format!("{a}?fieldValidation=Strict"),
                media,
                r#"{"foo":1,"data":{"a":"1","a":"2"},"metadata":{"x":1}}"#,
            )
            .words_differ("the patched object is shown, with its UID"),
        );
        cases.push(patch(
            format!("{a}?fieldManager={}", "m".repeat(129)),
            media,
            "{}",
        ));
        cases.push(patch(format!("{a}?force=true"), media, "{}"));
        cases.push(patch(format!("{a}/status"), media, "{}"));
    }
    cases.extend(operations(&a));
    cases.extend(strategic());
    cases.extend(applied(&a));
    cases
}

fn operations(a: &str) -> Vec<Bad> {
    let mut cases = Vec::new();
    for body in ["", "{}", "[", "null", "[1]", "[null]", "\"x\"", "[[]]"] {
        cases.push(patch(a, OPERATIONS, body));
    }
    for operation in [
        json!({}),
        json!({ "op": "foo", "path": "/data" }),
        json!({ "op": "remove" }),
        json!({ "op": "remove", "path": "" }),
        json!({ "op": "remove", "path": "data" }),
        json!({ "op": "remove", "path": "/data/nope" }),
        json!({ "op": "remove", "path": "/nope/k" }),
        json!({ "op": "add", "path": "/data/x" }),
        json!({ "op": "add", "path": "/nope/x", "value": "v" }),
        json!({ "op": "add", "path": "/data/k/x", "value": "v" }),
        json!({ "op": "add", "path": "", "value": 1 }),
        json!({ "op": "add", "path": "/metadata/finalizers/5", "value": "v" }),
        json!({ "op": "replace", "path": "/data/nope", "value": "v" }),
        json!({ "op": "replace", "path": "/metadata/name", "value": "z" }),
        json!({ "op": "replace", "path": "", "value": {} }),
        json!({ "op": "replace", "path": "/data/k", "value": 1 }),
        json!({ "op": "test", "path": "/data/k", "value": "w" }),
        json!({ "op": "test", "path": "/data/nope", "value": "w" }),
        json!({ "op": "move", "path": "/data/x" }),
        json!({ "op": "move", "from": "/data", "path": "/data/x" }),
        json!({ "op": "move", "from": "/nope", "path": "/data/x" }),
        json!({ "op": "copy", "from": "/nope", "path": "/data/x" }),
        json!({ "op": "copy", "path": "/data/x" }),
        json!({ "op": 1, "path": "/data" }),
        json!({ "op": "remove", "path": 1 }),
        json!({ "op": "remove", "path": "/data/~2" }),
    ] {
        let case = patch(a, OPERATIONS, json!([operation]));
        cases.push(match operation["value"].is_number() {
            true => case.words_differ("the patched object is shown, with its UID"),
            false => case,
        });
    }
    let tests = |n: usize| {
        Value::from(vec![
            json!({ "op": "test", "path": "/data/k", "value": "v" });
            n
        ])
    };
    cases.push(patch(a, OPERATIONS, tests(10_001)).named("10,001 operations"));
    let mut growing = vec![
        json!({ "op": "add", "path": "/metadata/annotations", "value": { "a": "x".repeat(1000) } }),
    ];
    growing.extend(
        (0..40).map(
            |n| json!({ "op": "copy", "from": "/metadata", "path": format!("/metadata/x{n}") }),
        ),
    );
    cases.push(patch(a, OPERATIONS, Value::from(growing)).named("copies that double forty times"));
    let mut copies =
        vec![json!({ "op": "add", "path": "/data/big", "value": "x".repeat(1 << 20) })];
    copies.extend(
        (0..9_000)
            .map(|n| json!({ "op": "copy", "from": "/data/big", "path": format!("/data/x{n}") })),
    );
    cases.push(patch(a, OPERATIONS, Value::from(copies)).named("9,000 copies of 1 MiB"));
    cases
}

fn strategic() -> Vec<Bad> {
    let (d, p) = (format!("{DEPLOYMENTS}/d"), format!("{PODS}/p"));
    let containers =
        |items: Value| json!({ "spec": { "template": { "spec": { "containers": items } } } });
    let mut cases = Vec::new();
    for body in [
        json!({ "$patch": "foo" }),
        json!({ "$patch": 1 }),
        json!({ "spec": { "$patch": "foo" } }),
        json!({ "spec": { "$patch": "delete" } }),
        json!({ "spec": { "$retainKeys": "x" } }),
        json!({ "spec": { "strategy": { "$retainKeys": ["type"], "rollingUpdate": {} } } }),
        json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": "x" } }),
        json!({ "metadata": { "$deleteFromPrimitiveList/labels": ["x"] } }),
        json!({ "spec": { "replicas": "3" } }),
        json!({ "spec": { "replicas": -3 } }),
        json!({ "spec": "x" }),
        json!({ "spec": { "template": [] } }),
        containers(json!({})),
        containers(json!("x")),
        containers(json!([1])),
        containers(json!([{}])),
        containers(json!([{ "image": "x" }])),
        containers(json!([{ "name": 1 }])),
        containers(json!([{ "name": "c", "$patch": "foo" }])),
        containers(json!([{ "$patch": "delete" }])),
        containers(json!([{ "$patch": "replace" }])),
        containers(json!([{ "name": "c", "$patch": "delete" }])),
        json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": "x" } } } }),
        json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": [{ "name": "z" }], "containers": [{ "name": "c" }] } } } }),
        json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": [{}], "containers": [{ "name": "c" }] } } } }),
    ] {
        cases.push(patch(&d, STRATEGIC, &body).words_differ(CONVERTED));
    }
    for body in [
        json!({ "spec": { "containers": [{ "name": "c", "image": "" }] } }),
        json!({ "spec": { "containers": [{ "name": "x", "image": "i" }] } }),
        json!({ "spec": { "nodeName": "n" } }),
        json!({ "spec": { "tolerations": [] } }),
        json!({ "status": { "phase": "Running" }, "spec": { "hostname": "x" } }),
    ] {
        cases.push(patch(&p, STRATEGIC, &body).words_differ(POD));
        cases.push(patch(&p, MERGE, &body).words_differ(POD));
    }
    cases.push(patch(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nope",
        STRATEGIC,
        "{}",
    ));
    cases
}

fn applied(a: &str) -> Vec<Bad> {
    let m = format!("{a}?fieldManager=m");
    let base = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
    let with = |pointer: &str, value: Value| super::with(base.clone(), pointer, value).to_string();
    let mut cases = vec![
        patch(a, APPLY, "{}"),
        patch(format!("{a}?fieldManager="), APPLY, &base),
        patch(
            format!("{a}?fieldManager={}", "m".repeat(129)),
            APPLY,
            &base,
        ),
        patch(format!("{a}?fieldManager=m&force=x"), APPLY, &base),
        patch(
            format!("{a}?fieldManager=other"),
            APPLY,
            with("/data", json!({ "k": "w" })),
        ),
        patch(
            format!("{m}&fieldValidation=Strict"),
            APPLY,
            with("/foo", json!(1)),
        ),
        patch(format!("{MAPS}/new?fieldManager=m"), APPLY, &base),
        patch(
            format!("{DEPLOYMENTS}/d?fieldManager=m"),
            APPLY,
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": { "template": { "spec": { "containers": [{ "image": "x" }] } } } }),
        ),
        patch(
            format!("{DEPLOYMENTS}/d?fieldManager=m"),
            APPLY,
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": { "template": { "spec": { "containers": [{ "name": "x" }, { "name": "x" }] } } } }),
        ),
        patch(
            format!("{DEPLOYMENTS}/d?fieldManager=m"),
            APPLY,
            json!({ "apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": { "name": "d" } }),
        ),
        patch(
            format!("{DEPLOYMENTS}/d?fieldManager=m"),
            APPLY,
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": { "replicas": "x" } }),
        ),
    ];
    for body in [
        "",
        "{",
        "[]",
        "null",
        "x",
        "{}",
        "a: b: c",
        "---\n---\n",
        "kind: ConfigMap",
        "apiVersion: v1",
        "apiVersion: v1\nkind: Pod\n",
        "apiVersion: v1\nkind: ConfigMap\n",
        "metadata: *x",
    ] {
        cases.push(patch(&m, APPLY, body).words_differ(super::media::PARSER));
    }
    for (pointer, value) in [
        ("/metadata/name", json!("z")),
        ("/metadata/namespace", json!("other")),
        ("/metadata/managedFields", json!([{ "manager": "m" }])),
        ("/metadata/resourceVersion", json!("1")),
        ("/metadata/uid", json!("x")),
        ("/metadata/labels", json!({ "a b": "c" })),
        ("/data", json!({ "k": 1 })),
        ("/data", json!([])),
        ("/foo", json!(1)),
    ] {
        cases.push(patch(
            format!("{m}&force=true"),
            APPLY,
            with(pointer, value),
        ));
    }
    let entries: Vec<_> = (0..20_000).map(|n| json!({ "manager": format!("m{n}"), "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {} })).collect();
    cases.push(
        patch(&m, APPLY, with("/metadata/managedFields", entries.into()))
            .named("apply with 20,000 managedFields"),
    );
    cases.push(
        patch(
            &m,
            APPLY,
            format!(
                "a: &a [x]\n{}",
                (0..100).map(|n| format!("b{n}: *a\n")).collect::<String>()
            ),
        )
        .named("apply of aliases"),
    );
    let nested = format!("{}{}", "[".repeat(10_001), "]".repeat(10_001));
    cases.push(patch(&m, APPLY, format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{nested}}}"#)).words_differ(super::media::PARSER).named("apply of 10,000 levels"));
    cases
}
