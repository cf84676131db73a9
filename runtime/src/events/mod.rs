//! Events: what happened, told to people (`kubectl describe`). Best effort, and bounded: telling must never hold up the work.
//!
//! As upstream's components do, equal events are counted up in one object, similar ones (same object and reason, differing
//! texts) are combined, and an object that is told about too often is told about less (`correlate`).

mod correlate;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::correlate::{Correlator, Step};
use crate::{
    backoff::{Backoff, BackoffPolicy},
    client::{Client, Error, Patch, WriteOptions},
    clock::SharedClock,
    key::Key,
    random::Random,
    resource::{Form, Resource},
};

/// Events that wait to be written; more are dropped (client-go's number).
const QUEUE: usize = 1000;

/// Attempts to write one event while the server does not answer.
const ATTEMPTS: u32 = 5;

/// Bytes of a message: the server refuses more.
const MAX_MESSAGE: usize = 1024;

/// Which object an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for a cluster-wide object, whose events stand in `default`.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// The revision; may be empty.
    pub resource_version: String,
    /// A part of the object, such as `spec.containers{web}`; may be empty.
    pub field_path: String,
}

impl ObjectRef {
    /// A reference to an object of `resource`.
    pub fn new(resource: &Resource, key: &Key, uid: &str) -> Self {
        ObjectRef {
            api_version: resource.api_version(),
            kind: resource.kind().to_owned(),
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            uid: uid.to_owned(),
            ..Default::default()
        }
    }

    /// The same object, a part of it.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>) -> Self {
        self.field_path = path.into();
        self
    }

    fn json(&self) -> Value {
        let mut value =
            json!({"kind": self.kind, "apiVersion": self.api_version, "name": self.name});
        let optional = [
            ("namespace", &self.namespace),
            ("uid", &self.uid),
            ("resourceVersion", &self.resource_version),
            ("fieldPath", &self.field_path),
        ];
        for (name, text) in optional {
            if !text.is_empty() {
                value[name] = json!(text);
            }
        }
        value
    }
}

/// Good news or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it is about.
    pub regarding: ObjectRef,
    /// Good or bad.
    pub r#type: EventType,
    /// One word for programs: `ScalingReplicaSet`.
    pub reason: String,
    /// A sentence for people; cut at 1024 bytes.
    pub message: String,
    /// What was done or tried (`Binding`); may be empty.
    pub action: String,
    /// A second object that has part in it.
    pub related: Option<ObjectRef>,
}

/// Where a component tells its events. Clones tell to the same place.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts a recorder for `component` (and, for a node's component, the node's name as `host`). Must be called inside a
    /// tokio runtime; it ends when the last clone is dropped.
    pub fn start(
        client: Client,
        clock: SharedClock,
        random: Random,
        component: &str,
        host: &str,
    ) -> Recorder {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            client,
            clock,
            random,
            component: component.to_owned(),
            host: host.to_owned(),
            resource: resource(),
        };
        tokio::spawn(writer.run(receiver));
        Recorder {
            sender,
            dropped: Arc::default(),
        }
    }

    /// Tells an event. Never waits: with too many waiting, it is dropped and counted.
    pub fn event(&self, mut event: Event) {
        if event.message.len() > MAX_MESSAGE {
            let cut = (0..=MAX_MESSAGE - 3)
                .rev()
                .find(|i| event.message.is_char_boundary(*i))
                .unwrap_or(0);
            event.message.truncate(cut);
            event.message.push_str("...");
        }
        if self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Tells good news.
    pub fn normal(&self, regarding: ObjectRef, reason: &str, message: impl Into<String>) {
        self.tell(regarding, EventType::Normal, reason, message.into());
    }

    /// Tells bad news.
    pub fn warning(&self, regarding: ObjectRef, reason: &str, message: impl Into<String>) {
        self.tell(regarding, EventType::Warning, reason, message.into());
    }

    fn tell(&self, regarding: ObjectRef, r#type: EventType, reason: &str, message: String) {
        let reason = reason.to_owned();
        self.event(Event {
            regarding,
            r#type,
            reason,
            message,
            action: String::new(),
            related: None,
        });
    }

    /// How many events were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The `events` of the core group. Written as JSON, so that nothing of the kind need be known here.
fn resource() -> Resource {
    Resource::new("", "v1", "events", "Event", true, Form::Metadata)
}

struct Writer {
    client: Client,
    clock: SharedClock,
    random: Random,
    component: String,
    host: String,
    resource: Resource,
}

impl Writer {
    async fn run(self, mut receiver: mpsc::Receiver<Event>) {
        let mut correlator = Correlator::new();
        while let Some(event) = receiver.recv().await {
            let now = self.clock.now();
            let Some((id, step)) = correlator.note(&event, now) else {
                continue;
            };
            let key = match &step {
                Step::Update { name, .. } => Key::new(namespace(&event), name),
                Step::Create { .. } => Key::new(
                    namespace(&event),
                    &format!("{}.{:x}", event.regarding.name, now.as_nanosecond()),
                ),
            };
            match self.write(&event, &step, &key, now).await {
                Ok(name) => correlator.stored(id, name),
                Err(error) if error.is_namespace_terminating() || error.is_not_found() => {}
                Err(error) => {
                    tracing::warn!(%error, reason = event.reason, "an event could not be written")
                }
            }
        }
    }

    /// Writes the event, and returns the name under which it now stands.
    async fn write(
        &self,
        event: &Event,
        step: &Step,
        key: &Key,
        now: jiff::Timestamp,
    ) -> Result<String, Error> {
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        let mut update = matches!(step, Step::Update { .. });
        loop {
            let outcome = if update {
                let (Step::Update { count, message, .. } | Step::Create { count, message, .. }) =
                    step;
                let patch =
                    json!({"count": count, "lastTimestamp": seconds(now), "message": message});
                let options = WriteOptions::default();
                self.client
                    .patch(&self.resource, key, &Patch::Merge(patch), &options)
                    .await
                    .map(drop)
            } else {
                let path = self.resource.collection_path(key.namespace());
                self.client
                    .json(
                        Method::POST,
                        path,
                        Some(&self.object(event, step, key, now)),
                    )
                    .await
                    .map(drop)
            };
            match outcome {
                Ok(()) => return Ok(key.name().to_owned()),
                // Events live an hour: the one that we would count up has gone.
                Err(error) if update && error.is_not_found() => update = false,
                // Our own create, whose reply was lost.
                Err(error) if error.is_already_exists() => return Ok(key.name().to_owned()),
                Err(error) if error.is_retriable() && backoff.failures() + 1 < ATTEMPTS => {
                    tokio::time::sleep(backoff.fail(&self.random)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn object(&self, event: &Event, step: &Step, key: &Key, now: jiff::Timestamp) -> Value {
        let (Step::Update {
            count,
            message,
            first,
            ..
        }
        | Step::Create {
            count,
            message,
            first,
        }) = step;
        let mut source = json!({"component": self.component});
        if !self.host.is_empty() {
            source["host"] = json!(self.host);
        }
        let mut object = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": key.name(), "namespace": key.namespace()},
            "involvedObject": event.regarding.json(),
            "reason": event.reason,
            "message": message,
            "source": source,
            "firstTimestamp": seconds(*first),
            "lastTimestamp": seconds(now),
            "count": count,
            "type": event.r#type.as_str(),
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        });
        if !event.action.is_empty() {
            object["action"] = json!(event.action);
        }
        if let Some(related) = &event.related {
            object["related"] = related.json();
        }
        object
    }
}

/// Events of cluster-wide objects stand in `default`.
fn namespace(event: &Event) -> &str {
    if event.regarding.namespace.is_empty() {
        "default"
    } else {
        &event.regarding.namespace
    }
}

/// RFC 3339 without fractions: `metav1.Time`.
fn seconds(time: jiff::Timestamp) -> String {
    format!("{time:.0}")
}
