//! What every engine must do: the contract of the crate's page, point by point.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use store::{AppendError, Error, Expect, MAX_BYTES, MAX_OPS, Op, Revision, Tail, TailEvent, ttl};

use crate::beds::Bed;
use crate::common::{
    PATIENCE, all, bytes, change, check, conflict, delete, failure, next_set, one, pairs, put,
    until,
};

pub async fn what_is_appended_is_loaded(bed: &Bed) {
    let log = &*bed.log;
    assert!(all(log, "").await.is_empty());
    let first = log.head().await.unwrap();
    assert!(first >= Revision::FIRST);
    let at = one(log, put("pods/a/x", "1", Expect::Absent)).await;
    assert!(at > first);
    let load = log.load(b"").await.unwrap();
    assert_eq!(load.revision, at);
    let entries = load.collect().await.unwrap().1;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(
        (&entry.key[..], &entry.value[..]),
        (&b"pods/a/x"[..], &b"1"[..])
    );
    assert_eq!((entry.create_revision, entry.mod_revision), (at, at));
    assert!(!entry.expires);
    assert_eq!(log.head().await.unwrap(), at);
}

pub async fn a_load_is_ordered_limited_to_its_prefix_and_not_moved_by_later_writes(bed: &Bed) {
    let log = &*bed.log;
    for key in ["b/2", "a/1", "b/10", "b/1", "c/1", "b0", "b"] {
        one(log, put(key, key, Expect::Absent)).await;
    }
    let load = log.load(b"b/").await.unwrap();
    one(log, put("b/1", "later", Expect::Any)).await;
    one(log, put("b/3", "later", Expect::Any)).await;
    one(log, delete("b/2", Expect::Any)).await;
    let (revision, entries) = load.collect().await.unwrap();
    let expected = ["b/1", "b/10", "b/2"].map(|k| (k.to_owned(), k.to_owned()));
    assert_eq!(pairs(&entries), expected);
    assert!(revision < log.head().await.unwrap());
}

pub async fn a_large_load_comes_in_chunks(bed: &Bed) {
    let log = &*bed.log;
    let value = "v".repeat(8_000);
    for batch in 0..25 {
        let ops = (0..100).map(|n| put(&format!("k/{batch:02}/{n:02}"), &value, Expect::Absent));
        log.append(ops.collect()).await.unwrap();
    }
    let mut load = log.load(b"k/").await.unwrap();
    let (mut chunks, mut keys) = (0, Vec::new());
    while let Some(chunk) = load.chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(!chunk.is_empty());
        chunks += 1;
        keys.extend(chunk.into_iter().map(|e| e.key));
    }
    assert_eq!(keys.len(), 2_500);
    assert!(keys.is_sorted());
    assert!(chunks > 1, "20 MB in one piece");
}

pub async fn keys_and_values_are_any_bytes(bed: &Bed) {
    let log = &*bed.log;
    let key = Bytes::from_static(b"\0\xff\xfe/\n");
    let every: Vec<u8> = (0..=255).collect();
    for value in [Vec::new(), every] {
        let value = Bytes::from(value);
        let before = log.head().await.unwrap();
        let mut tail = log.tail(before);
        let op = Op::Put {
            key: key.clone(),
            value: value.clone(),
            expect: Expect::Any,
            ttl: None,
        };
        one(log, op).await;
        let entries = all(log, "").await;
        assert_eq!((&entries[0].key, &entries[0].value), (&key, &value));
        let set = next_set(&mut tail).await;
        assert_eq!(set.changes[0].value.as_ref(), Some(&value));
        assert_eq!(set.changes[0].key, key);
    }
}

pub async fn creating_what_exists_conflicts_and_shows_it(bed: &Bed) {
    let log = &*bed.log;
    let at = one(log, put("k", "first", Expect::Absent)).await;
    let conflict = conflict(log.append(vec![put("k", "second", Expect::Absent)]).await);
    let current = conflict.current.unwrap();
    assert_eq!(&current.value[..], b"first");
    assert_eq!(current.mod_revision, at);
    assert_eq!(conflict.head, at);
    assert_eq!(log.head().await.unwrap(), at, "nothing was applied");
}

pub async fn updating_needs_the_last_revision(bed: &Bed) {
    let log = &*bed.log;
    let created = one(log, put("k", "1", Expect::Absent)).await;
    let updated = one(log, put("k", "2", Expect::At(created))).await;
    let stale = conflict(log.append(vec![put("k", "3", Expect::At(created))]).await);
    assert_eq!(stale.current.as_ref().unwrap().mod_revision, updated);
    let stale = conflict(log.append(vec![delete("k", Expect::At(created))]).await);
    assert_eq!(stale.current.as_ref().unwrap().create_revision, created);
    one(log, delete("k", Expect::At(updated))).await;
    let gone = conflict(log.append(vec![put("k", "4", Expect::At(updated))]).await);
    assert_eq!(gone.current, None);
    let missing = conflict(log.append(vec![delete("k", Expect::At(updated))]).await);
    assert_eq!(missing.current, None);
}

pub async fn a_conflict_names_the_first_operation_that_failed(bed: &Bed) {
    let log = &*bed.log;
    let a = one(log, put("a", "1", Expect::Absent)).await;
    let ops = vec![
        put("z", "1", Expect::Any),
        check("a", Expect::At(a)),
        put("b", "1", Expect::At(a)),
        put("a2", "1", Expect::At(a)),
    ];
    let conflict = conflict(log.append(ops).await);
    assert_eq!((conflict.op, conflict.current), (2, None));
    assert_eq!(pairs(&all(log, "").await).len(), 1, "nothing was applied");
}

pub async fn several_operations_take_effect_at_one_revision_or_not_at_all(bed: &Bed) {
    let log = &*bed.log;
    let before = one(log, put("old", "1", Expect::Absent)).await;
    let mut tail = log.tail(before);
    let ops = vec![
        put("new", "1", Expect::Absent),
        put("old", "2", Expect::At(before)),
        check("other", Expect::Absent),
    ];
    let at = log.append(ops).await.unwrap().revision;
    let ops = vec![
        delete("old", Expect::At(before)),
        put("new", "2", Expect::Any),
    ];
    assert_eq!(conflict(log.append(ops).await).op, 0);
    let ops = vec![delete("old", Expect::At(at)), put("last", "1", Expect::Any)];
    let last = log.append(ops).await.unwrap().revision;

    let set = next_set(&mut tail).await;
    assert_eq!(set.revision, at);
    let mut changes = set.changes.to_vec();
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(
        changes,
        [
            change("new", Some("1"), at),
            change("old", Some("2"), before)
        ]
    );
    let set = next_set(&mut tail).await;
    assert_eq!(set.revision, last);
    assert_eq!(set.changes.len(), 2);
    assert!(set.changes.contains(&change("old", None, Revision::ZERO)));
    for entry in all(log, "").await {
        assert_eq!(&entry.value[..], b"1");
    }
}

pub async fn what_changes_nothing_makes_no_revision(bed: &Bed) {
    let log = &*bed.log;
    let at = one(log, put("k", "1", Expect::Absent)).await;
    assert_eq!(one(log, delete("none", Expect::Any)).await, at);
    assert_eq!(one(log, delete("none", Expect::Absent)).await, at);
    assert_eq!(one(log, check("k", Expect::At(at))).await, at);
    assert_eq!(one(log, check("none", Expect::Absent)).await, at);
    assert_eq!(log.head().await.unwrap(), at);
    // The same value again is a write.
    assert!(one(log, put("k", "1", Expect::At(at))).await > at);
}

pub async fn a_recreated_key_has_a_new_create_revision(bed: &Bed) {
    let log = &*bed.log;
    let first = one(log, put("k", "1", Expect::Absent)).await;
    one(log, delete("k", Expect::At(first))).await;
    let second = one(log, put("k", "2", Expect::Absent)).await;
    let third = one(log, put("k", "3", Expect::At(second))).await;
    let entry = all(log, "").await.remove(0);
    assert_eq!((entry.create_revision, entry.mod_revision), (second, third));
    // History knows the values that were replaced, and the life they belonged to.
    let mut tail = log.tail(Revision(first.0 - 1));
    let expected = [
        change("k", Some("1"), first),
        change("k", None, Revision::ZERO),
        change("k", Some("2"), second),
        change("k", Some("3"), second),
    ];
    for change in expected {
        assert_eq!(&*next_set(&mut tail).await.changes, &[change]);
    }
}

pub async fn a_tail_yields_every_revision_once_and_in_order(bed: &Bed) {
    let log = Arc::clone(&bed.log);
    let start = log.head().await.unwrap();
    let mut early = log.tail(start);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                for n in 0..100 {
                    let op = put(&format!("{writer}/{}", n % 7), &n.to_string(), Expect::Any);
                    revisions.push(one(&*log, op).await);
                }
                revisions
            })
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert_eq!(acknowledged.len(), 400, "each has a revision of its own");
    let last = *acknowledged.last().unwrap();
    let sets = until(&mut early, last, start).await;
    let revisions: BTreeSet<_> = sets.iter().map(|s| s.revision).collect();
    assert_eq!(revisions, acknowledged);
    assert_eq!(until(&mut log.tail(start), last, start).await, sets);
}

pub async fn a_tail_starts_in_the_past_or_waits_for_the_future(bed: &Bed) {
    let log = &*bed.log;
    let mut revisions = Vec::new();
    for n in 0..10 {
        revisions.push(one(log, put("k", &n.to_string(), Expect::Any)).await);
    }
    let mut past = log.tail(revisions[4]);
    for (n, revision) in revisions.iter().enumerate().skip(5) {
        let set = next_set(&mut past).await;
        assert_eq!(set.revision, *revision);
        let value = set.changes[0].value.as_ref().unwrap();
        assert_eq!(value, &bytes(n.to_string()));
    }
    let mut future = log.tail(Revision(revisions[9].0 + 2));
    let mut at = revisions[9];
    while at.0 < revisions[9].0 + 3 {
        at = one(log, put("k", "later", Expect::Any)).await;
    }
    assert_eq!(next_set(&mut future).await.revision, at);
}

pub async fn every_tail_reaches_the_head(bed: &Bed) {
    let log = &*bed.log;
    let mut at = log.head().await.unwrap();
    let mut tails: Vec<Tail> = (0..3).map(|_| log.tail(at)).collect();
    for n in 0..5 {
        one(log, put("k", &n.to_string(), Expect::Any)).await;
        if let Some(cluster) = &bed.cluster {
            // Somebody else uses the same cluster: the head moves, and none of our keys did.
            let mut other = etcd_client::Client::connect([&cluster.members[0].url], None)
                .await
                .unwrap();
            other.put("elsewhere", "x", None).await.unwrap();
        }
        let head = log.head().await.unwrap();
        assert!(head > at);
        for tail in &mut tails {
            let sets = until(tail, head, at).await;
            assert_eq!(sets.len(), 1);
            assert_eq!(sets[0].changes[0].value, Some(bytes(n.to_string())));
        }
        // Tails may have been moved beyond the head asked for, by a barrier.
        at = log.head().await.unwrap();
        for tail in &mut tails {
            let reached = tokio::time::timeout(Duration::from_millis(50), tail.next()).await;
            if let Ok(Some(event)) = reached {
                assert!(matches!(event, Ok(TailEvent::Progress(_))), "{event:?}");
            }
        }
        at = at.max(head);
        tails = (0..3).map(|_| log.tail(at)).collect();
    }
    assert_eq!(all(log, "").await.len(), 1, "no key but ours is seen");
}

pub async fn compaction_ends_tails_of_the_past(bed: &Bed) {
    let log = &*bed.log;
    let mut revisions = Vec::new();
    for n in 0..10 {
        revisions.push(one(log, put("k", &n.to_string(), Expect::Any)).await);
    }
    let at = revisions[5];
    log.compact(at).await.unwrap();
    log.compact(at).await.unwrap();
    log.compact(revisions[2]).await.unwrap();
    for old in [Revision(at.0 - 1), revisions[0]] {
        match failure(&mut log.tail(old)).await {
            Error::Compacted { oldest } => assert!(oldest >= at && oldest <= revisions[9]),
            other => panic!("{other}"),
        }
    }
    let mut tail = log.tail(at);
    for revision in &revisions[6..] {
        assert_eq!(next_set(&mut tail).await.revision, *revision);
    }
    assert_eq!(pairs(&all(log, "").await), [("k".into(), "9".into())]);
}

pub async fn compacting_the_future_is_invalid(bed: &Bed) {
    let head = one(&*bed.log, put("k", "1", Expect::Any)).await;
    let result = bed.log.compact(Revision(head.0 + 1)).await;
    assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    bed.log.compact(head).await.unwrap();
}

pub async fn what_no_engine_takes_is_refused_by_all(bed: &Bed) {
    let log = &*bed.log;
    let head = log.head().await.unwrap();
    let large = put("k", &"x".repeat(MAX_BYTES), Expect::Any);
    let result = log.append(vec![large]).await;
    assert!(matches!(
        result,
        Err(AppendError::Failed(Error::TooLarge(_)))
    ));
    let many = (0..=MAX_OPS).map(|n| put(&n.to_string(), "", Expect::Any));
    let result = log.append(many.collect()).await;
    assert!(matches!(
        result,
        Err(AppendError::Failed(Error::TooLarge(_)))
    ));
    for invalid in [
        vec![],
        vec![put("", "1", Expect::Any)],
        vec![put("k", "1", Expect::Any), delete("k", Expect::Any)],
    ] {
        let result = log.append(invalid).await;
        assert!(matches!(
            result,
            Err(AppendError::Failed(Error::Invalid(_)))
        ));
    }
    assert_eq!(log.head().await.unwrap(), head);
}

pub async fn the_largest_append_is_accepted(bed: &Bed) {
    let log = &*bed.log;
    let value = "x".repeat(MAX_BYTES - 1);
    one(log, put("k", &value, Expect::Absent)).await;
    let each = MAX_BYTES / MAX_OPS - 8;
    let many = (0..MAX_OPS).map(|n| put(&format!("m{n:03}"), &"y".repeat(each), Expect::Absent));
    let mut tail = log.tail(log.head().await.unwrap());
    log.append(many.collect()).await.unwrap();
    assert_eq!(next_set(&mut tail).await.changes.len(), MAX_OPS);
    let entries = all(log, "").await;
    assert_eq!(entries.len(), MAX_OPS + 1);
    assert_eq!(entries[0].value, bytes(value));
}

pub async fn one_of_many_writers_wins_each_revision(bed: &Bed) {
    const WRITERS: usize = 8;
    const EACH: usize = 20;
    let log = Arc::clone(&bed.log);
    one(&*log, put("counter", "0", Expect::Absent)).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let mut current = all(&*log, "counter").await.remove(0);
                    loop {
                        let count: usize = std::str::from_utf8(&current.value)
                            .unwrap()
                            .parse()
                            .unwrap();
                        let next = (count + 1).to_string();
                        let op = put("counter", &next, Expect::At(current.mod_revision));
                        match log.append(vec![op]).await {
                            Ok(_) => break,
                            Err(AppendError::Conflict(c)) => current = c.current.unwrap(),
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let total = (WRITERS * EACH).to_string();
    assert_eq!(all(&*log, "counter").await[0].value, bytes(total));
}

pub async fn an_append_outlives_its_caller(bed: &Bed) {
    let log = Arc::clone(&bed.log);
    let start = log.head().await.unwrap();
    let mut tail = log.tail(start);
    let append = log.append(vec![put("k", "1", Expect::Absent)]);
    // Polled once, so that it is under way, and dropped.
    let polled = futures::poll!(append);
    drop(polled);
    let set = next_set(&mut tail).await;
    assert_eq!(set.changes[0].value, Some(bytes("1")));
}

pub async fn what_has_a_time_to_live_expires_in_the_log(bed: &Bed) {
    let log = &*bed.log;
    let ttl = Duration::from_secs(2);
    let expiring = |key: &str| Op::Put {
        key: bytes(key),
        value: bytes("v"),
        expect: Expect::Absent,
        ttl: Some(ttl),
    };
    let ops = vec![
        expiring("e/1"),
        expiring("e/2"),
        put("stays", "v", Expect::Any),
    ];
    let created = log.append(ops).await.unwrap().revision;
    one(log, expiring("e/3")).await;
    let expires: Vec<bool> = all(log, "").await.iter().map(|e| e.expires).collect();
    assert_eq!(expires, [true, true, true, false]);
    let before = log.head().await.unwrap();
    let mut tail = log.tail(before);
    bed.pass(ttl / 2).await;
    assert_eq!(all(log, "").await.len(), 4);
    bed.pass(ttl / 2 + ttl::slack(ttl)).await;
    let mut gone = BTreeSet::new();
    while gone.len() < 3 {
        let set = next_set(&mut tail).await;
        assert!(set.revision > created);
        if gone.is_empty() {
            // What was written together goes together.
            assert!(set.changes.len() >= 2, "{set:?}");
        }
        for change in &*set.changes {
            assert_eq!(change.value, None);
            gone.insert(change.key.clone());
        }
    }
    assert_eq!(pairs(&all(log, "").await), [("stays".into(), "v".into())]);
    one(log, expiring("e/1")).await;
}

pub async fn a_time_to_live_ends_with_the_next_write(bed: &Bed) {
    let log = &*bed.log;
    let ttl = Duration::from_secs(1);
    let expiring = |key: &str| Op::Put {
        key: bytes(key),
        value: bytes("v"),
        expect: Expect::Any,
        ttl: Some(ttl),
    };
    for key in ["kept", "deleted", "goes"] {
        one(log, expiring(key)).await;
    }
    one(log, put("kept", "for ever", Expect::Any)).await;
    one(log, delete("deleted", Expect::Any)).await;
    let mut tail = log.tail(log.head().await.unwrap());
    bed.pass(ttl + ttl::slack(ttl)).await;
    let set = next_set(&mut tail).await;
    assert_eq!(&*set.changes, &[change("goes", None, Revision::ZERO)]);
    assert_eq!(
        pairs(&all(log, "").await),
        [("kept".into(), "for ever".into())]
    );
}

pub async fn a_log_shut_down_says_so(bed: &Bed) {
    let log = &*bed.log;
    let at = one(log, put("k", "1", Expect::Any)).await;
    let mut tail = log.tail(Revision(at.0 - 1));
    assert_eq!(next_set(&mut tail).await.revision, at);
    let mut waiting = log.tail(at);
    let shutdown = async {
        tokio::task::yield_now().await;
        log.shutdown().await;
    };
    let (ended, ()) = tokio::join!(failure(&mut waiting), shutdown);
    assert!(matches!(ended, Error::Unavailable(_)));
    assert!(matches!(failure(&mut tail).await, Error::Unavailable(_)));
    let result = log.append(vec![put("k", "2", Expect::Any)]).await;
    assert!(matches!(
        result,
        Err(AppendError::Failed(Error::Unavailable(_)))
    ));
    assert!(matches!(log.head().await, Err(Error::Unavailable(_))));
    assert!(matches!(log.load(b"").await, Err(Error::Unavailable(_))));
    assert!(matches!(log.health().await, Err(Error::Unavailable(_))));
    tokio::time::timeout(PATIENCE, log.shutdown())
        .await
        .unwrap();
}

pub async fn health_tells_the_engine_and_its_size(bed: &Bed) {
    one(&*bed.log, put("k", &"x".repeat(10_000), Expect::Any)).await;
    let health = bed.log.health().await.unwrap();
    assert_eq!(health.engine, bed.engine);
    assert!(health.bytes >= 10_000, "{health:?}");
}
