//! Informers against a server that fails in all the ways it may: what they hold is in the end what is, and handlers hear of
//! every change, deletions above all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod fake;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::core::v1::ConfigMap;
use fake::{FakeApi, Faults};
use parking_lot::Mutex;
use runtime::{CancellationToken, Informer, Informers, Key, Projection, Random, Resource, Scope};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/configmaps";

/// The value of one entry of a ConfigMap.
struct Text(String);

impl Projection for Text {
    fn project(object: &api::tree::Tree) -> Self {
        Text(
            ConfigMap::of(object)
                .data()
                .get("text")
                .unwrap_or("")
                .to_owned(),
        )
    }
}

fn configmap(name: &str, text: &str) -> Value {
    json!({"metadata": {"namespace": "ns", "name": name}, "data": {"text": text}})
}

struct Bench {
    api: FakeApi,
    informers: Informers,
    informer: Informer<Text>,
    /// What handlers were told, applied: must equal the informer's content at any time.
    told: Arc<Mutex<BTreeMap<Key, String>>>,
    /// Names that handlers were told of as deleted, with the uid.
    deleted: Arc<Mutex<Vec<(String, String)>>>,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let api = FakeApi::new(seed);
        let informers = Informers::new(
            api.client(),
            Random::from_seed(seed),
            CancellationToken::new(),
        );
        let informer: Informer<Text> = informers.informer(&Resource::of(ConfigMap::TYPE));
        let (told, deleted) = (
            Arc::new(Mutex::new(BTreeMap::new())),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (t, d) = (told.clone(), deleted.clone());
        informer.on_change(move |change| {
            let mut told = t.lock();
            let key = change.latest().key.clone();
            assert_eq!(
                change.old.is_some(),
                told.contains_key(&key),
                "old is there exactly if it was told of before"
            );
            match change.new {
                Some(new) => drop(told.insert(key, new.value.0.clone())),
                None => {
                    told.remove(&key);
                    d.lock()
                        .push((key.name().to_owned(), change.latest().uid.to_string()));
                }
            }
        });
        Bench {
            api,
            informers,
            informer,
            told,
            deleted,
        }
    }

    fn holds(&self) -> BTreeMap<Key, String> {
        self.informer
            .list()
            .iter()
            .map(|o| (o.key.clone(), o.value.0.clone()))
            .collect()
    }

    fn truth(&self) -> BTreeMap<Key, String> {
        let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
        let entry = |o: &Value| {
            (
                Key::new("ns", &text(&o["metadata"]["name"])),
                text(&o["data"]["text"]),
            )
        };
        self.api.list(PATH).iter().map(entry).collect()
    }

    async fn converged(&self) {
        let until = tokio::time::timeout(Duration::from_secs(600), async {
            while self.holds() != self.truth() || *self.told.lock() != self.truth() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        until
            .await
            .expect("the informer shows what is, within ten minutes");
    }

    async fn synced(&self) {
        self.informers.start();
        tokio::time::timeout(Duration::from_secs(600), self.informer.synced())
            .await
            .expect("syncs");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_seen_and_then_what_changes() {
    let b = Bench::new(1);
    b.api.put(PATH, configmap("a", "1"));
    b.synced().await;
    assert_eq!(b.holds(), b.truth());
    b.api.put(PATH, configmap("a", "2"));
    b.api.put(PATH, configmap("b", "1"));
    b.converged().await;
    b.api.remove(PATH, "ns/a");
    b.converged().await;
    assert_eq!(b.deleted.lock().len(), 1);
    assert_eq!(b.api.counts().2, 1, "one watch did it all");
}

#[tokio::test(start_paused = true)]
async fn deletions_missed_while_disconnected_are_found_by_the_relist() {
    let b = Bench::new(2);
    for name in ["a", "b", "c"] {
        b.api.put(PATH, configmap(name, "1"));
    }
    b.synced().await;
    b.api.break_watches();
    b.api.remove(PATH, "ns/b");
    b.api.compact();
    b.converged().await;
    assert_eq!(*b.deleted.lock(), [("b".to_owned(), "uid-2".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_successor_of_the_same_name_is_a_deletion_and_a_creation() {
    let b = Bench::new(3);
    b.api.put(PATH, configmap("a", "1"));
    b.synced().await;
    b.api.break_watches();
    b.api.remove(PATH, "ns/a");
    b.api.put(PATH, configmap("a", "1"));
    b.api.compact();
    let until = tokio::time::timeout(Duration::from_secs(60), async {
        while b.deleted.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    until.await.expect("the deletion in between is told");
    b.converged().await;
    assert_eq!(*b.deleted.lock(), [("a".to_owned(), "uid-1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streamed_lists_is_read_in_pages() {
    let b = Bench::new(4);
    b.api.set_faults(Faults {
        no_watch_list: true,
        ..Default::default()
    });
    for i in 0..1200 {
        b.api.put(PATH, configmap(&format!("c{i:04}"), "1"));
    }
    b.synced().await;
    assert_eq!(b.informer.len(), 1200);
    assert_eq!(b.api.counts().1, 3, "three pages of 500");
    b.api.put(PATH, configmap("c0007", "2"));
    b.api.remove(PATH, "ns/c0008");
    b.converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_resumed_watch_lists_nothing_anew() {
    let b = Bench::new(5);
    b.api.put(PATH, configmap("a", "1"));
    b.synced().await;
    for i in 0..5 {
        b.api.put(PATH, configmap("a", &format!("{i}")));
        b.converged().await;
        b.api.break_watches();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    b.api.put(PATH, configmap("a", "end"));
    b.converged().await;
    let (_, lists, watches) = b.api.counts();
    assert_eq!(lists, 0);
    assert!(watches >= 6, "{watches}");
    assert!(b.deleted.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn indexes_follow_every_change() {
    let b = Bench::new(6);
    b.api.put(PATH, configmap("a", "red"));
    b.informer.add_index("text", |o| vec![o.value.0.clone()]);
    b.synced().await;
    b.api.put(PATH, configmap("b", "red"));
    b.converged().await;
    let names = |value: &str| -> Vec<String> {
        b.informer
            .by_index("text", value)
            .iter()
            .map(|o| o.key.name().to_owned())
            .collect()
    };
    assert_eq!(names("red"), ["a", "b"]);
    b.api.put(PATH, configmap("a", "blue"));
    b.converged().await;
    assert_eq!(
        (names("red"), names("blue")),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
    b.api.remove(PATH, "ns/b");
    b.converged().await;
    assert!(names("red").is_empty());
    assert_eq!(b.informer.index_values("text"), ["blue"]);
}

#[tokio::test(start_paused = true)]
async fn two_readers_of_one_resource_share_one_watch_and_a_late_one_is_filled_too() {
    let b = Bench::new(7);
    b.api.put(PATH, configmap("a", "1"));
    let names: Informer<()> = b.informers.informer(&Resource::of(ConfigMap::TYPE));
    b.synced().await;
    names.synced().await;
    assert_eq!((names.len(), b.api.counts().2), (1, 1));

    struct Late;
    impl Projection for Late {
        fn project(_: &api::tree::Tree) -> Self {
            Late
        }
    }
    let late: Informer<Late> = b.informers.informer(&Resource::of(ConfigMap::TYPE));
    tokio::time::timeout(Duration::from_secs(60), late.synced())
        .await
        .expect("syncs");
    assert_eq!(late.len(), 1);
    assert_eq!(
        b.api.counts().2,
        2,
        "listed anew for the late one, not watched twice for good"
    );
    b.api.put(PATH, configmap("b", "1"));
    b.converged().await;
    assert_eq!((names.len(), late.len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_scope_shows_its_namespace_alone() {
    let b = Bench::new(8);
    b.api.put(PATH, configmap("a", "1"));
    b.api.put(
        PATH,
        json!({"metadata": {"namespace": "other", "name": "x"}}),
    );
    let scope = Scope {
        namespace: "other".into(),
        ..Default::default()
    };
    let other: Informer<()> = b.informers.scoped(&Resource::of(ConfigMap::TYPE), scope);
    b.informers.start();
    other.synced().await;
    assert_eq!(
        other
            .list()
            .iter()
            .map(|o| o.key.to_string())
            .collect::<Vec<_>>(),
        ["other/x"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_keeps_nobody_else_from_hearing() {
    let b = Bench::new(9);
    b.informer.on_change(|_| panic!("planted"));
    let heard = Arc::new(Mutex::new(0));
    let h = heard.clone();
    b.informer.on_change(move |_| *h.lock() += 1);
    b.synced().await;
    b.api.put(PATH, configmap("a", "1"));
    b.converged().await;
    assert_eq!(*heard.lock(), 1);
}

/// A handler may well hold what it listens to, as a controller does: with both, all that was cached would stay for ever.
#[tokio::test(start_paused = true)]
async fn an_informer_that_ended_lets_go_of_its_handlers() {
    let b = Bench::new(10);
    let held = Arc::new(());
    let (own, kept) = (b.informer.clone(), held.clone());
    b.informer.on_change(move |_| {
        let _ = (&own, &kept);
    });
    b.synced().await;
    assert_eq!(Arc::strong_count(&held), 2);
    b.informers.stop(&Resource::of(ConfigMap::TYPE));
    tokio::time::timeout(Duration::from_secs(60), async {
        while Arc::strong_count(&held) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the handler is dropped");
}

/// Random writes under random faults; returns the trace of the server and what handlers were told of deletions.
async fn churn(seed: u64) -> (u64, usize) {
    let b = Bench::new(seed);
    b.api.set_faults(Faults {
        expired: 60,
        dropped_watches: 20,
        unavailable: 10,
        no_watch_list: seed.is_multiple_of(2),
        ..Default::default()
    });
    let random = Random::from_seed(seed);
    b.informers.start();
    for i in 0..300 {
        let name = format!("c{}", random.below(20));
        match random.below(4) {
            0 => b.api.remove(PATH, &format!("ns/{name}")),
            1 if random.below(10) == 0 => b.api.compact(),
            _ => drop(b.api.put(PATH, configmap(&name, &i.to_string()))),
        }
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
    }
    b.converged().await;
    let deleted = b.deleted.lock().len();
    (b.api.trace(), deleted)
}

#[test]
fn under_faults_every_seed_converges_and_two_runs_of_it_are_the_same() {
    for seed in 0..40 {
        // A fresh thread and runtime each, so that nothing carries over.
        let run = || {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .unwrap();
                runtime.block_on(churn(seed))
            })
            .join()
            .unwrap_or_else(|_| panic!("seed {seed} failed"))
        };
        let first = run();
        assert_eq!(first, run(), "seed {seed} is not deterministic");
        assert!(first.1 > 0, "seed {seed} deleted nothing");
    }
}
