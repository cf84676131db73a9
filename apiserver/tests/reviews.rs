//! Questions that are asked by creating objects: who, and may they; and tokens that answer them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may.

mod common;

use std::sync::Arc;

use apiserver::authn::keys::SigningKey;
use apiserver::env::Env;
use apiserver::identity::{Identity, MASTERS, NODES};
use apiserver::server::{Config, Server};
use axum::body::Body;
use common::Client;
use http::Request;
use rcgen::KeyPair;
use serde_json::{Value, json};
use store::Memory;
use store::clock::SystemClock;

const AUTHENTICATION: &str = "/apis/authentication.k8s.io/v1";
const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

/// A server that issues tokens, with the account `default` in the namespace of that name.
async fn start() -> Client {
    let log = Memory::new(Arc::new(SystemClock), 64 << 20);
    let mut config = Config::new(Arc::new(log), Env::system());
    let key = KeyPair::generate().unwrap().serialize_pem();
    config.signing_key = Some(SigningKey::from_pem(&key).unwrap());
    config.external_address = "192.0.2.1:6443".to_owned();
    let server = Server::start(config).await.unwrap();
    let client = Client {
        server,
        identity: Identity::user("admin", [MASTERS]),
    };
    client
        .post(ACCOUNTS, &json!({ "metadata": { "name": "default" } }))
        .await
        .ok();
    client
}

fn as_user(client: &Client, identity: Identity) -> Client {
    Client {
        server: client.server.clone(),
        identity,
    }
}

#[tokio::test]
async fn callers_learn_who_they_are_and_what_they_may() {
    let client = start().await;
    let me = client
        .post(&format!("{AUTHENTICATION}/selfsubjectreviews"), &json!({}))
        .await;
    assert_eq!(me.code, 201);
    let me = me.json();
    assert_eq!(me["kind"], "SelfSubjectReview");
    assert_eq!(
        me["status"]["userInfo"],
        json!({ "username": "admin", "groups": ["system:masters", "system:authenticated"] })
    );
    assert!(
        me["metadata"]["creationTimestamp"].is_string()
            && me["metadata"].get("managedFields").is_none()
    );

    let ask = json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } });
    let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
    let may = client.post(&path, &ask).await.ok();
    assert_eq!(may["status"], json!({ "allowed": true }));
    assert_eq!(may["spec"], ask["spec"]);
    let bob = as_user(&client, Identity::user("bob", []));
    assert_eq!(bob.post(&path, &ask).await.ok()["status"]["allowed"], false);

    let path = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let rules = bob
        .post(&path, &json!({ "spec": { "namespace": "default" } }))
        .await
        .ok();
    assert_eq!(
        (&rules["spec"], &rules["status"]["incomplete"]),
        (&json!({}), &json!(false))
    );
    let all: Vec<&Value> = rules["status"]["resourceRules"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert!(
        all.iter()
            .any(|r| r["resources"] == json!(["selfsubjectreviews"])
                && r["verbs"] == json!(["create"])),
        "{rules}"
    );
    let refused = bob.post(&path, &json!({ "spec": {} })).await.refused();
    assert_eq!(
        (refused.0, refused.2.as_str()),
        (400, "no namespace on request")
    );
}

#[tokio::test]
async fn access_is_reviewed_for_others() {
    let client = start().await;
    let path = format!("{AUTHORIZATION}/subjectaccessreviews");
    let ask = |spec: Value| {
        let (client, path) = (&client, &path);
        async move { client.post(path, &json!({ "spec": spec })).await }
    };
    let pods = json!({ "verb": "get", "resource": "pods", "namespace": "default", "name": "x" });
    let node =
        ask(json!({ "user": "system:node:n1", "groups": [NODES], "resourceAttributes": pods }))
            .await
            .ok();
    assert_eq!(
        node["status"],
        json!({ "allowed": false, "reason": "node: no relationship found between node 'n1' and this object" })
    );
    let masters = ask(json!({ "groups": [MASTERS], "resourceAttributes": pods }))
        .await
        .ok();
    assert_eq!(masters["status"]["allowed"], true);
    let version = json!({ "path": "/version", "verb": "get" });
    let anybody = ask(json!({ "user": "x", "groups": ["system:authenticated"], "nonResourceAttributes": version })).await.ok();
    assert_eq!(anybody["status"]["allowed"], true);
    let selectors = json!({
        "verb": "list", "resource": "pods",
        "fieldSelector": { "rawSelector": "a b" }, "labelSelector": { "rawSelector": "x in (" },
    });
    let odd = ask(json!({ "user": "bob", "resourceAttributes": selectors }))
        .await
        .ok();
    assert_eq!(
        odd["status"]["evaluationError"],
        "spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector ignored due \
         to parse error"
    );

    let (code, _, message) = ask(json!({})).await.refused();
    assert_eq!(code, 422);
    assert!(
        message.ends_with(
            "[spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified, \
             spec.user: Invalid value: \"\": at least one of user or group must be specified]"
        ),
        "{message}"
    );
    let empty = json!({ "user": "bob", "resourceAttributes": { "fieldSelector": { "requirements": [{ "operator": "In" }] } } });
    let (_, _, message) = ask(empty).await.refused();
    assert!(message.contains("spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified"), "{message}");
    let named = client
        .post(&path, &json!({ "metadata": { "name": "x" }, "spec": { "user": "bob", "resourceAttributes": pods } }))
        .await
        .refused();
    assert!(
        named.2.contains("metadata: Invalid value: {\"name\":\"x\"")
            && named.2.ends_with("must be empty"),
        "{}",
        named.2
    );

    let local = format!("{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews");
    let own = client
        .post(
            &local,
            &json!({ "spec": { "user": "bob", "resourceAttributes": pods } }),
        )
        .await
        .ok();
    assert_eq!(
        (&own["status"]["allowed"], &own["metadata"]["namespace"]),
        (&json!(false), &json!("default"))
    );
    let other =
        json!({ "spec": { "user": "bob", "resourceAttributes": { "namespace": "other" } } });
    let (_, _, message) = client.post(&local, &other).await.refused();
    assert!(message.ends_with("spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"), "{message}");
    // Questions only: nothing is listed, nothing is there.
    assert_eq!(client.get(&path).await.code, 405);
}

#[tokio::test]
async fn tokens_are_issued_reviewed_and_die_with_what_they_are_bound_to() {
    let client = start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": { "serviceAccountName": "default", "containers": [{ "name": "c", "image": "i" }] },
    });
    let pod = client.post(pods, &pod).await.ok();
    let reference =
        json!({ "kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"] });
    let ask = json!({ "spec": { "audiences": ["vault"], "expirationSeconds": 900, "boundObjectRef": reference } });
    let token = client
        .post(&format!("{ACCOUNTS}/default/token"), &ask)
        .await;
    assert_eq!(token.code, 201, "{}", token.text());
    let token = token.json();
    assert_eq!(token["kind"], "TokenRequest");
    assert_eq!(token["metadata"]["name"], "default");
    assert_eq!(token["spec"]["expirationSeconds"], 900);
    let review = |audiences: Value| {
        let (client, token) = (&client, token["status"]["token"].clone());
        let body = json!({ "spec": { "token": token, "audiences": audiences } });
        async move {
            client
                .post(&format!("{AUTHENTICATION}/tokenreviews"), &body)
                .await
                .ok()["status"]
                .clone()
        }
    };
    let good = review(json!(["vault", "other"])).await;
    assert_eq!(
        (&good["authenticated"], &good["audiences"]),
        (&json!(true), &json!(["vault"]))
    );
    assert_eq!(
        good["user"]["username"],
        "system:serviceaccount:default:default"
    );
    assert_eq!(
        good["user"]["extra"]["authentication.kubernetes.io/pod-name"],
        json!(["p"])
    );
    let elsewhere = review(json!(["other"])).await;
    assert_eq!(
        elsewhere["error"],
        "[invalid bearer token, token audiences [\"vault\"] is invalid for the target audiences [\"other\"]]"
    );
    assert!(elsewhere.get("authenticated").is_none());

    client
        .delete(&format!("{pods}/p?gracePeriodSeconds=0"))
        .await
        .ok();
    let dead = review(json!(["vault"])).await;
    assert_eq!(
        dead["error"],
        "[invalid bearer token, service account token has been invalidated]"
    );
    let none = client
        .post(
            &format!("{AUTHENTICATION}/tokenreviews"),
            &json!({ "spec": {} }),
        )
        .await
        .refused();
    assert_eq!(
        (none.0, none.2.as_str()),
        (400, "token is required for TokenReview in authentication")
    );
    let junk = client
        .post(
            &format!("{AUTHENTICATION}/tokenreviews"),
            &json!({ "spec": { "token": "abc" } }),
        )
        .await
        .ok();
    assert_eq!(
        junk["status"],
        json!({ "user": {}, "error": "invalid bearer token" })
    );
}

#[tokio::test]
async fn requests_for_tokens_are_checked() {
    let client = start().await;
    for (body, code, message) in [
        (
            json!({ "spec": { "expirationSeconds": 5 } }),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
        ),
        (
            json!({ "spec": { "expirationSeconds": 5_000_000_000_i64 } }),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 5000000000: may not specify a duration larger than 2^32 seconds",
        ),
        (
            json!({ "spec": { "boundObjectRef": { "kind": "Foo", "apiVersion": "v1", "name": "x" } } }),
            400,
            "cannot bind token to object of type /v1, Kind=Foo",
        ),
        (
            json!({ "spec": { "boundObjectRef": { "kind": "Pod", "apiVersion": "v1", "name": "x" } } }),
            404,
            "pods \"x\" not found",
        ),
        (
            json!({ "metadata": { "name": "other" } }),
            422,
            "TokenRequest.authentication.k8s.io \"default\" is invalid: metadata.name: Invalid value: \"other\": must match the service account name if specified",
        ),
    ] {
        let refused = client
            .post(&format!("{ACCOUNTS}/default/token"), &body)
            .await
            .refused();
        assert_eq!((refused.0, refused.2.as_str()), (code, message));
    }
    let missing = client
        .post(&format!("{ACCOUNTS}/nope/token"), &json!({}))
        .await
        .refused();
    assert_eq!(
        (missing.0, missing.2.as_str()),
        (404, "serviceaccounts \"nope\" not found")
    );
    // An hour, for this server, where nothing is said.
    let plain = client
        .post(&format!("{ACCOUNTS}/default/token"), &json!({}))
        .await
        .ok();
    assert_eq!(plain["spec"]["expirationSeconds"], 3600);
    assert_eq!(
        plain["spec"]["audiences"],
        json!(["https://kubernetes.default.svc.cluster.local"])
    );
    // And it opens the door.
    let request = Request::get("/api/v1/namespaces")
        .header(
            "authorization",
            format!("Bearer {}", plain["status"]["token"].as_str().unwrap()),
        )
        .body(Body::empty())
        .unwrap();
    let response = client.server.service.clone().answer(request).await;
    assert_eq!(response.status(), 403, "known, but may not");
}

#[tokio::test]
async fn keys_of_tokens_are_published() {
    let client = start().await;
    let configuration = client.get("/.well-known/openid-configuration").await;
    assert_eq!(configuration.headers["content-type"], "application/json");
    assert_eq!(
        configuration.json(),
        json!({
            "issuer": "https://kubernetes.default.svc.cluster.local",
            "jwks_uri": "https://192.0.2.1:6443/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    );
    let keys = client.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(keys.json()["keys"][0]["alg"], "ES256");
    assert!(keys.json()["keys"][0].get("d").is_none(), "no private part");
}

#[tokio::test]
async fn a_node_gets_tokens_of_its_own_pods_for_the_audiences_that_they_name() {
    let client = start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let token = json!({ "serviceAccountToken": { "audience": "vault", "path": "t" } });
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": {
            "nodeName": "n1",
            "containers": [{ "name": "c", "image": "i" }],
            "volumes": [{ "name": "v", "projected": { "sources": [token] } }],
        },
    });
    let pod = client.post(pods, &pod).await.ok();
    let ask = |audiences: Value, uid: &Value| {
        json!({ "spec": { "audiences": audiences, "boundObjectRef": {
        "kind": "Pod", "apiVersion": "v1", "name": "p", "uid": uid,
    } } })
    };
    let uid = &pod["metadata"]["uid"];
    let node = |name: &str| {
        as_user(
            &client,
            Identity::user(&format!("system:node:{name}"), [NODES]),
        )
    };
    let path = format!("{ACCOUNTS}/default/token");
    let own = node("n1");
    // The pod's own volume for this server names the empty audience.
    own.post(&path, &ask(json!(["vault"]), uid)).await.ok();
    own.post(&path, &ask(json!([]), uid)).await.ok();
    for (body, why) in [
        (
            ask(json!(["other"]), uid),
            "system:node:n1 is not authorized to request tokens for audience \"other\"",
        ),
        (
            ask(json!(["vault", "other"]), uid),
            "node may only request 0 or 1 audiences",
        ),
        (
            ask(json!(["vault"]), &json!("")),
            "node requested token with a pod binding without a uid",
        ),
        (
            ask(json!(["vault"]), &json!("another")),
            "the UID in the bound object reference (another) does not match the UID in record. The object might have been deleted and then recreated",
        ),
        (
            json!({ "spec": { "audiences": ["vault"] } }),
            "node requested token not bound to a pod",
        ),
    ] {
        let (code, _, message) = own.post(&path, &body).await.refused();
        assert_eq!(code, 403);
        assert_eq!(
            message,
            format!("serviceaccounts \"default\" is forbidden: {why}")
        );
    }
    let (code, _, message) = node("n2")
        .post(&path, &ask(json!(["vault"]), uid))
        .await
        .refused();
    assert_eq!(code, 403);
    assert!(
        message.contains("no relationship found between node 'n2' and this object"),
        "{message}"
    );
}
