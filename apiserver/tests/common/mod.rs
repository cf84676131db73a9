//! A server in memory, and a client that calls it without a connection.
#![allow(dead_code)] // Each test uses what it needs.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Only tests call these.

use std::sync::Arc;

use apiserver::env::Env;
use apiserver::identity::{Identity, MASTERS};
use apiserver::server::{Config, Server};
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use store::Memory;
use store::clock::SystemClock;
use tower::ServiceExt;

pub struct Client {
    pub server: Server,
    pub identity: Identity,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    pub headers: http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.code),
            "{} {}",
            self.code,
            self.text()
        );
        self.json()
    }

    #[track_caller]
    pub fn refused(self) -> (u16, String, String) {
        assert!(self.code >= 400, "{} {}", self.code, self.text());
        let status = self.json();
        let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
        (self.code, text("reason"), text("message"))
    }

    pub fn warnings(&self) -> Vec<String> {
        self.headers
            .get_all("warning")
            .iter()
            .map(|v| v.to_str().unwrap().to_owned())
            .collect()
    }
}

pub async fn start() -> Client {
    start_with(|_| {}).await
}

/// A server whose settings `change` changes.
pub async fn start_with(change: impl FnOnce(&mut Config)) -> Client {
    let client = start_existing(change).await;
    // What the service account controller would make.
    client
        .post(
            "/api/v1/namespaces/default/serviceaccounts",
            &serde_json::json!({ "metadata": { "name": "default" } }),
        )
        .await
        .ok();
    client
}

/// As [`start_with`], of a cluster that is there already.
pub async fn start_existing(change: impl FnOnce(&mut Config)) -> Client {
    let log = Memory::new(Arc::new(SystemClock), 64 << 20);
    let mut config = Config::new(Arc::new(log), Env::system());
    change(&mut config);
    let server = Server::start(config).await.unwrap();
    Client {
        server,
        identity: Identity::user("admin", [MASTERS]),
    }
}

impl Client {
    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.server
            .service
            .in_process(self.identity.clone())
            .oneshot(request)
            .await
            .unwrap()
    }

    pub async fn call(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.send(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            code: head.status.as_u16(),
            headers: head.headers,
            bytes,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn accept(&self, path: &str, accept: &str) -> Answer {
        self.call(
            Request::get(path)
                .header("accept", accept)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    async fn with_body(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type);
        self.call(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn send_raw(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Answer {
        self.with_body(method, path, content_type, body).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with_body(
            "POST",
            path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.with_body(
            "PUT",
            path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    pub async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.with_body("POST", path, content_type, body.into())
            .await
    }

    pub async fn patch(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.with_body("PATCH", path, content_type, body.into())
            .await
    }

    /// Lets the user do all with these resources of certificates.k8s.io, and `verb` for the signer.
    pub async fn grant(&self, user: &str, resources: &[&str], verb: &str, signer: &str) {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let group = ["certificates.k8s.io"];
        let role = serde_json::json!({"metadata": {"name": user}, "rules": [
            {"verbs": ["*"], "apiGroups": group, "resources": resources},
            {"verbs": [verb], "apiGroups": group, "resources": ["signers"], "resourceNames": [signer]},
        ]});
        self.post(&format!("{rbac}/clusterroles"), &role).await.ok();
        let binding = serde_json::json!({
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        let bindings = format!("{rbac}/clusterrolebindings");
        self.post(&bindings, &binding).await.ok();
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Request::delete(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn delete_with(&self, path: &str, body: &Value) -> Answer {
        self.with_body(
            "DELETE",
            path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    pub async fn watch(&self, path: &str) -> Watch {
        let response = self
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(response.status(), 200);
        Watch {
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }
}

/// The events of a watch, one after another.
pub struct Watch {
    body: Body,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event; none at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Type and name of the next event.
    pub async fn step(&mut self) -> (String, String) {
        let event = self.next().await.expect("another event");
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        (
            text(&event["type"]),
            text(&event["object"]["metadata"]["name"]),
        )
    }
}
