//! Against upstream's API server: what people see of the scheduler's work, and that it places pods where upstream's
//! scheduler would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::process::Process;
use e2e::upstream::{UpstreamApiserver, binary, kubectl};
use http::Method;
use runtime::client::ListOptions;
use runtime::{Client, Key, Projection, Resource};
use scheduler::decision::{NodeScores, Verdict, slow};
use scheduler::pod::PodKey;
use scheduler::run::project::{OwnerSelector, PodProjection, ServiceSelector};
use scheduler::snapshot::{NodeShape, Snapshot};
use scheduler::workloads::{OwnerKind, Workloads};
use serde_json::{Value, json};

struct Cluster {
    upstream: UpstreamApiserver,
    client: Client,
    identity: PathBuf,
}

impl Cluster {
    async fn start() -> Cluster {
        // No controller manager runs here: nobody would make service accounts, or take the taint of a new node away.
        let flags = ["--disable-admission-plugins=ServiceAccount,TaintNodesByCondition"];
        let upstream = UpstreamApiserver::start(&flags).unwrap();
        let client = Client::from_kubeconfig(&upstream.admin, "test")
            .await
            .unwrap();
        let identity = upstream
            .kubeconfig_for("system:kube-scheduler", &[])
            .unwrap();
        Cluster {
            upstream,
            client,
            identity,
        }
    }

    async fn create(&self, path: &str, object: Value) -> Value {
        self.client
            .json(Method::POST, path.into(), Some(&object))
            .await
            .unwrap()
    }

    async fn node(&self, name: &str, cpu: &str, more: Value) {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {},
            "status": {"allocatable": {"cpu": cpu, "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "20"}},
        });
        merge(&mut node, more);
        self.create("/api/v1/nodes", node).await;
    }

    async fn pod(&self, name: &str, more: Value) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "registry.test/app:1"}]},
        });
        merge(&mut pod, more);
        self.create("/api/v1/namespaces/default/pods", pod).await;
    }

    async fn get_pod(&self, name: &str) -> Value {
        let path = format!("/api/v1/namespaces/default/pods/{name}");
        self.client.json(Method::GET, path, None).await.unwrap()
    }

    /// Waits until the pod is on a node, or said to be unschedulable with a message that `accepts`.
    async fn outcome(&self, name: &str, accepts: impl Fn(&str) -> bool) -> Result<String, String> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let pod = self.get_pod(name).await;
            if let Some(node) = pod["spec"]["nodeName"].as_str() {
                return Ok(node.into());
            }
            let conditions = pod["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let condition = conditions
                .iter()
                .find(|c| c["type"] == "PodScheduled" && c["status"] == "False");
            if let Some(message) = condition.and_then(|c| c["message"].as_str())
                && accepts(message)
            {
                return Err(message.into());
            }
            assert!(
                Instant::now() < end,
                "{name} is neither placed nor refused as expected: {pod:#}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn ours(&self, more: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scheduler"));
        command
            .arg("--kubeconfig")
            .arg(&self.identity)
            .args(["--bind-address", "127.0.0.1", "-v", "4"])
            .args(more);
        Process::start("scheduler", self.upstream.directory(), command).unwrap()
    }
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn requests(cpu: &str) -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "registry.test/app:1", "resources": {"requests": {"cpu": cpu}}}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_bound_or_told_why_not() {
    let cluster = Cluster::start().await;
    let port = e2e::net::free_port().unwrap();
    let mut scheduler = cluster.ours(&["--secure-port", &port.to_string()]);
    for name in ["n1", "n2", "n3"] {
        cluster.node(name, "2", json!({})).await;
    }
    cluster
        .node("cordoned", "8", json!({"spec": {"unschedulable": true}}))
        .await;
    let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
    cluster
        .node("tainted", "8", json!({"spec": {"taints": taint}}))
        .await;

    // Three nodes, three pods of one CPU each: the emptiest node is the best.
    let mut nodes = Vec::new();
    for i in 0..3 {
        cluster.pod(&format!("p{i}"), requests("1")).await;
        nodes.push(cluster.outcome(&format!("p{i}"), |_| false).await.unwrap());
    }
    nodes.sort();
    assert_eq!(nodes, ["n1", "n2", "n3"]);

    // What is too big says for how many nodes each reason holds, in the condition and in an event.
    cluster.pod("big", requests("1500m")).await;
    let message = cluster.outcome("big", |_| true).await.unwrap_err();
    assert_eq!(
        message,
        "0/5 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 3 Insufficient cpu. \
         preemption: 0/5 nodes are available: 2 Preemption is not helpful for scheduling, \
         3 No preemption victims found for incoming pod."
    );
    let pod = cluster.get_pod("big").await;
    let condition = &pod["status"]["conditions"][0];
    assert_eq!(
        (&condition["reason"], &condition["observedGeneration"]),
        (&json!("Unschedulable"), &json!(1))
    );
    assert!(condition["lastTransitionTime"].is_string());
    e2e::wait::until("events are told", Duration::from_secs(20), || {
        let events = cluster.upstream.kubectl(&["get", "events", "-o", "json"])?;
        let events: Value = serde_json::from_str(&events).map_err(|e| e.to_string())?;
        let has = |reason: &str, text: &str| {
            let items = events["items"].as_array().into_iter().flatten();
            items.into_iter().any(|e| {
                e["reason"] == reason && e["message"].as_str().is_some_and(|m| m.contains(text))
            })
        };
        let told = has("FailedScheduling", "3 Insufficient cpu")
            && has("Scheduled", "Successfully assigned default/p0 to");
        if told {
            Ok(())
        } else {
            Err(format!("{events:#}"))
        }
    });

    // It goes where room is made.
    kubectl(
        &cluster.upstream.admin,
        &["delete", "pod", "p1", "--grace-period=0", "--force"],
    )
    .unwrap();
    assert_eq!(
        cluster.outcome("big", |_| false).await.unwrap(),
        nodes_of(&nodes, &cluster, &["p0", "p2"]).await
    );

    // Tolerations, selectors, names of nodes, gates.
    let tolerates = json!({"spec": {"tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/hostname": "tainted"}}});
    cluster.pod("tolerant", tolerates).await;
    assert_eq!(
        cluster.outcome("tolerant", |_| false).await.unwrap(),
        "tainted"
    );
    cluster
        .pod(
            "gated",
            json!({"spec": {"schedulingGates": [{"name": "test.example/wait"}]}}),
        )
        .await;
    cluster
        .pod(
            "claimed",
            json!({"spec": {"volumes": [
        {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}),
        )
        .await;
    let message = cluster.outcome("claimed", |_| true).await.unwrap_err();
    assert_eq!(
        message,
        "this scheduler does not support: spec.volumes[*].persistentVolumeClaim"
    );
    let gated = cluster.get_pod("gated").await;
    assert_eq!(
        gated["status"]["conditions"][0]["reason"],
        "SchedulingGated"
    );
    let open = json!([{"op": "remove", "path": "/spec/schedulingGates"}]).to_string();
    cluster
        .upstream
        .kubectl(&["patch", "pod", "gated", "--type=json", "-p", &open])
        .unwrap();
    cluster.outcome("gated", |_| false).await.unwrap();

    // The last decision is told to those who may see it.
    let healthy = |path: &str, token: Option<&str>| {
        let mut curl = Command::new("curl");
        curl.args([
            "-sk",
            "-w",
            "\n%{http_code}",
            &format!("https://127.0.0.1:{port}{path}"),
        ]);
        if let Some(token) = token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let output = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let (body, code) = output.rsplit_once('\n').unwrap();
        (code.parse::<u16>().unwrap(), body.to_owned())
    };
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(healthy(path, None), (200, "ok".into()), "{path}");
    }
    assert_eq!(healthy("/debug/scheduling/default/claimed", None).0, 401);
    assert_eq!(
        healthy("/debug/scheduling/default/claimed", Some("wrong")).0,
        401
    );
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stranger"}}),
    ] {
        cluster
            .create("/api/v1/namespaces/default/serviceaccounts", object)
            .await;
    }
    let token = |name| {
        cluster
            .upstream
            .kubectl(&["create", "token", name])
            .unwrap()
            .trim()
            .to_owned()
    };
    cluster
        .upstream
        .kubectl(&[
            "create",
            "clusterrole",
            "explain",
            "--verb=get",
            "--non-resource-url=/debug/scheduling/*",
        ])
        .unwrap();
    cluster
        .upstream
        .kubectl(&[
            "create",
            "clusterrolebinding",
            "explain",
            "--clusterrole=explain",
            "--serviceaccount=default:viewer",
        ])
        .unwrap();
    assert_eq!(
        healthy(
            "/debug/scheduling/default/tolerant",
            Some(&token("stranger"))
        )
        .0,
        403
    );
    let viewer = token("viewer");
    let (code, body) = healthy("/debug/scheduling/default/tolerant", Some(&viewer));
    assert_eq!(code, 200, "{body}");
    let explained: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&explained["node"], &explained["feasible"]),
        (&json!("tainted"), &json!(1))
    );
    assert_eq!(explained["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(
        healthy("/debug/scheduling/default/nobody", Some(&viewer)).0,
        404
    );

    let lease = cluster
        .upstream
        .kubectl(&[
            "get",
            "lease",
            "-n",
            "kube-system",
            "kube-scheduler",
            "-o",
            "name",
        ])
        .unwrap();
    assert_eq!(lease.trim(), "lease.coordination.k8s.io/kube-scheduler");
    let status = scheduler.terminate(Duration::from_secs(5)).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        scheduler.output()
    );
    assert!(
        !scheduler.output().contains("ERROR"),
        "{}",
        scheduler.output()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_lower_priority_makes_room() {
    let cluster = Cluster::start().await;
    let mut scheduler = cluster.ours(&["--leader-elect=false"]);
    cluster.node("n1", "2", json!({})).await;
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000});
    let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
    cluster.create(path, class).await;
    cluster.pod("low", requests("1500m")).await;
    cluster.outcome("low", |_| false).await.unwrap();
    let mut high = requests("1500m");
    merge(&mut high, json!({"spec": {"priorityClassName": "high"}}));
    cluster.pod("high", high).await;
    let message = cluster.outcome("high", |_| true).await.unwrap_err();
    assert!(
        message.starts_with("0/1 nodes are available: 1 Insufficient cpu."),
        "{message}"
    );
    // It is told to go, with the time that it asks for, and that it has not failed; and the other waits for its room.
    e2e::wait::until("the victim is told", Duration::from_secs(20), || {
        let get = |path: &str| {
            let path = format!("jsonpath={{{path}}}");
            cluster.upstream.kubectl(&["get", "pods", "-o", &path])
        };
        let nominated = get(".items[?(@.metadata.name=='high')].status.nominatedNodeName")?;
        let deleted = get(".items[?(@.metadata.name=='low')].metadata.deletionTimestamp")?;
        let why = get(
            ".items[?(@.metadata.name=='low')].status.conditions[?(@.type=='DisruptionTarget')].reason",
        )?;
        let events = cluster.upstream.kubectl(&["get", "events"])?;
        let told = nominated == "n1"
            && !deleted.is_empty()
            && why == "PreemptionByScheduler"
            && events.contains("Preempted by pod");
        match told {
            true => Ok(()),
            false => Err(format!("{nominated:?} {deleted:?} {why:?}\n{events}")),
        }
    });
    // Nobody else gets it.
    cluster.pod("thief", requests("1")).await;
    kubectl(
        &cluster.upstream.admin,
        &["delete", "pod", "low", "--grace-period=0", "--force"],
    )
    .unwrap();
    assert_eq!(cluster.outcome("high", |_| false).await.unwrap(), "n1");
    let refused = cluster.outcome("thief", |_| true).await;
    assert!(refused.unwrap_err().contains("1 Insufficient cpu"));
    let status = scheduler.terminate(Duration::from_secs(5)).unwrap();
    assert!(
        status.is_some_and(|s| s.success()),
        "{}",
        scheduler.output()
    );
}

/// The node among `nodes` that none of these pods is on.
async fn nodes_of(nodes: &[String], cluster: &Cluster, pods: &[&str]) -> String {
    let mut free: Vec<String> = nodes.to_vec();
    for pod in pods {
        let pod = cluster.get_pod(pod).await;
        free.retain(|node| pod["spec"]["nodeName"] != json!(node));
    }
    free.remove(0)
}

/// A ReplicaSet's pods, created by hand: no controller runs here.
async fn many_pods(cluster: &Cluster, pods: std::ops::Range<usize>) {
    for i in pods {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs-uid", "controller": true}]);
        let mut pod = requests("100m");
        merge(
            &mut pod,
            json!({"metadata": {"labels": {"app": "many"}, "ownerReferences": owner}}),
        );
        cluster.pod(&format!("m{i}"), pod).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_killed_leaves_nothing_undone_and_nothing_overcommitted() {
    let cluster = Cluster::start().await;
    for i in 0..10 {
        cluster.node(&format!("n{i}"), "2", json!({})).await;
    }
    let template = json!({"metadata": {"labels": {"app": "many"}},
        "spec": {"containers": [{"name": "c", "image": "registry.test/app:1"}]}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "many"}}, "template": template}});
    cluster
        .create("/apis/apps/v1/namespaces/default/replicasets", set)
        .await;

    // More pods than fit: 10 nodes of 20 pods. It is killed while they come.
    let start = || cluster.ours(&["--secure-port", "0", "--leader-elect=false"]);
    let mut scheduler = start();
    for part in 0..3 {
        many_pods(&cluster, part * 70..(part + 1) * 70).await;
        scheduler.kill().unwrap();
        scheduler = start();
    }
    let pods = Resource::builtin("", "v1", "pods").unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let per_node = loop {
        let mut per_node: BTreeMap<String, usize> = BTreeMap::new();
        for pod in cluster
            .client
            .list_all(&pods, "", &ListOptions::default())
            .await
            .unwrap()
            .items
        {
            if let Some(node) = PodProjection::project(&pod).view.node {
                *per_node.entry(node.to_string()).or_default() += 1;
            }
        }
        if per_node.values().sum::<usize>() >= 200 {
            break per_node;
        }
        assert!(Instant::now() < end, "{per_node:?}\n{}", scheduler.output());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        per_node.into_values().collect::<Vec<_>>(),
        [20; 10],
        "full, and nowhere more than full"
    );
    let status = scheduler.terminate(Duration::from_secs(5)).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        scheduler.output()
    );
}

/// A small generator of its own: which clusters are made must not depend on a library's version.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len() as u64) as usize]
    }
}

fn random_node(dice: &mut Dice, i: u64) -> Value {
    let mut labels = json!({"kubernetes.io/hostname": format!("n{i}"), "disk": dice.one(&["ssd", "hdd"]), "size": i.to_string()});
    if dice.roll(6) > 0 {
        labels["topology.kubernetes.io/zone"] = json!(dice.one(&["a", "b", "c"]));
    }
    let mut taints = Vec::new();
    for key in ["t0", "t1"] {
        if dice.roll(3) == 0 {
            taints.push(json!({"key": key, "effect": dice.one(&["NoSchedule", "PreferNoSchedule", "PreferNoSchedule"])}));
        }
    }
    let mut images = Vec::new();
    for image in 0..3 {
        if dice.roll(2) == 0 {
            let name = format!("registry.test/i{image}:latest");
            images.push(json!({"names": [name], "sizeBytes": 50_000_000 + 400_000_000 * image}));
        }
    }
    json!({
        "metadata": {"labels": labels},
        "spec": {"taints": taints, "unschedulable": dice.roll(10) == 0},
        "status": {
            "allocatable": {"cpu": format!("{}m", 500 + dice.roll(8) * 500), "memory": format!("{}Mi", 512 + dice.roll(16) * 256),
                "pods": (2 + dice.roll(8)).to_string(), "example.com/gpu": dice.roll(3).to_string()},
            "images": images,
        },
    })
}

fn random_pod(dice: &mut Dice) -> Value {
    let app = dice.one(&["x", "y"]);
    let mut spec = json!({});
    let mut container = json!({"name": "c", "image": format!("registry.test/i{}", dice.roll(4))});
    let mut requests = json!({});
    if dice.roll(3) > 0 {
        requests["cpu"] = json!(format!("{}m", dice.roll(9) * 100));
    }
    if dice.roll(3) > 0 {
        requests["memory"] = json!(format!("{}Mi", dice.roll(9) * 64));
    }
    container["resources"] = json!({"requests": requests});
    if dice.roll(8) == 0 {
        container["resources"]["requests"]["example.com/gpu"] = json!("1");
        container["resources"]["limits"] = json!({"example.com/gpu": "1"});
    }
    if dice.roll(6) == 0 {
        let ip = dice.one(&["", "10.0.0.1"]);
        container["ports"] =
            json!([{"containerPort": 80, "hostPort": 8080 + dice.roll(2), "hostIP": ip}]);
    }
    spec["containers"] = json!([container]);
    if dice.roll(5) == 0 {
        spec["initContainers"] = json!([{"name": "i", "image": "registry.test/i1",
            "resources": {"requests": {"cpu": "700m"}}, "restartPolicy": if dice.roll(2) == 0 { json!("Always") } else { Value::Null }}]);
    }
    if dice.roll(2) == 0 {
        spec["tolerations"] = json!([{"key": dice.one(&["t0", "t1"]), "operator": "Exists"}]);
    }
    if dice.roll(6) == 0 {
        spec["nodeSelector"] = json!({"disk": "ssd"});
    }
    let mut affinity = json!({});
    if dice.roll(5) == 0 {
        let expression = match dice.roll(4) {
            0 => {
                json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]})
            }
            1 => json!({"key": "size", "operator": "Gt", "values": ["3"]}),
            2 => json!({"key": "disk", "operator": "NotIn", "values": ["hdd"]}),
            _ => json!({"key": "topology.kubernetes.io/zone", "operator": "Exists"}),
        };
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
    } else if dice.roll(10) == 0 {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [format!("n{}", dice.roll(12))]});
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
    }
    if dice.roll(3) == 0 {
        let term = |weight: u64, key: &str, value: &str| json!({"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}});
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = json!([
            term(1 + dice.roll(100), "disk", "ssd"),
            term(1 + dice.roll(100), "topology.kubernetes.io/zone", "a")
        ]);
    }
    spec["affinity"] = json!({"nodeAffinity": affinity});
    let mut constraints = Vec::new();
    for key in ["topology.kubernetes.io/zone", "kubernetes.io/hostname"] {
        if dice.roll(4) == 0 {
            let hard = dice.roll(2) == 0;
            let mut constraint = json!({
                "maxSkew": 1 + dice.roll(2), "topologyKey": key, "labelSelector": {"matchLabels": {"app": app}},
                "whenUnsatisfiable": if hard { "DoNotSchedule" } else { "ScheduleAnyway" },
                "nodeTaintsPolicy": dice.one(&["Honor", "Ignore"]), "nodeAffinityPolicy": dice.one(&["Honor", "Ignore"]),
            });
            if hard && dice.roll(2) == 0 {
                constraint["minDomains"] = json!(1 + dice.roll(4));
            }
            constraints.push(constraint);
        }
    }
    spec["topologySpreadConstraints"] = json!(constraints);
    json!({"metadata": {"labels": {"app": app}}, "spec": spec})
}

/// The cluster as upstream's API server shows it, without the pods named.
async fn snapshot(
    client: &Client,
    without: &str,
) -> (Snapshot, Workloads, Vec<(Key, PodProjection)>) {
    let mut snapshot = Snapshot::default();
    let mut workloads = Workloads::default();
    let all = async |group: &str, version: &str, plural: &str| {
        let resource = Resource::builtin(group, version, plural).unwrap();
        client
            .list_all(&resource, "", &ListOptions::default())
            .await
            .unwrap()
            .items
    };
    for tree in all("", "v1", "nodes").await {
        snapshot.set_node(NodeShape::project(&tree));
    }
    for tree in all("", "v1", "services").await {
        let meta = runtime::object::Meta::of(&tree);
        workloads.set_service(
            meta.namespace.into(),
            meta.name.into(),
            ServiceSelector::project(&tree).0,
        );
    }
    for tree in all("apps", "v1", "replicasets").await {
        let meta = runtime::object::Meta::of(&tree);
        let selector = OwnerSelector::project(&tree).0;
        workloads.set_owner(
            OwnerKind::ReplicaSet,
            meta.namespace.into(),
            meta.name.into(),
            Some(selector),
        );
    }
    let mut waiting = Vec::new();
    for tree in all("", "v1", "pods").await {
        let pod = PodProjection::project(&tree);
        let key = runtime::object::Meta::of(&tree).key();
        if key.name() == without || pod.view.node.is_none() {
            waiting.push((key, pod));
        } else if let Some(node) = &pod.view.node {
            let load: Arc<_> = pod.view.load.clone();
            snapshot.place(
                PodKey::new(key.namespace(), key.name()),
                pod.view.uid.clone(),
                load,
                node,
            );
        }
    }
    (snapshot, workloads, waiting)
}

/// Upstream's scheduler places pods one after another on random clusters. Each time, the node that it chose must be one of
/// those which this scheduler holds for best, and where it finds none, it must say the same.
#[tokio::test(flavor = "multi_thread")]
async fn upstreams_scheduler_chooses_among_the_same_nodes() {
    let cluster = Cluster::start().await;
    let port = e2e::net::free_port().unwrap().to_string();
    let mut command = Command::new(binary("kube-scheduler").unwrap());
    command
        .arg("--kubeconfig")
        .arg(&cluster.identity)
        .arg("--authentication-kubeconfig")
        .arg(&cluster.identity);
    command
        .arg("--authorization-kubeconfig")
        .arg(&cluster.identity);
    command.args([
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port",
        &port,
    ]);
    let _upstream =
        Process::start("kube-scheduler", cluster.upstream.directory(), command).unwrap();

    let seed = std::env::var("SCHEDULER_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(2);
    let mut dice = Dice(seed);
    for i in 0..12 {
        cluster
            .node(&format!("n{i}"), "1", random_node(&mut dice, i))
            .await;
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}});
    cluster
        .create("/api/v1/namespaces/default/services", service)
        .await;
    // The informers of upstream's scheduler have no barrier: a probe that only the last node can take is one.
    cluster
        .node(
            "last",
            "1",
            json!({"metadata": {"labels": {"probe": "yes"}}}),
        )
        .await;
    cluster
        .pod("probe", json!({"spec": {"nodeSelector": {"probe": "yes"}}}))
        .await;
    assert_eq!(cluster.outcome("probe", |_| false).await.unwrap(), "last");

    let (mut placed, mut refused, mut differences) = (0, 0, Vec::new());
    let mut decisive: BTreeMap<&str, usize> = BTreeMap::new();
    for i in 0..80 {
        let name = format!("p{i}");
        let pod = random_pod(&mut dice);
        cluster.pod(&name, pod.clone()).await;
        let outcome = cluster.outcome(&name, |_| true).await;
        let (snapshot, mut workloads, waiting) = snapshot(&cluster.client, &name).await;
        // As it was before it was placed.
        let mut tree = cluster
            .client
            .get(
                &Resource::builtin("", "v1", "pods").unwrap(),
                &Key::new("default", &name),
            )
            .await
            .unwrap();
        api::core::v1::PodMut::of(&mut tree)
            .spec_mut()
            .remove_node_name();
        let spec = PodProjection::project(&tree).view.spec.unwrap();
        assert!(waiting.iter().any(|(key, _)| key.name() == name));
        let decision = slow::model(&snapshot, &workloads.template(&spec), 0);
        let total = |verdict: Verdict| {
            if let Verdict::Fits(scores) = verdict {
                Some(scores.total())
            } else {
                None
            }
        };
        match outcome {
            Ok(node) => {
                placed += 1;
                let best = decision
                    .explanation
                    .each()
                    .filter_map(|(_, verdict)| total(verdict))
                    .max();
                let theirs = decision
                    .explanation
                    .each()
                    .find(|(name, _)| ***name == *node)
                    .and_then(|(_, v)| total(v));
                if theirs.is_none() || theirs != best {
                    let ours: Vec<_> = decision
                        .explanation
                        .each()
                        .map(|(n, v)| format!("{n}: {v:?}"))
                        .collect();
                    differences.push(format!(
                        "{name}: upstream chose {node} ({theirs:?} of {best:?})\n{pod:#}\n{}",
                        ours.join("\n")
                    ));
                }
                // Without each plugin in turn: would upstream's choice still be among the best?
                let fits: Vec<_> = decision
                    .explanation
                    .each()
                    .filter_map(|(name, verdict)| match verdict {
                        Verdict::Fits(scores) => Some((name.clone(), scores)),
                        Verdict::Refused(_) => None,
                    })
                    .collect();
                for (plugin, ..) in fits.iter().flat_map(|(_, scores)| scores.each()).take(6) {
                    let without = |scores: &NodeScores| -> i64 {
                        scores
                            .each()
                            .filter(|(p, ..)| *p != plugin)
                            .map(|(_, score, weight)| score * weight)
                            .sum()
                    };
                    let best = fits.iter().map(|(_, scores)| without(scores)).max();
                    let theirs = fits
                        .iter()
                        .find(|(name, _)| **name == *node)
                        .map(|(_, scores)| without(scores));
                    if theirs != best {
                        *decisive.entry(plugin.as_str()).or_default() += 1;
                    }
                }
            }
            Err(message) => {
                refused += 1;
                let ours = decision.explanation.message();
                let preemption = decision.explanation.nothing_to_preempt();
                if decision.node.is_some() || message != format!("{ours} {preemption}") {
                    differences.push(format!("{name}: upstream says {message}\nthis scheduler {ours} {preemption}\n{pod:#}"));
                }
                kubectl(
                    &cluster.upstream.admin,
                    &["delete", "pod", &name, "--grace-period=0", "--force"],
                )
                .unwrap();
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {placed} placed and {refused} refused:\n{}",
        differences.len(),
        differences.join("\n\n")
    );
    assert!(
        placed >= 20 && refused >= 5,
        "{placed} placed, {refused} refused: the clusters are too easy or too hard"
    );
    // The comparison would notice if any one of the scores were missing.
    for plugin in [
        "TaintToleration",
        "NodeAffinity",
        "NodeResourcesFit",
        "NodeResourcesBalancedAllocation",
        "ImageLocality",
        "PodTopologySpread",
    ] {
        assert!(
            decisive.contains_key(plugin),
            "{plugin} decided nothing: {decisive:?}"
        );
    }
    println!("{placed} placed, {refused} refused, decided by: {decisive:?}");
}
