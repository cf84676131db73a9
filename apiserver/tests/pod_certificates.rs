//! PodCertificateRequests: possession of the key is checked, the status is written once and by the signer, and a node asks for its
//! own pods alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may"
)]

mod common;

use std::time::Duration;

use apiserver::identity::Identity;
use base64::Engine as _;
use common::Client;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests";
const SIGNER: &str = "example.com/one";

fn csr(key: &KeyPair) -> String {
    let request = CertificateParams::default().serialize_request(key).unwrap();
    base64::engine::general_purpose::STANDARD.encode(request.der())
}

fn request(key: &KeyPair) -> Value {
    json!({
        "metadata": {"name": "r"},
        "spec": {
            "signerName": SIGNER, "podName": "p", "podUID": "1", "serviceAccountName": "default",
            "serviceAccountUID": "2", "nodeName": "n", "nodeUID": "3", "stubPKCS10Request": csr(key),
        },
        "status": {"certificateChain": "mine"},
    })
}

/// Seconds since 1970 as the API writes them.
fn rfc3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap();
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap()
}

/// The status of a request whose certificate, for `key`, lives from `begin` on for `life` seconds.
fn issued(key: &KeyPair, begin: u64, life: u64) -> Value {
    let mut params = CertificateParams::new(vec!["p.example.com".to_owned()]).unwrap();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(begin);
    params.not_after = epoch + Duration::from_secs(begin + life);
    json!({
        "certificateChain": params.self_signed(key).unwrap().pem(),
        "notBefore": rfc3339(begin),
        "notAfter": rfc3339(begin + life),
        "beginRefreshAt": rfc3339(begin + life / 2),
        "conditions": [{
            "type": "Issued", "status": "True", "reason": "Test", "message": "", "lastTransitionTime": rfc3339(begin),
        }],
    })
}

/// What a signer writes: a request and its status.
const WRITTEN: [&str; 2] = ["podcertificaterequests", "podcertificaterequests/status"];

#[tokio::test]
async fn a_request_shows_its_key_and_does_not_change() {
    let admin = common::start().await;
    let key = KeyPair::generate().unwrap();
    for (field, value, what) in [
        (
            "stubPKCS10Request",
            json!("eA=="),
            "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR",
        ),
        (
            "stubPKCS10Request",
            json!(""),
            "spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
        ),
        (
            "signerName",
            json!("one"),
            "spec.signerName: Invalid value: \"one\": must be a fully qualified domain and path",
        ),
        (
            "podUID",
            json!(""),
            "spec.podUID: Invalid value: \"\": must not be empty",
        ),
        (
            "maxExpirationSeconds",
            json!(3599),
            "spec.maxExpirationSeconds: Invalid value: 3599: must be in the range [3600, 7862400]",
        ),
        (
            "unverifiedUserAnnotations",
            json!({"plain": "x"}),
            "must be a domain-prefixed key",
        ),
    ] {
        let mut wrong = request(&key);
        wrong["spec"][field] = value;
        let (code, _, message) = admin.post(REQUESTS, &wrong).await.refused();
        assert_eq!(code, 422);
        assert!(message.contains(what), "{message}");
    }
    let mut daily = request(&key);
    daily["spec"]["signerName"] = "kubernetes.io/one".into();
    daily["spec"]["maxExpirationSeconds"] = 86_401.into();
    let (_, _, message) = admin.post(REQUESTS, &daily).await.refused();
    assert!(
        message.contains("must be in the range [3600, 86400]"),
        "{message}"
    );

    let made = admin.post(REQUESTS, &request(&key)).await.ok();
    assert_eq!(
        made["spec"]["maxExpirationSeconds"], 86_400,
        "a day, if nothing is said"
    );
    assert!(made["status"].get("certificateChain").is_none(), "{made}");
    let path = format!("{REQUESTS}/r");
    let mut other = made.clone();
    other["spec"]["podName"] = "q".into();
    let (code, _, message) = admin.put(&path, &other).await.refused();
    assert_eq!(code, 422);
    assert!(
        message.contains("spec: Invalid value: ") && message.ends_with("field is immutable"),
        "{message}"
    );
    let mut other = made;
    other["metadata"]["labels"] = json!({"a": "b"});
    admin.put(&path, &other).await.ok();
}

#[tokio::test]
async fn a_status_is_written_once_by_the_signer_and_fits_what_was_asked_for() {
    let admin = common::start().await;
    let user = |name: &str| Client {
        server: admin.server.clone(),
        identity: Identity::user(name, []),
    };
    admin.grant("ann", &WRITTEN, "sign", SIGNER).await;
    admin.grant("eve", &WRITTEN, "approve", SIGNER).await;
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let made = admin.post(REQUESTS, &request(&key)).await.ok();
    let path = format!("{REQUESTS}/r/status");
    let with = |status: Value| {
        let mut object = made.clone();
        object["metadata"]["labels"] = json!({"a": "b"});
        object["status"] = status;
        object
    };
    let begin = now() - 60;
    let good = issued(&key, begin, 3600);
    let changed = |field: &str, value: Value| {
        let mut status = good.clone();
        status[field] = value;
        status
    };
    let mut two = good.clone();
    let mut denied = good["conditions"][0].clone();
    denied["type"] = "Denied".into();
    two["conditions"]
        .as_array_mut()
        .unwrap()
        .push(denied.clone());
    let junk = api::pem::encode("CERTIFICATE", b"x");
    let chain = good["certificateChain"].as_str().unwrap();
    for (status, what) in [
        (
            issued(&other, begin, 3600),
            "leaf certificate was not issued to the requested public key",
        ),
        (
            issued(&key, begin - 600, 3600),
            "must be set to within 5 minutes of kube-apiserver's current time",
        ),
        (
            issued(&key, begin, 3000),
            "Invalid value: 50m0s: leaf certificate lifetime must be >= 1 hour",
        ),
        (
            issued(&key, begin, 90_000),
            "leaf certificate lifetime must be <= spec.maxExpirationSeconds (86400)",
        ),
        (
            changed("notBefore", Value::Null),
            "status.notBefore: Required value: must be present and consistent",
        ),
        (
            changed("notAfter", rfc3339(begin).into()),
            "must be set to the NotAfter time encoded in the leaf certificate",
        ),
        (
            changed("beginRefreshAt", rfc3339(begin + 599).into()),
            "must be at least 10 minutes after status.notBefore",
        ),
        (
            changed("beginRefreshAt", rfc3339(begin + 3001).into()),
            "must be at least 10 minutes before status.notAfter",
        ),
        (
            changed("certificateChain", "".into()),
            "issued certificate chain must contain at least one certificate",
        ),
        (
            changed("certificateChain", junk.clone().into()),
            "leaf certificate does not parse as valid X.509",
        ),
        (
            changed("certificateChain", format!("{chain}{junk}").into()),
            "intermediate certificate does not parse as valid X.509",
        ),
        (
            changed("conditions", json!([])),
            "status is immutable unless transitioning to \\\"Issued\\\", \\\"Denied\\\", or \\\"Failed\\\"",
        ),
        (
            changed("conditions", json!([denied])),
            "non-condition status fields must be empty when denying or failing",
        ),
        (two, "There may be at most one condition with type"),
    ] {
        let (code, _, message) = user("ann").put(&path, &with(status)).await.refused();
        assert_eq!(code, 422, "{message}");
        assert!(
            message.contains(&what.replace("\\\"", "\"")),
            "{what}\n{message}"
        );
    }
    let (code, _, message) = user("eve").put(&path, &with(good.clone())).await.refused();
    assert_eq!(code, 422);
    assert!(
        message.contains("spec.signerName: Forbidden: User \"eve\" is not permitted to \"sign\" for signer \"example.com/one\""),
        "{message}"
    );
    let done = user("ann").put(&path, &with(good.clone())).await.ok();
    assert_eq!(done["status"]["certificateChain"], good["certificateChain"]);
    assert!(done["metadata"].get("labels").is_none(), "{done}");
    let mut again = done;
    again["status"] = issued(&key, begin, 7200);
    let (_, _, message) = user("ann").put(&path, &again).await.refused();
    assert!(
        message.contains("immutable after PodCertificateRequest is issued, denied, or failed"),
        "{message}"
    );
}

#[tokio::test]
async fn a_node_asks_for_its_own_pods_and_the_signers_that_they_name() {
    let admin = common::start().await;
    let node = |name: &str| Client {
        server: admin.server.clone(),
        identity: Identity::user(&format!("system:node:{name}"), ["system:nodes"]),
    };
    let uid = |object: Value| object["metadata"]["uid"].clone();
    let node_uid = uid(admin
        .post("/api/v1/nodes", &json!({"metadata": {"name": "n"}}))
        .await
        .ok());
    let account_uid = uid(admin
        .get("/api/v1/namespaces/default/serviceaccounts/default")
        .await
        .ok());
    let source = json!({"signerName": SIGNER, "keyType": "ED25519", "keyPath": "key"});
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "nodeName": "n",
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "projected": {"sources": [{"podCertificate": source}]}}],
    }});
    let pod_uid = uid(admin
        .post("/api/v1/namespaces/default/pods", &pod)
        .await
        .ok());
    let key = KeyPair::generate().unwrap();
    let mut good = request(&key);
    good["spec"]["podUID"] = pod_uid;
    good["spec"]["nodeUID"] = node_uid;
    good["spec"]["serviceAccountUID"] = account_uid;
    for (field, value, code, what) in [
        (
            "nodeName",
            "m",
            403,
            "PodCertificateRequest.Spec.NodeName=\"m\", which is not the requesting node \"n\"",
        ),
        ("nodeUID", "x", 500, "inconsistent with the running node"),
        (
            "podName",
            "q",
            500,
            "while retrieving pod \"default/q\" named in the PodCertificateRequest: pods \"q\" not found",
        ),
        ("podUID", "x", 500, "which differs from running pod"),
        (
            "serviceAccountName",
            "other",
            403,
            "that differs from running pod (\"default\")",
        ),
        (
            "serviceAccountUID",
            "x",
            500,
            "which differs from the running service account",
        ),
        (
            "signerName",
            "example.com/two",
            403,
            "does not mount a podCertificate projected volume for signer \"example.com/two\"",
        ),
    ] {
        let mut wrong = good.clone();
        wrong["spec"][field] = value.into();
        let refused = node("n").post(REQUESTS, &wrong).await.refused();
        assert_eq!(refused.0, code, "{}", refused.2);
        assert!(refused.2.contains(what), "{}", refused.2);
    }
    let mut made = node("n").post(REQUESTS, &good).await.ok();
    let path = format!("{REQUESTS}/r");
    node("n").get(&path).await.ok();
    assert_eq!(node("m").get(&path).await.refused().0, 403);
    let own = "/apis/certificates.k8s.io/v1/podcertificaterequests?fieldSelector=spec.nodeName%3Dn";
    assert_eq!(
        node("n").get(own).await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(node("m").get(own).await.refused().0, 403);
    made["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(node("n").put(&path, &made).await.refused().0, 403);
}
