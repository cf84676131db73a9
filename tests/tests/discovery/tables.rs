//! Tables: the cells of every kind as upstream prints them.
//!
//! The objects are the samples of `k8s.io/api`, every field filled in, and those of `objects.yaml`, in the states that have rules of
//! their own. They are put into etcd, so that no validation stands in their way; what upstream answers for each in a table
//! is what our printer must make of the same object.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use api::codec::json::{self, Strict};
use api::codec::{protobuf, yaml};
use api::kinds::{Kinds, Resource};
use api::{Schema, Tree};
use apiserver::codec::table::{DefaultColumns, TableRenderer};
use apiserver::tables;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const OBJECTS: &str = include_str!("objects.yaml");
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Cells that are deliberately not upstream's, and why.
const DIFFERENT: &[(&str, &str, &str)] = &[(
    "autoscaling/v1/horizontalpodautoscalers",
    "Targets",
    "metrics that the old version does not have travel in an annotation, and are shown by the new version alone",
)];

/// Puts keys into etcd, by its HTTP gateway.
async fn put(etcd: &str, key: &str, value: &[u8]) {
    let address = etcd.strip_prefix("http://").unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let body =
        json!({ "key": BASE64_STANDARD.encode(key), "value": BASE64_STANDARD.encode(value) })
            .to_string();
    let request = Request::post("/v3/kv/put")
        .header("host", address)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    assert_eq!(
        sender.send_request(request).await.unwrap().status(),
        200,
        "{key}"
    );
}

fn samples() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream");
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/api"])
        .current_dir(directory)
        .output()
        .unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).join("testdata/HEAD")
}

fn key(resource: &Resource, namespace: &str, name: &str) -> Option<String> {
    let prefix = &resource.storage.as_ref()?.prefix;
    let namespace = if resource.namespaced {
        format!("{namespace}/")
    } else {
        String::new()
    };
    Some(format!("/registry/{prefix}/{namespace}{name}"))
}

/// Everything that is to be shown, by its key.
fn objects() -> BTreeMap<String, Vec<u8>> {
    let (kinds, schema) = (Kinds::builtin(), Schema::builtin());
    let mut objects = BTreeMap::new();
    let directory = samples();
    for resource in kinds.resources() {
        let group = if resource.group.is_empty() {
            "core"
        } else {
            &resource.group
        };
        let file = directory.join(format!("{group}.{}.{}.pb", resource.version, resource.kind));
        let name = format!("sample-{}", resource.version);
        if let (Some(key), Ok(content)) = (key(resource, "samples", &name), std::fs::read(&file)) {
            objects.insert(key, content);
        }
    }
    for document in yaml::documents(OBJECTS) {
        let json = yaml::to_json(document.as_bytes(), &mut Strict::new()).unwrap();
        // Nothing but comments.
        if json == *b"null" {
            continue;
        }
        let meta = json::type_meta(&json).unwrap();
        let (group, version) = meta
            .api_version
            .split_once('/')
            .unwrap_or(("", &meta.api_version));
        let resource = kinds.by_kind(group, version, &meta.kind).unwrap();
        let mut strict = Strict::new();
        let tree = json::decode(schema, resource.type_id, json, &mut strict).unwrap();
        assert!(strict.is_empty(), "{:?}", strict.errors());
        let name = api::view::metadata(&tree).name().to_owned();
        let mut stored = Vec::new();
        protobuf::wrap_unknown(
            &meta.api_version,
            &meta.kind,
            &protobuf::to_vec(&tree),
            &mut stored,
        );
        let key = key(resource, "default", &name).unwrap();
        assert!(objects.insert(key, stored).is_none(), "{name} stands twice");
    }
    objects
}

fn path(resource: &Resource) -> String {
    match resource.group.as_str() {
        "" => format!("/api/{}/{}", resource.version, resource.name),
        group => format!("/apis/{group}/{}/{}", resource.version, resource.name),
    }
}

#[tokio::test]
async fn the_cells_of_every_kind_are_upstreams() {
    let (upstream, mut connection) = super::upstream().await;
    for (key, value) in objects() {
        put(&upstream.etcd.url, &key, &value).await;
    }
    let (mut rows, mut shown, mut wrong) = (0, 0, Vec::new());
    let listed = Kinds::builtin()
        .resources()
        .iter()
        .filter(|r| r.list_type_id.is_some() && r.storage.is_some());
    for resource in listed {
        let path = path(resource);
        let answer = connection
            .get(&format!("{path}?includeObject=Object"), TABLE)
            .await
            .unwrap();
        assert_eq!(
            answer.status(),
            200,
            "{path}: {}",
            String::from_utf8_lossy(answer.body())
        );
        let date = answer.headers()["date"].to_str().unwrap();
        let now = jiff::fmt::rfc2822::parse(date)
            .unwrap()
            .timestamp()
            .as_second();
        let table: Value = serde_json::from_slice(answer.body()).unwrap();
        let renderer =
            tables::renderer(resource).unwrap_or_else(|| std::sync::Arc::new(DefaultColumns));
        columns(&path, &table, renderer.as_ref());
        // Where there are none, upstream's default printer says null.
        let found = table["rows"].as_array().cloned().unwrap_or_default();
        shown += usize::from(!found.is_empty());
        for row in &found {
            rows += 1;
            let object = Bytes::from(row["object"].to_string());
            let tree = json::decode(
                Schema::builtin(),
                resource.type_id,
                object,
                &mut Strict::new(),
            )
            .unwrap();
            // The row was printed in the second before its answer was dated, or in the same.
            let printed = (now - 1..=now).map(|now| renderer.cells(&tree, now));
            let mut closest: Option<Vec<String>> = None;
            for cells in printed {
                let differences = cells_that_differ(resource, &table, &row["cells"], &cells);
                if closest
                    .as_ref()
                    .is_none_or(|known| differences.len() < known.len())
                {
                    closest = Some(differences);
                }
            }
            let name = &row["object"]["metadata"]["name"];
            wrong.extend(
                closest
                    .unwrap()
                    .into_iter()
                    .map(|what| format!("{path} {name} {what}")),
            );
            if let Some(condition) = condition_that_differs(row, &tree, renderer.as_ref()) {
                wrong.push(format!("{path} {name} {condition}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells differ\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    );
    println!("{rows} rows of {shown} resources are equal");
    assert!(
        shown >= 60 && rows >= 140,
        "{rows} rows of {shown} resources"
    );
}

#[track_caller]
fn columns(path: &str, table: &Value, renderer: &dyn TableRenderer) {
    let theirs = table["columnDefinitions"].as_array().unwrap();
    let ours = renderer.columns();
    assert_eq!(theirs.len(), ours.len(), "{path}");
    for (theirs, ours) in theirs.iter().zip(ours) {
        let want = json!([
            theirs["name"],
            theirs["type"],
            theirs["format"],
            theirs["priority"]
        ]);
        assert_eq!(
            want,
            json!([ours.name, ours.kind, ours.format, ours.priority]),
            "{path}"
        );
    }
}

fn cells_that_differ(
    resource: &Resource,
    table: &Value,
    theirs: &Value,
    ours: &[Value],
) -> Vec<String> {
    let path = format!("{}/{}/{}", resource.group, resource.version, resource.name);
    let theirs = theirs.as_array().unwrap();
    if theirs.len() != ours.len() {
        return vec![format!("upstream {theirs:?}, ours {ours:?}")];
    }
    let name = |index: usize| {
        table["columnDefinitions"][index]["name"]
            .as_str()
            .unwrap_or("(no column)")
            .to_owned()
    };
    let excused = |index: usize| {
        DIFFERENT
            .iter()
            .any(|(p, c, _)| *p == path && *c == name(index))
    };
    let pairs = theirs.iter().zip(ours).enumerate();
    let differ = pairs.filter(|(index, (theirs, ours))| theirs != ours && !excused(*index));
    differ
        .map(|(index, (theirs, ours))| format!("{}: upstream {theirs}, ours {ours}", name(index)))
        .collect()
}

fn condition_that_differs(
    row: &Value,
    tree: &Tree,
    renderer: &dyn TableRenderer,
) -> Option<String> {
    let theirs = row
        .get("conditions")
        .map(|list| (list[0]["reason"].clone(), list[0]["message"].clone()));
    let ours = renderer
        .condition(tree)
        .map(|c| (Value::from(c.reason), Value::from(c.message)));
    (theirs != ours).then(|| format!("upstream {theirs:?}, ours {ours:?}"))
}
