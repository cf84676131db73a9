//! Clients that are slow, stop in the midst, or ask for much and take nothing: each is let go in its time, and nobody else waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::apiserver::Apiserver;
use e2e::load::client::Target;
use http::{Method, Request, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::request::JSON;
use super::table::MAPS;

/// How long anybody else's GET may take meanwhile.
const NORMAL: Duration = Duration::from_secs(1);
/// For a TLS handshake; upstream gives 32 s.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, as upstream. (Silence between two requests of HTTP/1.1 may last 90 s, as upstream.)
const HEAD: Duration = Duration::from_secs(32);
/// For a whole request that does not stream, as upstream.
const REQUEST: Duration = Duration::from_secs(60);
/// What a limit may be exceeded by, on a machine that has other things to do.
const SLACK: Duration = Duration::from_secs(8);

/// A client that asks for something small again and again, on one connection; gives its slowest answer.
struct Normal {
    stop: Arc<AtomicBool>,
    slowest: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<u64>,
}

impl Normal {
    async fn start(target: &Target) -> Self {
        let (stop, slowest) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut connection = target.connect().await.unwrap();
        let (told, worst) = (Arc::clone(&stop), Arc::clone(&slowest));
        let task = tokio::spawn(async move {
            let mut asked = 0;
            while !told.load(Ordering::Relaxed) {
                let start = Instant::now();
                let answer = connection.get(&format!("{MAPS}/a"), JSON).await.unwrap();
                assert_eq!(answer.status(), 200);
                let took = u64::try_from(start.elapsed().as_millis()).unwrap();
                worst.fetch_max(took, Ordering::Relaxed);
                asked += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            asked
        });
        Self {
            stop,
            slowest,
            task,
        }
    }

    /// Checks what was slowest since the last check.
    fn check(&self, meanwhile: &str) {
        let slowest = Duration::from_millis(self.slowest.swap(0, Ordering::Relaxed));
        println!("{meanwhile}: the slowest GET took {slowest:?}");
        assert!(slowest < NORMAL, "{meanwhile}: a GET took {slowest:?}");
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.task.await.unwrap() > 0);
    }
}

/// How long the server keeps a connection open on which it waits for something.
async fn kept(mut stream: impl tokio::io::AsyncRead + Unpin, limit: Duration) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(limit + SLACK, stream.read_to_end(&mut rest)).await;
    assert!(
        ended.is_ok(),
        "it is still open after {:?}",
        start.elapsed()
    );
    start.elapsed()
}

async fn half_open(target: &Target, sent: &[u8]) {
    let mut stream = TcpStream::connect(target.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    kept(stream, HANDSHAKE).await;
}

async fn unfinished_head(target: &Target, sent: &str) {
    let mut stream = target.stream().await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    kept(stream, HEAD).await;
}

/// A byte of a head each second: no single one is late.
async fn dripping_head(target: &Target) {
    let mut stream = target.stream().await.unwrap();
    let start = Instant::now();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\na: ")
        .await
        .unwrap();
    while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
        assert!(start.elapsed() < HEAD + SLACK, "a head may drip for ever");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A byte of a body each second: the request has its time, and is answered.
async fn dripping_body(target: &Target) {
    let mut stream = target.stream().await.unwrap();
    let start = Instant::now();
    let head = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 1000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let drip = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() && write.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut answer = Vec::new();
    let read = tokio::time::timeout(REQUEST + SLACK, read.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "open after {:?}", start.elapsed());
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    drip.abort();
}

/// Asks for a list of many MiB and takes none of it, with the smallest window there is.
async fn taker_of_nothing(target: &Target) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut stream = target.stream().await.unwrap();
    let request = format!("GET {MAPS} HTTP/1.1\r\nHost: x\r\n\r\n");
    for _ in 0..20 {
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    stream.flush().await.unwrap();
    stream
}

/// Opens streams of HTTP/2 and resets them at once (CVE-2023-44487); gives how many.
async fn rapid_reset(target: &Target, time: Duration) -> usize {
    let (mut count, mut connections, start) = (0, 0, Instant::now());
    while start.elapsed() < time {
        let tls = target.with_protocol(b"h2").stream().await.unwrap();
        let (mut sender, connection) = h2::client::handshake(tls).await.unwrap();
        let connection = tokio::spawn(connection);
        // Until the server has enough of this connection.
        while start.elapsed() < time && sender.clone().ready().await.is_ok() {
            let request = Request::builder()
                .method(Method::GET)
                .version(Version::HTTP_2)
                .uri(format!("https://{}{MAPS}", target.address()))
                .body(())
                .unwrap();
            let Ok((_answer, mut stream)) = sender.send_request(request, true) else {
                break;
            };
            count += 1;
            // What was asked for is written before it is taken back.
            tokio::task::yield_now().await;
            stream.send_reset(h2::Reason::CANCEL);
        }
        connections += 1;
        connection.abort();
    }
    println!("{connections} connections");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_greedy_clients_are_let_go_and_hold_up_nobody() {
    let ours = Apiserver::start(&[]).unwrap();
    let target = Target::from_kubeconfig(&ours.admin).unwrap();
    fill(&target).await;
    let normal = Normal::start(&target).await;
    let memory = ours.process.anonymous_memory().unwrap();

    let mut idle = JoinSet::new();
    for _ in 0..1_000 {
        let target = target.clone();
        idle.spawn(async move { target.stream().await.unwrap() });
    }
    let idle = idle.join_all().await;
    normal.check("1,000 connections are made");

    let mut greedy = Vec::new();
    for _ in 0..20 {
        greedy.push(taker_of_nothing(&target).await);
    }
    normal.check("20 clients ask for 400 lists and take nothing");

    let resets = rapid_reset(&target, Duration::from_secs(5)).await;
    println!("{resets} streams opened and reset");
    assert!(resets > 100);
    normal.check("streams are opened and reset");

    // All of these at once: each has its own limit.
    let mut slow = JoinSet::new();
    let each = |name: &'static str| (name, target.clone());
    let (_, t) = each("nothing at all");
    slow.spawn(async move { half_open(&t, b"").await });
    let (_, t) = each("half a record's head");
    slow.spawn(async move { half_open(&t, b"\x16\x03").await });
    let (_, t) = each("a record that does not come");
    slow.spawn(async move { half_open(&t, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await });
    for sent in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "\r\n\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Le",
    ] {
        let t = target.clone();
        slow.spawn(async move { unfinished_head(&t, sent).await });
    }
    let t = target.clone();
    slow.spawn(async move { dripping_head(&t).await });
    for _ in 0..10 {
        let t = target.clone();
        slow.spawn(async move { dripping_body(&t).await });
    }
    slow.join_all().await;
    normal.check("slow clients were waited for");

    drop(greedy);
    drop(idle);
    super::stays_small(&ours, memory).await;
    normal.finish().await;
}

/// ConfigMaps that make a list of 8 MiB.
async fn fill(target: &Target) {
    let mut connection = target.connect().await.unwrap();
    for name in ["a".to_owned()]
        .into_iter()
        .chain((0..40).map(|n| format!("large-{n}")))
    {
        let length = if name == "a" { 1 } else { 200 << 10 };
        let object = json!({ "metadata": { "name": name }, "data": { "k": "x".repeat(length) } });
        connection
            .expect(Method::POST, MAPS, JSON, Bytes::from(object.to_string()))
            .await
            .unwrap();
    }
}
