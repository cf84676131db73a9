//! What a client reads first: discovery, OpenAPI and tables, over the in-process server.

mod common;

use http::Request;
use serde_json::{Value, json};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const OPENAPI_V2: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

#[tokio::test]
async fn discovery_is_answered_in_both_forms_and_with_entity_tags() {
    let client = common::start().await;
    let all = client.accept("/apis", AGGREGATED).await;
    assert_eq!(all.headers["content-type"], AGGREGATED);
    assert_eq!(all.headers["vary"], "Accept");
    let tag = all.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(all.json()["items"][1]["metadata"]["name"], "apps");

    let request = Request::get("/apis")
        .header("accept", AGGREGATED)
        .header("if-none-match", &tag);
    let again = client
        .call(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!((again.code, again.bytes.len()), (304, 0));

    let groups = client.get("/apis").await.ok();
    assert_eq!(groups["kind"], "APIGroupList");
    assert_eq!(
        client.get("/apis/apps").await.ok()["preferredVersion"]["groupVersion"],
        "apps/v1"
    );
    assert_eq!(
        client.get("/apis/apps/v1").await.ok()["resources"][0]["name"],
        "controllerrevisions"
    );
    assert_eq!(client.get("/api/v1/").await.ok()["kind"], "APIResourceList");
    let paths = client.get("/").await.ok();
    for path in ["/apis/apps/v1", "/openapi/v3", "/readyz/ping", "/version"] {
        assert!(
            paths["paths"].as_array().unwrap().contains(&json!(path)),
            "{path}"
        );
    }
    let nowhere = client.get("/apis/none").await;
    assert_eq!(
        (nowhere.code, nowhere.text().as_str()),
        (404, "404 page not found\n")
    );
    let (code, ..) = client.post("/api", &json!({})).await.refused();
    assert_eq!(code, 405);
}

#[tokio::test]
async fn openapi_is_answered_by_hash_compressed_and_as_protobuf() {
    let client = common::start().await;
    let index = client.get("/openapi/v3").await.ok();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, hash) = url.split_once("?hash=").unwrap();
    let document = client.get(&url).await;
    assert_eq!(document.headers["cache-control"], "public, immutable");
    assert!(document.headers.contains_key("expires"));
    assert_eq!(document.headers["etag"], format!("\"{hash}\""));
    assert!(document.json()["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());

    let stale = client.get("/openapi/v3/apis/apps/v1?hash=ABC").await;
    assert_eq!(
        (stale.code, &stale.headers["location"]),
        (301, &url.parse().unwrap())
    );

    let request = Request::get("/openapi/v2")
        .header("accept", OPENAPI_V2)
        .header("accept-encoding", "gzip");
    let packed = client
        .call(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert_eq!(
        packed.headers["content-type"],
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    );
    let plain = client.accept("/openapi/v2", OPENAPI_V2).await;
    assert!(plain.bytes.starts_with(b"\x0a\x032.0"));
    assert!(packed.bytes.len() < plain.bytes.len() / 4);
    assert_eq!(client.accept("/openapi/v2", "text/html").await.code, 406);
    assert_eq!(client.get("/openapi/v3/apis/none/v1").await.code, 404);
}

fn pod(name: &str) -> Value {
    let container = json!({ "name": "c", "image": "i" });
    json!({ "metadata": { "name": name }, "spec": { "containers": [container] } })
}

#[tokio::test]
async fn tables_have_upstreams_columns_and_say_which_pods_have_ended() {
    let client = common::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    client.post(pods, &pod("a")).await.ok();
    let mut ended = client.post(pods, &pod("b")).await.ok();
    ended["status"]["phase"] = "Succeeded".into();
    client.put(&format!("{pods}/b/status"), &ended).await.ok();

    let table = client.accept(pods, TABLE).await.ok();
    let names: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert_eq!(
        names[..5],
        ["Name", "Ready", "Status", "Restarts", "Age"].map(Value::from)
    );
    let cells = |row: usize| table["rows"][row]["cells"].as_array().unwrap()[..4].to_vec();
    assert_eq!(cells(0), ["a", "0/1", "Pending", "0"].map(Value::from));
    assert_eq!(cells(1), ["b", "0/1", "Succeeded", "0"].map(Value::from));
    assert_eq!(table["rows"][0].get("conditions"), None);
    assert_eq!(table["rows"][1]["conditions"][0]["reason"], "Succeeded");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");

    let page = client
        .accept(&format!("{pods}?limit=1&includeObject=None"), TABLE)
        .await
        .ok();
    assert_eq!(page["rows"][0]["object"], Value::Null);
    assert!(page["metadata"]["continue"].is_string());
    assert_eq!(page["metadata"]["remainingItemCount"], 1);
}
