//! What no server should take, sent to upstream's API server and to ours: the same code, reason, message, causes and warnings;
//! nothing stored; no memory kept.
//!
//! `GANTRY_BAD_INPUT=TEXT` sends only the cases whose name contains the text, and prints both answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;
mod protobuf;
mod request;
mod slow;
mod table;

use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::apiserver::Apiserver;
use e2e::load::client::Target;
use e2e::upstream::UpstreamApiserver;
use http::Method;
use request::{Answer, Bad, JSON};
use serde_json::Value;

/// How much the server may keep, in bytes, of what it has refused.
const GROWTH: u64 = 50_000_000;
/// In so long the allocator has given back what was freed.
const SETTLED: Duration = Duration::from_secs(5);
/// How long ours may take for one case: what upstream waits for a revision that does not come, and some.
const SLOWEST: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_refuses_is_refused_alike_stores_nothing_and_costs_nothing() {
    let upstream = UpstreamApiserver::start(&[]).unwrap();
    let ours = Apiserver::start(&[]).unwrap();
    let theirs = Target::from_kubeconfig(&upstream.admin).unwrap();
    let target = Target::from_kubeconfig(&ours.admin).unwrap();
    for server in [&theirs, &target] {
        prepare(server).await;
    }
    let (head, memory) = (
        head(&target).await,
        ours.process.anonymous_memory().unwrap(),
    );

    let only = std::env::var("GANTRY_BAD_INPUT").ok();
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in table::all() {
        if only.as_ref().is_some_and(|text| !case.what.contains(text)) {
            continue;
        }
        compared += 1;
        let expected = case.answer(&theirs).await;
        let start = Instant::now();
        let answer = case.answer(&target).await;
        let took = start.elapsed();
        if only.is_some() {
            println!("{}\n  theirs {expected:?}\n  ours   {answer:?}", case.what);
        }
        if !equal(&case, &expected, &answer) {
            wrong.push(format!(
                "{}\n  theirs {expected:?}\n  ours   {answer:?}",
                case.what
            ));
        }
        if took > SLOWEST {
            wrong.push(format!("{}: took {took:?}", case.what));
        }
    }
    println!("{compared} requests");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(self::head(&target).await, head, "something was stored");
    stays_small(&ours, memory).await;
}

/// Waits until the server has hardly grown since it had `before` bytes of anonymous memory.
async fn stays_small(server: &Apiserver, before: u64) {
    let end = Instant::now() + SETTLED;
    loop {
        let memory = server.process.anonymous_memory().unwrap();
        let grown = memory.saturating_sub(before);
        if grown < GROWTH {
            return println!("{} MB more", grown / 1_000_000);
        }
        assert!(Instant::now() < end, "{grown} bytes more than before");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn equal(case: &Bad, expected: &Answer, answer: &Answer) -> bool {
    match (case.ours, case.words_differ) {
        // An exception that is none any more shall go.
        (Some((code, _)), _) => answer.code == code && expected.code != code,
        (_, Some(_)) => expected.outline() == answer.outline(),
        _ => expected == answer,
    }
}

async fn prepare(target: &Target) {
    let mut connection = target.connect().await.unwrap();
    for (path, object) in table::fixtures() {
        connection
            .expect(Method::POST, path, JSON, Bytes::from(object.to_string()))
            .await
            .unwrap();
    }
}

/// The log's head: the revision of a list without items.
async fn head(target: &Target) -> String {
    let mut connection = target.connect().await.unwrap();
    let list = connection
        .get("/api/v1/namespaces/none/configmaps", JSON)
        .await
        .unwrap();
    let list: Value = serde_json::from_slice(list.body()).unwrap();
    list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}
