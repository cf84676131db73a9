//! `pods/log`: from kubelets of the same process and over HTTPS; and what is judged here of the connections to kubelets.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may.

mod common;

use std::sync::Arc;
use std::time::Duration;

use apiserver::kubelets::Https;
use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::routing::get;
use common::Client;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn pod(client: &Client, name: &str, node: &str, containers: &[&str]) {
    let containers: Vec<Value> = containers
        .iter()
        .map(|c| json!({ "name": c, "image": "i" }))
        .collect();
    let mut spec = json!({ "containers": containers });
    if !node.is_empty() {
        spec["nodeName"] = node.into();
    }
    client
        .post(PODS, &json!({ "metadata": { "name": name }, "spec": spec }))
        .await
        .ok();
}

async fn node(client: &Client, port: u16) {
    let status = json!({
        "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
    });
    client
        .post(
            "/api/v1/nodes",
            &json!({ "metadata": { "name": "n1" }, "status": status }),
        )
        .await
        .ok();
}

/// Says what it was asked for.
fn kubelet() -> Router {
    Router::new().route(
        "/containerLogs/{namespace}/{pod}/{container}",
        get(|uri: http::Uri, RawQuery(query): RawQuery| async move {
            match query.as_deref() {
                Some("previous=true") => (
                    StatusCode::BAD_REQUEST,
                    "previous terminated container \"c\" not found".to_owned(),
                ),
                _ => (StatusCode::OK, format!("{uri}\n")),
            }
        }),
    )
}

#[tokio::test]
async fn questions_are_judged_before_a_kubelet_is_asked() {
    let client = common::start().await;
    pod(&client, "free", "", &["c"]).await;
    pod(&client, "two", "", &["a", "b"]).await;
    pod(&client, "lost", "gone", &["c"]).await;
    let quiet = client.get(&format!("{PODS}/free/log")).await;
    assert_eq!((quiet.code, quiet.bytes.len()), (204, 0));
    for (path, code, message) in [
        (
            "two/log",
            400,
            "a container name must be specified for pod two, choose one of: [a b]",
        ),
        (
            "two/log?container=z",
            400,
            "container z is not valid for pod two",
        ),
        ("lost/log", 404, "pods \"gone\" not found"),
        ("none/log", 404, "pods \"none\" not found"),
        (
            "free/log?tailLines=x",
            400,
            "strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "free/log?limitBytes=0",
            422,
            "PodLogOptions \"free\" is invalid: limitBytes: Invalid value: 0: must be greater than 0",
        ),
        (
            "two/exec?command=x",
            400,
            "a container name must be specified for pod two, choose one of: [a b]",
        ),
        (
            "two/attach?container=z",
            400,
            "container z is not valid for pod two",
        ),
        (
            "free/exec?command=x",
            400,
            "pod free does not have a host assigned",
        ),
        ("lost/portforward", 404, "pods \"gone\" not found"),
        ("none/portforward", 404, "pods \"none\" not found"),
        (
            "free/portforward?ports=x",
            400,
            "strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        ("free/proxy/", 400, "address not allowed"),
        ("none:80/proxy/", 404, "pods \"none\" not found"),
        ("a:b:c:d/proxy/", 400, "invalid pod request \"a:b:c:d\""),
    ] {
        let refused = client.get(&format!("{PODS}/{path}")).await.refused();
        assert_eq!((refused.0, refused.2.as_str()), (code, message), "{path}");
    }
    node(&client, 10250).await;
    pod(&client, "here", "n1", &["c"]).await;
    let plain = client.get(&format!("{PODS}/here/exec?command=x")).await;
    let (code, _, message) = plain.refused();
    assert_eq!((code, message.as_str()), (400, "Upgrade request required"));
    let (code, _, message) = client.get(&format!("{PODS}/here/log")).await.refused();
    assert_eq!(code, 500);
    assert!(
        message.contains("not configured to reach kubelets"),
        "{message}"
    );
}

#[tokio::test]
async fn a_kubelet_of_the_same_process_is_asked_directly() {
    let client = common::start().await;
    node(&client, 1).await;
    pod(&client, "p", "n1", &["c"]).await;
    client.server.kubelets.attach("n1", kubelet());
    let log = client
        .get(&format!("{PODS}/p/log?tailLines=3&timestamps=true"))
        .await;
    assert_eq!(
        (log.code, log.headers["content-type"].to_str().unwrap()),
        (200, "text/plain")
    );
    assert_eq!(
        log.text(),
        "/containerLogs/default/p/c?timestamps=true&tailLines=3\n"
    );
    let (code, reason, message) = client
        .get(&format!("{PODS}/p/log?previous=true"))
        .await
        .refused();
    assert_eq!((code, reason.as_str()), (400, "BadRequest"));
    assert_eq!(message, "previous terminated container \"c\" not found");
    client.server.kubelets.detach("n1");
    assert_eq!(client.get(&format!("{PODS}/p/log")).await.code, 500);
}

#[tokio::test]
async fn a_followed_log_flows_line_by_line_and_ends_with_the_client_and_the_server() {
    let client = common::start().await;
    node(&client, 1).await;
    pod(&client, "p", "n1", &["c"]).await;
    let (lines, receiver) = mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let receiver = Arc::new(parking_lot::Mutex::new(Some(receiver)));
    let router = Router::new().route(
        "/containerLogs/default/p/c",
        get(move || {
            let receiver = receiver.lock().take().unwrap();
            async move { Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver)) }
        }),
    );
    client.server.kubelets.attach("n1", router);
    let response = client
        .send(
            Request::get(format!("{PODS}/p/log?follow=true"))
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    let mut body = response.into_body();
    for line in ["one\n", "two\n"] {
        lines.send(Ok(line.into())).await.unwrap();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            line
        );
    }
    // Nobody reads: what is written stops after what the channel holds, and nothing is buffered on the way.
    lines.send(Ok("three\n".into())).await.unwrap();
    assert!(lines.try_send(Ok("four\n".into())).is_err());
    client.server.draining.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(5), body.collect())
        .await
        .expect("ends with the server")
        .unwrap();
    assert!(rest.to_bytes().len() <= "three\n".len());
    lines.closed().await;
}

/// A kubelet's HTTPS server with this certificate; it wants a client certificate of `clients`.
async fn https(serving: &CertifiedKey<rcgen::KeyPair>, clients: &str) -> u16 {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(clients.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(serving.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![serving.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let service = TowerToHyperService::new(kubelet());
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .map_err(|e| e.to_string())
            });
        }
    });
    port
}

#[tokio::test]
async fn a_kubelet_is_asked_over_https_with_certificates_on_both_sides() {
    let own = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let stranger = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let client = common::start().await;
    let port = https(&own, &cert).await;
    node(&client, port).await;
    pod(&client, "p", "n1", &["c"]).await;
    let ask = async |query: &str| client.get(&format!("{PODS}/p/log{query}")).await;

    // Without an authority any certificate is taken, as upstream does.
    client
        .server
        .kubelets
        .use_https(Https::new(&cert, &key, None).unwrap());
    assert_eq!(ask("").await.text(), "/containerLogs/default/p/c\n");
    // With one, only its own.
    client
        .server
        .kubelets
        .use_https(Https::new(&cert, &key, Some(&cert)).unwrap());
    assert_eq!(ask("").await.code, 200);
    client
        .server
        .kubelets
        .use_https(Https::new(&cert, &key, Some(&stranger.cert.pem())).unwrap());
    let (code, _, message) = ask("").await.refused();
    assert_eq!(code, 500);
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(ask("?insecureSkipTLSVerifyBackend=true").await.code, 200);
    // Who has no certificate that the kubelet knows gets no log.
    let (other, other_key) = (stranger.cert.pem(), stranger.signing_key.serialize_pem());
    client
        .server
        .kubelets
        .use_https(Https::new(&other, &other_key, None).unwrap());
    assert_eq!(ask("").await.code, 500);
}
