//! Services: cluster addresses and node ports, taken and given back with the Service.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use apiserver::env::Env;
use apiserver::identity::{Identity, MASTERS};
use apiserver::server::{Config, Server};
use common::Client;
use serde_json::{Value, json};
use store::clock::SystemClock;
use store::{Expect, Log, Memory, Op};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

fn service(name: &str, mut spec: Value) -> Value {
    if spec["ports"].is_null() {
        spec["ports"] = json!([{ "port": 80, "protocol": "TCP", "targetPort": 80 }]);
    }
    if spec["type"].is_null() {
        spec["type"] = "ClusterIP".into();
    }
    json!({ "metadata": { "name": name }, "spec": spec })
}

async fn addresses(client: &Client) -> Vec<String> {
    let list = client.get(ADDRESSES).await.ok();
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A server on `log`, with these ranges.
async fn on(log: &Arc<Memory>, ranges: &[&str]) -> Client {
    let mut config = Config::new(Arc::clone(log) as Arc<dyn Log>, Env::system());
    config.services.addresses = ranges.iter().map(|r| r.parse().unwrap()).collect();
    let server = Server::start(config).await.unwrap();
    Client {
        server,
        identity: Identity::user("admin", [MASTERS]),
    }
}

fn log() -> Arc<Memory> {
    Arc::new(Memory::new(Arc::new(SystemClock), 64 << 20))
}

#[tokio::test]
async fn a_service_gets_an_address_of_the_range_and_its_object() {
    let client = common::start().await;
    let made = client.post(SERVICES, &service("a", json!({}))).await.ok();
    let address = made["spec"]["clusterIP"].as_str().unwrap();
    assert!(address.starts_with("10.96."), "{address}");
    assert_eq!(made["spec"]["clusterIPs"], json!([address]));
    assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_eq!(made["spec"]["ipFamilyPolicy"], "SingleStack");
    let object = client.get(&format!("{ADDRESSES}/{address}")).await.ok();
    assert_eq!(
        object["spec"]["parentRef"],
        json!({ "resource": "services", "namespace": "default", "name": "a" })
    );
    assert_eq!(
        object["metadata"]["labels"],
        json!({ "ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" })
    );
    assert_eq!(
        object["metadata"]["managedFields"][0]["manager"],
        "kube-apiserver"
    );
    // One append: both have the same version.
    assert_eq!(
        object["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    client.delete(&format!("{SERVICES}/a")).await.ok();
    assert_eq!(
        client.get(&format!("{ADDRESSES}/{address}")).await.code,
        404
    );
    let cidr = client
        .get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes")
        .await
        .ok();
    assert_eq!(cidr["spec"]["cidrs"], json!(["10.96.0.0/16"]));
    assert_eq!(cidr["status"]["conditions"][0]["status"], "True");
}

#[tokio::test]
async fn requests_for_an_address_are_answered_in_upstreams_words() {
    let client = common::start().await;
    client
        .post(
            SERVICES,
            &service("first", json!({ "clusterIP": "10.96.0.7" })),
        )
        .await
        .ok();
    for (spec, message) in [
        (
            json!({ "clusterIP": "1.2.3.4" }),
            "spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: the provided network does not match the current range",
        ),
        (
            json!({ "clusterIP": "10.96.0.0" }),
            "spec.clusterIPs: Invalid value: [\"10.96.0.0\"]: failed to allocate IP 10.96.0.0: the provided network does not match the current range",
        ),
        (
            json!({ "clusterIP": "10.96.0.7" }),
            "spec.clusterIPs: Invalid value: [\"10.96.0.7\"]: failed to allocate IP 10.96.0.7: provided IP is already allocated",
        ),
        (
            json!({ "clusterIP": "fd00::1" }),
            "spec.clusterIPs[0]: Invalid value: [\"fd00::1\"]: IPv6 is not configured on this cluster",
        ),
        (
            json!({ "ipFamilyPolicy": "RequireDualStack" }),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (
            json!({ "ipFamilies": ["IPv6"] }),
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ),
        (
            json!({ "type": "NodePort", "ports": [{ "port": 80, "protocol": "TCP", "nodePort": 20000 }] }),
            "spec.ports[0].nodePort: Invalid value: 20000: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
    ] {
        let (code, reason, text) = client.post(SERVICES, &service("a", spec)).await.refused();
        assert_eq!((code, reason.as_str()), (422, "Invalid"), "{text}");
        assert_eq!(text, format!("Service \"a\" is invalid: {message}"));
    }
    assert_eq!(addresses(&client).await.len(), 1);
}

#[tokio::test]
async fn node_ports_are_given_kept_refused_and_given_back() {
    let client = common::start().await;
    let port = |node_port: i32| json!([{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": node_port }]);
    client
        .post(
            SERVICES,
            &service("a", json!({ "type": "NodePort", "ports": port(30999) })),
        )
        .await
        .ok();
    let (_, _, message) = client
        .post(
            SERVICES,
            &service("b", json!({ "type": "NodePort", "ports": port(30999) })),
        )
        .await
        .refused();
    assert_eq!(
        message,
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30999: provided port is already allocated"
    );
    let two = json!([{ "name": "t", "port": 53, "protocol": "TCP" }, { "name": "u", "port": 53, "protocol": "UDP" }, { "name": "x", "port": 54, "protocol": "TCP" }]);
    let many = client
        .post(
            SERVICES,
            &service("c", json!({ "type": "NodePort", "ports": two })),
        )
        .await
        .ok();
    let numbers: Vec<i64> = many["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["nodePort"].as_i64().unwrap())
        .collect();
    assert_eq!(
        numbers[0], numbers[1],
        "protocols of one port share its node port"
    );
    assert!(
        numbers[0] != numbers[2] && numbers.iter().all(|n| (30000..=32767).contains(n)),
        "{numbers:?}"
    );

    // Who sends the Service as it was made first keeps what it got since.
    let mut again = service(
        "c",
        json!({ "type": "NodePort", "ports": [{ "name": "x", "port": 54, "protocol": "TCP" }] }),
    );
    again["spec"]["sessionAffinity"] = "None".into();
    let kept = client.put(&format!("{SERVICES}/c"), &again).await.ok();
    assert_eq!(kept["spec"]["ports"][0]["nodePort"], numbers[2]);
    assert_eq!(kept["spec"]["clusterIP"], many["spec"]["clusterIP"]);
    // The other is free again.
    client
        .post(
            SERVICES,
            &service(
                "d",
                json!({ "type": "NodePort", "ports": port(numbers[0] as i32) }),
            ),
        )
        .await
        .ok();

    // A type without node ports gives them back.
    let mut plain = client.get(&format!("{SERVICES}/a")).await.ok();
    plain["spec"]["type"] = "ClusterIP".into();
    let plain = client.put(&format!("{SERVICES}/a"), &plain).await.ok();
    assert!(
        plain["spec"]["ports"][0].get("nodePort").is_none(),
        "{plain}"
    );
    client
        .post(
            SERVICES,
            &service("b", json!({ "type": "NodePort", "ports": port(30999) })),
        )
        .await
        .ok();
    client.delete(&format!("{SERVICES}/b")).await.ok();
    client
        .post(
            SERVICES,
            &service("e", json!({ "type": "NodePort", "ports": port(30999) })),
        )
        .await
        .ok();
}

#[tokio::test]
async fn load_balancers_of_local_endpoints_get_a_health_check_port() {
    let client = common::start().await;
    let spec = json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local", "allocateLoadBalancerNodePorts": false });
    let made = client.post(SERVICES, &service("lb", spec)).await.ok();
    let health = made["spec"]["healthCheckNodePort"].as_i64().unwrap();
    assert!((30000..=32767).contains(&health));
    assert!(made["spec"]["ports"][0].get("nodePort").is_none());
    let spec = json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": health });
    let (code, _, message) = client
        .post(SERVICES, &service("other", spec))
        .await
        .refused();
    assert_eq!(code, 500);
    assert_eq!(
        message,
        format!(
            "Internal error occurred: failed to allocate requested HealthCheck NodePort {health}: provided port is already allocated"
        )
    );
    let mut cluster = made.clone();
    cluster["spec"]["externalTrafficPolicy"] = "Cluster".into();
    let cluster = client.put(&format!("{SERVICES}/lb"), &cluster).await.ok();
    assert!(cluster["spec"].get("healthCheckNodePort").is_none());
}

#[tokio::test]
async fn types_change_and_addresses_follow() {
    let client = common::start().await;
    let none = client
        .post(SERVICES, &service("none", json!({ "clusterIP": "None" })))
        .await
        .ok();
    assert_eq!(none["spec"]["clusterIPs"], json!(["None"]));
    assert_eq!(
        (&none["spec"]["ipFamilies"], &none["spec"]["ipFamilyPolicy"]),
        (&json!(["IPv4", "IPv6"]), &json!("RequireDualStack"))
    );
    let chosen = client
        .post(
            SERVICES,
            &service(
                "chosen",
                json!({ "clusterIP": "None", "selector": { "a": "b" } }),
            ),
        )
        .await
        .ok();
    assert_eq!(
        (
            &chosen["spec"]["ipFamilies"],
            &chosen["spec"]["ipFamilyPolicy"]
        ),
        (&json!(["IPv4"]), &json!("SingleStack"))
    );
    assert_eq!(addresses(&client).await.len(), 0);

    let made = client.post(SERVICES, &service("a", json!({}))).await.ok();
    let mut moved = made.clone();
    moved["spec"]["type"] = "ExternalName".into();
    moved["spec"]["externalName"] = "example.org".into();
    let moved = client.put(&format!("{SERVICES}/a"), &moved).await.ok();
    for field in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "internalTrafficPolicy",
    ] {
        assert!(moved["spec"].get(field).is_none(), "{field}: {moved}");
    }
    assert_eq!(addresses(&client).await.len(), 0);
    let mut back = moved.clone();
    back["spec"]["type"] = "ClusterIP".into();
    back["spec"].as_object_mut().unwrap().remove("externalName");
    let back = client.put(&format!("{SERVICES}/a"), &back).await.ok();
    assert_eq!(
        addresses(&client).await,
        [back["spec"]["clusterIP"].as_str().unwrap()]
    );

    let mut other = back.clone();
    (other["spec"]["clusterIP"], other["spec"]["clusterIPs"]) =
        ("10.96.9.9".into(), json!(["10.96.9.9"]));
    let (code, _, message) = client.put(&format!("{SERVICES}/a"), &other).await.refused();
    assert_eq!(code, 422);
    assert!(
        message.contains(
            "spec.clusterIPs[0]: Invalid value: [\"10.96.9.9\"]: may not change once set"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn two_stacks_are_gained_and_lost() {
    let client = on(&log(), &["10.5.0.0/24", "fd00:5::/112"]).await;
    let made = client
        .post(
            SERVICES,
            &service("a", json!({ "ipFamilyPolicy": "PreferDualStack" })),
        )
        .await
        .ok();
    assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(addresses(&client).await.len(), 2);
    let mut single = made.clone();
    single["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    let single = client.put(&format!("{SERVICES}/a"), &single).await.ok();
    assert_eq!(
        single["spec"]["clusterIPs"],
        json!([made["spec"]["clusterIPs"][0]])
    );
    assert_eq!(
        addresses(&client).await,
        [made["spec"]["clusterIP"].as_str().unwrap()]
    );
    let mut both = single.clone();
    both["spec"]["ipFamilyPolicy"] = "RequireDualStack".into();
    let both = client.put(&format!("{SERVICES}/a"), &both).await.ok();
    assert_eq!(both["spec"]["clusterIPs"].as_array().unwrap().len(), 2);
    assert_eq!(addresses(&client).await.len(), 2);
    client.delete(&format!("{SERVICES}/a")).await.ok();
    assert_eq!(addresses(&client).await.len(), 0);
}

#[tokio::test]
async fn a_full_range_is_told_and_usable_again_after_a_delete() {
    let client = on(&log(), &["10.5.0.0/29"]).await;
    for n in 0..6 {
        client
            .post(SERVICES, &service(&format!("s{n}"), json!({})))
            .await
            .ok();
    }
    let all: HashSet<String> = addresses(&client).await.into_iter().collect();
    assert_eq!(all, (1..=6).map(|n| format!("10.5.0.{n}")).collect());
    let (code, _, message) = client
        .post(SERVICES, &service("more", json!({})))
        .await
        .refused();
    assert_eq!(code, 500);
    assert_eq!(
        message,
        "Internal error occurred: failed to allocate a serviceIP for Service \"more\": range is full"
    );
    client.delete(&format!("{SERVICES}/s3")).await.ok();
    client
        .post(SERVICES, &service("more", json!({})))
        .await
        .ok();
}

#[tokio::test]
async fn servers_on_one_log_never_give_one_thing_twice() {
    let log = log();
    let clients = [
        on(&log, &["10.5.0.0/25"]).await,
        on(&log, &["10.5.0.0/25"]).await,
        on(&log, &["10.5.0.0/25"]).await,
    ];
    let spec = json!({ "type": "NodePort" });
    let all = futures::future::join_all((0..90).map(|n| {
        let (client, body) = (&clients[n % 3], service(&format!("s{n}"), spec.clone()));
        async move { client.post(SERVICES, &body).await.ok() }
    }))
    .await;
    let addresses: HashSet<&str> = all
        .iter()
        .map(|s| s["spec"]["clusterIP"].as_str().unwrap())
        .collect();
    let ports: HashSet<i64> = all
        .iter()
        .map(|s| s["spec"]["ports"][0]["nodePort"].as_i64().unwrap())
        .collect();
    assert_eq!((addresses.len(), ports.len()), (90, 90));
    // One address that all ask for goes to one.
    let asked = service("x", json!({ "clusterIP": "10.5.0.126" }));
    let answers = futures::future::join_all(clients.iter().enumerate().map(|(n, client)| {
        let mut asked = asked.clone();
        asked["metadata"]["name"] = format!("x{n}").into();
        async move { client.post(SERVICES, &asked).await.code }
    }))
    .await;
    let taken_before = addresses.contains("10.5.0.126");
    assert_eq!(
        answers.iter().filter(|code| **code == 201).count(),
        usize::from(!taken_before),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_start_repairs_what_is_missing_and_what_is_left_over() {
    let log = log();
    let first = on(&log, &["10.5.0.0/24"]).await;
    let made = first
        .post(SERVICES, &service("a", json!({ "type": "NodePort" })))
        .await
        .ok();
    let (address, port) = (
        made["spec"]["clusterIP"].as_str().unwrap(),
        made["spec"]["ports"][0]["nodePort"].as_i64().unwrap(),
    );
    first.server.stop();
    // As after a restore of the Service alone; and a node port of a Service that is gone.
    let key = |text: String| bytes::Bytes::from(text);
    let delete = |k: String| Op::Delete {
        key: key(k),
        expect: Expect::Any,
    };
    log.append(vec![
        delete(format!("ipaddresses/{address}")),
        delete(format!("ranges/servicenodeports/{port}")),
    ])
    .await
    .unwrap();
    let left = Op::Put {
        key: key("ranges/servicenodeports/30001".into()),
        value: "k8s\0".into(),
        expect: Expect::Absent,
        ttl: None,
    };
    log.append(vec![left]).await.unwrap();

    let second = on(&log, &["10.5.0.0/24"]).await;
    assert_eq!(addresses(&second).await, [address]);
    let ports = |n: i64| json!([{ "port": 80, "protocol": "TCP", "nodePort": n }]);
    let taken = second
        .post(
            SERVICES,
            &service("b", json!({ "type": "NodePort", "ports": ports(port) })),
        )
        .await;
    assert_eq!(taken.code, 422, "{}", taken.text());
    second
        .post(
            SERVICES,
            &service("c", json!({ "type": "NodePort", "ports": ports(30001) })),
        )
        .await
        .ok();
}

#[tokio::test]
async fn a_start_takes_what_a_large_service_has_and_goes_on_where_one_cannot_be_read() {
    let log = log();
    let put = |name: &str, value: Vec<u8>| Op::Put {
        key: format!("services/specs/default/{name}").into(),
        value: value.into(),
        expect: Expect::Absent,
        ttl: None,
    };
    // As upstream's with `--storage-media-type=application/json` leaves it; more ports than one append holds.
    let ports: Vec<Value> = (0..200)
        .map(|n| json!({ "name": format!("p{n}"), "port": 1000 + n, "protocol": "TCP", "targetPort": 80, "nodePort": 31000 + n }))
        .collect();
    let spec = json!({ "type": "NodePort", "clusterIP": "10.5.0.9", "clusterIPs": ["10.5.0.9"], "ports": ports,
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        "externalTrafficPolicy": "Cluster" });
    let metadata = json!({ "name": "large", "namespace": "default", "uid": "11111111-2222-4333-8444-555555555555",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": { "size": "large" } });
    let large =
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec });
    log.append(vec![
        put("large", large.to_string().into_bytes()),
        put("broken", b"k8s\0\xff\xff".to_vec()),
    ])
    .await
    .unwrap();

    let client = on(&log, &["10.5.0.0/24"]).await;
    assert_eq!(addresses(&client).await, ["10.5.0.9"]);
    for port in [31000, 31199] {
        let ports = json!([{ "port": 80, "protocol": "TCP", "nodePort": port }]);
        let spec = json!({ "type": "NodePort", "ports": ports });
        let taken = client.post(SERVICES, &service("b", spec)).await;
        assert_eq!(taken.code, 422, "{}", taken.text());
    }
    let of_size = client
        .get(&format!("{SERVICES}?labelSelector=size=large"))
        .await
        .ok();
    assert_eq!(of_size["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_dry_run_takes_nothing() {
    let client = common::start().await;
    let shown = client
        .post(
            &format!("{SERVICES}?dryRun=All"),
            &service("a", json!({ "type": "NodePort" })),
        )
        .await
        .ok();
    assert!(
        shown["spec"]["clusterIP"].is_string() && shown["spec"]["ports"][0]["nodePort"].is_i64()
    );
    assert_eq!(addresses(&client).await.len(), 0);
}
