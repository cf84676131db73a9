//! Pods on one node, asked for through upstream's API server with upstream's kubectl.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::cluster::{Cluster, NODE, pod};

fn container(args: &[&str]) -> Value {
    json!({"name": "c", "args": args})
}

fn terminated(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["terminated"]
}

fn condition(pod: &Value, kind: &str) -> Value {
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap()
        .clone()
}

fn fetch(address: &str) -> String {
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_is_reached_tells_its_environment_and_leaves_nothing() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"text": "one", "other": "x"}}));
    cluster.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "default"}, "stringData": {"k": "s3cret"}}));

    let started = Instant::now();
    cluster.run(
        "quick",
        json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["serve", "80"])]}),
    );
    let quick = cluster.phase("quick", "Running");
    println!(
        "created → Running seen by kubectl: {:?}\n{}",
        started.elapsed(),
        cluster.events()
    );
    let ip = quick["status"]["podIP"].as_str().unwrap();
    assert!(fetch(&format!("{ip}:80")).ends_with("ok"));
    assert_eq!(quick["status"]["hostIP"], "127.0.0.1");
    assert_eq!(
        condition(&quick, "PodReadyToStartContainers")["status"],
        "True"
    );

    let env = json!([
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "TEXT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "text"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
        {"name": "BOTH", "value": "$(POD)-$(TEXT)"},
    ]);
    let mut says: Vec<String> = Vec::new();
    for name in [
        "POD",
        "CPU",
        "TEXT",
        "KEY",
        "BOTH",
        "PRE_other",
        "KUBERNETES_SERVICE_PORT",
        "HOSTNAME",
    ] {
        says.extend(["env".into(), name.to_owned(), "then".into()]);
    }
    for path in [
        "/config/text",
        "/labels/l",
        "/all/token-dir/ns",
        "/shared/sub/x",
        "/etc/hostname",
    ] {
        says.extend(["cat".into(), path.to_owned(), "then".into()]);
    }
    says.extend(
        [
            "status",
            "Uid",
            "then",
            "status",
            "Groups",
            "then",
            "write",
            "/dev/termination-log",
            "bye",
            "then",
            "write",
            "/config/text",
            "no",
            "then",
            "exit",
            "3",
        ]
        .map(str::to_owned),
    );
    cluster.run("talker", json!({
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1234, "fsGroup": 2222},
        "initContainers": [{"name": "init", "args": ["write", "/shared/x", "from init"], "volumeMounts": [{"name": "shared", "mountPath": "/shared", "subPath": "deep"}]}],
        "containers": [{
            "name": "c", "args": says, "env": env, "envFrom": [{"prefix": "PRE_", "configMapRef": {"name": "settings"}}],
            "resources": {"limits": {"cpu": "250m", "memory": "64Mi"}},
            "volumeMounts": [
                {"name": "config", "mountPath": "/config"}, {"name": "labels", "mountPath": "/labels"},
                {"name": "all", "mountPath": "/all"}, {"name": "shared", "mountPath": "/shared/sub", "subPath": "deep"},
            ],
        }],
        "volumes": [
            {"name": "config", "configMap": {"name": "settings"}},
            {"name": "labels", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "all", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
                {"downwardAPI": {"items": [{"path": "token-dir/ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            ]}},
            {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ],
    }));
    let talker = cluster.phase("talker", "Failed");
    let text = cluster.logs(&["talker", "-c", "c"]);
    let expected = [
        "POD=talker",
        "CPU=250",
        "TEXT=one",
        "KEY=s3cret",
        "BOTH=talker-one",
        "PRE_other=x",
        "KUBERNETES_SERVICE_PORT=443",
        "HOSTNAME=talker",
        "oneapp=\"talker\"default",
        "from inittalker",
        "Uid:\t1234\t1234\t1234\t1234",
        "Groups:\t0 2222 ",
    ];
    for line in expected {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    assert!(
        text.contains("/config/text: Read-only file system"),
        "{text}"
    );
    assert_eq!(terminated(&talker)["exitCode"], 3);
    assert_eq!(terminated(&talker)["reason"], "Error");
    assert_eq!(terminated(&talker)["message"], "bye");
    assert_eq!(talker["status"]["qosClass"], "Burstable");
    assert_eq!(condition(&talker, "Ready")["reason"], "PodFailed");

    let events = cluster.events();
    for reason in ["Pulled", "Created", "Started"] {
        assert!(events.contains(reason), "{events}");
    }
    cluster.run(
        "stays",
        json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["sleep", "1000"])]}),
    );
    let stays = cluster.phase("stays", "Running");
    // Shims' sockets are in a directory that is everybody's: neither a pod's end nor the cluster's leaves one there.
    let containerd = cluster.containerd().await;
    let [quick, stays] = [&quick, &stays].map(|pod| {
        let socket = containerd.shim_socket(pod["metadata"]["uid"].as_str().unwrap());
        assert!(socket.exists(), "{}", socket.display());
        socket
    });
    for name in ["quick", "talker"] {
        cluster.delete(name);
    }
    // Without grace the API server does not wait for the kubelet.
    cluster.until("its socket goes with the pod", || {
        (!quick.exists()).then_some(())
    });
    assert_eq!(cluster.tasks().await.len(), 1);
    cluster.stop().await;
    assert!(!stays.exists(), "{}", stays.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_are_told_apart_restarts_back_off_and_hooks_and_grace_are_kept() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run(
        "crash",
        json!({"containers": [container(&["say", "hello", "then", "exit", "4"])]}),
    );
    cluster.run(
        "crash-apart",
        json!({"containers": [container(&["cat", "/proc/sys/kernel/random/uuid", "then", "exit", "4"])]}),
    );
    cluster.run(
        "done",
        json!({"restartPolicy": "OnFailure", "containers": [container(&["say", "fine"])]}),
    );
    cluster.run("last-words", json!({"restartPolicy": "Never", "containers": [{
        "name": "c", "args": ["mutter", "DONE", "then", "exit", "1"], "terminationMessagePolicy": "FallbackToLogsOnError",
    }]}));
    cluster.run("hungry", json!({"restartPolicy": "Never", "containers": [{"name": "c", "args": ["eat", "200"], "resources": {"limits": {"memory": "32Mi"}}}]}));
    cluster.run("brief", json!({"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 0, "containers": [container(&["sleep", "100"])]}));
    let status = cluster.waiting("crash", "CrashLoopBackOff");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 4);
    assert_eq!(
        status["restartCount"], 1,
        "the first restart waits for nothing"
    );
    assert!(
        status["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .starts_with("back-off 10s restarting failed container=c")
    );
    assert_eq!(cluster.logs(&["crash", "--previous"]), "hello\n");
    // As long as the next attempt is waited for, the newest one is the previous one.
    cluster.waiting("crash-apart", "CrashLoopBackOff");
    assert_eq!(
        cluster.logs(&["crash-apart", "--previous"]),
        cluster.logs(&["crash-apart"])
    );
    assert_eq!(
        terminated(&cluster.phase("done", "Succeeded"))["reason"],
        "Completed"
    );
    let hungry = cluster.phase("hungry", "Failed");
    assert_eq!(
        (
            &terminated(&hungry)["reason"],
            &terminated(&hungry)["exitCode"]
        ),
        (&json!("OOMKilled"), &json!(137))
    );
    let spoken = cluster.phase("last-words", "Failed");
    assert_eq!(terminated(&spoken)["message"], "DONE");
    assert_eq!(
        cluster.phase("brief", "Failed")["status"]["reason"],
        "DeadlineExceeded"
    );

    // The hook runs first; SIGTERM means nothing to the payload, so its grace is used up.
    cluster.run(
        "slow",
        json!({
            "terminationGracePeriodSeconds": 3,
            "containers": [{"name": "c", "args": ["sleep", "100"], "lifecycle": {
                "postStart": {"exec": {"command": ["/payload", "write", "/started", "x"]}},
                "preStop": {"exec": {"command": ["/payload", "sleep", "1"]}},
            }}],
        }),
    );
    cluster.ready("slow");
    let began = Instant::now();
    cluster.delete("slow");
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert!(
        cluster.events().contains("Stopping container c"),
        "{}",
        cluster.events()
    );
    for name in [
        "crash",
        "crash-apart",
        "done",
        "last-words",
        "hungry",
        "brief",
    ] {
        cluster.delete(name);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_decide_on_readiness_and_restarts() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let http =
        json!({"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1});
    cluster.run("web", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["serve", "8080"], "ports": [{"name": "web", "containerPort": 8080}],
            "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30},
            "readinessProbe": http,
            "livenessProbe": {"exec": {"command": ["/payload", "exists", "/proc/self"]}, "periodSeconds": 1}}],
    }));
    let pod = cluster.ready("web");
    assert_eq!(pod["status"]["containerStatuses"][0]["started"], true);
    cluster.run("sick", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["sleep", "100"],
            "livenessProbe": {"exec": {"command": ["/payload", "exists", "/no"]}, "periodSeconds": 1, "failureThreshold": 2}}],
    }));
    // It would be restarted within a second, would it not wait.
    cluster.run("late", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["sleep", "100"],
            "livenessProbe": {"exec": {"command": ["/payload", "exists", "/no"]}, "initialDelaySeconds": 5, "periodSeconds": 1, "failureThreshold": 1}}],
    }));
    cluster.run("unaskable", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["sleep", "100"],
            "livenessProbe": {"exec": {"command": ["/no-program"]}, "periodSeconds": 1, "failureThreshold": 1}}],
    }));
    cluster.run("moved", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["redirect", "8080"],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "initialDelaySeconds": 1}}],
    }));
    cluster.run("never", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["sleep", "100"], "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}],
    }));
    cluster.until("sick was restarted", || {
        let status = cluster.pod("sick")["status"]["containerStatuses"][0].clone();
        (status["restartCount"].as_u64()? >= 1
            && status["lastState"]["terminated"]["exitCode"] == 137)
            .then_some(())
    });
    let events = cluster.events();
    assert!(
        events.contains("Container c failed liveness probe, will be restarted"),
        "{events}"
    );
    cluster.until("failures are told", || {
        cluster
            .events()
            .contains("Readiness probe failed: dial tcp")
            .then_some(())
    });
    let never = cluster.phase("never", "Running");
    assert_eq!(
        condition(&never, "Ready")["message"],
        "containers with unready status: [c]"
    );
    let late = cluster.until("late was restarted", || {
        let status = cluster.pod("late")["status"]["containerStatuses"][0].clone();
        (status["restartCount"].as_u64()? >= 1).then_some(status)
    });
    let time = |which: &str| -> jiff::Timestamp {
        let time = late["lastState"]["terminated"][which].as_str();
        time.unwrap().parse().unwrap()
    };
    let lived = time("finishedAt").duration_since(time("startedAt"));
    assert!(lived.as_secs() >= 5, "{late}");
    cluster.until("what cannot be asked is told", || {
        cluster
            .events()
            .contains("Liveness probe errored and resulted in unknown state")
            .then_some(())
    });
    assert_eq!(
        cluster.pod("unaskable")["status"]["containerStatuses"][0]["restartCount"],
        0
    );
    cluster.until("a redirect is followed", || {
        let events = cluster.events();
        let mut lines = events.lines().filter(|line| line.starts_with("moved "));
        lines
            .any(|line| {
                line.contains("Readiness probe failed: HTTP probe failed with statuscode: 500")
            })
            .then_some(())
    });
    for name in ["web", "sick", "never", "late", "unaskable", "moved"] {
        cluster.delete(name);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_kubelet_stops_nothing_and_loses_no_line_and_its_successor_adopts() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    cluster.run("counter", json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["count", "3000", "1000", "then", "sleep", "1000"])]}));
    cluster.run("ender", json!({"restartPolicy": "Never", "containers": [container(&["sleep", "2", "then", "exit", "5"])]}));
    cluster.run(
        "orphan",
        json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["sleep", "1000"])]}),
    );
    let before = cluster.ready("counter");
    let orphan = cluster.ready("orphan");
    cluster.ready("ender");
    let task = cluster.tasks().await;
    for _ in 0..3 {
        cluster.kill();
        std::thread::sleep(Duration::from_millis(300));
        cluster.restart();
        std::thread::sleep(Duration::from_millis(300));
    }
    cluster.kill();
    // What ends and what is deleted while nobody looks.
    cluster
        .api
        .kubectl(&["delete", "pod", "orphan", "--force", "--grace-period=0"])
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    cluster.restart();
    let ender = cluster.phase("ender", "Failed");
    assert_eq!(terminated(&ender)["exitCode"], 5);
    cluster.until("all lines", || {
        let lines = cluster.logs(&["counter"]);
        (lines.lines().count() == 3000).then_some(())
    });
    let lines = cluster.logs(&["counter"]);
    assert!(
        lines
            .lines()
            .enumerate()
            .all(|(at, line)| line == at.to_string())
    );
    assert_eq!(cluster.logs(&["counter", "--tail", "2"]), "2998\n2999\n");
    let after = cluster.ready("counter");
    for field in ["containerID", "restartCount", "state"] {
        assert_eq!(
            after["status"]["containerStatuses"][0][field],
            before["status"]["containerStatuses"][0][field]
        );
    }
    assert_eq!(after["status"]["podIP"], before["status"]["podIP"]);
    let orphan = orphan["metadata"]["uid"].as_str().unwrap().to_owned();
    // Its grace is not what it asked for: nobody knows that any more.
    cluster.until("the orphan is taken away", || {
        (!cluster
            .machine
            .path()
            .join("kubelet/pods")
            .join(&orphan)
            .exists())
        .then_some(())
    });
    let left = cluster.tasks().await;
    assert!(
        left.iter().all(|task_left| task.contains(task_left)),
        "{left:?} {task:?}"
    );
    for name in ["counter", "ender"] {
        cluster.delete(name);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_cannot_run_says_why_and_disturbs_no_other() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run(
        "good",
        json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["sleep", "1000"])]}),
    );
    cluster.run(
        "no-image",
        json!({"containers": [{"name": "c", "image": "127.0.0.1:1/none:1"}]}),
    );
    cluster.run("never-image", json!({"containers": [{"name": "c", "image": "registry.test/none:1", "imagePullPolicy": "Never"}]}));
    cluster.run("no-map", json!({"containers": [{"name": "c", "args": ["sleep", "1"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}], "volumes": [{"name": "v", "configMap": {"name": "missing"}}]}));
    cluster.run("no-key", json!({"containers": [{"name": "c", "args": ["sleep", "1"], "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "missing", "key": "k"}}}]}]}));
    cluster.run("root", json!({"containers": [{"name": "c", "args": ["sleep", "1"], "securityContext": {"runAsNonRoot": true}}]}));
    cluster.run(
        "no-program",
        json!({"containers": [{"name": "c", "command": ["/nothing"]}]}),
    );
    cluster.run("unsupported", json!({"shareProcessNamespace": true, "containers": [{"name": "c", "restartPolicy": "Never", "resources": {"limits": {"cpu": "1", "example.com/count": "1"}}}], "volumes": [{"name": "disk", "nfs": {"server": "s", "path": "/"}}]}));
    let status = cluster.until("no-image waits", || {
        let status = cluster.pod("no-image")["status"]["containerStatuses"][0].clone();
        ["ErrImagePull", "ImagePullBackOff"]
            .contains(&status["state"]["waiting"]["reason"].as_str()?)
            .then_some(status)
    });
    assert!(
        status["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .contains("127.0.0.1:1/none:1"),
        "{status}"
    );
    cluster.waiting("never-image", "ErrImageNeverPull");
    let status = cluster.waiting("no-key", "CreateContainerConfigError");
    assert_eq!(
        status["state"]["waiting"]["message"],
        "configmap \"missing\" not found"
    );
    let status = cluster.waiting("root", "CreateContainerConfigError");
    assert_eq!(
        status["state"]["waiting"]["message"],
        "container has runAsNonRoot and image will run as root"
    );
    let status = cluster.waiting("unsupported", "UnsupportedField");
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    for field in [
        "spec.shareProcessNamespace",
        "spec.containers[c].restartPolicy",
        "spec.volumes[disk].nfs",
    ] {
        assert!(message.contains(field), "{message}");
    }
    // A resource that somebody else counts is none of the kubelet's business.
    assert!(!message.contains("example.com/count"), "{message}");
    cluster.until("no-program has failed to start", || {
        let status = cluster.pod("no-program")["status"]["containerStatuses"][0].clone();
        (status["lastState"]["terminated"]["reason"] == "StartError").then_some(())
    });
    cluster.until("the missing volume is told", || {
        cluster
            .events()
            .contains("MountVolume.SetUp failed for volume \"v\" : configmap \"missing\" not found")
            .then_some(())
    });
    // It comes up as soon as it can.
    cluster.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "missing", "namespace": "default"}, "data": {"k": "v"}}));
    cluster.until("no-map runs", || {
        cluster.pod("no-map")["status"]["containerStatuses"][0]["restartCount"]
            .as_u64()
            .filter(|count| *count > 0)
            .map(drop)
            .or_else(|| (cluster.pod("no-map")["status"]["phase"] == "Running").then_some(()))
    });
    let good = cluster.ready("good");
    assert_eq!(good["status"]["containerStatuses"][0]["restartCount"], 0);
    // Bound to this node by its name, past every scheduler.
    let port = json!({"name": "c", "args": ["sleep", "1000"], "ports": [{"containerPort": 80, "hostPort": 18080}]});
    let huge =
        json!({"name": "c", "args": ["sleep", "1000"], "resources": {"requests": {"cpu": "10k"}}});
    let at_once =
        |container: &Value| json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
    cluster.run("port", at_once(&port));
    cluster.phase("port", "Running");
    cluster.run("no-port", at_once(&port));
    cluster.run("no-room", at_once(&huge));
    for (name, reason, message) in [
        (
            "no-port",
            "NodePorts",
            "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        ),
        (
            "no-room",
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 10000000, used: ",
        ),
    ] {
        let status = cluster.phase(name, "Failed")["status"].clone();
        assert_eq!(status["reason"], reason);
        assert!(
            status["message"].as_str().unwrap().starts_with(message),
            "{status}"
        );
        assert!(cluster.events().contains(reason), "{}", cluster.events());
        cluster.delete(name);
    }
    // Who is gone leaves the port.
    cluster.delete("port");
    cluster.run("port", at_once(&port));
    cluster.phase("port", "Running");
    cluster.delete("port");
    for name in [
        "good",
        "no-image",
        "never-image",
        "no-map",
        "no-key",
        "root",
        "no-program",
        "unsupported",
    ] {
        cluster.delete(name);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_is_registered_as_upstream_does_and_pods_start_quickly() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let node = cluster.get("node", NODE).unwrap();
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], NODE);
    assert_eq!(
        node["status"]["nodeInfo"]["kubeletVersion"],
        kubelet::VERSION
    );
    for resource in ["cpu", "memory", "pods", "ephemeral-storage"] {
        assert!(
            node["status"]["capacity"][resource].is_string()
                && node["status"]["allocatable"][resource].is_string()
        );
    }
    let lease = cluster.until("the lease", || {
        let text = cluster
            .api
            .kubectl(&["get", "lease", "-n", "kube-node-lease", NODE, "-o", "json"])
            .ok()?;
        serde_json::from_str::<Value>(&text).ok()
    });
    assert_eq!(lease["spec"]["holderIdentity"], NODE);
    assert_eq!(
        lease["metadata"]["ownerReferences"][0]["uid"],
        node["metadata"]["uid"]
    );

    // Measured at the server: from its creation to the time that a watch shows Running.
    let mut watch = std::process::Command::new(e2e::upstream::binary("kubectl").unwrap())
        .args([
            "--kubeconfig",
            cluster.api.admin.to_str().unwrap(),
            "--cache-dir",
            cluster.machine.path().to_str().unwrap(),
            "get",
            "pods",
            "-w",
            "-o",
            "jsonpath={.metadata.name} {.status.phase}{\"\\n\"}",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stdout.take().unwrap()));
    std::thread::sleep(Duration::from_millis(500));
    let mut times = Vec::new();
    for number in 0..10 {
        let name = format!("p{number}");
        let spec = pod(
            &name,
            json!({"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "containers": [container(&["sleep", "1000"])]}),
        );
        let file = cluster.machine.path().join("quick.json");
        std::fs::write(&file, spec.to_string()).unwrap();
        cluster
            .api
            .kubectl(&["create", "-f", file.to_str().unwrap()])
            .unwrap();
        let mut pending = None;
        loop {
            let line = lines.next().unwrap().unwrap();
            if line == format!("{name} Pending") && pending.is_none() {
                pending = Some(Instant::now());
            }
            if line == format!("{name} Running") {
                times.push(pending.map_or(Duration::ZERO, |pending| pending.elapsed()));
                break;
            }
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    times.sort();
    println!(
        "pod created → Running: p50 {:?}, max {:?}",
        times[5], times[9]
    );
    cluster
        .api
        .kubectl(&["delete", "pods", "--all", "--wait=false"])
        .unwrap();
    cluster.until("all are gone", || {
        cluster
            .api
            .kubectl(&["get", "pods", "-o", "name"])
            .unwrap()
            .is_empty()
            .then_some(())
    });
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containerd_that_is_killed_while_pods_start_leaves_no_container_that_nobody_knows() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    let mut names = Vec::new();
    for delay in [10, 40, 70, 100, 130, 160, 190, 220] {
        for number in 0..2 {
            let name = format!("p{delay}-{number}");
            cluster.run(
                &name,
                json!({"terminationGracePeriodSeconds": 0, "containers": [container(&["sleep", "1000"])]}),
            );
            names.push(name);
        }
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let pid = nix::unistd::Pid::from_raw(cluster.machine.instance.pid().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        cluster.until("containerd is killed", || {
            cluster.machine.instance.pid().is_none().then_some(())
        });
        kubelet::containerd::serve_own(
            &support::containerd_program(),
            &cluster.machine.path().join("containerd"),
            &cluster.machine.path().join("run"),
        )
        .await
        .unwrap();
    }
    for name in &names {
        cluster.ready(name);
    }
    let tasks = cluster.tasks().await;
    assert_eq!(tasks.len(), names.len(), "{tasks:?}");
    for name in &names {
        cluster.delete(name);
    }
    cluster.no_tasks().await;
    cluster.stop().await;
}
