//! Upstream's own binaries run here: what all comparisons stand on.

use e2e::upstream::UpstreamApiserver;

#[test]
fn upstreams_apiserver_starts_and_serves_its_kubectl() {
    let upstream = UpstreamApiserver::start(&[]).unwrap();
    let version = upstream.kubectl(&["version", "--output=json"]).unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["serverVersion"]["gitVersion"], "v1.37.1");
    assert_eq!(version["clientVersion"]["gitVersion"], "v1.37.1");
}
