//! LimitRanger and ResourceQuota: what is filled in, what is refused, and that the books are right whoever writes at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use apiserver::server::{Config, Server};
use common::{Client, start};
use futures::future::join_all;
use serde_json::{Value, json};
use store::Memory;
use store::clock::SystemClock;

const NAMESPACE: &str = "/api/v1/namespaces/default";

fn pod(name: &str, resources: Value) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "c", "image": "i", "resources": resources }] },
    })
}

impl Client {
    async fn make(&self, resource: &str, object: &Value) -> common::Answer {
        self.post(&format!("{NAMESPACE}/{resource}"), object).await
    }

    /// A quota whose status is as the controller would write it when nothing is there yet.
    async fn quota(&self, name: &str, spec: Value) {
        let quota = json!({ "metadata": { "name": name }, "spec": spec });
        self.make("resourcequotas", &quota).await.ok();
        let hard = spec["hard"].clone();
        let used = hard.as_object().unwrap().keys();
        let used: Value = used.map(|name| (name.clone(), json!("0"))).collect();
        self.patch(
            &format!("{NAMESPACE}/resourcequotas/{name}/status"),
            "application/merge-patch+json",
            json!({ "status": { "hard": hard, "used": used } }).to_string(),
        )
        .await
        .ok();
    }

    async fn used(&self, name: &str) -> Value {
        let path = format!("{NAMESPACE}/resourcequotas/{name}");
        self.get(&path).await.ok()["status"]["used"].clone()
    }
}

#[tokio::test]
async fn what_is_made_is_charged_and_what_is_too_much_is_refused() {
    let client = start().await;
    client
        .quota(
            "q",
            json!({ "hard": { "pods": "2", "cpu": "1", "services.nodeports": "1" } }),
        )
        .await;
    let half = json!({ "requests": { "cpu": "500m" } });
    client.make("pods", &pod("a", half.clone())).await.ok();
    let used = json!({ "pods": "1", "cpu": "500m", "services.nodeports": "0" });
    assert_eq!(client.used("q").await, used);

    let (code, _, message) = client.make("pods", &pod("b", json!({}))).await.refused();
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "pods \"b\" is forbidden: failed quota: q: must specify cpu for: c"
    );
    let (_, _, message) = client
        .make("pods", &pod("b", json!({ "requests": { "cpu": "501m" } })))
        .await
        .refused();
    assert_eq!(
        message,
        "pods \"b\" is forbidden: exceeded quota: q, requested: cpu=501m, used: cpu=500m, limited: cpu=1"
    );
    // Neither a dry run nor a name that is taken costs anything.
    let dry = client
        .make("pods?dryRun=All", &pod("b", half.clone()))
        .await;
    dry.ok();
    let (code, ..) = client.make("pods", &pod("a", half.clone())).await.refused();
    assert_eq!(code, 409);
    assert_eq!(client.used("q").await, used);

    // What a change adds is charged, what it leaves or takes is not.
    let service = json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "port": 80 }] } });
    client.make("services", &service).await.ok();
    let path = format!("{NAMESPACE}/services/s");
    let merge = "application/merge-patch+json";
    for (kind, ports) in [("NodePort", "1"), ("ClusterIP", "1")] {
        let change = json!({ "spec": { "type": kind } }).to_string();
        client.patch(&path, merge, change).await.ok();
        assert_eq!(client.used("q").await["services.nodeports"], *ports);
    }
    let change = json!({ "spec": { "type": "NodePort" } }).to_string();
    let (_, _, message) = client.patch(&path, merge, change).await.refused();
    assert_eq!(
        message,
        "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: \
         services.nodeports=1"
    );
    client
        .delete(&format!("{NAMESPACE}/pods/a?gracePeriodSeconds=0"))
        .await
        .ok();
    assert_eq!(
        client.used("q").await["pods"],
        "1",
        "the controller gives back"
    );
}

#[tokio::test]
async fn a_quota_counts_what_is_in_its_scopes_once_its_use_is_known() {
    let client = start().await;
    let scoped = json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort"] });
    client.quota("best-effort", scoped).await;
    client
        .quota(
            "objects",
            json!({ "hard": { "count/configmaps": "1", "configmaps": "5" } }),
        )
        .await;
    let some = json!({ "requests": { "memory": "1Mi" } });
    client.make("pods", &pod("some", some)).await.ok();
    assert_eq!(client.used("best-effort").await["pods"], "0");
    client.make("pods", &pod("none", json!({}))).await.ok();
    assert_eq!(client.used("best-effort").await["pods"], "1");
    client.make("pods", &pod("more", json!({}))).await.refused();
    let map = |name: &str| json!({ "metadata": { "name": name } });
    client.make("configmaps", &map("a")).await.ok();
    let (_, _, message) = client.make("configmaps", &map("b")).await.refused();
    assert!(
        message.contains("exceeded quota: objects, requested: count/configmaps=1,"),
        "{message}"
    );

    let quota = json!({ "metadata": { "name": "new" }, "spec": { "hard": { "secrets": "1" } } });
    client.make("resourcequotas", &quota).await.ok();
    client.make("secrets", &map("a")).await.ok();
    let path = format!("{NAMESPACE}/resourcequotas/new/status");
    let status = json!({ "status": { "hard": { "secrets": "1" } } }).to_string();
    client
        .patch(&path, "application/merge-patch+json", status)
        .await
        .ok();
    let (_, _, message) = client.make("secrets", &map("b")).await.refused();
    assert_eq!(
        message,
        "secrets \"b\" is forbidden: status unknown for quota: new, resources: secrets"
    );
}

/// Several servers on one log, and many clients of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_never_exceeded_whoever_writes_at_once() {
    let log = Arc::new(Memory::new(Arc::new(SystemClock), 64 << 20));
    let mut clients = Vec::new();
    for _ in 0..2 {
        let config = Config::new(log.clone(), apiserver::env::Env::system());
        clients.push(Client {
            server: Server::start(config).await.unwrap(),
            identity: apiserver::identity::Identity::user("admin", [apiserver::identity::MASTERS]),
        });
    }
    let account = json!({ "metadata": { "name": "default" } });
    clients[0].make("serviceaccounts", &account).await.ok();
    clients[0]
        .quota("q", json!({ "hard": { "pods": "10", "configmaps": "7" } }))
        .await;
    // The other server refuses what it does not know to be bounded; it knows this.
    clients[1]
        .get(&format!("{NAMESPACE}/resourcequotas/q"))
        .await
        .ok();
    let pods = (0..40).map(|n| {
        let client = &clients[n % 2];
        async move {
            let path = format!("{NAMESPACE}/pods");
            client.post(&path, &pod(&format!("p{n}"), json!({}))).await
        }
    });
    let maps = (0..20).map(|n| {
        let client = &clients[n % 2];
        async move {
            let path = format!("{NAMESPACE}/configmaps");
            client
                .post(&path, &json!({ "metadata": { "name": format!("m{n}") } }))
                .await
        }
    });
    let (pods, maps) = tokio::join!(join_all(pods), join_all(maps));
    for (answers, fit, what) in [(pods, 10, "pods"), (maps, 7, "configmaps")] {
        let made = answers.iter().filter(|a| a.code == 201).count();
        for answer in answers.iter().filter(|a| a.code != 201) {
            assert_eq!(answer.code, 403, "{}", answer.text());
            assert!(
                answer.text().contains("exceeded quota: q"),
                "{}",
                answer.text()
            );
        }
        let list = clients[0].get(&format!("{NAMESPACE}/{what}")).await.ok();
        assert_eq!(
            (made, list["items"].as_array().unwrap().len()),
            (fit, fit),
            "{what}"
        );
        assert_eq!(clients[1].used("q").await[what], fit.to_string());
    }
}

#[tokio::test]
async fn limit_ranges_fill_in_and_bound() {
    let client = start().await;
    let range = json!({ "metadata": { "name": "r" }, "spec": { "limits": [
        { "type": "Container", "default": { "cpu": "1" }, "defaultRequest": { "cpu": "500m" }, "max": { "cpu": "2" } },
        { "type": "Pod", "max": { "memory": "1Gi" } },
        { "type": "PersistentVolumeClaim", "min": { "storage": "1Gi" }, "max": { "storage": "2Gi" } },
    ] } });
    client.make("limitranges", &range).await.ok();
    let (code, _, message) = client.make("pods", &pod("a", json!({}))).await.refused();
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "pods \"a\" is forbidden: maximum memory usage per Pod is 1Gi.  No limit is specified"
    );
    let made = client
        .make("pods", &pod("a", json!({ "limits": { "memory": "1Gi" } })))
        .await
        .ok();
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({ "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "500m", "memory": "1Gi" } })
    );
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    let claim = |size: &str| {
        json!({ "metadata": { "name": "c" }, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } } })
    };
    let claims = "persistentvolumeclaims";
    let (_, _, message) = client.make(claims, &claim("3Gi")).await.refused();
    assert_eq!(
        message,
        "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
    );
    client.make(claims, &claim("2Gi")).await.ok();
}
