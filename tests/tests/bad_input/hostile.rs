//! What upstream's server is not asked, since some of it takes it minutes: bodies made to crash, to hang or to grow. Ours refuses or
//! answers each at once, keeps nothing of it, and goes on.

use std::time::{Duration, Instant};

use e2e::apiserver::Apiserver;
use e2e::load::client::Target;

use super::protobuf::{envelope, field};
use super::request::{Bad, send};
use super::table::{DEPLOYMENTS, MAPS, deployment, with};

/// How long one may take, on a machine that has other things to do and in a debug build.
const SLOWEST: Duration = Duration::from_secs(10);

const YAML: &str = "application/yaml";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn quantities() -> Vec<Bad> {
    let path = "/spec/template/spec/containers/0/resources";
    let long = "9".repeat(1_000_000);
    let zeros = format!("0.{}1", "0".repeat(1_000_000));
    [
        "1e99999999999",
        "1e-99999999999",
        "1e2147483647",
        "1E9223372036854775807",
        &long,
        &zeros,
    ]
    .map(|text| {
        let limits = serde_json::json!({ "limits": { "cpu": text } });
        let body = with(deployment(), path, limits).to_string();
        send("POST", DEPLOYMENTS, body).named(format!("the quantity {text:.30}"))
    })
    .into()
}

fn yaml() -> Vec<Bad> {
    let merges: String = (1..40)
        .map(|n| format!("a{n}: &a{n}\n  <<: [*a{0}, *a{0}]\n", n - 1))
        .collect();
    let wide = format!(
        "a: &a [{}]\n{}",
        "x,".repeat(500_000),
        "b: *a\n".repeat(100_000)
    );
    let names: String = (0..100_000).map(|n| format!("- &n{n} x\n")).collect();
    let deep: String = (0..3_000)
        .map(|n| format!("{}a:\n", " ".repeat(n % 1_000)))
        .collect();
    [
        ("merges that double", format!("a0: &a0 {{k: v}}\n{merges}")),
        ("one wide alias, 100,000 times", wide),
        ("100,000 anchors", names),
        ("3,000 levels", deep),
        ("a million colons", ": ".repeat(1_000_000)),
        ("a million question marks", "? ".repeat(1_000_000)),
        ("a million tags", "!!str ".repeat(500_000)),
        (
            "a scalar over a million lines",
            "a: \"\n".to_owned() + &"\n".repeat(1_000_000),
        ),
        ("directives", "%YAML 1.2\n".repeat(250_000)),
    ]
    .map(|(name, body)| {
        send("POST", MAPS, body)
            .media(YAML)
            .named(format!("YAML: {name}"))
    })
    .into()
}

fn protobuf() -> Vec<Bad> {
    // JSONSchemaProps.not is field 30, which takes two bytes of tag.
    let mut schema = Vec::new();
    for _ in 0..100_000 {
        if schema.len() > 2 << 20 {
            break;
        }
        let mut outer = vec![0xf2, 0x01];
        outer.extend_from_slice(&field(1, &schema)[1..]);
        schema = outer;
    }
    let version = field(4, &field(1, &schema));
    let deep = field(2, &field(7, &version));
    let keys: Vec<u8> = (0..200_000)
        .flat_map(|n: u32| field(2, &field(1, format!("k{n}").as_bytes())))
        .collect();
    let overlong = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".repeat(10_000);
    [
        (
            CRDS,
            "deep schemas",
            envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", &deep),
        ),
        (MAPS, "200,000 keys", envelope("v1", "ConfigMap", &keys)),
        (
            MAPS,
            "lengths near 2^64",
            envelope("v1", "ConfigMap", &overlong),
        ),
        (
            MAPS,
            "a million empty fields",
            envelope("v1", "ConfigMap", &b"\x0a\0".repeat(1_000_000)),
        ),
    ]
    .map(|(path, name, body)| {
        let case = send("POST", path, body).media("application/vnd.kubernetes.protobuf");
        case.named(format!("protobuf: {name}"))
    })
    .into()
}

fn patches() -> Vec<Bad> {
    let patch = |media: &str, name: &str, body: String| {
        let case = send("PATCH", format!("{MAPS}/a?fieldManager=m"), body);
        case.media(media).named(name)
    };
    let operations = "application/json-patch+json";
    let adds: Vec<_> = (0..10_000)
        .map(|n| serde_json::json!({ "op": "add", "path": format!("/data/k{n}"), "value": "x".repeat(200) }))
        .collect();
    let doubling: Vec<_> = (0..30)
        .map(|n| serde_json::json!({ "op": "copy", "from": "/metadata", "path": format!("/metadata/m{n}") }))
        .collect();
    let moves: Vec<_> = (0..10_000)
        .map(|n| match n % 2 {
            0 => serde_json::json!({ "op": "move", "from": "/data/k", "path": "/data/l" }),
            _ => serde_json::json!({ "op": "move", "from": "/data/l", "path": "/data/k" }),
        })
        .collect();
    let slashes = serde_json::json!([{ "op": "add", "path": "/a".repeat(500_000), "value": 1 }]);
    let fields: String = (0..100_000).map(|n| format!("\"f:k{n}\":{{}},")).collect();
    let managed = format!(
        r#"{{"metadata":{{"managedFields":[{{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{{}"f:z":{{}}}}}}}}]}}}}"#,
        fields
    );
    let levels = format!(
        r#"{{"metadata":{{"managedFields":[{{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{}{}}}]}}}}"#,
        r#"{"f:a":"#.repeat(9_000) + "{}",
        "}".repeat(9_000)
    );
    let merge = "application/merge-patch+json";
    vec![
        patch(
            operations,
            "10,000 additions",
            serde_json::Value::from(adds).to_string(),
        ),
        patch(
            operations,
            "copies of what was copied",
            serde_json::Value::from(doubling).to_string(),
        ),
        patch(
            operations,
            "10,000 moves",
            serde_json::Value::from(moves).to_string(),
        ),
        patch(
            operations,
            "a pointer of 500,000 parts",
            slashes.to_string(),
        ),
        patch(merge, "100,000 owned fields", managed),
        patch(merge, "owned fields of 9,000 levels", levels.clone()),
        patch(
            "application/strategic-merge-patch+json",
            "the same, strategic",
            levels,
        ),
    ]
}

fn others() -> Vec<Bad> {
    let escapes = format!(
        r#"{{"metadata":{{"name":"b"}},"data":{{"k":"{}"}}}}"#,
        r"\u0001".repeat(500_000)
    );
    let doubled: String = (0..150_000).map(|_| r#""a":"b","#).collect();
    let doubled = format!(r#"{{"metadata":{{"name":"b","labels":{{{doubled}"c":"d"}}}}}}"#);
    let owners: Vec<_> = (0..20_000).map(|n| serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": format!("u{}", n % 9_000) })).collect();
    let owners = serde_json::json!({ "metadata": { "name": "b", "ownerReferences": owners } });
    let many: Vec<_> = (0..30_000)
        .map(|n| serde_json::json!({ "name": format!("c{}", n % 20_000), "image": "i" }))
        .collect();
    let containers = with(deployment(), "/spec/template/spec/containers", many.into());
    vec![
        send("POST", MAPS, escapes).named("500,000 escapes"),
        send("POST", MAPS, doubled).named("150,000 equal keys"),
        send("POST", MAPS, owners.to_string()).named("20,000 owners, many of them twice"),
        send("POST", DEPLOYMENTS, containers.to_string())
            .named("30,000 containers, many of one name"),
        send(
            "POST",
            format!("{MAPS}?fieldManager={}", "m".repeat(60_000)),
            "{}",
        )
        .named("a long field manager"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_answered_at_once_and_leave_nothing() {
    let ours = Apiserver::start(&[]).unwrap();
    let target = Target::from_kubeconfig(&ours.admin).unwrap();
    super::prepare(&target).await;
    let (head, memory) = (
        super::head(&target).await,
        ours.process.anonymous_memory().unwrap(),
    );
    let wrong = round(&target).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(super::head(&target).await, head, "something was stored");
    super::stays_small(&ours, memory).await;
}

/// Sends all; gives what was wrong.
async fn round(target: &Target) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in [quantities(), yaml(), protobuf(), patches(), others()]
        .into_iter()
        .flatten()
    {
        let start = Instant::now();
        let answer = case.answer(target).await;
        let took = start.elapsed();
        println!("{}: {} after {took:?}", case.what, answer.code);
        if answer.code == 0
            || answer.code >= 500 && answer.body["message"].is_null()
            || took > SLOWEST
        {
            wrong.push(format!(
                "{}: {} after {took:?}: {:.200}",
                case.what,
                answer.code,
                answer.body.to_string()
            ));
        }
    }
    wrong
}
