//! Our controllers on upstream's API server: a drop-in replacement for upstream's, as far as they go. No node and no
//! kubelet is here: what these would do to pods, the test does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

#[path = "controllers/cluster.rs"]
mod cluster;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use e2e::{upstream::kubectl, wait};
use runtime::{CancellationToken, Client, Clock as _, Random, SystemClock, TokioClock};
use serde_json::{Value, json};

use cluster::{Cluster, LIMIT};

fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hello", "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 5,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": "hello"}},
            "template": {
                "metadata": {"labels": {"app": "hello"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

const IMAGES: &str = "get pods -n shop -o jsonpath={.items[*].spec.containers[*].image}";

#[test]
fn hello_rolls_out_scales_is_undone_and_its_namespace_deletes() {
    let cluster = Cluster::start(&[]);
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    let ca = std::fs::read_to_string(cluster.upstream.directory().join("ca.crt")).unwrap();
    cluster.prints(
        "get configmap kube-root-ca.crt -n shop -o jsonpath={.data.ca\\.crt}",
        ca.trim(),
    );
    // Somebody meddles with it: it comes back.
    cluster
        .kubectl("delete serviceaccount default -n shop")
        .unwrap();
    cluster
        .kubectl(
            "patch configmap kube-root-ca.crt -n shop -p {\"data\":{\"ca.crt\":\"x\",\"y\":\"z\"}}",
        )
        .unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    cluster.prints(
        "get configmap kube-root-ca.crt -n shop -o jsonpath={.data.ca\\.crt}{.data.y}",
        ca.trim(),
    );

    cluster.apply(&deployment(3, "one"));
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    let set = &cluster.json("get replicasets -n shop")["items"][0];
    let hash = set["metadata"]["labels"]["pod-template-hash"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(set["metadata"]["name"], format!("hello-{hash}"));
    assert_eq!(
        set["spec"]["selector"]["matchLabels"]["pod-template-hash"],
        *hash
    );
    assert_eq!(set["metadata"]["ownerReferences"][0]["kind"], "Deployment");
    cluster.prints("get deployment hello -n shop -o jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}", "1");
    let pods = cluster.json("get pods -n shop");
    for pod in pods["items"].as_array().unwrap() {
        assert!(
            pod["metadata"]["name"]
                .as_str()
                .unwrap()
                .starts_with(&format!("hello-{hash}-"))
        );
        assert_eq!(pod["metadata"]["ownerReferences"][0]["controller"], true);
        assert_eq!(pod["metadata"]["labels"]["pod-template-hash"], *hash);
    }

    cluster
        .kubectl("scale -n shop deployment/hello --replicas=5")
        .unwrap();
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    cluster.prints(IMAGES, "one one one one one");

    cluster
        .kubectl("set image -n shop deployment/hello web=two")
        .unwrap();
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    cluster.prints(IMAGES, "two two two two two");
    let history = cluster
        .kubectl("rollout history -n shop deployment/hello")
        .unwrap();
    assert!(
        history.contains("\n1 ") && history.contains("\n2 "),
        "{history}"
    );

    // A rollout that cannot get anywhere: never fewer than wanted minus a quarter work, and the deadline is told.
    cluster
        .kubectl("set image -n shop deployment/hello web=broken")
        .unwrap();
    let stuck = cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap_err();
    assert!(stuck.contains("exceeded its progress deadline"), "{stuck}");
    let status = cluster.json("get deployment hello -n shop");
    assert_eq!(status["status"]["readyReplicas"], 4);
    assert_eq!(
        status["status"]["replicas"], 7,
        "5, and a surge of 25 % rounded up"
    );

    cluster
        .kubectl("rollout undo -n shop deployment/hello")
        .unwrap();
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    cluster.prints(IMAGES, "two two two two two");
    cluster.prints("get deployment hello -n shop -o jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}", "4");
    // Of the old ReplicaSets one is kept.
    cluster.prints(
        "get replicasets -n shop -o jsonpath={.items[*].spec.template.spec.containers[*].image}",
        "broken two",
    );

    // A pod that is deleted comes back; paused, nothing rolls, but it scales.
    let victim = cluster.json("get pods -n shop")["items"][0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster
        .kubectl(&format!("delete pod -n shop {victim}"))
        .unwrap();
    cluster.prints(IMAGES, "two two two two two");
    cluster
        .kubectl("rollout pause -n shop deployment/hello")
        .unwrap();
    cluster
        .kubectl("set image -n shop deployment/hello web=three")
        .unwrap();
    cluster
        .kubectl("scale -n shop deployment/hello --replicas=3")
        .unwrap();
    cluster.prints(IMAGES, "two two two");
    cluster
        .kubectl("rollout resume -n shop deployment/hello")
        .unwrap();
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    cluster.prints(IMAGES, "three three three");

    let events = cluster
        .kubectl("get events -n shop -o jsonpath={.items[*].reason}")
        .unwrap();
    for reason in ["ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete"] {
        assert!(events.contains(reason), "{reason} in {events}");
    }

    cluster
        .kubectl("delete namespace shop --timeout=100s")
        .unwrap();
    cluster.gone("get namespace shop");
    cluster.finish();
}

#[test]
fn recreate_lets_old_and_new_never_run_at_once() {
    // The collector of pods would take the one that is held for one that no kubelet will ever end: there is no node here.
    let cluster = Cluster::start(&[
        "--leader-elect=false",
        "--controllers=*,-pod-garbage-collector-controller",
    ]);
    cluster.kubectl("create namespace shop").unwrap();
    let mut object = deployment(3, "one");
    object["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    cluster.apply(&object);
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    // An old pod that takes its time: held by a finalizer.
    let held = cluster.json("get pods -n shop")["items"][0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster
        .kubectl(&format!(
            "patch pod -n shop {held} -p {{\"metadata\":{{\"finalizers\":[\"example.com/held\"]}}}}"
        ))
        .unwrap();
    cluster
        .kubectl("set image -n shop deployment/hello web=two")
        .unwrap();
    cluster.prints(IMAGES, "one");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        cluster.kubectl(IMAGES).unwrap(),
        "one",
        "nothing new while an old one is there"
    );
    cluster.kubectl(&format!("patch pod -n shop {held} --type=json -p [{{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}}]")).unwrap();
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    cluster.prints(IMAGES, "two two two");
    cluster.finish();
}

/// The kinds that keep a number of pods: both must live the same story.
#[test]
fn replica_sets_and_replication_controllers_keep_adopt_and_release_pods() {
    let cluster = Cluster::start(&[]);
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    for (kind, api_version, source) in [
        ("ReplicaSet", "apps/v1", "replicaset-controller"),
        ("ReplicationController", "v1", "replication-controller"),
    ] {
        keeps_adopts_and_releases(&cluster, kind, api_version, source);
    }
    cluster.finish();
}

fn keeps_adopts_and_releases(cluster: &Cluster, kind: &str, api_version: &str, source: &str) {
    let resource = kind.to_lowercase();
    let labels = json!({"app": "kept"});
    let selector = match kind {
        "ReplicaSet" => json!({"matchLabels": labels}),
        _ => labels.clone(),
    };
    let set = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": "kept", "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "selector": selector,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "one"}]},
            },
        },
    });
    let status = format!(
        "get {resource} kept -n shop -o jsonpath={{.status.replicas}}/{{.status.fullyLabeledReplicas}}\
         /{{.status.readyReplicas}}/{{.status.availableReplicas}}/{{.status.observedGeneration}}"
    );
    let names = "get pods -n shop -l app=kept -o name";
    let pods = || -> Vec<String> {
        let printed = cluster.kubectl(names).unwrap();
        printed.lines().map(str::to_owned).collect()
    };
    cluster.apply(&set);
    cluster.prints(&status, "2/2/2/2/1");
    let owners = "get pods -n shop -l app=kept -o \
                  jsonpath={.items[*].metadata.ownerReferences[*].apiVersion}/{.items[*].metadata.ownerReferences[*].kind}";
    cluster.prints(
        owners,
        &format!("{api_version} {api_version}/{kind} {kind}"),
    );

    // A pod that goes is replaced, and the scale subresource is followed.
    let first = pods().remove(0);
    cluster
        .kubectl(&format!("delete -n shop {first} --wait=false"))
        .unwrap();
    cluster
        .kubectl(&format!("scale {resource}/kept -n shop --replicas=3"))
        .unwrap();
    cluster.prints(&status, "3/3/3/3/2");
    assert!(!pods().contains(&first));

    // A pod that matches no more is let go, and another takes its place.
    let released = pods().remove(0);
    cluster
        .kubectl(&format!("label -n shop {released} app=free --overwrite"))
        .unwrap();
    cluster.prints(
        &format!("get -n shop {released} -o jsonpath={{.metadata.ownerReferences}}"),
        "",
    );
    wait::until("another takes its place", LIMIT, || {
        let pods = pods();
        if pods.len() == 3 && !pods.contains(&released) {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    });
    // It matches again: it is adopted, and one of them is too many.
    cluster.prints(&status, "3/3/3/3/2");
    cluster
        .kubectl(&format!("label -n shop {released} app=kept --overwrite"))
        .unwrap();
    let deleted = format!(
        "get events -n shop --field-selector involvedObject.kind={kind},reason=SuccessfulDelete -o jsonpath={{.items[*].source.component}}"
    );
    cluster.prints(&deleted, source);
    cluster.prints(&status, "3/3/3/3/2");
    let each = |text: &str| [text; 3].join(" ");
    cluster.prints(owners, &format!("{}/{}", each(api_version), each(kind)));

    // Orphaned pods are still there for the next of its name, which takes them over.
    let before = pods();
    cluster
        .kubectl(&format!(
            "delete {resource} kept -n shop --cascade=orphan --timeout=60s"
        ))
        .unwrap();
    cluster.prints(owners, "/");
    assert_eq!(pods(), before, "none went with it");
    cluster.apply(&set);
    cluster.prints(&status, "2/2/2/2/1");
    assert!(pods().iter().all(|pod| before.contains(pod)), "none is new");
    cluster
        .kubectl(&format!(
            "delete {resource} kept -n shop --cascade=foreground --timeout=60s"
        ))
        .unwrap();
    cluster.prints("get pods -n shop -o name", "");
}

#[test]
fn garbage_is_collected_in_the_background_the_foreground_or_orphaned_custom_kinds_too() {
    let cluster = Cluster::start(&[]);
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    for (cascade, pods) in [
        ("background", ""),
        ("foreground", ""),
        ("orphan", "one one one"),
    ] {
        cluster.apply(&deployment(3, "one"));
        cluster
            .kubectl("rollout status -n shop deployment/hello --timeout=60s")
            .unwrap();
        cluster
            .kubectl(&format!(
                "delete deployment hello -n shop --cascade={cascade} --timeout=60s"
            ))
            .unwrap();
        cluster.gone("get deployment hello -n shop");
        cluster.prints(IMAGES, pods);
    }
    // The orphaned ReplicaSet has no owner any more; a new Deployment with the same template adopts it.
    assert_eq!(
        cluster.json("get replicasets -n shop")["items"][0]["metadata"]["ownerReferences"],
        Value::Null
    );
    let pods = cluster.kubectl("get pods -n shop -o name").unwrap();
    cluster.apply(&deployment(3, "one"));
    cluster
        .kubectl("rollout status -n shop deployment/hello --timeout=60s")
        .unwrap();
    assert_eq!(
        cluster.kubectl("get pods -n shop -o name").unwrap(),
        pods,
        "the same pods"
    );
    // An orphaned pod that matches is adopted, and then is one too many.
    cluster.prints(
        "get replicasets -n shop -o jsonpath={.items[*].metadata.ownerReferences[*].kind}",
        "Deployment",
    );

    // A custom kind, made while the collector runs, that owns a ConfigMap and is owned by another of its kind.
    cluster.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }));
    cluster
        .kubectl("wait --for=condition=Established crd/things.example.com --timeout=60s")
        .unwrap();
    let thing = |name: &str, owner: Option<(&str, String)>| {
        let mut object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "namespace": "shop"}});
        if let Some((name, uid)) = owner {
            object["metadata"]["ownerReferences"] = json!([{"apiVersion": "example.com/v1", "kind": "Thing", "name": name, "uid": uid, "blockOwnerDeletion": true}]);
        }
        object
    };
    let uid = |name: &str| {
        cluster
            .kubectl(&format!(
                "get thing {name} -n shop -o jsonpath={{.metadata.uid}}"
            ))
            .unwrap()
    };
    cluster.apply(&thing("a", None));
    cluster.apply(&thing("b", Some(("a", uid("a")))));
    let mut map = thing("m", Some(("b", uid("b"))));
    (map["apiVersion"], map["kind"]) = (json!("v1"), json!("ConfigMap"));
    cluster.apply(&map);
    // One whose owner never was: nobody owns it.
    cluster.apply(&thing(
        "dangling",
        Some(("ghost", "00000000-0000-4000-8000-000000000000".to_owned())),
    ));
    cluster.gone("get thing dangling -n shop");
    cluster
        .kubectl("delete thing a -n shop --cascade=foreground --timeout=100s")
        .unwrap();
    cluster.gone("get thing b -n shop");
    cluster.gone("get configmap m -n shop");
    cluster.finish();
}

#[test]
fn claims_and_volumes_go_when_nobody_uses_them_any_more() {
    let cluster = Cluster::start(&[]);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "v",
                 "resources": {"requests": {"storage": "1Gi"}}},
    });
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}},
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": "n", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
                 "containers": [{"name": "c", "image": "i"}],
                 "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
    });
    cluster.prints(
        "get serviceaccount -n default -o name",
        "serviceaccount/default",
    );
    for object in [&claim, &volume, &pod] {
        cluster.apply(object);
    }
    let bound = r#"{"status":{"phase":"Bound"}}"#;
    for object in ["pvc/c", "pv/v"] {
        cluster
            .kubectl(&format!(
                "patch {object} --subresource=status --type=merge -p {bound}"
            ))
            .unwrap();
    }
    let unused = "get pvc c -o jsonpath={.status.conditions[?(@.type==\"Unused\")].status}";
    cluster.prints(unused, "False");
    for object in ["pvc/c", "pv/v"] {
        cluster
            .kubectl(&format!("delete {object} --wait=false"))
            .unwrap();
    }
    // Both are held: a change of either is seen after the deletion was.
    cluster.kubectl("label pvc/c pv/v seen=yes").unwrap();
    cluster.prints("get pvc,pv -o jsonpath={.items[*].metadata.name}", "c v");
    cluster.kubectl("delete pod p --force").unwrap();
    cluster.prints("get pvc -o name", "");
    cluster.prints("get pv -o name", "persistentvolume/v");
    let released = r#"{"status":{"phase":"Released"}}"#;
    cluster
        .kubectl(&format!(
            "patch pv/v --subresource=status --type=merge -p {released}"
        ))
        .unwrap();
    cluster.prints("get pv -o name", "");
}

#[test]
fn roles_are_made_of_those_that_they_select() {
    let cluster = Cluster::start(&[]);
    let role = |name: &str, verb: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true", "mine": "yes"}},
            "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": [verb]}],
        })
    };
    cluster.apply(&role("widgets-b", "watch"));
    cluster.apply(&role("widgets-a", "get"));
    let mine = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"mine": "yes"}}]},
    });
    cluster.apply(&mine);
    let verbs = |role: &str, group: &str| {
        format!(
            "get clusterrole {role} -o jsonpath={{.rules[?(@.apiGroups[0]==\"{group}\")].verbs[0]}}"
        )
    };
    cluster.prints(&verbs("all", "example.com"), "get watch");
    // The cluster's own roles, of which admin and edit have what view has.
    for name in ["view", "edit", "admin"] {
        cluster.prints(&verbs(name, "example.com"), "get watch");
    }
    cluster.kubectl("delete clusterrole widgets-a").unwrap();
    cluster.prints(&verbs("all", "example.com"), "watch");
    cluster.prints(&verbs("view", "example.com"), "watch");
}

#[test]
fn a_silent_node_is_tainted_its_pods_are_not_ready_and_are_evicted() {
    let cluster = Cluster::start(&[
        "--node-monitor-grace-period=4s",
        "--node-startup-grace-period=4s",
    ]);
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    for name in ["alive", "silent"] {
        cluster.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}));
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test",
            "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        let patch = [
            "patch",
            "node",
            name,
            "--subresource=status",
            "-p",
            &ready.to_string(),
        ];
        cluster.upstream.kubectl(&patch).unwrap();
        cluster.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{name}"), "namespace": "shop"},
            "spec": {
                "nodeName": name, "terminationGracePeriodSeconds": 0,
                "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}],
                "containers": [{"name": "c", "image": "one"}],
            },
        }));
    }
    // One of them renews its Lease.
    let (admin, stop) = (
        cluster.upstream.admin.clone(),
        Arc::new(AtomicBool::new(false)),
    );
    let stopped = stop.clone();
    let heart = std::thread::spawn(move || {
        let mut beat = 0;
        while !stopped.load(Relaxed) {
            beat += 1;
            let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "alive", "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": "alive", "leaseDurationSeconds": 40,
                         "renewTime": format!("2026-01-01T00:{:02}:{:02}.000000Z", beat / 60, beat % 60)}});
            let file = admin.with_file_name("lease.json");
            std::fs::write(&file, lease.to_string()).unwrap();
            let _ = kubectl(&admin, &["apply", "-f", &file.display().to_string()]);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let taints = |node: &str| {
        format!("get node {node} -o jsonpath={{.spec.taints[*].key}}:{{.spec.taints[*].effect}}")
    };
    cluster.prints(
        &taints("silent"),
        "node.kubernetes.io/unreachable node.kubernetes.io/unreachable:NoSchedule NoExecute",
    );
    cluster.prints(
        "get node silent -o jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
        "Unknown",
    );
    cluster.gone("get pod on-silent -n shop");
    let alive = cluster.json("get pod on-alive -n shop");
    assert_eq!(alive["status"]["phase"], "Running");
    assert_eq!(cluster.kubectl(&taints("alive")).unwrap(), ":");
    // It comes back: the taints go.
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test",
        "lastHeartbeatTime": "2026-01-02T00:00:00Z", "lastTransitionTime": "2026-01-02T00:00:00Z"}]}});
    cluster
        .upstream
        .kubectl(&[
            "patch",
            "node",
            "silent",
            "--subresource=status",
            "-p",
            &ready.to_string(),
        ])
        .unwrap();
    cluster.prints(&taints("silent"), ":");
    // It is taken away, and after its quarantine so are its pods.
    cluster.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orphan", "namespace": "shop"},
        "spec": {"nodeName": "silent", "tolerations": [{"operator": "Exists"}], "containers": [{"name": "c", "image": "one"}]}}));
    cluster.kubectl("delete node silent").unwrap();
    cluster.gone("get pod orphan -n shop");
    stop.store(true, Relaxed);
    heart.join().unwrap();
    cluster.finish();
}

#[test]
fn of_two_one_leads_and_the_other_takes_over() {
    let mut cluster = Cluster::start(&[]);
    let holder = |cluster: &Cluster| {
        let get =
            "get lease kube-controller-manager -n kube-system -o jsonpath={.spec.holderIdentity}";
        cluster
            .kubectl(get)
            .and_then(|h| if h.is_empty() { Err(h) } else { Ok(h) })
    };
    let first = wait::until("one leads", LIMIT, || holder(&cluster));
    let directory = tempfile::tempdir().unwrap();
    let second = Cluster::spawn(directory.path(), &cluster.kubeconfig, &[]);
    wait::until("the other stands by", LIMIT, || {
        if second.output().contains("standing by") {
            Ok(())
        } else {
            Err(second.output())
        }
    });
    // Ended in good order it releases, and nobody waits for its Lease to run out.
    cluster
        .controllers
        .terminate(Duration::from_secs(5))
        .unwrap()
        .expect("SIGTERM ends it within 5 s");
    wait::until("the other leads", Duration::from_secs(8), || {
        match holder(&cluster) {
            Ok(now) if now != first => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    cluster.controllers = second;
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    cluster.finish();
}

#[test]
fn a_class_of_volume_attributes_stays_while_a_claim_names_it() {
    let cluster = Cluster::start(&[]);
    let class = "volumeattributesclass gold";
    let held = format!("get {class} -o jsonpath={{.metadata.finalizers}}");
    cluster.apply(&json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "gold"},
        "driverName": "example.com", "parameters": {"iops": "1"},
    }));
    cluster.prints(&held, "[\"kubernetes.io/vac-protection\"]");
    // Somebody takes it away: it comes back.
    let patch = "--type=merge -p {\"metadata\":{\"finalizers\":null}}";
    cluster.kubectl(&format!("patch {class} {patch}")).unwrap();
    cluster.prints(&held, "[\"kubernetes.io/vac-protection\"]");
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "", "volumeAttributesClassName": "gold",
        },
    }));
    cluster
        .kubectl(&format!("delete {class} --wait=false"))
        .unwrap();
    // What else the controllers do meanwhile takes longer than letting go would have.
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    cluster.prints(&held, "[\"kubernetes.io/vac-protection\"]");
    cluster.kubectl("delete pvc data").unwrap();
    cluster.prints("get volumeattributesclasses -o name", "");
}

#[test]
fn old_requests_for_certificates_of_pods_go() {
    let cluster = Cluster::start(&[]);
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default();
    let request = request.serialize_request(&key).unwrap();
    let request = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, request.der());
    cluster.apply(&json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
        "metadata": {"name": "r", "namespace": "default"},
        "spec": {
            "signerName": "example.com/one", "podName": "p", "podUID": "1", "serviceAccountName": "default",
            "serviceAccountUID": "2", "nodeName": "n", "nodeUID": "3", "stubPKCS10Request": request,
        },
    }));
    // By the machine's clock it is young, by another it is not.
    cluster.prints(
        "get podcertificaterequests -o name",
        "podcertificaterequest.certificates.k8s.io/r",
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let later = SystemClock.now() + jiff::SignedDuration::from_mins(16);
        let clock = Arc::new(TokioClock::starting_at(later));
        let mut config = controllers::Config::new(clock, Random::from_seed(1));
        let name = "podcertificaterequest-cleaner-controller";
        config.controllers = controllers::Selection::parse([name]).unwrap();
        let client = Client::from_kubeconfig(&cluster.kubeconfig, "test");
        let stop = CancellationToken::new();
        let running = controllers::run(config, client.await.unwrap(), stop.clone());
        let gone = async {
            let (kubeconfig, gone) = (cluster.upstream.admin.clone(), |text: String| {
                text.is_empty()
            });
            loop {
                let kubeconfig = kubeconfig.clone();
                let asked = tokio::task::spawn_blocking(move || {
                    kubectl(
                        &kubeconfig,
                        &["get", "podcertificaterequests", "-o", "name"],
                    )
                });
                if asked.await.unwrap().is_ok_and(gone) {
                    stop.cancel();
                    return;
                }
            }
        };
        let (ran, gone) = tokio::join!(running, tokio::time::timeout(LIMIT, gone));
        gone.unwrap();
        ran.unwrap();
    });
}
