//! A log that fails: what clients are told, and that reads go on.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use serde_json::json;
use store::clock::SystemClock;
use store::{
    AppendError, Appended, Entry, Error, Expect, Health, Load, Log, Memory, Op, Revision, Tail,
};
use tokio::sync::watch;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A log whose appends fail as they are told to.
struct Failing {
    log: Memory,
    mode: Arc<AtomicU8>,
    /// While it says so, what is written is not told of.
    late: watch::Receiver<bool>,
    /// How often it was asked for its head.
    asked: Arc<AtomicU64>,
}

impl Failing {
    fn new(log: Memory, mode: &Arc<AtomicU8>) -> Failing {
        let mode = Arc::clone(mode);
        // Whose sender is gone does not change any more.
        let late = watch::channel(false).1;
        Failing {
            log,
            mode,
            late,
            asked: Arc::default(),
        }
    }
}

const FINE: u8 = 0;
const UNAVAILABLE: u8 = 1;
const FULL: u8 = 2;
/// The append is made, and the answer lost.
const LOST: u8 = 3;
/// Of what is to go, somebody else makes an end first.
const RIVAL: u8 = 4;
/// As [`RIVAL`], and another object of that name is there before we look.
const RECREATED: u8 = 5;
const OTHER_UID: &str = "00000000-0000-4000-8000-000000000000";

fn goes(ops: &[Op]) -> bool {
    matches!(ops.first(), Some(Op::Delete { .. }))
}

/// The same object with another uid.
fn recreated(entry: &Entry) -> Op {
    // In protobuf: ObjectMeta's field 5, a string of 36 bytes.
    let tag = entry.value.windows(2).position(|tag| tag == [0x2a, 36]);
    let at = tag.unwrap() + 2;
    let mut value = entry.value.to_vec();
    value[at..at + OTHER_UID.len()].copy_from_slice(OTHER_UID.as_bytes());
    Op::Put {
        key: entry.key.clone(),
        value: value.into(),
        expect: Expect::Absent,
        ttl: None,
    }
}

#[async_trait]
impl Log for Failing {
    async fn head(&self) -> Result<Revision, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.log.head().await
    }
    async fn load(&self, prefix: &[u8]) -> Result<Load, Error> {
        self.log.load(prefix).await
    }
    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        match self.mode.load(Ordering::SeqCst) {
            UNAVAILABLE => Err(Error::Unavailable("no majority".into()).into()),
            FULL => Err(Error::NoSpace("disk full".into()).into()),
            LOST => {
                self.log.append(ops).await?;
                Err(Error::Unknown("connection lost".into()).into())
            }
            RIVAL if goes(&ops) => {
                self.log.append(ops.clone()).await?;
                self.log.append(ops).await
            }
            RECREATED if goes(&ops) => {
                let load = self.log.load(ops[0].key()).await?;
                let entry = load.collect().await?.1.remove(0);
                self.log.append(ops.clone()).await?;
                self.log.append(vec![recreated(&entry)]).await?;
                self.log.append(ops).await
            }
            _ => self.log.append(ops).await,
        }
    }
    fn tail(&self, after: Revision) -> Tail {
        let late = self.late.clone();
        Tail::new(self.log.tail(after).then(move |item| {
            let mut late = late.clone();
            async move {
                let _ = late.wait_for(|late| !late).await;
                item
            }
        }))
    }
    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.log.compact(at).await
    }
    async fn health(&self) -> Result<Health, Error> {
        self.log.health().await
    }
    async fn shutdown(&self) {
        self.log.shutdown().await;
    }
}

#[tokio::test]
async fn writes_fail_clearly_while_reads_go_on_and_it_recovers_by_itself() {
    let mode = Arc::new(AtomicU8::new(FINE));
    let failing = Failing::new(Memory::new(Arc::new(SystemClock), 1 << 20), &mode);
    let client = common::start_with(|config| config.log = Arc::new(failing)).await;
    client
        .post(MAPS, &json!({ "metadata": { "name": "a" } }))
        .await
        .ok();
    for (failure, code, reason) in [
        (UNAVAILABLE, 503, "ServiceUnavailable"),
        (FULL, 503, "ServiceUnavailable"),
    ] {
        mode.store(failure, Ordering::SeqCst);
        for answer in [
            client
                .post(MAPS, &json!({ "metadata": { "name": "b" } }))
                .await,
            client
                .patch(
                    &format!("{MAPS}/a"),
                    "application/merge-patch+json",
                    r#"{"data":{"k":"v"}}"#,
                )
                .await,
            client.delete(&format!("{MAPS}/a")).await,
        ] {
            assert_eq!(answer.headers["retry-after"], "1");
            let (got, why, _) = answer.refused();
            assert_eq!((got, why.as_str()), (code, reason));
        }
        assert_eq!(client.get(&format!("{MAPS}/a")).await.code, 200);
        assert_eq!(
            client.get(MAPS).await.ok()["items"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    // Nobody knows whether it was made; here it was.
    mode.store(LOST, Ordering::SeqCst);
    let (code, reason, _) = client
        .post(MAPS, &json!({ "metadata": { "name": "c" } }))
        .await
        .refused();
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    mode.store(FINE, Ordering::SeqCst);
    assert_eq!(client.get(&format!("{MAPS}/c")).await.code, 200);
    client
        .post(MAPS, &json!({ "metadata": { "name": "d" } }))
        .await
        .ok();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let log = Memory::new(Arc::new(SystemClock), 1 << 20);
    let (first, second) = (log.clone(), log.clone());
    let client = common::start_with(|config| config.log = Arc::new(first)).await;
    let made = client
        .post(
            MAPS,
            &json!({ "metadata": { "name": "a" }, "data": { "k": "v" } }),
        )
        .await
        .ok();
    let before = client.server.api.view.applied();
    client.server.stop();
    // The service account is there already; making it again is refused.
    let again = common::start_existing(|config| config.log = Arc::new(second)).await;
    assert_eq!(again.get(&format!("{MAPS}/a")).await.ok(), made);
    assert_eq!(
        again.server.api.view.applied(),
        before,
        "a start of what is complete writes nothing"
    );
}

#[tokio::test]
async fn a_start_gives_roles_of_an_earlier_release_what_they_lack() {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let log = Memory::new(Arc::new(SystemClock), 1 << 20);
    let (first, second) = (log.clone(), log.clone());
    let client = common::start_with(|config| config.log = Arc::new(first)).await;
    let own = json!({ "verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"] });
    let names = ["system:node-proxier", "system:kube-scheduler"];
    let mut before = Vec::new();
    for name in names {
        let path = format!("{ROLES}/{name}");
        let mut role = client.get(&path).await.ok();
        before.push(role["rules"].as_array().unwrap().clone());
        role["rules"] = json!([own]);
        if name == names[1] {
            role["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] =
                "false".into();
        }
        client.put(&path, &role).await.ok();
    }
    client.server.stop();

    let client = common::start_existing(|config| config.log = Arc::new(second)).await;
    let rules = client.get(&format!("{ROLES}/{}", names[0])).await.ok();
    let mut wanted = vec![own.clone()];
    wanted.extend(before[0].clone());
    assert_eq!(rules["rules"], json!(wanted));
    let theirs = client.get(&format!("{ROLES}/{}", names[1])).await.ok();
    assert_eq!(theirs["rules"], json!([own]));
}

#[tokio::test]
async fn two_servers_of_one_log_serve_one_cluster() {
    let log = Memory::new(Arc::new(SystemClock), 1 << 20);
    let (first, second) = (log.clone(), log.clone());
    let one = common::start_with(|config| config.log = Arc::new(first)).await;
    let two = common::start_existing(|config| config.log = Arc::new(second)).await;
    let mut watch = two.watch(&format!("{MAPS}?watch=1")).await;
    for i in 0..20 {
        let name = format!("m{i}");
        one.post(MAPS, &json!({ "metadata": { "name": name } }))
            .await
            .ok();
        // A read without a version is as new as any acknowledged write, whichever server made it.
        let read = two.get(&format!("{MAPS}/{name}")).await.ok();
        let patched = two
            .patch(
                &format!("{MAPS}/{name}"),
                "application/merge-patch+json",
                r#"{"data":{"k":"v"}}"#,
            )
            .await
            .ok();
        assert_ne!(
            read["metadata"]["resourceVersion"],
            patched["metadata"]["resourceVersion"]
        );
        one.delete(&format!("{MAPS}/{name}")).await.ok();
        for kind in ["ADDED", "MODIFIED", "DELETED"] {
            assert_eq!(watch.step().await, (kind.to_owned(), name.clone()));
        }
    }
}

#[tokio::test]
async fn that_nothing_would_change_is_said_of_the_newest_version() {
    let memory = Memory::new(Arc::new(SystemClock), 1 << 20);
    let (lag, late) = watch::channel(false);
    let slow = Failing {
        late,
        ..Failing::new(memory.clone(), &Arc::default())
    };
    let asked = Arc::clone(&slow.asked);
    let one = common::start_with(|config| config.log = Arc::new(slow)).await;
    let two = common::start_existing(|config| config.log = Arc::new(memory)).await;
    let map = json!({ "metadata": { "name": "m" }, "data": { "k": "one" } });
    one.post(MAPS, &map).await.ok();
    let path = format!("{MAPS}/m");
    let set = |value: &str| format!(r#"{{"data":{{"k":"{value}"}}}}"#);
    let merge = "application/merge-patch+json";

    // The first server has not seen what the second acknowledges.
    lag.send_replace(true);
    two.patch(&path, merge, set("two")).await.ok();
    let before = asked.load(Ordering::SeqCst);
    let doubts = async {
        while asked.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        lag.send_replace(false);
    };
    // One that does not doubt what it shows is done before, and never asks.
    let patch = one.patch(&path, merge, set("one"));
    let both = async { tokio::join!(patch, doubts) };
    let (patched, ()) = tokio::time::timeout(std::time::Duration::from_secs(10), both)
        .await
        .expect("it asks whether it is up to date");
    assert_eq!(patched.ok()["data"]["k"], "one");
    assert_eq!(two.get(&path).await.ok()["data"]["k"], "one");
}

#[tokio::test]
async fn a_delete_that_others_finish_has_succeeded_and_spares_who_comes_after() {
    let mode = Arc::new(AtomicU8::new(FINE));
    let failing = Failing::new(Memory::new(Arc::new(SystemClock), 1 << 20), &mode);
    let client = common::start_with(|config| config.log = Arc::new(failing)).await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "metadata": { "name": "p" },
        "spec": { "nodeName": "n", "containers": [{ "name": "c", "image": "x" }] } });
    for (rival, left) in [(RIVAL, 404), (RECREATED, 200)] {
        let made = client.post(pods, &pod).await.ok();
        mode.store(rival, Ordering::SeqCst);
        // The kubelet sees the pod marked with no time left, and ends it before the server comes to that.
        let gone = client
            .delete(&format!("{pods}/p?gracePeriodSeconds=0"))
            .await
            .ok();
        mode.store(FINE, Ordering::SeqCst);
        assert_eq!(gone["metadata"]["uid"], made["metadata"]["uid"]);
        assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 0);
        let after = client.get(&format!("{pods}/p")).await;
        assert_eq!(after.code, left);
        if left == 200 {
            assert_eq!(after.json()["metadata"]["uid"], OTHER_UID);
        }
        // What was gone before it began is not found.
        client
            .delete(&format!("{pods}/p?gracePeriodSeconds=0"))
            .await;
        mode.store(rival, Ordering::SeqCst);
        let none = client
            .delete(&format!("{pods}/p?gracePeriodSeconds=0"))
            .await;
        assert_eq!(none.code, 404);
        mode.store(FINE, Ordering::SeqCst);
    }
}
