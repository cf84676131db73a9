//! CertificateSigningRequests: who asks, who may approve, and what approval changes.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may.

mod common;

use apiserver::identity::Identity;
use common::Client;
use serde_json::{Value, json};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

fn request() -> Value {
    // A well-formed PKCS#10 request; only its form matters here.
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .serialize_request(&key)
        .unwrap();
    let pem = csr.pem().unwrap();
    json!({
        "metadata": { "name": "r" },
        "spec": {
            "request": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem),
            "signerName": "example.org/own",
            "usages": ["client auth"],
            "username": "somebody-else",
            "groups": ["system:masters"],
        },
    })
}

async fn grant(client: &Client, user: &str, verb: &str, signer: &str) {
    let rules = json!([
        { "verbs": ["*"], "apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"] },
        { "verbs": [verb], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": [signer] },
    ]);
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    client
        .post(
            &format!("{rbac}/clusterroles"),
            &json!({ "metadata": { "name": user }, "rules": rules }),
        )
        .await
        .ok();
    let binding = json!({
        "metadata": { "name": user },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
    });
    client
        .post(&format!("{rbac}/clusterrolebindings"), &binding)
        .await
        .ok();
}

#[tokio::test]
async fn the_requester_is_written_by_the_server_and_approval_takes_the_right_to_it() {
    let admin = common::start().await;
    let user = |name: &str| Client {
        server: admin.server.clone(),
        identity: Identity::user(name, []),
    };
    grant(&admin, "eve", "sign", "example.org/own").await;
    grant(&admin, "ann", "approve", "example.org/*").await;
    let made = user("eve").post(REQUESTS, &request()).await.ok();
    assert_eq!(made["spec"]["username"], "eve");
    assert_eq!(made["spec"]["groups"], json!(["system:authenticated"]));

    let mut approved = made.clone();
    approved["status"] = json!({ "conditions": [{ "type": "Approved", "status": "True", "reason": "x", "message": "y" }] });
    let path = format!("{REQUESTS}/r/approval");
    let (code, _, message) = user("eve").put(&path, &approved).await.refused();
    assert_eq!(code, 403);
    assert!(
        message.ends_with(
            "user not permitted to approve requests with signerName \"example.org/own\""
        ),
        "{message}"
    );
    approved["spec"]["signerName"] = "example.org/other".into();
    approved["status"]["certificate"] = "eA==".into();
    let after = user("ann").put(&path, &approved).await.ok();
    assert_eq!(
        after["spec"]["signerName"], "example.org/own",
        "approval changes conditions only"
    );
    assert!(after["status"].get("certificate").is_none(), "{after}");
    let condition = &after["status"]["conditions"][0];
    assert!(
        condition["lastUpdateTime"].is_string() && condition["lastTransitionTime"].is_string(),
        "{condition}"
    );

    // What was approved stays what it is, whoever writes the object.
    let mut changed = after.clone();
    changed["spec"]["usages"] = json!(["server auth"]);
    changed["spec"]["username"] = "admin".into();
    changed["metadata"]["labels"] = json!({ "a": "b" });
    let kept = admin.put(&format!("{REQUESTS}/r"), &changed).await.ok();
    assert_eq!(kept["metadata"]["labels"]["a"], "b");
    assert_eq!(kept["spec"], after["spec"]);

    // Signing is another right.
    let mut signed = kept;
    let pem = rcgen::generate_simple_self_signed(["x".to_owned()])
        .unwrap()
        .cert
        .pem();
    signed["status"]["certificate"] =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem).into();
    let path = format!("{REQUESTS}/r/status");
    let (code, _, message) = user("ann").put(&path, &signed).await.refused();
    assert_eq!(code, 403);
    assert!(
        message
            .ends_with("user not permitted to sign requests with signerName \"example.org/own\""),
        "{message}"
    );
    let done = user("eve").put(&path, &signed).await.ok();
    assert_eq!(
        done["status"]["certificate"],
        signed["status"]["certificate"]
    );
    assert_eq!(done["status"]["conditions"], after["status"]["conditions"]);
}
