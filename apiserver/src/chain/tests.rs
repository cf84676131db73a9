use http::StatusCode;
use http_body_util::BodyExt;

use super::*;
use crate::audit::LogSink;
use crate::authz::bootstrap::Policy;
use crate::flow::Limits;
use crate::identity::{Identity, MASTERS};
use crate::testing::{Nothing, server_with};

/// Answers by the object's name.
struct Puppet;

#[async_trait]
impl Handler for Puppet {
    async fn handle(
        &self,
        cx: Arc<RequestContext>,
        _: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        match cx.info.name.as_str() {
            "panic" => panic!("planned"),
            "hang" => std::future::pending().await,
            "missing" => Err(Status::not_found(cx.info.qualified(), "missing")),
            "warn" => {
                cx.warn("deprecated");
                cx.warn("deprecated");
                Ok(Response::new(Body::from("warned")))
            }
            _ => Ok(Response::new(Body::from(cx.identity.name.clone()))),
        }
    }
}

async fn call(
    server: &ApiServer,
    identity: Identity,
    request: Request<Body>,
) -> (StatusCode, HeaderMap, String) {
    let response = server.in_process(identity).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

fn admin() -> Identity {
    Identity::user("admin", [MASTERS])
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_reaches_its_handler_with_the_callers_identity() {
    let server = server_with(Arc::new(Puppet));
    let (code, headers, body) = call(&server, admin(), get("/api/v1/namespaces/d/pods/x")).await;
    assert_eq!((code.as_u16(), body.as_str()), (200, "admin"));
    assert_eq!(headers["cache-control"], "no-cache, private");
    assert_eq!(headers["audit-id"].len(), 36);
    let mut request = get("/api/v1/namespaces/d/pods/x");
    request
        .headers_mut()
        .insert("audit-id", "mine".parse().unwrap());
    request
        .headers_mut()
        .insert("impersonate-user", "joe".parse().unwrap());
    let (code, headers, body) = call(&server, admin(), request).await;
    assert_eq!(
        (code.as_u16(), headers["audit-id"].to_str().unwrap()),
        (403, "mine")
    );
    assert!(
        body.contains("User \\\"joe\\\" cannot get resource \\\"pods\\\""),
        "{body}"
    );
}

#[tokio::test]
async fn nobody_gets_further_than_they_may() {
    let server = server_with(Arc::new(Puppet));
    let (code, _, body) = call(&server, Identity::user("bob", []), get("/api/v1/pods")).await;
    assert_eq!(code, 403);
    assert!(body.contains("\"reason\":\"Forbidden\""), "{body}");
    // Without a connection's certificate, a token or a caller: anonymous.
    let response = server.clone().answer(get("/version")).await;
    assert_eq!(response.status(), 200);
    let response = server.clone().answer(get("/api")).await;
    assert_eq!(response.status(), 403);
    // Wrong credentials are not anonymous; those of a scheme that is not spoken here are none.
    for (value, code) in [("Bearer x.y.z", 401), ("Basic YTpi", 200), ("Bearer", 200)] {
        let mut request = get("/version");
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
        assert_eq!(
            server.clone().answer(request).await.status(),
            code,
            "{value}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_become_answers() {
    let server = server_with(Arc::new(Puppet));
    for (path, code, body) in [
        (
            "/api/v1/namespaces/d/pods/missing",
            404,
            "pods \\\"missing\\\" not found",
        ),
        (
            "/api/v1/namespaces/d/pods/panic",
            500,
            "This request caused apiserver to panic",
        ),
        (
            "/api/v1/namespaces/d/pods/hang",
            504,
            "Timeout: request did not complete within the allotted timeout",
        ),
        (
            "/api/v1/namespaces/d/pods/hang?timeout=1s",
            504,
            "\"reason\":\"Timeout\"",
        ),
        (
            "/api/v1/pods?timeout=abc",
            400,
            "invalid timeout specified in the request URL - time: invalid duration \\\"abc\\\"",
        ),
        (
            "/api/v1/watch",
            500,
            "failed to create RequestInfo: unable to determine kind and namespace from url, /api/v1/watch",
        ),
        ("/nope", 404, "404 page not found"),
        ("/apis/foo/v1", 404, "404 page not found"),
        ("/livez/nope", 404, "404 page not found"),
    ] {
        let start = Instant::now();
        let (got, _, text) = call(&server, admin(), get(path)).await;
        assert_eq!(got.as_u16(), code, "{path}: {text}");
        assert!(text.contains(body), "{path}: {text}");
        if path.ends_with("timeout=1s") {
            assert_eq!(start.elapsed().as_secs(), 1);
        }
    }
    // The server goes on.
    assert_eq!(
        call(&server, admin(), get("/api/v1/namespaces/d/pods/x"))
            .await
            .0,
        200
    );
    let (_, _, metrics) = call(&server, admin(), get("/metrics")).await;
    assert!(
        metrics.contains("gantry_apiserver_panics_total 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("apiserver_request_total{verb=\"get\",code=\"504\"} 2\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn warnings_are_sent_once() {
    let server = server_with(Arc::new(Puppet));
    let (_, headers, _) = call(&server, admin(), get("/api/v1/namespaces/d/pods/warn")).await;
    let warnings: Vec<_> = headers.get_all("warning").iter().collect();
    assert_eq!(warnings, ["299 - \"deprecated\""]);
}

#[tokio::test]
async fn errors_come_in_the_accepted_media_type() {
    let server = server_with(Arc::new(Puppet));
    let mut request = get("/api/v1/namespaces/d/pods/missing");
    request.headers_mut().insert(
        "accept",
        "application/vnd.kubernetes.protobuf".parse().unwrap(),
    );
    let response = server.in_process(admin()).oneshot(request).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.kubernetes.protobuf"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"k8s\0"));
}

#[tokio::test]
async fn a_busy_server_says_so() {
    let server = crate::testing::server(crate::testing::Options {
        resources: Arc::new(Puppet),
        limits: Limits {
            read_only: 0,
            mutating: 0,
            queue: 0,
            wait: Duration::ZERO,
        },
    });
    let bob = Identity::user("bob", []);
    let (code, headers, body) = call(&server, bob, get("/api/v1/pods")).await;
    assert_eq!(
        (code.as_u16(), headers["retry-after"].to_str().unwrap()),
        (429, "1")
    );
    assert_eq!(body, "Too many requests, please try again later.\n");
    assert_eq!(
        call(&server, Identity::user("bob", []), get("/readyz"))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn readiness_ends_with_the_drain() {
    let draining = CancellationToken::new();
    let (env, authorizer) = (Env::system(), Arc::new(Authorizer::default()));
    Policy::builtin().feed(&mut *authorizer.rbac.write());
    let server = ApiServer::new(Wiring {
        authenticator: crate::testing::authenticator(&env),
        env,
        authorizer,
        flow: Arc::new(FlowControl::new(Limits::default())),
        health: Arc::new(Health::new()),
        metrics: Arc::default(),
        audit: Arc::new(LogSink),
        draining: draining.clone(),
        resources: Arc::new(Nothing),
        routes: Router::new(),
    });
    assert_eq!(server.clone().answer(get("/readyz")).await.status(), 200);
    draining.cancel();
    assert_eq!(server.clone().answer(get("/readyz")).await.status(), 500);
    assert_eq!(server.clone().answer(get("/livez")).await.status(), 200);
}

/// Who was noted with which code.
#[derive(Default)]
struct Notebook(parking_lot::Mutex<Vec<(Option<String>, u16)>>);

impl AuditSink for Notebook {
    fn record(&self, cx: &RequestContext, code: u16) {
        self.0.lock().push((Some(cx.identity.name.clone()), code));
    }
    fn record_refused(&self, refused: &Refused<'_>) {
        self.0
            .lock()
            .push((refused.identity.map(|i| i.name.clone()), refused.code));
    }
}

#[tokio::test]
async fn every_request_is_noted_once() {
    let notebook = Arc::new(Notebook::default());
    let (env, authorizer) = (Env::system(), Arc::new(Authorizer::default()));
    let server = ApiServer::new(Wiring {
        authenticator: crate::testing::authenticator(&env),
        env,
        authorizer,
        flow: Arc::new(FlowControl::new(Limits::default())),
        health: Arc::new(Health::new()),
        metrics: Arc::default(),
        audit: notebook.clone(),
        draining: CancellationToken::new(),
        resources: Arc::new(Puppet),
        routes: Router::new(),
    });
    call(&server, admin(), get("/api/v1/namespaces/d/pods/x")).await;
    call(&server, Identity::user("bob", []), get("/api/v1/pods")).await;
    let mut request = get("/api/v1/pods");
    request
        .headers_mut()
        .insert("authorization", "Bearer x".parse().unwrap());
    server.answer(request).await;
    let noted = std::mem::take(&mut *notebook.0.lock());
    assert_eq!(
        noted,
        [
            (Some("admin".into()), 200),
            (Some("bob".into()), 403),
            (None, 401)
        ]
    );
}
