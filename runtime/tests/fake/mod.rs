//! An API server in memory, as small as the runtime's tests allow, with faults on order or by a seed. JSON only.
//!
//! It keeps one history for all resources; a watch is a cursor into it. No sockets and no real time: on a paused clock
//! and one thread all is deterministic.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use runtime::{Client, Random};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What goes wrong, in per cent of the requests that it can happen to.
#[derive(Default, Clone)]
pub struct Faults {
    /// A watch that would resume is told that its revision has expired.
    pub expired: u64,
    /// A watch breaks off after an event.
    pub dropped_watches: u64,
    /// A write takes effect, and its reply is lost.
    pub lost_replies: u64,
    /// A request fails with 503 and has no effect.
    pub unavailable: u64,
    /// An event is never sent, and the watch goes on: a bug of a server, which nobody can survive.
    pub dropped_events: u64,
    /// The server knows no streamed lists.
    pub no_watch_list: bool,
}

#[derive(Clone)]
struct Change {
    revision: u64,
    collection: String,
    kind: &'static str,
    object: Value,
}

struct State {
    /// By the collection's path without namespace, then by "namespace/name".
    objects: BTreeMap<(String, String), Value>,
    history: Vec<Change>,
    revision: u64,
    oldest: u64,
    uids: u64,
    faults: Faults,
    random: Random,
    trace: DefaultHasher,
    /// Breaks every watch that is open.
    generation: u64,
    pub requests: u64,
    pub watches: u64,
    pub lists: u64,
}

#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl FakeApi {
    pub fn new(seed: u64) -> Self {
        let state = State {
            objects: BTreeMap::new(),
            history: Vec::new(),
            revision: 1,
            oldest: 0,
            uids: 0,
            faults: Faults::default(),
            random: Random::from_seed(seed),
            trace: DefaultHasher::new(),
            generation: 0,
            requests: 0,
            watches: 0,
            lists: 0,
        };
        FakeApi {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(Notify::new()),
        }
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        Client::from_service(tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { api.serve(request).await }
        }))
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// A hash over every request and its outcome so far, with the virtual time of each.
    pub fn trace(&self) -> u64 {
        self.state.lock().trace.finish()
    }

    pub fn counts(&self) -> (u64, u64, u64) {
        let s = self.state.lock();
        (s.requests, s.lists, s.watches)
    }

    /// Forgets the history: whoever resumes must list anew. Open watches break off.
    pub fn compact(&self) {
        {
            let mut s = self.state.lock();
            s.oldest = s.revision;
            s.history.clear();
            s.generation += 1;
        }
        self.wake();
    }

    /// Breaks all open watches.
    pub fn break_watches(&self) {
        self.state.lock().generation += 1;
        self.wake();
    }

    fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Stores an object under a collection's path (`/api/v1/configmaps`), past all faults.
    pub fn put(&self, collection: &str, object: Value) -> Value {
        let stored = self.state.lock().put(collection, object);
        self.wake();
        stored
    }

    pub fn remove(&self, collection: &str, key: &str) {
        self.state.lock().remove(collection, key);
        self.wake();
    }

    pub fn get(&self, collection: &str, key: &str) -> Option<Value> {
        self.state
            .lock()
            .objects
            .get(&(collection.into(), key.into()))
            .cloned()
    }

    pub fn list(&self, collection: &str) -> Vec<Value> {
        let s = self.state.lock();
        s.objects
            .iter()
            .filter(|((c, _), _)| c == collection)
            .map(|(_, v)| v.clone())
            .collect()
    }

    /// Looks at every object of a collection, in order, without copying.
    pub fn each(&self, collection: &str, mut look: impl FnMut(&Value)) {
        let s = self.state.lock();
        s.objects
            .range((collection.to_owned(), String::new())..)
            .take_while(|((c, _), _)| c == collection)
            .for_each(|(_, v)| look(v));
    }

    async fn serve(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Pin<Box<dyn WatchBody>>>, tower::BoxError> {
        // Everybody gets a turn, as over a network.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = parts.uri.path().to_owned();
        let query: BTreeMap<String, String> = parts
            .uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter_map(|p| p.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let lost;
        let answer = {
            let mut s = self.state.lock();
            s.requests += 1;
            let faults = s.faults.clone();
            let write = parts.method != Method::GET;
            let chance = |percent: u64| s.random.below(100) < percent;
            let unavailable = chance(faults.unavailable);
            lost = write && chance(faults.lost_replies);
            let expired = chance(faults.expired);
            let protobuf = parts
                .headers
                .get("content-type")
                .is_some_and(|t| t.as_bytes().ends_with(b"protobuf"));
            let answer = if unavailable {
                Err((503, "ServiceUnavailable"))
            } else if protobuf {
                Err((415, "UnsupportedMediaType"))
            } else if query.get("watch").is_some_and(|w| w == "true") {
                s.watches += 1;
                let initial = query.contains_key("sendInitialEvents");
                let version: u64 = query
                    .get("resourceVersion")
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(0);
                if initial && faults.no_watch_list {
                    Err((422, "Invalid"))
                } else if !initial && (version < s.oldest || expired) {
                    Err((410, "Expired"))
                } else {
                    Ok(Answer::Watch { initial, version })
                }
            } else {
                s.handle(&parts.method, &path, &query, &body)
                    .map(Answer::Body)
            };
            (&path, parts.method.as_str(), &body[..]).hash(&mut s.trace);
            answer
                .as_ref()
                .map(|_| 0)
                .map_err(|(code, _)| *code)
                .unwrap_or_else(|e| e)
                .hash(&mut s.trace);
            lost.hash(&mut s.trace);
            answer
        };
        self.wake();
        if lost {
            return Err("the connection broke".into());
        }
        let build = |code: u16, body: Pin<Box<dyn WatchBody>>| {
            Response::builder()
                .status(code)
                .header("content-type", "application/json")
                .body(body)
                .map_err(Into::into)
        };
        match answer {
            Ok(Answer::Body(value)) => build(200, once(&value)),
            Ok(Answer::Watch { initial, version }) => {
                build(200, self.watch(&path, initial, version))
            }
            Err((code, reason)) => build(
                code,
                once(
                    &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                             "reason": reason, "code": code, "message": reason}),
                ),
            ),
        }
    }

    fn watch(&self, path: &str, initial: bool, version: u64) -> Pin<Box<dyn WatchBody>> {
        let (collection, namespace) = split(path);
        let (mut first, mut cursor, generation, breaks, drops, random) = {
            let s = self.state.lock();
            let mut first = Vec::new();
            if initial {
                for ((c, _), object) in &s.objects {
                    if *c == collection && in_namespace(object, namespace.as_deref()) {
                        first.push(json!({"type": "ADDED", "object": object}));
                    }
                }
                first.push(json!({"type": "BOOKMARK", "object": {"metadata": {
                    "resourceVersion": s.revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}}}}));
            }
            let cursor = if initial { s.revision } else { version };
            (
                first,
                cursor,
                s.generation,
                s.faults.dropped_watches,
                s.faults.dropped_events,
                s.random.fork(),
            )
        };
        first.reverse();
        let (state, changed) = (self.state.clone(), self.changed.clone());
        let mut step = move || {
            if let Some(event) = first.pop() {
                return Step::Event(event);
            }
            let s = state.lock();
            if s.generation != generation {
                return Step::Broken;
            }
            loop {
                let found = s.history.iter().find(|c| {
                    c.revision > cursor
                        && c.collection == collection
                        && in_namespace(&c.object, namespace.as_deref())
                });
                let Some(change) = found else {
                    return Step::Nothing;
                };
                if drops > 0 && random.below(100) < drops {
                    cursor = change.revision;
                } else if random.below(100) < breaks {
                    return Step::Broken;
                } else {
                    cursor = change.revision;
                    return Step::Event(json!({"type": change.kind, "object": change.object}));
                }
            }
        };
        let stream = futures::stream::unfold(changed, move |changed| {
            // Registered before looking, so that no change in between is missed. (A watch channel would wake its receivers
            // in random order.)
            let mut notified = Box::pin(changed.clone().notified_owned());
            notified.as_mut().enable();
            let step = step();
            async move {
                match step {
                    Step::Event(event) => Some((Some(event), changed)),
                    Step::Broken => None,
                    Step::Nothing => {
                        notified.await;
                        Some((None, changed))
                    }
                }
            }
        });
        let frames = futures::StreamExt::filter_map(stream, |event| {
            futures::future::ready(event.map(|e| Ok(Frame::data(Bytes::from(format!("{e}\n"))))))
        });
        Box::pin(http_body_util::StreamBody::new(frames))
    }
}

pub trait WatchBody: http_body::Body<Data = Bytes, Error = Infallible> + Send {}
impl<T: http_body::Body<Data = Bytes, Error = Infallible> + Send> WatchBody for T {}

fn once(value: &Value) -> Pin<Box<dyn WatchBody>> {
    Box::pin(http_body_util::Full::new(Bytes::from(value.to_string())))
}

enum Step {
    Event(Value),
    Nothing,
    Broken,
}

enum Answer {
    Body(Value),
    Watch { initial: bool, version: u64 },
}

/// `/api/v1/namespaces/a/configmaps` → (`/api/v1/configmaps`, `a`).
fn split(path: &str) -> (String, Option<String>) {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.iter().position(|p| *p == "namespaces") {
        Some(at) if parts.len() > at + 2 => (
            format!("{}/{}", parts[..at].join("/"), parts[at + 2..].join("/")),
            Some(parts[at + 1].to_owned()),
        ),
        _ => (path.to_owned(), None),
    }
}

fn in_namespace(object: &Value, namespace: Option<&str>) -> bool {
    namespace.is_none_or(|n| object["metadata"]["namespace"] == n)
}

fn key(object: &Value) -> String {
    let text = |f: &str| object["metadata"][f].as_str().unwrap_or("").to_owned();
    format!("{}/{}", text("namespace"), text("name"))
}

type Refusal = (u16, &'static str);

impl State {
    fn put(&mut self, collection: &str, mut object: Value) -> Value {
        self.revision += 1;
        let slot = (collection.to_owned(), key(&object));
        let old = self.objects.get(&slot);
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = match old {
                Some(old) => old["metadata"]["uid"].clone(),
                None => {
                    self.uids += 1;
                    json!(format!("uid-{}", self.uids))
                }
            };
        }
        if old.is_none() {
            object["metadata"]["generation"] = json!(1);
            object["metadata"]["creationTimestamp"] = json!(timestamp(self.revision));
        }
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        self.objects.insert(slot, object.clone());
        self.log(collection, kind, &object);
        object
    }

    fn remove(&mut self, collection: &str, key: &str) -> Option<Value> {
        let mut object = self
            .objects
            .remove(&(collection.to_owned(), key.to_owned()))?;
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.log(collection, "DELETED", &object);
        Some(object)
    }

    fn log(&mut self, collection: &str, kind: &'static str, object: &Value) {
        let change = Change {
            revision: self.revision,
            collection: collection.to_owned(),
            kind,
            object: object.clone(),
        };
        self.history.push(change);
    }

    fn handle(
        &mut self,
        method: &Method,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let (path, namespace) = split(path);
        // Collections have plural names of four or more letters after the version; the test's objects have short ones.
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let depth = if parts[0] == "api" { 3 } else { 4 };
        let collection = format!("/{}", parts[..depth.min(parts.len())].join("/"));
        let name = parts
            .get(depth)
            .map(|name| format!("{}/{name}", namespace.clone().unwrap_or_default()));
        let subresource = parts.get(depth + 1).copied();
        let parse = || serde_json::from_slice::<Value>(body).map_err(|_| (400, "BadRequest"));
        match (method.as_str(), name) {
            ("GET", None) => {
                self.lists += 1;
                let all: Vec<Value> = self
                    .objects
                    .iter()
                    .filter(|((c, _), o)| *c == collection && in_namespace(o, namespace.as_deref()))
                    .map(|(_, o)| o.clone())
                    .collect();
                let from: usize = query
                    .get("continue")
                    .and_then(|c| c.parse().ok())
                    .unwrap_or(0);
                let limit: usize = query
                    .get("limit")
                    .and_then(|c| c.parse().ok())
                    .unwrap_or(usize::MAX);
                let page: Vec<Value> = all.iter().skip(from).take(limit).cloned().collect();
                let end = from.saturating_add(limit);
                let next = if end < all.len() {
                    end.to_string()
                } else {
                    String::new()
                };
                Ok(
                    json!({"metadata": {"resourceVersion": self.revision.to_string(), "continue": next}, "items": page}),
                )
            }
            ("GET", Some(name)) => self
                .objects
                .get(&(collection, name))
                .cloned()
                .ok_or((404, "NotFound")),
            ("POST", None) => {
                let mut object = parse()?;
                if let Some(namespace) = namespace {
                    object["metadata"]["namespace"] = json!(namespace);
                }
                if self
                    .objects
                    .contains_key(&(collection.clone(), key(&object)))
                {
                    return Err((409, "AlreadyExists"));
                }
                Ok(self.put(&collection, object))
            }
            ("PUT", Some(name)) => {
                let object = parse()?;
                let current = self
                    .objects
                    .get(&(collection.clone(), name))
                    .ok_or((404, "NotFound"))?;
                precondition(&object["metadata"], current)?;
                Ok(self.put(&collection, object))
            }
            ("PATCH", Some(name)) => {
                let current = self
                    .objects
                    .get(&(collection.clone(), name))
                    .cloned()
                    .ok_or((404, "NotFound"))?;
                let patch = parse()?;
                precondition(&patch["metadata"], &current)?;
                let mut object = current.clone();
                merge(&mut object, &patch);
                // The status is written by its subresource alone, and nothing else is (but metadata).
                let (kept, other) = if subresource == Some("status") {
                    ("spec", "status")
                } else {
                    ("status", "spec")
                };
                match current.get(kept) {
                    Some(value) => object[kept] = value.clone(),
                    None => drop(object.as_object_mut().unwrap().remove(kept)),
                }
                if other == "spec" && object["spec"] != current["spec"] {
                    object["metadata"]["generation"] =
                        json!(current["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
                }
                Ok(if object == current {
                    object
                } else {
                    self.put(&collection, object)
                })
            }
            ("DELETE", Some(name)) => {
                let current = self
                    .objects
                    .get(&(collection.clone(), name.clone()))
                    .ok_or((404, "NotFound"))?;
                if !body.is_empty() {
                    precondition(&parse()?["preconditions"], current)?;
                }
                self.remove(&collection, &name).ok_or((404, "NotFound"))?;
                Ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            _ => Err((405, "MethodNotAllowed")),
        }
    }
}

/// What a write names of the object must be so.
fn precondition(named: &Value, current: &Value) -> Result<(), Refusal> {
    for field in ["uid", "resourceVersion"] {
        if !named[field].is_null() && named[field] != current["metadata"][field] {
            return Err((409, "Conflict"));
        }
    }
    Ok(())
}

fn merge(target: &mut Value, patch: &Value) {
    if let (Value::Object(target), Value::Object(patch)) = (target, patch) {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else if value.is_object() {
                merge(target.entry(name).or_insert_with(|| json!({})), value);
            } else {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A time for each revision: later revisions are later, which is all that tests need.
fn timestamp(revision: u64) -> String {
    let seconds = i64::try_from(revision).unwrap();
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}
