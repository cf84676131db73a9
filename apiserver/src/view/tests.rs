//! The view over the memory log.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use parking_lot::Mutex;
use store::clock::SystemClock;
use store::{Expect, Log, Memory, Op, Revision};

use super::*;

/// Values of the form `label:node` project to a label `l` and the field 0.
struct Plain;

impl Projector for Plain {
    fn project(&self, value: &Bytes) -> Projection {
        let text = std::str::from_utf8(value).unwrap();
        let (label, node) = text.split_once(':').unwrap_or((text, ""));
        Projection::owned([("l", label)], [node])
    }
}

fn pods() -> Resource {
    Resource {
        prefix: "pods/".into(),
        projector: Arc::new(Plain),
        indexed: [0].into(),
    }
}

async fn start(log: &Memory) -> Arc<View> {
    View::start(Arc::new(log.clone()), [pods()], vec![], 1 << 20)
        .await
        .unwrap()
}

fn memory(history: usize) -> Memory {
    Memory::new(Arc::new(SystemClock), history)
}

async fn put(log: &Memory, key: &str, value: &str) -> Revision {
    let key = Bytes::from(format!("pods/{key}"));
    let op = Op::Put {
        key,
        value: Bytes::from(value.to_owned()),
        expect: Expect::Any,
        ttl: None,
    };
    log.append(vec![op]).await.unwrap().revision
}

async fn delete(log: &Memory, key: &str) -> Revision {
    let key = Bytes::from(format!("pods/{key}"));
    log.append(vec![Op::Delete {
        key,
        expect: Expect::Any,
    }])
    .await
    .unwrap()
    .revision
}

async fn next(watcher: &mut Watcher) -> Result<Vec<Arc<Event>>, TooOld> {
    poll_fn(|cx| watcher.poll_events(cx))
        .await
        .expect("the resource is served")
}

async fn drain(watcher: &mut Watcher) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        let events = poll_fn(|cx| match watcher.poll_events(cx) {
            Poll::Ready(events) => Poll::Ready(events),
            Poll::Pending => Poll::Ready(None),
        });
        let Some(events) = events.await else {
            return out;
        };
        out.extend(events.unwrap().iter().map(|e| describe(e)));
    }
}

fn describe(event: &Event) -> String {
    let value = |o: &Option<Arc<Object>>| {
        o.as_ref().map_or_else(
            || "-".to_owned(),
            |o| String::from_utf8_lossy(o.value()).into_owned(),
        )
    };
    format!(
        "{} {}>{}",
        event.subject().unwrap().key(),
        value(&event.old),
        value(&event.new)
    )
}

fn keys(snapshot: &Snapshot) -> Vec<String> {
    snapshot
        .from("")
        .map(|o| format!("{}={}", o.key(), String::from_utf8_lossy(o.value())))
        .collect()
}

#[tokio::test]
async fn a_fresh_read_sees_every_acknowledged_write() {
    let log = memory(1 << 20);
    put(&log, "a/1", "x:").await;
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    assert_eq!(keys(&pods.snapshot()), ["a/1=x:"]);
    for i in 2..50 {
        let revision = put(&log, &format!("a/{i}"), "x:").await;
        assert!(view.fresh().await.unwrap() >= revision);
        let object = pods.get(&format!("a/{i}")).unwrap();
        assert_eq!(
            (object.namespace(), object.name(), object.revision()),
            ("a", i.to_string().as_str(), revision)
        );
    }
}

#[tokio::test]
async fn readers_wait_for_a_revision_and_give_up_on_one_too_far() {
    tokio::time::pause();
    let log = memory(1 << 20);
    let view = start(&log).await;
    let error = view.reach(Revision(99)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Too large resource version: 99, current: 1"
    );
    let (reached, _) = tokio::join!(view.reach(Revision(2)), put(&log, "a/1", "x:"));
    assert_eq!(reached.unwrap(), Revision(2));
}

#[tokio::test]
async fn postings_follow_labels_and_fields() {
    let log = memory(1 << 20);
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    for i in 0..20 {
        put(
            &log,
            &format!("a/{i:02}"),
            if i % 2 == 0 { "even:n1" } else { "odd:n2" },
        )
        .await;
    }
    view.fresh().await.unwrap();
    let (even, n2) = (label_term("l", "even"), field_term(0, "n2"));
    assert_eq!(pods.snapshot().count_term(&even), 10);
    assert_eq!(
        pods.snapshot().with_term(&even, "a/17"),
        [Arc::from("a/18")]
    );
    put(&log, "a/00", "odd:n2").await;
    for i in 1..20 {
        delete(&log, &format!("a/{i:02}")).await;
    }
    view.fresh().await.unwrap();
    assert_eq!(pods.snapshot().count_term(&even), 0);
    assert_eq!(pods.snapshot().with_term(&n2, ""), [Arc::from("a/00")]);
}

#[tokio::test]
async fn watchers_get_their_index_only_and_transitions_reach_both_sides() {
    let log = memory(1 << 20);
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    let from = view.applied();
    let mut all = pods.watch(Scope::All, from);
    let mut space = pods.watch(Scope::Namespace("b".into()), from);
    let mut one = pods.watch(Scope::Object("a/1".into()), from);
    let mut node = pods.watch(Scope::Field(0, "n1".into()), from);
    // Those who wait and those who catch up see the same.
    assert!(drain(&mut space).await.is_empty() && drain(&mut node).await.is_empty());
    put(&log, "a/1", "x:").await;
    put(&log, "b/1", "x:n1").await;
    put(&log, "b/1", "x:n2").await;
    delete(&log, "a/1").await;
    view.fresh().await.unwrap();
    assert_eq!(
        drain(&mut all).await,
        ["a/1 ->x:", "b/1 ->x:n1", "b/1 x:n1>x:n2", "a/1 x:>-"]
    );
    assert_eq!(drain(&mut space).await, ["b/1 ->x:n1", "b/1 x:n1>x:n2"]);
    assert_eq!(drain(&mut one).await, ["a/1 ->x:", "a/1 x:>-"]);
    assert_eq!(drain(&mut node).await, ["b/1 ->x:n1", "b/1 x:n1>x:n2"]);
    assert_eq!(all.caught_up(view.applied()), Some(view.applied()));
}

#[tokio::test]
async fn a_revision_that_changes_several_objects_is_seen_whole_or_not_at_all() {
    let log = memory(1 << 20);
    let before = put(&log, "a/1", "x:").await;
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    let mut live = pods.watch(Scope::All, before);
    assert!(drain(&mut live).await.is_empty());
    let mut behind = pods.watch(Scope::All, before);
    let revision = Revision(before.0 + 1);
    let apply = |name: &str, value: &'static str| {
        let value = Bytes::from(value);
        let projection = Plain.project(&value);
        let object = Object::new(name.into(), revision, revision, value, projection);
        pods.apply(name, Some(Arc::new(object)), revision);
    };

    // Watchers look while the changes are still being applied.
    apply("a/1", "y:");
    assert!(drain(&mut live).await.is_empty());
    assert!(drain(&mut behind).await.is_empty());
    assert_eq!(keys(&pods.at(before).unwrap()), ["a/1=x:"]);
    apply("a/2", "y:");
    assert!(drain(&mut live).await.is_empty());

    pods.publish().0.wake();
    for watcher in [&mut live, &mut behind] {
        assert_eq!(drain(watcher).await, ["a/1 x:>y:", "a/2 ->y:"]);
        assert_eq!(watcher.cursor(), revision);
    }
    assert_eq!(keys(&pods.at(before).unwrap()), ["a/1=x:"]);
}

#[tokio::test]
async fn who_comes_from_far_back_is_told_of_the_few_that_concern_it() {
    let log = memory(64 << 20);
    let start_at = put(&log, "b/1", "x:").await;
    let view = View::start(Arc::new(log.clone()), [pods()], vec![], 64 << 20)
        .await
        .unwrap();
    for i in 0..10_000 {
        put(&log, &format!("a/{}", i % 10), "x:").await;
        if i == 5_000 {
            put(&log, "b/2", "y:").await;
        }
    }
    view.fresh().await.unwrap();
    let pods = view.collection("pods/").unwrap();
    let mut watcher = pods.watch(Scope::Namespace("b".into()), start_at);
    let events = next(&mut watcher).await.unwrap();
    let events: Vec<_> = events.iter().map(|event| describe(event)).collect();
    assert_eq!(events, ["b/2 ->y:"]);
    put(&log, "b/3", "z:").await;
    let events = next(&mut watcher).await.unwrap();
    assert_eq!(describe(&events[0]), "b/3 ->z:");
}

#[tokio::test]
async fn a_slow_watcher_loses_its_queue_and_no_event() {
    let log = memory(1 << 20);
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    let mut watcher = pods.watch(Scope::All, view.applied());
    assert!(drain(&mut watcher).await.is_empty());
    for i in 0..1000 {
        put(&log, "a/1", &format!("{i}:")).await;
        if i % 100 == 0 {
            view.fresh().await.unwrap();
        }
    }
    view.fresh().await.unwrap();
    assert_eq!(
        watcher.caught_up(view.applied()),
        None,
        "no bookmark over events not yielded"
    );
    let seen = drain(&mut watcher).await;
    assert_eq!(seen.len(), 1000);
    assert!(seen.last().unwrap().ends_with(">999:"));
    put(&log, "a/1", "last:").await;
    assert_eq!(next(&mut watcher).await.unwrap().len(), 1);
}

#[tokio::test]
async fn history_is_bounded_by_bytes_and_then_watches_are_too_old() {
    let log = memory(1 << 20);
    let view = View::start(Arc::new(log.clone()), [pods()], vec![], 20_000)
        .await
        .unwrap();
    let pods = view.collection("pods/").unwrap();
    let start = view.applied();
    for _ in 0..500 {
        put(&log, "a/1", &"x".repeat(200)).await;
        view.fresh().await.unwrap();
        assert!(view.history_bytes() <= 20_000);
    }
    let mut watcher = pods.watch(Scope::All, start);
    let error = next(&mut watcher).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("too old resource version: 1 ("),
        "{error}"
    );
    let mut watcher = pods.watch(Scope::All, error.floor);
    assert!(!next(&mut watcher).await.unwrap().is_empty());
    assert!(pods.at(start).is_err());
}

#[tokio::test]
async fn a_list_at_an_older_revision_is_rebuilt_by_undoing() {
    let log = memory(1 << 20);
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    let mut past = Vec::new();
    for i in 0..30 {
        match i % 3 {
            0 => put(&log, &format!("a/{i}"), "x:").await,
            1 => put(&log, "a/0", &format!("{i}:")).await,
            _ => delete(&log, &format!("a/{}", i - 2)).await,
        };
        let revision = view.fresh().await.unwrap();
        let snapshot = pods.snapshot();
        if i % 10 == 0 {
            pods.pin(&snapshot);
        }
        past.push((revision, keys(&snapshot)));
    }
    for (revision, want) in past {
        assert_eq!(keys(&pods.at(revision).unwrap()), want, "at {revision}");
    }
}

#[tokio::test]
async fn when_history_was_compacted_away_the_view_loads_anew_and_tells_the_differences() {
    // The log keeps so little that the view, which is not polled meanwhile, falls out of it.
    let log = memory(600);
    let view = start(&log).await;
    let pods = view.collection("pods/").unwrap();
    for key in ["a/kept", "a/gone", "a/again", "a/changed"] {
        put(&log, key, "1:").await;
        view.fresh().await.unwrap();
    }
    let mut live = pods.watch(Scope::All, view.applied());
    assert!(drain(&mut live).await.is_empty());
    let before = view.applied();
    delete(&log, "a/gone").await;
    delete(&log, "a/again").await;
    put(&log, "a/again", "2:").await;
    put(&log, "a/changed", "2:").await;
    for _ in 0..100 {
        put(&log, "a/noise", "n:").await;
    }
    tokio::time::pause();
    view.fresh().await.unwrap();
    let mut seen = drain(&mut live).await;
    seen.sort();
    assert_eq!(
        seen,
        [
            "a/again ->2:",
            "a/again 1:>-",
            "a/changed 1:>2:",
            "a/gone 1:>-",
            "a/noise ->n:"
        ]
    );
    assert_eq!(
        keys(&pods.snapshot()),
        ["a/again=2:", "a/changed=2:", "a/kept=1:", "a/noise=n:"]
    );
    // Whoever comes from before has missed things that nobody knows.
    assert!(next(&mut pods.watch(Scope::All, before)).await.is_err());
}

#[tokio::test]
async fn a_resource_added_later_has_what_the_log_holds() {
    let log = memory(1 << 20);
    let put_custom = async |name: &str| {
        let key = Bytes::from(format!("example.com/things/{name}"));
        let op = Op::Put {
            key,
            value: Bytes::from_static(b"v:"),
            expect: Expect::Any,
            ttl: None,
        };
        log.append(vec![op]).await.unwrap();
    };
    put_custom("before").await;
    let view = start(&log).await;
    put_custom("after").await;
    view.fresh().await.unwrap();
    let things = view.add(Resource {
        prefix: "example.com/things/".into(),
        ..pods()
    });
    assert_eq!(keys(&things.snapshot()), ["after=v:", "before=v:"]);
    put_custom("then").await;
    view.fresh().await.unwrap();
    assert_eq!(things.snapshot().len(), 3);
}

#[tokio::test]
async fn derived_indexes_are_told_before_readers() {
    #[derive(Default)]
    struct Names(Mutex<Vec<String>>);
    impl Derived for Names {
        fn wants(&self, prefix: &str) -> bool {
            prefix == "pods/"
        }
        fn apply(&self, _: &str, event: &Event) {
            self.0.lock().push(describe(event));
        }
    }
    let log = memory(1 << 20);
    put(&log, "a/1", "x:").await;
    let names = Arc::new(Names::default());
    let view = View::start(
        Arc::new(log.clone()),
        [pods()],
        vec![names.clone()],
        1 << 20,
    )
    .await
    .unwrap();
    delete(&log, "a/1").await;
    view.fresh().await.unwrap();
    assert_eq!(*names.0.lock(), ["a/1 ->x:", "a/1 x:>-"]);
}

/// A log over a network: it takes a while to say where its head is.
struct Remote {
    log: Memory,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl Log for Remote {
    async fn head(&self) -> Result<Revision, store::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Read when the request arrives, not when the answer does.
        let head = self.log.head().await;
        // The way back, on the test's own time.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        head
    }
    async fn load(&self, prefix: &[u8]) -> Result<store::Load, store::Error> {
        self.log.load(prefix).await
    }
    async fn append(&self, ops: Vec<Op>) -> Result<store::Appended, store::AppendError> {
        self.log.append(ops).await
    }
    fn tail(&self, after: Revision) -> store::Tail {
        self.log.tail(after)
    }
    async fn compact(&self, at: Revision) -> Result<(), store::Error> {
        self.log.compact(at).await
    }
    async fn health(&self) -> Result<store::Health, store::Error> {
        self.log.health().await
    }
    async fn shutdown(&self) {
        self.log.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn readers_that_wait_share_one_question_and_none_gets_an_answer_from_before_it_asked() {
    let log = memory(1 << 20);
    let remote = Arc::new(Remote {
        log: log.clone(),
        asked: AtomicUsize::new(0),
    });
    let view = View::start(remote.clone(), [pods()], vec![], 1 << 20)
        .await
        .unwrap();
    view.fresh().await.unwrap();
    let before = remote.asked.load(Ordering::SeqCst);
    let mut readers = tokio::task::JoinSet::new();
    for i in 0..100 {
        // Half of them come while a question is under way, each after a write of its own.
        while i == 50 && remote.asked.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        let written = put(&log, "a/1", &format!("{i}:")).await;
        let view = Arc::clone(&view);
        readers.spawn(async move {
            let seen = view.fresh().await.unwrap();
            assert!(seen >= written, "{seen} < {written}");
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    let asked = remote.asked.load(Ordering::SeqCst) - before;
    assert!(asked <= 3, "{asked} questions");
}
