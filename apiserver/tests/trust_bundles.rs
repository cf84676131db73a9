//! ClusterTrustBundles: what they may hold, how they are called, and who may write those of a signer.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may.

mod common;

use apiserver::identity::Identity;
use common::Client;
use serde_json::{Value, json};

const BUNDLES: &str = "/apis/certificates.k8s.io/v1/clustertrustbundles";

fn authority() -> String {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn bundle(name: &str, signer: &str, text: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"signerName": signer, "trustBundle": text}})
}

#[tokio::test]
async fn a_bundle_is_refused_unless_it_is_of_authorities_and_called_after_its_signer() {
    let admin = common::start().await;
    let pem = authority();
    let signer = "example.com/one";
    for (name, signer, text, what) in [
        (
            "a",
            "",
            "nothing",
            "at least one trust anchor must be provided",
        ),
        (
            "a:b",
            "",
            &*pem,
            "without signer name must not have \":\" in its name",
        ),
        (
            "a",
            signer,
            &*pem,
            "must be named with prefix example.com:one:",
        ),
        (
            "example:one:a",
            "example/one",
            &*pem,
            "should be a domain with at least two segments",
        ),
    ] {
        let refused = admin
            .post(BUNDLES, &bundle(name, signer, text))
            .await
            .refused();
        assert_eq!((refused.0, refused.1.as_str()), (422, "Invalid"));
        assert!(refused.2.contains(what), "{}", refused.2);
    }
    let made = admin
        .post(BUNDLES, &bundle("example.com:one:a", signer, &pem))
        .await
        .ok();
    let path = format!("{BUNDLES}/example.com:one:a");
    let mut other = made.clone();
    other["spec"]["signerName"] = "example.com/two".into();
    let (code, _, message) = admin.put(&path, &other).await.refused();
    assert_eq!(code, 422);
    assert!(
        message.contains("spec.signerName: Invalid value: \"example.com/two\": field is immutable"),
        "{message}"
    );
    let mut other = made.clone();
    other["spec"]["trustBundle"] = "nothing".into();
    assert_eq!(admin.put(&path, &other).await.refused().0, 422);
    other["spec"]["trustBundle"] = authority().into();
    admin.put(&path, &other).await.ok();
}

#[tokio::test]
async fn who_writes_the_bundle_of_a_signer_may_attest_for_it() {
    let admin = common::start().await;
    let user = |name: &str| Client {
        server: admin.server.clone(),
        identity: Identity::user(name, []),
    };
    admin
        .grant("ann", &["clustertrustbundles"], "attest", "example.com/*")
        .await;
    admin
        .grant("eve", &["clustertrustbundles"], "attest", "example.org/one")
        .await;
    let pem = authority();
    let of_signer = bundle("example.com:one:a", "example.com/one", &pem);
    let (code, _, message) = user("eve").post(BUNDLES, &of_signer).await.refused();
    assert_eq!(code, 403);
    assert!(
        message.ends_with("user not permitted to attest for signerName \"example.com/one\""),
        "{message}"
    );
    let mut made = user("ann").post(BUNDLES, &of_signer).await.ok();
    // The garbage collector may do its work, and no more.
    let path = format!("{BUNDLES}/example.com:one:a");
    made["metadata"]["finalizers"] = json!(["example.com/a"]);
    let mut made = user("eve").put(&path, &made).await.ok();
    made["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(user("eve").put(&path, &made).await.refused().0, 403);
    // One of nobody takes no right but to write.
    user("eve").post(BUNDLES, &bundle("a", "", &pem)).await.ok();
}
