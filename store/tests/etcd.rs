//! What only the etcd engine does: clusters that lose members, TLS, shared leases, compaction behind its back, servers
//! with lower limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::etcd::{Cluster, Pki, Version, binary};
use common::{PATIENCE, all, bytes, change, failure, next_set, one, pairs, put, until};
use futures::StreamExt;
use rustix::process::Signal;
use store::etcd::{Config, Tls};
use store::{AppendError, Error, Etcd, Expect, Log, Op, Revision, TailEvent};

/// The versions that are there.
fn versions() -> Vec<PathBuf> {
    [Version::Distribution, Version::Upstream]
        .into_iter()
        .filter_map(binary)
        .collect()
}

async fn raw(cluster: &Cluster) -> etcd_client::Client {
    let url = &cluster.members[0].url;
    etcd_client::Client::connect([url], None).await.unwrap()
}

fn error(result: Result<store::Appended, AppendError>) -> Error {
    match result {
        Err(AppendError::Failed(error)) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// Appends until it works; every failure before must be one that a cluster without majority may give.
async fn eventually(log: &Etcd, key: &str) -> Revision {
    let writes = async {
        let mut n = 0;
        loop {
            let op = put(&format!("{key}/{n}"), "v", Expect::Absent);
            match log.append(vec![op]).await {
                Ok(appended) => return appended.revision,
                Err(AppendError::Failed(Error::Unavailable(_) | Error::Unknown(_))) => n += 1,
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, writes).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_majority_refuses_in_time_and_recovers_by_itself() {
    for binary in versions() {
        let mut cluster = Cluster::start(&binary, 3, None, &[]).await;
        let config = Config {
            timeout: Duration::from_secs(3),
            ..cluster.config()
        };
        let log = cluster.log(&config).await;
        let start = eventually(&log, "before").await;
        let mut tail = log.tail(start);

        // One of three may go, whichever it is: nothing is refused for long.
        cluster.members[0].kill();
        let mut last = eventually(&log, "one gone").await;
        cluster.members[0].start();
        // One that has not joined again would take requests and never answer them.
        cluster.answers(0).await;

        cluster.members[1].kill();
        cluster.members[2].kill();
        let mut refused = 0;
        let mut unknown = Vec::new();
        while refused < 3 {
            let began = Instant::now();
            let result = log.append(vec![put("during", "v", Expect::Any)]).await;
            assert!(began.elapsed() < config.timeout + Duration::from_secs(2));
            match error(result) {
                // The first may have been proposed to members that were there a moment ago.
                Error::Unknown(why) => unknown.push(why),
                Error::Unavailable(_) => refused += 1,
                other => panic!("{other}"),
            }
            assert!(
                unknown.len() < 20,
                "a lost majority is unavailable: {unknown:?}"
            );
        }
        let began = Instant::now();
        assert!(matches!(log.head().await, Err(Error::Unavailable(_))));
        assert!(matches!(log.load(b"").await, Err(Error::Unavailable(_))));
        assert!(matches!(log.health().await, Err(Error::Unavailable(_))));
        assert!(began.elapsed() < 3 * config.timeout + Duration::from_secs(3));

        cluster.members[1].start();
        cluster.members[2].start();
        last = last.max(eventually(&log, "after").await);
        // The tail that was open all along misses nothing.
        let head = log.head().await.unwrap();
        assert!(head >= last);
        let seen: Vec<_> = until(&mut tail, head, start).await;
        let seen = seen.iter().flat_map(|set| set.changes.iter());
        let mut seen: Vec<_> = seen.map(|change| change.key.clone()).collect();
        seen.sort();
        seen.dedup();
        let mut stored: Vec<_> = all(&log, "").await.into_iter().map(|e| e.key).collect();
        stored.retain(|key| !key.starts_with(b"before/"));
        assert_eq!(seen, stored);
        log.health().await.unwrap();
        log.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_hangs_holds_up_neither_reads_nor_tails_for_long() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 3, None, &[]).await;
        let config = Config {
            timeout: Duration::from_secs(3),
            ..cluster.config()
        };
        let log = cluster.log(&config).await;
        let start = eventually(&log, "before").await;
        for (n, member) in cluster.members.iter().enumerate() {
            let at = eventually(&log, &format!("with all, {n}")).await;
            let mut tail = log.tail(start);
            until(&mut tail, at, start).await;
            member.signal(Signal::STOP);
            let began = Instant::now();
            let last = eventually(&log, &format!("without {n}")).await;
            // Members may have to elect a leader first.
            let head = loop {
                match log.head().await {
                    Ok(head) => break head,
                    Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
                }
            };
            assert!(head >= last);
            until(&mut tail, head, at).await;
            // Sooner than the connection's own keep-alive would have noticed.
            assert!(began.elapsed() < Duration::from_secs(25));
            member.signal(Signal::CONT);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_leaves_a_write_unknown_and_a_read_unavailable() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let config = Config {
            timeout: Duration::from_secs(1),
            ..cluster.config()
        };
        let log = cluster.log(&config).await;
        let at = one(&log, put("k", "1", Expect::Absent)).await;
        let mut tail = log.tail(at);
        cluster.members[0].signal(Signal::STOP);
        let began = Instant::now();
        let lost = error(log.append(vec![put("k", "2", Expect::At(at))]).await);
        assert!(matches!(lost, Error::Unknown(_)), "{lost}");
        assert!(matches!(log.head().await, Err(Error::Unavailable(_))));
        assert!(began.elapsed() < Duration::from_secs(4));
        cluster.members[0].signal(Signal::CONT);
        // It had been received, so it may take effect; whether it did is found by reading.
        // It may still do so after the write by which the server is seen to be back: what is compared is of one revision.
        eventually(&log, "after").await;
        let load = log.load(b"k").await.unwrap();
        let (revision, entries) = load.collect().await.unwrap();
        let sets = until(&mut tail, revision, at).await;
        let applied = sets
            .iter()
            .any(|s| *s.changes == [change("k", Some("2"), at)]);
        assert_eq!(entries[0].value == bytes("2"), applied);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_not_there_is_unavailable_not_unknown() {
    // A port on which nobody listens, and which nobody else gets meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let log = Etcd::new(&Config::new(vec![url])).await.unwrap();
    let failed = error(log.append(vec![put("k", "1", Expect::Absent)]).await);
    assert!(matches!(failed, Error::Unavailable(_)), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_cannot_be_reached_in_time_was_not_asked() {
    // A listener whose queue is full drops what else wants to connect, as a host that is gone does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let connect = || tokio::net::TcpStream::connect(address);
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(500), connect()).await {
        queued.push(stream.unwrap());
    }
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let unreachable = format!("http://{address}");
        let config = Config::new(vec![unreachable.clone()]);
        let log = Etcd::new(&config).await.unwrap();
        let failed = error(log.append(vec![put("k", "1", Expect::Any)]).await);
        assert!(matches!(failed, Error::Unavailable(_)), "{failed}");
        // Hence another is asked at once, and the write is made once.
        cluster.answers(0).await;
        let endpoints = vec![unreachable, cluster.members[0].url.clone()];
        let log = Etcd::new(&Config::new(endpoints)).await.unwrap();
        one(&log, put("k", "2", Expect::Absent)).await;
    }
}

#[tokio::test]
async fn an_invalid_configuration_is_refused() {
    for endpoints in [vec![], vec!["localhost:2379".to_owned()]] {
        let refused = Etcd::new(&Config::new(endpoints)).await.err().unwrap();
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layout_is_upstreams() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let log = cluster.log(&cluster.config()).await;
        let mut etcd = raw(&cluster).await;
        one(&log, put("pods/default/web", "bytes", Expect::Absent)).await;
        let found = etcd.get("/registry/pods/default/web", None).await.unwrap();
        assert_eq!(found.kvs()[0].value(), b"bytes");
        etcd.put("/registry/pods/default/theirs", "x", None)
            .await
            .unwrap();
        etcd.put("/registrynot", "x", None).await.unwrap();
        let expected = [("pods/default/theirs", "x"), ("pods/default/web", "bytes")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(pairs(&all(&log, "").await), expected);
        for prefix in ["registry", "/registry", "/registry/"] {
            let config = Config {
                prefix: prefix.to_owned(),
                ..cluster.config()
            };
            let log = cluster.log(&config).await;
            assert_eq!(all(&log, "pods/").await.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_written_together_share_a_lease_and_expire_at_one_revision() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let log = cluster.log(&cluster.config()).await;
        let start = log.head().await.unwrap();
        for n in 0..50 {
            let op = Op::Put {
                key: bytes(format!("events/{n}")),
                value: bytes("v"),
                expect: Expect::Absent,
                ttl: Some(Duration::from_secs(2)),
            };
            one(&log, op).await;
        }
        let leases = raw(&cluster).await.leases().await.unwrap().leases().len();
        assert!(leases <= 2, "{leases} leases");
        let mut tail = log.tail(log.head().await.unwrap());
        let set = next_set(&mut tail).await;
        assert!(set.revision > start);
        assert!(set.changes.len() >= 50 / 2, "{} keys", set.changes.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_revoked_is_replaced() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let log = cluster.log(&cluster.config()).await;
        let op = |key: &str| Op::Put {
            key: bytes(key),
            value: bytes("v"),
            expect: Expect::Absent,
            ttl: Some(Duration::from_secs(3_600)),
        };
        one(&log, op("a")).await;
        let mut etcd = raw(&cluster).await;
        for lease in etcd.leases().await.unwrap().leases() {
            etcd.lease_revoke(lease.id()).await.unwrap();
        }
        one(&log, op("b")).await;
        assert_eq!(pairs(&all(&log, "").await), [("b".into(), "v".into())]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_was_away_while_history_was_compacted_is_told() {
    for binary in versions() {
        let mut cluster = Cluster::start(&binary, 1, None, &[]).await;
        let log = cluster.log(&cluster.config()).await;
        let at = one(&log, put("k", "1", Expect::Any)).await;
        let mut tail = log.tail(Revision(at.0 - 1));
        assert_eq!(next_set(&mut tail).await.revision, at);
        // Nobody reads on, and so much is written that it cannot be on its way: 64 MiB.
        let value = "x".repeat(1 << 20);
        let mut last = at;
        for _ in 0..64 {
            last = one(&log, put("k", &value, Expect::Any)).await;
        }
        cluster.members[0].kill();
        cluster.members[0].start();
        let last = last.max(eventually(&log, "after").await);
        log.compact(last).await.unwrap();
        // What had been received comes, in order; the rest is said to be lost.
        let mut reached = at;
        let failed = loop {
            match tail.next().await.unwrap() {
                Ok(event) => {
                    assert!(event.revision() > reached);
                    reached = event.revision();
                    if reached >= last {
                        break None;
                    }
                }
                Err(error) => break Some(error),
            }
        };
        // If all of it had been received after all, nothing is lost and nothing is to be told.
        if let Some(failed) = failed {
            assert!(matches!(failed, Error::Compacted { .. }), "{failed}");
        }
        let mut stale = log.tail(at);
        assert!(matches!(failure(&mut stale).await, Error::Compacted { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_refuses_writes_and_answers_reads() {
    for binary in versions() {
        let extra = ["--quota-backend-bytes", "4000000"];
        let cluster = Cluster::start(&binary, 1, None, &extra).await;
        let log = cluster.log(&cluster.config()).await;
        let value = "x".repeat(1_000_000);
        let mut written = 0;
        let failed = loop {
            let op = put(&written.to_string(), &value, Expect::Absent);
            match log.append(vec![op]).await {
                Ok(_) => written += 1,
                // The one that fills the quota takes effect, and is refused all the same.
                Err(AppendError::Failed(Error::Unknown(_))) => {
                    written += 1;
                    assert_eq!(all(&log, "").await.len(), written);
                }
                Err(AppendError::Failed(error)) => break error,
                Err(error) => panic!("{error}"),
            }
            assert!(written < 100);
        };
        assert!(matches!(failed, Error::NoSpace(_)), "{failed}");
        assert_eq!(all(&log, "").await.len(), written);
        assert!(matches!(log.health().await, Err(Error::NoSpace(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_lower_limits_are_told_as_too_large() {
    for binary in versions() {
        let extra = ["--max-request-bytes", "100000", "--max-txn-ops", "4"];
        let cluster = Cluster::start(&binary, 1, None, &extra).await;
        let log = cluster.log(&cluster.config()).await;
        let large = vec![put("k", &"x".repeat(200_000), Expect::Any)];
        assert!(matches!(error(log.append(large).await), Error::TooLarge(_)));
        let many = (0..5)
            .map(|n| put(&n.to_string(), "x", Expect::Any))
            .collect();
        assert!(matches!(error(log.append(many).await), Error::TooLarge(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_the_head_share_reads_and_all_see_what_was_written_before() {
    for binary in versions() {
        let cluster = Cluster::start(&binary, 1, None, &[]).await;
        let log = cluster.log(&cluster.config()).await;
        for n in 0..20 {
            let at = one(&log, put("k", &n.to_string(), Expect::Any)).await;
            let heads = (0..100).map(|_| log.head());
            for head in futures::future::join_all(heads).await {
                assert!(head.unwrap() >= at);
            }
        }
        // A tail that is idle is not woken but by what it waits for.
        let head = log.head().await.unwrap();
        let mut tail = log.tail(head);
        let event = tokio::time::timeout(Duration::from_millis(300), tail.next()).await;
        match event {
            Err(_) => {}
            Ok(Some(Ok(TailEvent::Progress(at)))) => assert!(at > head),
            Ok(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_proves_both_sides() {
    for binary in versions() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki {
            dir: dir.path().to_owned(),
            address: common::etcd::address(),
        };
        let tls = certificates(dir.path(), pki.address);
        let cluster = Cluster::start(&binary, 1, Some(&pki), &[]).await;
        let config = Config {
            tls: Some(tls.clone()),
            ..cluster.config()
        };
        let log = cluster.log(&config).await;
        let at = one(&log, put("k", "1", Expect::Absent)).await;
        assert_eq!(
            next_set(&mut log.tail(Revision(at.0 - 1))).await.revision,
            at
        );
        // Without a certificate, or with somebody else's authority, there is no way in.
        let elsewhere = tempfile::tempdir().unwrap();
        let stranger = Tls {
            identity: tls.identity.clone(),
            ..certificates(elsewhere.path(), pki.address)
        };
        let nobody = Tls {
            identity: None,
            ..tls
        };
        for tls in [stranger, nobody] {
            let config = Config {
                tls: Some(tls),
                timeout: Duration::from_secs(2),
                ..cluster.config()
            };
            let log = Etcd::new(&config).await.unwrap();
            let failed = log.append(vec![put("k", "2", Expect::Any)]).await;
            assert!(matches!(
                error(failed),
                Error::Unavailable(_) | Error::Unknown(_)
            ));
        }
        assert_eq!(pairs(&all(&log, "").await), [("k".into(), "1".into())]);
    }
}

/// An authority, a server's certificate for an address, and a client's.
fn certificates(dir: &Path, address: std::net::Ipv4Addr) -> Tls {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let issue = |names: &[&str], usage| {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let server = issue(&[&address.to_string()], ServerAuth);
    let client = issue(&["client"], ClientAuth);
    for (file, content) in [
        ("ca.pem", &ca),
        ("server.pem", &server.0),
        ("server.key", &server.1),
    ] {
        std::fs::write(dir.join(file), content).unwrap();
    }
    Tls {
        ca: ca.into_bytes(),
        identity: Some((client.0.into_bytes(), client.1.into_bytes())),
    }
}
