//! The reconcile loop: a small controller that keeps one ConfigMap for each Secret, under every fault at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod fake;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use api::core::v1::{ConfigMap, Secret};
use fake::{FakeApi, Faults};
use parking_lot::Mutex;
use runtime::{
    BackoffPolicy, CancellationToken, Context, Controller, Informer, Informers, Key, Next, Queue,
    Random, ReconcileError, Resource, SystemClock, TokioClock, Wiring,
    client::{DeleteOptions, ResultExt},
    controller,
    events::Recorder,
};
use serde_json::json;

const SECRETS: &str = "/api/v1/secrets";
const CONFIGMAPS: &str = "/api/v1/configmaps";

#[derive(Default)]
struct Seen {
    busy: Mutex<BTreeMap<Key, u32>>,
    reconciles: AtomicU32,
    unsynced: AtomicBool,
}

struct Mirror {
    secrets: Informer<()>,
    configmaps: Informer<()>,
    panics: Random,
    panic_percent: u64,
    seen: Arc<Seen>,
}

impl Controller for Mirror {
    const NAME: &'static str = "mirror";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.secrets);
        wiring.watch_own(&self.configmaps);
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        self.seen.reconciles.fetch_add(1, Relaxed);
        if !self.secrets.is_synced() || !self.configmaps.is_synced() {
            self.seen.unsynced.store(true, Relaxed);
        }
        let beside = self.seen.busy.lock().insert(key.clone(), 1);
        assert_eq!(beside, None, "{key} is worked on twice at once");
        tokio::time::sleep(Duration::from_millis(cx.random.below(50))).await;
        self.seen.busy.lock().remove(key);
        if self.panics.below(100) < self.panic_percent {
            panic!("planted");
        }
        let resource = self.configmaps.resource();
        match (self.secrets.get(key), self.configmaps.get(key)) {
            (Some(_), None) => {
                let body = json!({"metadata": {"name": key.name()}});
                let path = resource.collection_path(key.namespace());
                let created = cx.client.json(http::Method::POST, path, Some(&body)).await;
                match created {
                    // A reply that was lost: it is there, as wished.
                    Err(error) if error.is_already_exists() => {}
                    other => drop(other?),
                }
            }
            (None, Some(_)) => {
                cx.client
                    .delete(resource, key, &DeleteOptions::default())
                    .await
                    .optional()?;
            }
            _ => {}
        }
        Ok(Next::Done)
    }
}

fn context(api: &FakeApi, seed: u64, shutdown: &CancellationToken) -> Context {
    let (client, random) = (api.client(), Random::from_seed(seed));
    let clock = Arc::new(TokioClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    Context {
        events: Recorder::start(client.clone(), clock.clone(), random.fork(), "test", ""),
        informers: Informers::new(client.clone(), random.fork(), shutdown.clone()),
        queue: Queue::new(BackoffPolicy::KEY),
        shutdown: shutdown.clone(),
        client,
        clock,
        random,
    }
}

fn mirror(cx: &Context, panic_percent: u64) -> Mirror {
    Mirror {
        secrets: cx.informers.informer(&Resource::of(Secret::TYPE)),
        configmaps: cx.informers.informer(&Resource::of(ConfigMap::TYPE)),
        panics: cx.random.fork(),
        panic_percent,
        seen: Arc::default(),
    }
}

fn names(api: &FakeApi, path: &str) -> Vec<String> {
    api.list(path)
        .iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap_or("").to_owned())
        .collect()
}

async fn converged(api: &FakeApi) {
    let equal = tokio::time::timeout(Duration::from_secs(3600), async {
        while names(api, SECRETS) != names(api, CONFIGMAPS) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    equal
        .await
        .expect("converges within an hour of virtual time");
}

async fn run(seed: u64) -> u64 {
    let api = FakeApi::new(seed);
    api.set_faults(Faults {
        expired: 40,
        dropped_watches: 20,
        lost_replies: 20,
        unavailable: 20,
        ..Default::default()
    });
    let random = Random::from_seed(seed ^ 0xabcd);
    let mut shutdown = CancellationToken::new();
    let mut running = None;
    for step in 0..200 {
        // Now and then the controller's process dies in the midst of its work, and another starts.
        if step % 50 == 0 {
            shutdown.cancel();
            shutdown = CancellationToken::new();
            let cx = context(&api, seed + step, &shutdown);
            let controller = mirror(&cx, 10);
            let seen = controller.seen.clone();
            let wired = controller::wire(controller, &cx);
            cx.informers.start();
            tokio::spawn(wired.run(shutdown.clone()));
            running = Some(seen);
        }
        let name = format!("s{}", random.below(15));
        if random.below(3) == 0 {
            api.remove(SECRETS, &format!("ns/{name}"));
        } else {
            api.put(
                SECRETS,
                json!({"metadata": {"namespace": "ns", "name": name}}),
            );
        }
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
    }
    converged(&api).await;
    let seen = running.expect("one runs");
    assert!(
        !seen.unsynced.load(Relaxed),
        "reconciled before the informers were synced"
    );
    shutdown.cancel();
    api.trace()
}

#[test]
fn under_faults_panics_and_restarts_every_seed_converges_and_repeats_exactly() {
    for seed in 0..20 {
        let once = || {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .unwrap();
                runtime.block_on(run(seed * 1000))
            })
            .join()
            .unwrap_or_else(|_| panic!("seed {seed} failed"))
        };
        assert_eq!(once(), once(), "seed {seed} is not deterministic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_always_panics_on_a_key_still_serves_the_others() {
    struct Picky(Informer<()>, Arc<AtomicU32>);
    impl Controller for Picky {
        const NAME: &'static str = "picky";
        fn workers(&self) -> usize {
            1
        }
        fn wire(&self, wiring: &mut Wiring<'_>) {
            wiring.watch_own(&self.0);
        }
        async fn reconcile(&self, _: &Context, key: &Key) -> Result<Next, ReconcileError> {
            assert_ne!(key.name(), "bad");
            self.1.fetch_add(1, Relaxed);
            Ok(Next::Done)
        }
    }
    let api = FakeApi::new(1);
    for name in ["a", "bad", "c"] {
        api.put(
            SECRETS,
            json!({"metadata": {"namespace": "ns", "name": name}}),
        );
    }
    let shutdown = CancellationToken::new();
    let cx = context(&api, 1, &shutdown);
    let done = Arc::new(AtomicU32::new(0));
    let wired = controller::wire(
        Picky(
            cx.informers.informer(&Resource::of(Secret::TYPE)),
            done.clone(),
        ),
        &cx,
    );
    let queue = wired.queue().clone();
    cx.informers.start();
    let task = tokio::spawn(wired.run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(done.load(Relaxed), 2);
    assert!(
        queue.failures(&Key::new("ns", "bad")) > 5,
        "and it is retried"
    );
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), task)
        .await
        .expect("ends in time")
        .expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_loop_even_while_a_reconcile_hangs() {
    struct Hangs(Informer<()>);
    impl Controller for Hangs {
        const NAME: &'static str = "hangs";
        fn wire(&self, wiring: &mut Wiring<'_>) {
            wiring.watch_own(&self.0);
        }
        async fn reconcile(&self, _: &Context, _: &Key) -> Result<Next, ReconcileError> {
            std::future::pending().await
        }
    }
    let api = FakeApi::new(1);
    api.put(
        SECRETS,
        json!({"metadata": {"namespace": "ns", "name": "a"}}),
    );
    let shutdown = CancellationToken::new();
    let cx = context(&api, 1, &shutdown);
    let wired = controller::wire(
        Hangs(cx.informers.informer(&Resource::of(Secret::TYPE))),
        &cx,
    );
    cx.informers.start();
    let task = tokio::spawn(wired.run(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(10)).await;
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), task)
        .await
        .expect("within five seconds")
        .expect("no panic");
}

/// The system clock is for real processes; this only shows that it is one.
#[test]
fn the_system_clock_is_past_the_epoch() {
    assert!(SystemClock::shared().now() > jiff::Timestamp::UNIX_EPOCH);
}
