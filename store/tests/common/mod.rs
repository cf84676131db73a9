//! What the tests of the store share: clocks, disks, etcd servers, and small words for operations.
#![allow(dead_code)] // Each test binary uses its part.

pub mod clock;
pub mod disk;
pub mod etcd;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use store::{
    AppendError, Change, ChangeSet, Conflict, Entry, Expect, Log, Op, Revision, Tail, TailEvent,
};

/// How long a condition is waited for before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn bytes(text: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref())
}

pub fn put(key: &str, value: &str, expect: Expect) -> Op {
    Op::Put {
        key: bytes(key),
        value: bytes(value),
        expect,
        ttl: None,
    }
}

pub fn delete(key: &str, expect: Expect) -> Op {
    Op::Delete {
        key: bytes(key),
        expect,
    }
}

pub fn check(key: &str, expect: Expect) -> Op {
    Op::Check {
        key: bytes(key),
        expect,
    }
}

/// Appends one operation that must succeed.
pub async fn one(log: &dyn Log, op: Op) -> Revision {
    log.append(vec![op]).await.unwrap().revision
}

pub fn conflict<T: std::fmt::Debug>(result: Result<T, AppendError>) -> Conflict {
    match result {
        Err(AppendError::Conflict(conflict)) => *conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

pub async fn all(log: &dyn Log, prefix: &str) -> Vec<Entry> {
    let load = log.load(prefix.as_bytes()).await.unwrap();
    load.collect().await.unwrap().1
}

pub fn pairs(entries: &[Entry]) -> Vec<(String, String)> {
    let text = |b: &Bytes| String::from_utf8(b.to_vec()).unwrap();
    entries
        .iter()
        .map(|e| (text(&e.key), text(&e.value)))
        .collect()
}

pub fn change(key: &str, value: Option<&str>, create_revision: Revision) -> Change {
    Change {
        key: bytes(key),
        value: value.map(bytes),
        create_revision,
    }
}

/// The next change set, passing over progress.
pub async fn next_set(tail: &mut Tail) -> ChangeSet {
    loop {
        let event = tokio::time::timeout(PATIENCE, tail.next()).await;
        match event.expect("a change set in time").expect("no end") {
            Ok(TailEvent::Changes(set)) => return set,
            Ok(TailEvent::Progress(_)) => {}
            Err(error) => panic!("the tail failed: {error}"),
        }
    }
}

/// Reads until the tail has reached a revision; returns the sets on the way.
pub async fn until(tail: &mut Tail, revision: Revision, mut reached: Revision) -> Vec<ChangeSet> {
    let mut sets = Vec::new();
    while reached < revision {
        let event = tokio::time::timeout(PATIENCE, tail.next()).await;
        let event = event
            .unwrap_or_else(|_| panic!("the tail stuck at {reached}, wanted {revision}"))
            .expect("no end")
            .unwrap();
        assert!(event.revision() > reached, "{event:?} after {reached}");
        reached = event.revision();
        if let TailEvent::Changes(set) = event {
            sets.push(set);
        }
    }
    sets
}

/// The error that a tail ends with.
pub async fn failure(tail: &mut Tail) -> store::Error {
    loop {
        let event = tokio::time::timeout(PATIENCE, tail.next()).await;
        match event.expect("an error in time") {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(tail.next().await.is_none(), "nothing follows an error");
                return error;
            }
            None => panic!("the tail ended without an error"),
        }
    }
}
