//! The server over real connections: certificates of its own making, `kube`, hyper, and clients that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test says by panicking that it fails.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apiserver::audit::LogSink;
use apiserver::authn::{
    Authenticator, ObjectState, TokenAuthenticator, TokenConfig, TokenSubjects,
};
use apiserver::authz::Authorizer;
use apiserver::authz::bootstrap::Policy;
use apiserver::chain::{ApiServer, Handler, Wiring};
use apiserver::env::Env;
use apiserver::flow::{self, FlowControl};
use apiserver::health::Health;
use apiserver::pki::{Pki, PkiConfig, read_private};
use apiserver::request::RequestContext;
use apiserver::serve::{Limits, Server, TlsFiles, TlsState};
use apiserver::status::Status;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// Answers with the caller's name; `slow` when told to; `echo` by an upgrade.
struct Puppet {
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

#[async_trait]
impl Handler for Puppet {
    async fn handle(
        &self,
        cx: Arc<RequestContext>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        match (cx.info.name.as_str(), cx.info.subresource.as_str()) {
            ("slow", _) => {
                self.entered.notify_one();
                self.release.notified().await;
                Ok(Response::new(Body::from("done")))
            }
            (_, "exec") => {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let mut io = TokioIo::new(upgrade.await.unwrap());
                    let mut buffer = [0; 4];
                    io.read_exact(&mut buffer).await.unwrap();
                    io.write_all(&buffer).await.unwrap();
                });
                let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
                Ok(response
                    .header("connection", "upgrade")
                    .header("upgrade", "echo")
                    .body(Body::empty())
                    .unwrap())
            }
            _ => Ok(Response::new(Body::from(cx.identity.name.clone()))),
        }
    }
}

struct NoObjects;

impl TokenSubjects for NoObjects {
    fn service_account(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn pod(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn secret(&self, _: &str, _: &str) -> Option<ObjectState> {
        None
    }
    fn node(&self, _: &str) -> Option<ObjectState> {
        None
    }
}

struct Running {
    dir: tempfile::TempDir,
    pki: Pki,
    tls: Arc<TlsState>,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

fn make_pki(dir: &Path) -> Pki {
    let config = PkiConfig {
        dir: dir.join("pki"),
        hostname: "here".into(),
        addresses: vec![],
        service_address: "10.96.0.1".parse().unwrap(),
        cluster_domain: "cluster.local".into(),
        nodes: vec!["here".into()],
    };
    Pki::ensure(&config, &Env::system()).unwrap().0
}

fn tls_files(pki: &Pki) -> TlsFiles {
    TlsFiles {
        cert: read_private(&pki.cert_path("apiserver")).unwrap(),
        key: read_private(&pki.key_path("apiserver")).unwrap(),
        client_ca: pki.ca.cert_pem().to_owned(),
    }
}

async fn start(limits: Limits) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let (env, pki) = (Env::system(), make_pki(dir.path()));
    let authorizer = Arc::new(Authorizer::default());
    Policy::builtin().feed(&mut *authorizer.rbac.write());
    let config = TokenConfig {
        issuers: vec!["us".into()],
        audiences: vec!["us".into()],
    };
    let tokens = TokenAuthenticator::new(vec![], config, Arc::new(NoObjects), env.clone());
    let (entered, release, shutdown) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        CancellationToken::new(),
    );
    let service = ApiServer::new(Wiring {
        env: env.clone(),
        authenticator: Arc::new(Authenticator::new(tokens)),
        authorizer,
        flow: Arc::new(FlowControl::new(flow::Limits::default())),
        health: Arc::new(Health::new()),
        metrics: Arc::default(),
        audit: Arc::new(LogSink),
        draining: shutdown.clone(),
        resources: Arc::new(Puppet {
            entered: entered.clone(),
            release: release.clone(),
        }),
        routes: Router::new(),
    });
    let tls = Arc::new(TlsState::new(&tls_files(&pki)).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(listener, tls.clone(), service, env).with_limits(limits);
    let address = server.local_addr().unwrap();
    let server = tokio::spawn(server.run(shutdown.clone()));
    Running {
        dir,
        pki,
        tls,
        address,
        shutdown,
        server,
        entered,
        release,
    }
}

impl Running {
    /// A TLS connection with the client certificate of the pair `name` of `pki`.
    async fn connect_as(&self, pki: &Pki, name: Option<&str>, alpn: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.pki.ca.cert_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match name {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let cert = CertificateDer::from_pem_file(pki.cert_path(name)).unwrap();
                let key = PrivateKeyDer::from_pem_file(pki.key_path(name)).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let server = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(server, stream)
            .await
            .unwrap()
    }

    async fn connect(&self, name: Option<&str>) -> TlsStream<TcpStream> {
        self.connect_as(&self.pki, name, b"http/1.1").await
    }

    /// Everything that the server answers to `bytes`, until it closes.
    async fn speak(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect(Some("admin")).await;
        // The server may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        read_all(stream).await
    }
}

async fn read_all(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut answer = Vec::new();
    within(async {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..n]);
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Ten seconds are plenty on any machine; a test that waits longer hangs.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work)
        .await
        .expect("done within ten seconds")
}

const GET: &str = "GET /api/v1/nodes/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn kube_connects_by_the_kubeconfig() {
    let running = start(Limits::default()).await;
    let path = running.dir.path().join("admin.conf");
    running
        .pki
        .write_kubeconfig(&path, "admin", &format!("https://{}", running.address))
        .unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(&path).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default())
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let version = within(client.apiserver_version()).await.unwrap();
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "37")
    );
    assert!(version.git_version.starts_with("v1.37.1+gantry."));
    let whoami =
        within(client.request_text(http::Request::get("/api/v1/nodes/x").body(vec![]).unwrap()))
            .await
            .unwrap();
    assert_eq!(whoami, "gantry-admin");
}

#[tokio::test]
async fn http2_carries_many_requests_on_one_connection() {
    let running = start(Limits::default()).await;
    let stream = running.connect_as(&running.pki, Some("admin"), b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let uri = format!("https://{}/api/v1/nodes/x", running.address);
    let calls = (0..200).map(|_| {
        let (mut sender, uri) = (sender.clone(), uri.clone());
        async move {
            let request = Request::get(uri)
                .body(Empty::<bytes::Bytes>::new())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            (
                response.status(),
                response.into_body().collect().await.unwrap().to_bytes(),
            )
        }
    });
    for (status, body) in within(futures::future::join_all(calls)).await {
        assert_eq!((status.as_u16(), &body[..]), (200, &b"gantry-admin"[..]));
    }
}

#[tokio::test]
async fn the_certificate_says_who_is_calling() {
    let running = start(Limits::default()).await;
    for (name, code, needle) in [
        (Some("admin"), "200 OK", "gantry-admin"),
        (Some("scheduler"), "200 OK", "system:kube-scheduler"),
        (
            Some("front-proxy-client"),
            "401 Unauthorized",
            "\"reason\":\"Unauthorized\"",
        ),
        (
            None,
            "403 Forbidden",
            "User \\\"system:anonymous\\\" cannot get resource \\\"nodes\\\"",
        ),
    ] {
        let mut stream = running.connect(name).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        let answer = read_all(stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}\r\n")) && answer.contains(needle),
            "{name:?}: {answer}"
        );
    }
    // A certificate of another cluster's authority, which has the same name.
    let other = tempfile::tempdir().unwrap();
    let mut stream = running
        .connect_as(&make_pki(other.path()), Some("admin"), b"http/1.1")
        .await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let answer = read_all(stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"),
        "{answer}"
    );
}

/// What kube-apiserver v1.37.1 answers: the codes are its.
#[tokio::test]
async fn bad_input_is_answered_with_upstreams_codes() {
    let running = start(Limits::default()).await;
    let huge = format!(
        "GET /version HTTP/1.1\r\nHost: a\r\nX-Big: {}\r\n\r\n",
        "a".repeat(1_200_000)
    );
    let many: String = (0..200_000).map(|i| format!("x{i}: y\r\n")).collect();
    let many = format!("GET /version HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    for (what, input, code) in [
        ("no HTTP", "BOGUS\r\n\r\n", "400"),
        ("no Host", "GET /version HTTP/1.1\r\n\r\n", "400"),
        (
            "a length that is none",
            "GET /version HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            "400",
        ),
        (
            "two lengths",
            "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            "400",
        ),
        (
            "a header's name with a space",
            "GET /version HTTP/1.1\r\nHost: a\r\na b: c\r\n\r\n",
            "400",
        ),
        ("a head of 1.2 MB", huge.as_str(), "431"),
        ("200,000 headers", many.as_str(), "431"),
    ] {
        let answer = running.speak(input.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{what}: {:?}",
            answer.get(..200)
        );
    }
    // The server goes on.
    assert!(
        running
            .speak(GET.as_bytes())
            .await
            .ends_with("gantry-admin")
    );
}

#[tokio::test]
async fn plain_http_is_told_so() {
    let running = start(Limits::default()).await;
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PATCH", "DELETE"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream
            .write_all(format!("{method} /version HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(
            read_all(stream).await,
            "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "{method}"
        );
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[0x80; 600]).await.unwrap();
    let answer = read_all(stream).await;
    assert!(!answer.contains("HTTP"), "noise is no HTTP: {answer:?}");
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go() {
    let limits = Limits {
        handshake: Duration::from_millis(200),
        head: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        ..Limits::default()
    };
    let running = start(limits).await;
    // Nothing, half a TLS record, half a head, nothing after an answer.
    let stream = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(read_all(stream).await, "");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1]).await.unwrap();
    assert_eq!(read_all(stream).await, "");
    let answer = running.speak(b"GET /version HTTP/1.1\r\nHos").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    let answer = running
        .speak(b"GET /api/v1/nodes/x HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(answer.ends_with("gantry-admin"), "{answer}");
}

#[tokio::test]
async fn a_connection_can_be_upgraded() {
    let running = start(Limits::default()).await;
    let mut stream = running.connect(Some("admin")).await;
    let request = "POST /api/v1/namespaces/d/pods/x/exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    within(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"ping");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let running = start(Limits::default()).await;
    let shown = async || {
        let stream = running.connect(None).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let before = shown().await;
    let broken = TlsFiles {
        key: "none".into(),
        ..tls_files(&running.pki)
    };
    assert!(running.tls.reload(&broken).is_err());
    assert_eq!(shown().await, before);
    std::fs::remove_file(running.pki.cert_path("apiserver")).unwrap();
    running
        .tls
        .reload(&tls_files(&make_pki(running.dir.path())))
        .unwrap();
    assert_ne!(shown().await, before);
}

#[tokio::test]
async fn what_is_in_work_is_finished_before_the_end() {
    let running = start(Limits::default()).await;
    let mut busy = running.connect(Some("admin")).await;
    let request = "GET /api/v1/nodes/slow HTTP/1.1\r\nHost: a\r\n\r\n";
    busy.write_all(request.as_bytes()).await.unwrap();
    within(running.entered.notified()).await;
    let idle = running.connect(Some("admin")).await;
    running.shutdown.cancel();
    assert_eq!(read_all(idle).await, "", "an idle connection is closed");
    running.release.notify_one();
    let answer = read_all(busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"),
        "{answer}"
    );
    within(running.server).await.unwrap();
    assert!(
        TcpStream::connect(running.address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let running = start(Limits {
        drain: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut busy = running.connect(Some("admin")).await;
    busy.write_all(b"GET /api/v1/nodes/slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    within(running.entered.notified()).await;
    running.shutdown.cancel();
    within(running.server).await.unwrap();
    assert_eq!(read_all(busy).await, "");
}
