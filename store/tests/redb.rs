//! What only the embedded engine does: restarts, a bounded history on disk, one process at a time, a full disk, a
//! failing one.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Also in what tests share.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::clock::ManualClock;
use common::disk::MemoryDisk;
use common::{
    PATIENCE, all, bytes, change, check, conflict, delete, failure, next_set, one, pairs, put,
    until,
};
use store::redb::Options;
use store::{AppendError, Error, Expect, Log, Op, Redb, Revision};

async fn on_disk(disk: &MemoryDisk, options: Options) -> Redb {
    let clock = Arc::new(ManualClock::new());
    Redb::open_on(Box::new(disk.clone()), options, clock)
        .await
        .unwrap()
}

async fn in_dir(dir: &Path) -> Result<Redb, Error> {
    Redb::open(dir, Options::default(), Arc::new(ManualClock::new())).await
}

fn failed(result: Result<store::Appended, AppendError>) -> Error {
    match result {
        Err(AppendError::Failed(error)) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_restart_keeps_entries_revisions_and_history() {
    let dir = tempfile::tempdir().unwrap();
    let log = in_dir(dir.path()).await.unwrap();
    let first = one(&log, put("a", "1", Expect::Absent)).await;
    let second = one(&log, put("a", "2", Expect::At(first))).await;
    let third = one(&log, put("b", "1", Expect::Absent)).await;
    let fourth = one(&log, delete("b", Expect::Any)).await;
    log.shutdown().await;

    let log = in_dir(dir.path()).await.unwrap();
    assert_eq!(log.head().await.unwrap(), fourth);
    assert_eq!(pairs(&all(&log, "").await), [("a".into(), "2".into())]);
    let mut tail = log.tail(Revision::FIRST);
    for (at, expected) in [
        (first, change("a", Some("1"), first)),
        (second, change("a", Some("2"), first)),
        (third, change("b", Some("1"), third)),
        (fourth, change("b", None, Revision::ZERO)),
    ] {
        let set = next_set(&mut tail).await;
        assert_eq!((set.revision, &*set.changes), (at, &[expected][..]));
    }
    let fifth = one(&log, put("a", "3", Expect::At(second))).await;
    assert_eq!(fifth, fourth.next());
    log.shutdown().await;
}

#[tokio::test]
async fn a_deletion_of_everything_does_not_set_revisions_back() {
    let disk = MemoryDisk::default();
    let log = on_disk(&disk, Options::default()).await;
    one(&log, put("a", "1", Expect::Absent)).await;
    let last = one(&log, delete("a", Expect::Any)).await;
    log.compact(last).await.unwrap();
    log.shutdown().await;
    let log = on_disk(&disk, Options::default()).await;
    assert_eq!(log.head().await.unwrap(), last);
    let error = failure(&mut log.tail(Revision(last.0 - 1))).await;
    assert_eq!(error, Error::Compacted { oldest: last });
    assert_eq!(one(&log, put("a", "1", Expect::Absent)).await, last.next());
}

#[tokio::test]
async fn a_second_process_is_refused_and_the_first_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let log = in_dir(dir.path()).await.unwrap();
    let refused = in_dir(dir.path()).await.err().unwrap();
    assert!(matches!(refused, Error::Locked(_)), "{refused}");
    assert!(
        refused
            .to_string()
            .contains(&dir.path().display().to_string())
    );
    let at = one(&log, put("a", "1", Expect::Absent)).await;
    // An open tail and an unfinished load do not keep the directory.
    let _tail = log.tail(at);
    let _load = log.load(b"").await.unwrap();
    log.shutdown().await;
    let log = in_dir(dir.path()).await.unwrap();
    assert_eq!(log.head().await.unwrap(), at);
    log.shutdown().await;
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let log = in_dir(dir.path()).await.unwrap();
    let mode = std::fs::metadata(dir.path().join("log.redb"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    log.shutdown().await;
}

#[tokio::test]
async fn a_format_of_the_future_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = in_dir(dir.path()).await.unwrap();
    one(&log, put("a", "1", Expect::Absent)).await;
    log.shutdown().await;
    {
        let meta: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("meta");
        let database = redb::Database::open(dir.path().join("log.redb")).unwrap();
        let txn = database.begin_write().unwrap();
        let format = 2u32.to_le_bytes();
        txn.open_table(meta)
            .unwrap()
            .insert("format", format.as_slice())
            .unwrap();
        txn.commit().unwrap();
    }
    let refused = in_dir(dir.path()).await.err().unwrap();
    assert!(matches!(refused, Error::Incompatible(_)), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log.redb"), vec![7; 100_000]).unwrap();
    let refused = in_dir(dir.path()).await.err().unwrap();
    assert!(
        matches!(refused, Error::Corrupt(_) | Error::Unavailable(_)),
        "{refused}"
    );
    let content = std::fs::read(dir.path().join("log.redb")).unwrap();
    assert_eq!(content, vec![7; 100_000], "it was not touched");
}

#[tokio::test]
async fn history_is_bounded_by_bytes_and_a_tail_that_lags_too_far_is_told() {
    let disk = MemoryDisk::default();
    let options = Options {
        history: 100_000,
        recent: 10_000,
        cache: 1 << 20,
    };
    let log = on_disk(&disk, options).await;
    let start = log.head().await.unwrap();
    let mut lagging = log.tail(start);
    let value = "x".repeat(1_000);
    let mut revisions = Vec::new();
    for _ in 0..2_000 {
        revisions.push(one(&log, put("k", &value, Expect::Any)).await);
    }
    assert!(matches!(
        failure(&mut lagging).await,
        Error::Compacted { .. }
    ));
    let Error::Compacted { oldest } = failure(&mut log.tail(start)).await else {
        panic!("history begins later");
    };
    let head = *revisions.last().unwrap();
    let sets = until(&mut log.tail(oldest), head, oldest).await;
    assert!((50..=100).contains(&sets.len()), "{} sets", sets.len());
    assert!(
        disk.used() < 8 << 20,
        "the file holds {} bytes",
        disk.used()
    );
}

#[tokio::test]
async fn a_lone_writer_costs_one_sync_and_many_share_theirs() {
    let disk = MemoryDisk::default();
    let log = on_disk(&disk, Options::default()).await;
    // The file grows at first, which is synced as well.
    for n in 0..50 {
        one(
            &log,
            put(&n.to_string(), &"x".repeat(10_000), Expect::Absent),
        )
        .await;
    }
    for n in 0..50 {
        one(&log, delete(&n.to_string(), Expect::Any)).await;
    }
    let before = disk.syncs();
    for n in 0..100 {
        one(&log, put(&n.to_string(), "x", Expect::Absent)).await;
    }
    assert_eq!(disk.syncs() - before, 100);

    let before = disk.syncs();
    let appends = (0..64).map(|n| log.append(vec![put(&format!("b{n}"), "x", Expect::Absent)]));
    for appended in futures::future::join_all(appends).await {
        appended.unwrap();
    }
    assert!(
        disk.syncs() - before < 32,
        "{} syncs",
        disk.syncs() - before
    );
    // What changes nothing is not synced, nor is anything while nothing happens.
    let before = disk.syncs();
    conflict(log.append(vec![put("1", "x", Expect::Absent)]).await);
    one(&log, check("1", Expect::Any)).await;
    log.head().await.unwrap();
    all(&log, "").await;
    assert_eq!(disk.syncs(), before);
}

#[tokio::test]
async fn a_failed_sync_fails_what_waits_and_the_engine_recovers_by_itself() {
    let disk = MemoryDisk::default();
    let log = on_disk(&disk, Options::default()).await;
    let at = one(&log, put("a", "1", Expect::Absent)).await;
    let mut tail = log.tail(at);
    disk.fail_syncs(1);
    let error = failed(log.append(vec![put("a", "2", Expect::At(at))]).await);
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    // What failed is not there, and the next one finds everything in order.
    assert_eq!(pairs(&all(&log, "").await), [("a".into(), "1".into())]);
    let next = one(&log, put("a", "3", Expect::At(at))).await;
    assert_eq!(next, at.next());
    let set = next_set(&mut tail).await;
    assert_eq!(&*set.changes, &[change("a", Some("3"), at)]);
    log.health().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_stays_away_is_unavailable_until_it_is_back() {
    let disk = MemoryDisk::default();
    let log = on_disk(&disk, Options::default()).await;
    let at = one(&log, put("a", "1", Expect::Absent)).await;
    let mut tail = log.tail(at);
    disk.cut_after(0);
    let result = log.append(vec![put("b", "1", Expect::Absent)]).await;
    assert!(matches!(
        failed(result),
        Error::Unknown(_) | Error::Unavailable(_)
    ));
    for _ in 0..3 {
        let result = log.append(vec![put("c", "1", Expect::Absent)]).await;
        assert!(matches!(failed(result), Error::Unavailable(_)));
    }
    assert!(log.health().await.is_err());
    disk.revive(&mut common::disk::Random(1));
    // Without anybody asking it to.
    let healthy = async {
        while log.health().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, healthy).await.unwrap();
    let last = one(&log, put("d", "1", Expect::Absent)).await;
    until(&mut tail, last, at).await;
}

#[tokio::test]
async fn a_full_disk_refuses_writes_answers_reads_and_recovers() {
    let disk = MemoryDisk::default();
    let log = on_disk(&disk, Options::default()).await;
    disk.limit(Some(4 << 20));
    fill(&log).await;
    disk.limit(None);
    recovers(&log).await;
}

#[tokio::test]
async fn a_full_filesystem_refuses_writes_answers_reads_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(dir.path(), c"size=6m") else {
        println!(
            "SKIP a_full_filesystem_refuses_writes_answers_reads_and_recovers: a tmpfs cannot be mounted without root"
        );
        return;
    };
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let log = in_dir(&dir.path().join("data")).await.unwrap();
    fill(&log).await;
    std::fs::remove_file(&ballast).unwrap();
    recovers(&log).await;
    log.shutdown().await;
}

/// Writes until there is no space, and shows that everything that was acknowledged can be read meanwhile.
async fn fill(log: &Redb) {
    let value = "x".repeat(20_000);
    let mut written = 0;
    let error = loop {
        let op = put(&format!("{written:05}"), &value, Expect::Absent);
        match log.append(vec![op]).await {
            Ok(_) => written += 1,
            Err(AppendError::Failed(error)) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
    assert!(written > 10);
    let head = log.head().await.unwrap();
    for _ in 0..5 {
        let result = log.append(vec![put("more", &value, Expect::Any)]).await;
        assert!(matches!(failed(result), Error::NoSpace(_)));
        assert_eq!(all(log, "").await.len(), written);
        assert_eq!(log.head().await.unwrap(), head);
        let sets = until(&mut log.tail(Revision::FIRST), head, Revision::FIRST).await;
        assert_eq!(sets.len(), written);
    }
    assert!(matches!(log.health().await, Err(Error::NoSpace(_))));
}

async fn recovers(log: &Redb) {
    let before = all(log, "").await.len();
    let value = "x".repeat(20_000);
    let written = async {
        while let Err(error) = log.append(vec![put("after", &value, Expect::Absent)]).await {
            assert!(matches!(error, AppendError::Failed(Error::NoSpace(_))));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    assert_eq!(all(log, "").await.len(), before + 1);
    log.health().await.unwrap();
}

/// A filesystem of its own, until dropped.
struct Tmpfs<'a>(&'a Path);

impl Tmpfs<'_> {
    fn mount<'a>(at: &'a Path, options: &std::ffi::CStr) -> Option<Tmpfs<'a>> {
        let flags = rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOSUID;
        rustix::mount::mount("tmpfs", at, "tmpfs", flags, Some(options)).ok()?;
        Some(Tmpfs(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn entries_expire_also_after_a_restart_and_with_nobody_calling() {
    let disk = MemoryDisk::default();
    let clock = ManualClock::new();
    let open = || {
        let clock = Arc::new(clock.clone());
        Redb::open_on(Box::new(disk.clone()), Options::default(), clock)
    };
    let log = open().await.unwrap();
    let expiring = |key: &str, seconds| Op::Put {
        key: bytes(key),
        value: bytes("v"),
        expect: Expect::Absent,
        ttl: Some(Duration::from_secs(seconds)),
    };
    one(&log, expiring("soon", 10)).await;
    let at = one(&log, expiring("later", 3_600)).await;
    log.shutdown().await;
    clock.advance(Duration::from_secs(60));
    let log = open().await.unwrap();
    let set = next_set(&mut log.tail(at)).await;
    assert_eq!(&*set.changes, &[change("soon", None, Revision::ZERO)]);
    let mut tail = log.tail(set.revision);
    clock.advance(Duration::from_secs(3_700));
    let set = next_set(&mut tail).await;
    assert_eq!(&*set.changes, &[change("later", None, Revision::ZERO)]);
}

#[tokio::test]
async fn a_slow_load_does_not_survive_the_database_it_reads() {
    use futures::StreamExt;
    let disk = MemoryDisk::default();
    // So small a cache that the load has to read.
    let options = Options {
        cache: 100_000,
        ..Options::default()
    };
    let log = on_disk(&disk, options).await;
    let value = "x".repeat(100_000);
    for n in 0..20 {
        one(&log, put(&format!("{n:02}"), &value, Expect::Absent)).await;
    }
    let mut load = log.load(b"").await.unwrap();
    load.chunks.next().await.unwrap().unwrap();
    disk.fail_syncs(1);
    failed(log.append(vec![put("20", &value, Expect::Absent)]).await);
    one(&log, put("21", &value, Expect::Absent)).await;
    let rest: Vec<_> = load.chunks.collect().await;
    let last = rest.last().unwrap();
    assert!(matches!(last, Err(Error::Unavailable(_))), "{last:?}");
    assert_eq!(all(&log, "").await.len(), 21);
}
