//! Leader election: one leads; another takes over when it must, and not before.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod fake;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use fake::{FakeApi, Faults};
use runtime::{
    CancellationToken, Key, Random, TokioClock,
    election::{Election, Ended},
};
use tokio::{task::JoinHandle, time::Instant};

const LEASES: &str = "/apis/coordination.k8s.io/v1/leases";

struct Candidate {
    shutdown: CancellationToken,
    task: JoinHandle<Ended>,
}

fn candidate(api: &FakeApi, name: &str, seed: u64, leading: &Arc<AtomicU32>) -> Candidate {
    let clock = Arc::new(TokioClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    let lease = Key::new("kube-system", "test");
    let election = Election::new(
        api.client(),
        clock,
        Random::from_seed(seed),
        lease,
        name.to_owned(),
    );
    let shutdown = CancellationToken::new();
    let leading = leading.clone();
    let task = tokio::spawn(election.lead(shutdown.clone(), move |stop| async move {
        assert_eq!(leading.fetch_add(1, Relaxed), 0, "two lead at once");
        stop.cancelled().await;
        leading.fetch_sub(1, Relaxed);
    }));
    Candidate { shutdown, task }
}

async fn until(what: &str, condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
    start.elapsed()
}

fn holder(api: &FakeApi) -> String {
    let lease = api.get(LEASES, "kube-system/test");
    lease
        .and_then(|l| l["spec"]["holderIdentity"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_shuts_down_releases_and_the_other_takes_over_at_once() {
    let (api, leading) = (FakeApi::new(1), Arc::new(AtomicU32::new(0)));
    let a = candidate(&api, "a", 1, &leading);
    until("a leads", || holder(&api) == "a").await;
    let b = candidate(&api, "b", 2, &leading);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(holder(&api), "a", "it renews");
    a.shutdown.cancel();
    assert_eq!(a.task.await.expect("no panic"), Ended::Shutdown);
    assert_eq!(holder(&api), "", "released");
    let took = until("b leads", || holder(&api) == "b").await;
    assert!(
        took < Duration::from_secs(6),
        "{took:?}: within a jittered retry period and the released second"
    );
    let lease = api.get(LEASES, "kube-system/test").expect("there");
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    b.shutdown.cancel();
    b.task.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_replaced_after_its_lease_and_not_before() {
    let (api, leading) = (FakeApi::new(1), Arc::new(AtomicU32::new(0)));
    let a = candidate(&api, "a", 1, &leading);
    until("a leads", || leading.load(Relaxed) == 1).await;
    let _b = candidate(&api, "b", 2, &leading);
    tokio::time::sleep(Duration::from_secs(30)).await;
    a.task.abort();
    leading.store(0, Relaxed);
    let took = until("b leads", || holder(&api) == "b").await;
    assert!(
        took >= Duration::from_secs(12) && took <= Duration::from_secs(24),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_begins() {
    let (api, leading) = (FakeApi::new(1), Arc::new(AtomicU32::new(0)));
    let a = candidate(&api, "a", 1, &leading);
    until("a leads", || leading.load(Relaxed) == 1).await;
    api.set_faults(Faults {
        unavailable: 100,
        ..Default::default()
    });
    let start = Instant::now();
    assert_eq!(a.task.await.expect("no panic"), Ended::Lost);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(8) && took < Duration::from_secs(13),
        "{took:?}"
    );
    assert_eq!(leading.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn lost_replies_and_refusals_do_not_make_two_leaders() {
    let (api, leading) = (FakeApi::new(3), Arc::new(AtomicU32::new(0)));
    api.set_faults(Faults {
        lost_replies: 20,
        unavailable: 20,
        ..Default::default()
    });
    let candidates: Vec<_> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(i, n)| candidate(&api, n, i as u64, &leading))
        .collect();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    for candidate in candidates {
        candidate.shutdown.cancel();
        candidate.task.await.expect("never two at once");
    }
}
