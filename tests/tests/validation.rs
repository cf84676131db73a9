//! Our validation against upstream's: many objects, each valid but for one thing, sent to its API server (dryRun) and given to
//! `api::validation`; the sets of causes (field, reason, message) must be equal.
//!
//! `GANTRY_VALIDATION_DETAIL=1` prints every disagreement.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use api::codec::json::{self, Strict};
use api::codec::yaml;
use api::core::v1::{PersistentVolumeClaimMut, ServiceMut};
use api::kinds::{Kinds, Resource};
use api::{Schema, Tree, defaults, validation, view};
use bytes::Bytes;
use e2e::load::client::{Connection, Target};
use e2e::upstream::UpstreamApiserver;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

#[path = "validation/by_hand/mod.rs"]
mod by_hand;

const OBJECTS: &str = include_str!("validation/objects.yaml");
const ALL_KINDS: &str = include_str!("defaults/objects.yaml");
/// How much must agree of each kind, in percent.
const WANTED: usize = 97;

/// Changes that upstream's API server itself undoes or completes before it validates, by kind and place.
const UNDONE: &[(&str, &str, &str)] = &[
    (
        "",
        "/metadata/ownerReferences = [{",
        "repeated owners are dropped",
    ),
    (
        "Namespace",
        "/spec",
        "finalizers change through the subresource alone",
    ),
    ("Pod", "/spec/priority", "admission"),
    ("Pod", "/spec/preemptionPolicy", "admission"),
    ("Pod", "/spec removed", "admission"),
    ("Pod", "/spec = {}", "admission"),
    ("Service", "/spec removed", "allocated values are kept"),
    ("Service", "/spec = {}", "allocated values are kept"),
    ("Service", "/spec/clusterIP", "allocated values are kept"),
    ("Service", "/spec/ipFamil", "families follow the addresses"),
    ("Service", "/spec/type", "fields of other types are dropped"),
    (
        "Service",
        "/spec/externalIPs",
        "fields of other types are dropped",
    ),
    (
        "Service",
        "/spec/externalTrafficPolicy",
        "the health check's port is allocated",
    ),
    ("Service", "/spec/ports = [{", "ports are allocated"),
    (
        "ServiceCIDR",
        "/spec/cidrs = []",
        "the message shows whether a list is empty or absent, which we do not keep",
    ),
];

/// What the API server judges itself, by kind and place: requests for certificates have to be opened for it, and expressions
/// compiled.
const ELSEWHERE: &[(&str, &str)] = &[
    ("CertificateSigningRequest", "/spec removed"),
    ("CertificateSigningRequest", "/spec = {}"),
    ("CertificateSigningRequest", "/spec/request"),
    (
        "MutatingWebhookConfiguration",
        "/webhooks/0/matchConditions/0/expression",
    ),
    (
        "ValidatingWebhookConfiguration",
        "/webhooks/0/matchConditions/0/expression",
    ),
];

/// Field, reason, message.
type Causes = BTreeSet<(String, String, String)>;

#[derive(Default)]
struct Score {
    agree: usize,
    refused: usize,
    differ: Vec<String>,
}

impl Score {
    fn add(&mut self, what: &str, ours: Causes, theirs: Causes) {
        if ours == theirs {
            self.agree += 1;
            self.refused += usize::from(!theirs.is_empty());
            return;
        }
        let mut line = format!("{what}:");
        for (whose, only) in [
            ("ours", ours.difference(&theirs)),
            ("upstream's", theirs.difference(&ours)),
        ] {
            for (field, reason, message) in only {
                line.push_str(&format!(
                    "\n    only {whose}: {field} | {reason} | {message}"
                ));
            }
        }
        self.differ.push(line);
    }

    fn percent(&self) -> usize {
        let all = self.agree + self.differ.len();
        (self.agree * 100).checked_div(all).unwrap_or(0)
    }
}

fn report(scores: &BTreeMap<String, Score>, wanted: usize) {
    let detail = std::env::var_os("GANTRY_VALIDATION_DETAIL").is_some();
    let mut short = Vec::new();
    for (kind, score) in scores {
        println!(
            "{kind}: {}% of {} agree, {} of them refused",
            score.percent(),
            score.agree + score.differ.len(),
            score.refused
        );
        if score.percent() < wanted {
            short.push(kind.as_str());
        }
        let shown = if detail { usize::MAX } else { 5 };
        for line in score.differ.iter().take(shown) {
            println!("  {line}");
        }
    }
    assert!(!scores.is_empty());
    assert_eq!(short, Vec::<&str>::new(), "below {wanted} %");
}

/// A message without what follows its first line: there upstream prints a diff of its internal structs. Neither the template of
/// a Job, which it prints as a whole: its internal form has the fields in other places.
fn cause(field: &str, reason: &str, message: &str) -> (String, String, String) {
    let line = message.lines().next().unwrap_or_default();
    let line = match line.rsplit_once(": ") {
        Some((_, "field is immutable")) if field.starts_with("spec.template") => {
            "field is immutable"
        }
        _ => line,
    };
    (field.to_owned(), reason.to_owned(), line.to_owned())
}

/// What upstream says; none if it refuses for another reason than validation.
async fn ask(
    connection: &mut Connection,
    method: Method,
    path: &str,
    object: &Value,
) -> Option<Causes> {
    let body = Bytes::from(serde_json::to_vec(object).unwrap());
    let response = connection
        .send(method, path, "application/json", body)
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    match status {
        200 | 201 => Some(Causes::new()),
        422 => {
            let status: Value = serde_json::from_slice(&body).unwrap();
            let causes = status["details"]["causes"].as_array()?;
            let text =
                |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
            Some(
                causes
                    .iter()
                    .map(|item| {
                        cause(
                            &text(item, "field"),
                            &text(item, "reason"),
                            &text(item, "message"),
                        )
                    })
                    .collect(),
            )
        }
        _ => None,
    }
}

fn found(errors: &api::field::ErrorList) -> Causes {
    errors
        .iter()
        .map(|error| cause(&error.field, error.kind.cause(), &error.body()))
        .collect()
}

/// As the API server has it before validation; none if it cannot be decoded. `known`: the object is there already.
fn prepared(resource: &Resource, object: &Value, known: bool) -> Option<Tree> {
    let body = Bytes::from(serde_json::to_vec(object).unwrap());
    let mut tree = json::decode(
        Schema::builtin(),
        resource.type_id,
        body,
        &mut Strict::new(),
    )
    .ok()?;
    defaults::drop_disabled(&mut tree, None);
    defaults::apply(&mut tree);
    let meta = view::metadata(&tree);
    if meta.name().is_empty() && !meta.generate_name().is_empty() {
        // The name would be random.
        return None;
    }
    match resource.kind.as_str() {
        "Service" => list_cluster_ip(&mut tree),
        "PersistentVolumeClaim" => pair_sources(&mut tree, known),
        _ => {}
    }
    if resource.namespaced && view::metadata(&tree).namespace().is_empty() {
        view::metadata_mut(&mut tree)?.set_namespace("default");
    }
    Some(tree)
}

/// The API server keeps `clusterIP` and `clusterIPs` in step before it validates.
fn list_cluster_ip(tree: &mut Tree) {
    let mut service = ServiceMut::of(tree);
    let mut spec = service.spec_mut();
    let ip = spec.view().cluster_ip().to_owned();
    if !ip.is_empty() && spec.view().cluster_ips().is_empty() {
        spec.push_cluster_ips(&ip);
    }
}

/// The API server drops sources that `dataSource` cannot say, and keeps it in step with `dataSourceRef` (KEP 1495).
fn pair_sources(tree: &mut Tree, known: bool) {
    let mut claim = PersistentVolumeClaimMut::of(tree);
    let mut spec = claim.spec_mut();
    let parts = |group: Option<&str>, kind: &str, name: &str| {
        (group.map(str::to_owned), kind.to_owned(), name.to_owned())
    };
    let source = spec
        .view()
        .data_source()
        .map(|source| parts(source.api_group(), source.kind(), source.name()));
    let reference = spec
        .view()
        .data_source_ref()
        .map(|source| parts(source.api_group(), source.kind(), source.name()));
    match (source, reference) {
        (Some((group, kind, _)), _)
            if !known
                && !matches!(
                    (group.as_deref().unwrap_or_default(), kind.as_str()),
                    ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
                ) =>
        {
            spec.remove_data_source();
        }
        (Some((group, kind, name)), None) => {
            let mut reference = spec.data_source_ref_mut();
            reference.set_kind(&kind);
            reference.set_name(&name);
            if let Some(group) = group {
                reference.set_api_group(&group);
            }
        }
        (None, Some((group, kind, name))) => {
            let mut source = spec.data_source_mut();
            source.set_kind(&kind);
            source.set_name(&name);
            if let Some(group) = group {
                source.set_api_group(&group);
            }
        }
        _ => {}
    }
}

fn documents(text: &str) -> Vec<Value> {
    yaml::documents(text)
        .map(|document| {
            let json = yaml::to_json(document.as_bytes(), &mut Strict::new()).unwrap();
            serde_json::from_slice(&json).unwrap()
        })
        .collect()
}

fn resource_of(object: &Value) -> &'static Resource {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = object["kind"].as_str().unwrap();
    Kinds::builtin().by_kind(group, version, kind).unwrap()
}

fn collection(resource: &Resource) -> String {
    let root = if resource.group.is_empty() {
        "/api".to_owned()
    } else {
        format!("/apis/{}", resource.group)
    };
    let namespace = if resource.namespaced {
        "/namespaces/default"
    } else {
        ""
    };
    format!("{root}/{}{namespace}/{}", resource.version, resource.name)
}

/// Every place in an object, with what stands there.
fn places(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    if !path.is_empty() {
        out.push((path.to_owned(), value.clone()));
    }
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(inner, &format!("{path}/{key}"), out);
            }
        }
        Value::Array(list) => {
            for (at, inner) in list.iter().enumerate() {
                places(inner, &format!("{path}/{at}"), out);
            }
        }
        _ => {}
    }
}

fn remove(object: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&name);
        }
        Some(Value::Array(list)) => {
            list.remove(name.parse().unwrap());
        }
        _ => {}
    }
}

/// What may be wrong with a value.
fn spoiled(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => {
            let mut out: Vec<Value> = ["", "Not Valid!", "a..b", "../x", "/abs", "a/b/c"]
                .into_iter()
                .map(Value::from)
                .collect();
            out.push("x".repeat(300).into());
            out.push(format!("{text}x").into());
            out.push(text.to_uppercase().into());
            out
        }
        Value::Number(_) => [-1, 0, 1, 70_000, 4_000_000].map(Value::from).to_vec(),
        Value::Bool(value) => vec![(!value).into()],
        Value::Array(list) => {
            let mut out = vec![json!([])];
            if let Some(first) = list.first() {
                out.push(
                    [list.as_slice(), std::slice::from_ref(first)]
                        .concat()
                        .into(),
                );
            }
            out
        }
        Value::Object(_) => vec![json!({})],
        Value::Null => Vec::new(),
    }
}

/// Every object that differs from this one in one place of these, with a name for the difference.
fn variants(object: &Value, below: &[&str]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    places(object, "", &mut all);
    let mut out = Vec::new();
    for (pointer, value) in all {
        if !below.iter().any(|prefix| pointer.starts_with(prefix)) {
            continue;
        }
        let mut without = object.clone();
        remove(&mut without, &pointer);
        out.push((format!("{pointer} removed"), without));
        for other in spoiled(&value) {
            let mut changed = object.clone();
            *changed.pointer_mut(&pointer).unwrap() = other.clone();
            let mut shown = other.to_string();
            shown.truncate(40);
            out.push((format!("{pointer} = {shown}"), changed));
        }
    }
    out
}

/// Whether the change is none of the api crate's rules.
fn is_elsewhere(object: &Value, what: &str) -> bool {
    ELSEWHERE
        .iter()
        .any(|(kind, place)| object["kind"] == *kind && what.starts_with(place))
}

/// Whether the change takes the name away.
fn nameless(what: &str) -> bool {
    [
        "/metadata removed",
        "/metadata = {}",
        "/metadata/name removed",
        "/metadata/name = \"\"",
    ]
    .contains(&what)
}

async fn upstream() -> (UpstreamApiserver, Connection) {
    let upstream = UpstreamApiserver::start(&[
        "--allow-privileged=true",
        "--disable-admission-plugins=LimitRanger,ServiceAccount,DefaultTolerationSeconds",
    ])
    .unwrap();
    let target = Target::from_kubeconfig(&upstream.admin).unwrap();
    let connection = target.connect().await.unwrap();
    (upstream, connection)
}

#[tokio::test]
async fn new_objects_are_refused_as_upstream_refuses_them() {
    let (_upstream, mut connection) = upstream().await;
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let everywhere = ["/"];
    let mut all: Vec<(String, Value)> = by_hand::objects()
        .into_iter()
        .enumerate()
        .map(|(at, object)| (format!("by hand {at}"), object))
        .collect();
    for object in documents(OBJECTS) {
        all.push((
            format!("{} as it is", object["metadata"]["name"]),
            object.clone(),
        ));
        all.extend(
            variants(&object, &everywhere)
                .into_iter()
                .filter(|(what, _)| {
                    !what.starts_with("/apiVersion") && !what.starts_with("/kind")
                    // The API server drops repeated owners before it validates.
                    && !what.starts_with("/metadata/ownerReferences = [{")
                    && !is_elsewhere(&object, what)
                    // And names a LimitRange that has no name.
                    && (object["kind"] != "LimitRange" || !nameless(what))
                }),
        );
    }
    for (what, object) in all {
        let resource = resource_of(&object);
        let path = format!("{}?dryRun=All", collection(resource));
        let Some(theirs) = ask(&mut connection, Method::POST, &path, &object).await else {
            continue;
        };
        let Some(tree) = prepared(resource, &object, false) else {
            continue;
        };
        let ours = found(&validation::create(resource, &tree));
        scores
            .entry(resource.kind.clone())
            .or_default()
            .add(&what, ours, theirs);
    }
    report(&scores, WANTED);
}

#[tokio::test]
async fn changes_are_refused_as_upstream_refuses_them() {
    let (_upstream, mut connection) = upstream().await;
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for object in documents(OBJECTS) {
        let resource = resource_of(&object);
        let body = Bytes::from(serde_json::to_vec(&object).unwrap());
        let path = collection(resource);
        let response = connection
            .send(Method::POST, &path, "application/json", body)
            .await
            .unwrap();
        let status = response.status();
        let stored = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&stored));
        let mut stored: Value = serde_json::from_slice(&stored).unwrap();
        remove(&mut stored, "/metadata/managedFields");
        let old = prepared(resource, &stored, true).unwrap();
        let path = format!(
            "{path}/{}?dryRun=All",
            stored["metadata"]["name"].as_str().unwrap()
        );
        let mut parts: Vec<String> = stored
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
            .map(|key| format!("/{key}"))
            .collect();
        parts.extend(
            ["labels", "annotations", "finalizers", "ownerReferences"]
                .map(|key| format!("/metadata/{key}")),
        );
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        for (what, changed) in variants(&stored, &parts) {
            let undone = UNDONE.iter().any(|(kind, place, _)| {
                (kind.is_empty() || *kind == resource.kind) && what.starts_with(place)
            });
            if undone || is_elsewhere(&stored, &what) {
                continue;
            }
            let Some(theirs) = ask(&mut connection, Method::PUT, &path, &changed).await else {
                continue;
            };
            let Some(new) = prepared(resource, &changed, true) else {
                continue;
            };
            let ours = found(&validation::update(resource, "", &new, &old));
            scores
                .entry(resource.kind.clone())
                .or_default()
                .add(&what, ours, theirs);
        }
    }
    report(&scores, WANTED);
}

#[tokio::test]
async fn metadata_of_every_kind_is_refused_as_upstream_refuses_it() {
    let (_upstream, mut connection) = upstream().await;
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let of_metadata = |causes: Causes| -> Causes {
        causes
            .into_iter()
            .filter(|(field, _, _)| field.starts_with("metadata"))
            .collect()
    };
    for mut object in documents(ALL_KINDS) {
        let resource = resource_of(&object);
        object["metadata"]["labels"] = json!({"a": "b"});
        object["metadata"]["annotations"] = json!({"a": "b"});
        object["metadata"]["finalizers"] = json!(["example.com/a"]);
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1"}]);
        let path = format!("{}?dryRun=All", collection(resource));
        for (what, changed) in variants(&object, &["/metadata/"]) {
            let Some(theirs) = ask(&mut connection, Method::POST, &path, &changed).await else {
                continue;
            };
            let Some(tree) = prepared(resource, &changed, false) else {
                continue;
            };
            let ours = found(&validation::create(resource, &tree));
            scores.entry(resource.kind.clone()).or_default().add(
                &what,
                of_metadata(ours),
                of_metadata(theirs),
            );
        }
    }
    report(&scores, WANTED);
}
