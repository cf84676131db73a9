//! What controllers must not do while what they know is behind what is. The API server, on the memory store, and one controller
//! run in one thread on paused time; the others' part, and the network's, is played by the test, so that each comes when it is
//! wanted to. What nobody thought of is for the simulation to find; what it found stands here, where one reason makes one test fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

#[allow(dead_code, reason = "the simulation uses the rest")]
#[path = "simulation/source.rs"]
mod source;

use std::{sync::Arc, time::Duration};

use api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use apiserver::{
    chain::ApiServer,
    env::Env,
    identity::{Identity, MASTERS},
    server::{Config, Server},
};
use axum::body::Body;
use controllers::Selection;
use futures::StreamExt;
use http::{Method, Request, Response};
use runtime::{CancellationToken, Client, Key, Patch, Random, Resource, client::WriteOptions};
use serde_json::{Value, json};
use source::{Bytes, Time};
use store::Memory;
use tokio::sync::watch;
use tower::ServiceExt;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// In simulated time.
const LIMIT: Duration = Duration::from_secs(60);

struct Cluster {
    admin: Client,
    /// While it is false, no watch of pods shows anything.
    pods_are_shown: watch::Sender<bool>,
}

impl Cluster {
    /// Nothing but this one controller works with pods in it.
    async fn with(controller: &str) -> Cluster {
        let (time, random) = (Time::start(), Random::from_seed(0));
        let log = Arc::new(Memory::new(Arc::new(time), 16 << 20));
        let env = Env {
            clock: Arc::new(time),
            random: Bytes::fork(&random),
        };
        let server = Server::start(Config::new(log, env)).await.unwrap();
        let (pods_are_shown, shown) = watch::channel(true);
        let client = |name: &str| {
            let (service, shown) = (server.service.clone(), shown.clone());
            let identity = Identity::user(name, [MASTERS]);
            let ask = move |request| ask(service.clone(), identity.clone(), request, shown.clone());
            Client::from_service(tower::service_fn(ask)).with_field_manager(name)
        };
        let mut config = controllers::Config::new(time.shared(), random.fork());
        // Pods need the namespace's account.
        config.controllers = Selection::parse([controller, "serviceaccount-controller"]).unwrap();
        let run = controllers::run(config, client("controllers"), CancellationToken::new());
        tokio::spawn(run);
        Cluster {
            admin: client("admin"),
            pods_are_shown,
        }
    }

    async fn create(&self, path: &str, object: Value) {
        let path = path.to_owned();
        let made = self.admin.json(Method::POST, path, Some(&object)).await;
        made.unwrap();
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let path = path.to_owned();
        let list = self.admin.json(Method::GET, path, None).await.unwrap();
        list["items"].as_array().unwrap().clone()
    }

    async fn patch(&self, resource: &Resource, name: &str, patch: Value) {
        let (key, patch) = (Key::new("default", name), Patch::Merge(patch));
        let options = WriteOptions::default();
        let patched = self.admin.patch(resource, &key, &patch, &options).await;
        patched.unwrap();
    }

    async fn patch_status(&self, resource: &Resource, name: &str, status: Value) {
        let (key, patch) = (
            Key::new("default", name),
            Patch::Merge(json!({"status": status})),
        );
        let patched = self.admin.patch_status(resource, &key, &patch).await;
        patched.unwrap();
    }

    /// The objects of a collection, as soon as they are so.
    async fn until(&self, path: &str, what: &str, so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let wait = async {
            loop {
                let items = self.items(path).await;
                if so(&items) {
                    return items;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(LIMIT, wait).await;
        match found {
            Ok(items) => items,
            Err(_) => panic!("never seen: {what}; but {:#?}", self.items(path).await),
        }
    }
}

/// The way to the API server.
async fn ask(
    service: ApiServer,
    identity: Identity,
    request: Request<kube::client::Body>,
    shown: watch::Receiver<bool>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let uri = request.uri();
    let watches = uri
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    let is_held_back = watches && uri.path().ends_with("/pods");
    let response = service.in_process(identity).oneshot(request).await?;
    Ok(response.map(|body| match is_held_back {
        true => Body::from_stream(body.into_data_stream().then(move |piece| {
            let mut shown = shown.clone();
            async move {
                // The test that could open it is over if this fails.
                let _ = shown.wait_for(|shown| *shown).await;
                piece
            }
        })),
        false => body,
    }))
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

fn has_been_seen(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// The one ReplicaSet of an image.
fn set_of<'a>(sets: &'a [Value], image: &str) -> Option<&'a Value> {
    sets.iter()
        .find(|set| set["spec"]["template"]["spec"]["containers"][0]["image"] == image)
}

fn replicas_of(sets: &[Value], image: &str) -> i64 {
    set_of(sets, image).map_or(0, |set| set["spec"]["replicas"].as_i64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_scaled_up_in_a_rollout_waits_until_others_have_shrunk() {
    let cluster = Cluster::with("deployment-controller").await;
    let (deployments, sets) = (
        Resource::of(Deployment::TYPE),
        Resource::of(ReplicaSet::TYPE),
    );
    let deployment = json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
        "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}},
    }});
    cluster.create(DEPLOYMENTS, deployment).await;
    let first = |all: &[Value]| replicas_of(all, "web:1") == 4;
    let all = cluster.until(SETS, "the first set", first).await;
    let old = name(set_of(&all, "web:1").unwrap());
    let full = json!({"replicas": 4, "fullyLabeledReplicas": 4, "readyReplicas": 4, "availableReplicas": 4, "observedGeneration": 1});
    cluster.patch_status(&sets, &old, full).await;

    let roll = json!({"spec": {"template": template("web:2")}});
    cluster.patch(&deployments, "web", roll).await;
    let second = |all: &[Value]| replicas_of(all, "web:2") == 2;
    let all = cluster.until(SETS, "the second set", second).await;
    let new = name(set_of(&all, "web:2").unwrap());
    let begun = json!({"replicas": 2, "fullyLabeledReplicas": 2, "observedGeneration": 1});
    cluster.patch_status(&sets, &new, begun).await;
    // Of the old one's four pods one is to go, and nobody has said that it has gone.
    let rolling = |all: &[Value]| (replicas_of(all, "web:1"), replicas_of(all, "web:2")) == (3, 2);
    cluster.until(SETS, "three and two", rolling).await;
    let scale = json!({"spec": {"replicas": 8}});
    cluster.patch(&deployments, "web", scale).await;
    let seen = |all: &[Value]| all.iter().all(has_been_seen);
    cluster.until(DEPLOYMENTS, "the scale was seen", seen).await;
    let all = cluster.items(SETS).await;
    assert!(rolling(&all), "neither grew: {all:#?}");

    let shrunk = json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "observedGeneration": 2});
    cluster.patch_status(&sets, &old, shrunk).await;
    let grown = |all: &[Value]| replicas_of(all, "web:1") + replicas_of(all, "web:2") == 10;
    cluster.until(SETS, "eight and the surge", grown).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_finds_nothing_is_awaited_until_the_end_is_seen() {
    let cluster = Cluster::with("replicaset-controller").await;
    let (sets, pods) = (Resource::of(ReplicaSet::TYPE), Resource::of(Pod::TYPE));
    let set = json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
    }});
    cluster.create(SETS, set).await;
    let three = |all: &[Value]| all.len() == 3;
    let all = cluster.until(PODS, "three pods", three).await;
    // Of three alike the cheapest is the first to go.
    let cheap =
        json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}});
    cluster.patch(&pods, &name(&all[0]), cheap).await;
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    for pod in &all {
        cluster.patch_status(&pods, &name(pod), ready.clone()).await;
    }
    let are_ready = |all: &[Value], count: i64| all[0]["status"]["readyReplicas"] == count;
    let all_ready = |all: &[Value]| are_ready(all, 3);
    cluster.until(SETS, "three are ready", all_ready).await;

    cluster.pods_are_shown.send_replace(false);
    let path = format!("{PODS}/{}", name(&all[0]));
    let gone = cluster.admin.json(Method::DELETE, path, None).await;
    gone.unwrap();
    // The controller, which still sees it, deletes it too, and is told that there is no such pod.
    cluster
        .patch(&sets, "web", json!({"spec": {"replicas": 2}}))
        .await;
    let seen = |all: &[Value]| all.iter().all(has_been_seen);
    cluster.until(SETS, "the scale was seen", seen).await;
    // Another look at the same old picture. The time is simulated: all that can be done is done in it.
    cluster
        .patch(&sets, "web", json!({"spec": {"minReadySeconds": 1}}))
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = cluster.items(SETS).await;
    assert!(
        are_ready(&told, 2),
        "who is to go counts no more: {told:#?}"
    );

    cluster.pods_are_shown.send_replace(true);
    let settled = |all: &[Value]| all[0]["status"]["replicas"] == 2 && has_been_seen(&all[0]);
    cluster.until(SETS, "two are left", settled).await;
    assert_eq!(cluster.items(PODS).await.len(), 2);
}
