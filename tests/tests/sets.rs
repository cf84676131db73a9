//! StatefulSets, DaemonSets and PodDisruptionBudgets: our controllers on upstream's API server. No node and no kubelet is here:
//! what these would do to pods, the test does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

#[path = "controllers/cluster.rs"]
mod cluster;

use std::time::Duration;

use e2e::wait;
use serde_json::{Value, json};

use cluster::{Cluster, LIMIT};

const NAMES: &str = "get pods -n shop -o jsonpath={.items[*].metadata.name}";
const IMAGES: &str = "get pods -n shop -o jsonpath={.items[*].spec.containers[*].image}";

fn start(flags: &[&str]) -> Cluster {
    let cluster = Cluster::start(flags);
    cluster.kubectl("create namespace shop").unwrap();
    cluster.prints(
        "get serviceaccount -n shop -o name",
        "serviceaccount/default",
    );
    cluster
}

fn stateful_set(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "serviceName": "svc",
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

/// Sets what a kubelet would say of a pod.
fn say(cluster: &Cluster, pod: &str, phase: &str, ready: bool) {
    let ready = if ready { "True" } else { "False" };
    let status = json!({"status": {"phase": phase, "conditions": [
        {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    cluster
        .kubectl(&format!(
            "patch pod -n shop {pod} --subresource=status -p {}",
            status.to_string().replace(' ', "")
        ))
        .unwrap();
}

/// That something stays as it is can only be seen by waiting.
fn stays(cluster: &Cluster, line: &str, wanted: &str) {
    cluster.prints(line, wanted);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(cluster.kubectl(line).unwrap().trim(), wanted, "{line}");
}

#[test]
fn ordered_pods_come_and_go_one_after_another() {
    let cluster = start(&[]);
    // Nobody makes these ready but the test.
    cluster.apply(&stateful_set(3, "broken"));
    stays(&cluster, NAMES, "web-0");
    say(&cluster, "web-0", "Running", true);
    stays(&cluster, NAMES, "web-0 web-1");
    say(&cluster, "web-1", "Running", true);
    cluster.prints(NAMES, "web-0 web-1 web-2");
    say(&cluster, "web-2", "Running", true);
    let status = "get statefulset web -n shop -o jsonpath={.status.replicas}/{.status.readyReplicas}/{.status.currentReplicas}\
                  /{.status.updatedReplicas}/{.status.availableReplicas}/{.status.collisionCount}";
    cluster.prints(status, "3/3/3/3/3/0");
    let pod = cluster.json("get pod web-1 -n shop");
    let set = cluster.json("get statefulset web -n shop");
    let revision = &set["status"]["currentRevision"];
    assert_eq!(revision, &set["status"]["updateRevision"]);
    assert_eq!(
        pod["metadata"]["labels"],
        json!({
            "app": "web", "apps.kubernetes.io/pod-index": "1", "controller-revision-hash": revision,
            "statefulset.kubernetes.io/pod-name": "web-1",
        })
    );
    assert_eq!(pod["spec"]["hostname"], "web-1");
    assert_eq!(pod["spec"]["subdomain"], "svc");
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["controller"]),
        (&json!("StatefulSet"), &json!(true))
    );

    // One that is not well holds up all that is to go.
    say(&cluster, "web-0", "Running", false);
    cluster
        .kubectl("scale statefulset/web -n shop --replicas=1")
        .unwrap();
    stays(&cluster, NAMES, "web-0 web-1 web-2");
    say(&cluster, "web-0", "Running", true);
    cluster.prints(NAMES, "web-0");

    // One that was evicted is made anew; another that is deleted, too.
    let uid = "get pod web-0 -n shop -o jsonpath={.metadata.uid}";
    let mut before = cluster.kubectl(uid).unwrap();
    for (end, name) in [(true, "evicted"), (false, "deleted")] {
        if end {
            say(&cluster, "web-0", "Failed", false);
        } else {
            cluster
                .kubectl("delete pod web-0 -n shop --wait=false")
                .unwrap();
        }
        wait::until(name, LIMIT, || match cluster.kubectl(uid) {
            Ok(after) if after != before => Ok(()),
            other => Err(format!("{other:?}")),
        });
        before = cluster.kubectl(uid).unwrap();
    }
    let events = cluster
        .kubectl("get events -n shop -o jsonpath={.items[*].message}")
        .unwrap();
    for message in [
        "Create Pod web-2 in StatefulSet web successful",
        "Delete Pod web-2 in StatefulSet web successful",
    ] {
        assert!(events.contains(message), "{message} in {events}");
    }
    cluster.finish();
}

#[test]
fn parallel_pods_come_at_once_from_the_first_ordinal_on() {
    let cluster = start(&[]);
    let mut set = stateful_set(3, "broken");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["ordinals"] = json!({"start": 5});
    cluster.apply(&set);
    cluster.prints(NAMES, "web-5 web-6 web-7");
    cluster
        .kubectl("scale statefulset/web -n shop --replicas=1")
        .unwrap();
    cluster.prints(NAMES, "web-5");
    // What nobody owns is adopted, and gets its labels.
    let orphan = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-6", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "broken"}]},
    });
    set["spec"]["replicas"] = json!(2);
    cluster.apply(&set);
    cluster.prints(NAMES, "web-5 web-6");
    cluster
        .kubectl("delete statefulset web -n shop --cascade=orphan")
        .unwrap();
    cluster
        .kubectl("delete pod web-6 -n shop --force --grace-period=0")
        .unwrap();
    cluster.apply(&orphan);
    cluster.apply(&set);
    cluster.prints(
        "get pods -n shop -o jsonpath={.items[*].metadata.ownerReferences[*].kind}/{.items[*].metadata.labels.apps\\.kubernetes\\.io/pod-index}",
        "StatefulSet StatefulSet/5 6",
    );
    cluster.finish();
}

#[test]
fn a_partition_holds_an_update_back_and_a_rollback_goes_back() {
    let cluster = start(&[]);
    let mut set = stateful_set(3, "one");
    set["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    set["spec"]["revisionHistoryLimit"] = json!(1);
    cluster.apply(&set);
    cluster
        .kubectl("rollout status statefulset/web -n shop --timeout=90s")
        .unwrap();
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("two");
    cluster.apply(&set);
    stays(&cluster, IMAGES, "one one two");
    let status = &cluster.json("get statefulset web -n shop")["status"];
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(
        (&status["currentReplicas"], &status["updatedReplicas"]),
        (&json!(2), &json!(1))
    );
    // Below the partition a pod comes back as it was.
    cluster.kubectl("delete pod web-0 -n shop").unwrap();
    let ready = "get statefulset web -n shop -o jsonpath={.status.readyReplicas}";
    cluster.prints(ready, "3");
    cluster.prints(IMAGES, "one one two");

    cluster
        .kubectl("patch statefulset web -n shop -p {\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}")
        .unwrap();
    cluster
        .kubectl("rollout status statefulset/web -n shop --timeout=90s")
        .unwrap();
    cluster.prints(IMAGES, "two two two");
    let revisions = "get statefulset web -n shop -o jsonpath={.status.currentRevision}={.status.updateRevision}";
    wait::until("the update is complete", LIMIT, || {
        let printed = cluster.kubectl(revisions)?;
        let (current, update) = printed.split_once('=').unwrap_or_default();
        if current == update {
            Ok(())
        } else {
            Err(printed)
        }
    });

    // Back, and an update that breaks half way: what is left of it is undone by going back again.
    cluster
        .kubectl("rollout undo statefulset/web -n shop")
        .unwrap();
    cluster.prints(IMAGES, "one one one");
    cluster.prints(
        "get controllerrevisions -n shop -o jsonpath={.items[*].data.spec.template.spec.containers[*].image} --sort-by=.revision",
        "two one",
    );
    for revision in cluster.json("get controllerrevisions -n shop")["items"]
        .as_array()
        .unwrap()
    {
        assert_eq!(revision["data"]["spec"]["template"]["$patch"], "replace");
        let hash = &revision["metadata"]["labels"]["controller.kubernetes.io/hash"];
        assert_eq!(
            revision["metadata"]["name"],
            format!("web-{}", hash.as_str().unwrap())
        );
    }
    let numbers =
        "get controllerrevisions -n shop -o jsonpath={.items[*].revision} --sort-by=.revision";
    cluster.prints(numbers, "2 3");
    for image in ["three", "four"] {
        cluster
            .kubectl(&format!("set image statefulset/web -n shop web={image}"))
            .unwrap();
        cluster.prints(IMAGES, &[image; 3].join(" "));
    }
    cluster.prints(numbers, "4 5");

    // Several at a time, where they may be unavailable.
    cluster
        .kubectl("patch statefulset web -n shop -p {\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":2}}}}")
        .unwrap();
    cluster
        .kubectl("set image statefulset/web -n shop web=broken")
        .unwrap();
    // Both go at once, and come one after the other.
    stays(&cluster, IMAGES, "four broken");
    say(&cluster, "web-1", "Running", true);
    stays(&cluster, IMAGES, "four broken broken");
    cluster.finish();
}

#[test]
fn claims_are_made_and_go_as_the_retention_policy_says() {
    let cluster = start(&[]);
    let mut set = stateful_set(2, "one");
    set["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }]);
    let policy =
        |deleted: &str, scaled: &str| json!({"whenDeleted": deleted, "whenScaled": scaled});
    cluster.apply(&set);
    let claims = "get pvc -n shop -o jsonpath={.items[*].metadata.name}";
    cluster.prints(claims, "data-web-0 data-web-1");
    cluster.prints(
        "get pods -n shop -o jsonpath={.items[*].spec.volumes[?(@.name==\"data\")].persistentVolumeClaim.claimName}",
        "data-web-0 data-web-1",
    );
    cluster.prints(
        "get pvc -n shop -o jsonpath={.items[*].metadata.labels.app}",
        "web web",
    );
    let owners = "get pvc -n shop -o jsonpath={.items[*].metadata.ownerReferences[*].kind}";
    cluster.prints(owners, "");
    // Kept when scaled down, and used again.
    cluster
        .kubectl("scale statefulset/web -n shop --replicas=1")
        .unwrap();
    cluster.prints(NAMES, "web-0");
    cluster.prints(claims, "data-web-0 data-web-1");
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = policy("Delete", "Delete");
    cluster.apply(&set);
    cluster.prints(NAMES, "web-0 web-1");
    cluster.prints(owners, "StatefulSet StatefulSet");

    cluster
        .kubectl("scale statefulset/web -n shop --replicas=1")
        .unwrap();
    cluster.prints(claims, "data-web-0");
    cluster
        .kubectl("scale statefulset/web -n shop --replicas=2")
        .unwrap();
    cluster.prints(claims, "data-web-0 data-web-1");
    cluster.prints(owners, "StatefulSet StatefulSet");
    cluster.kubectl("delete statefulset web -n shop").unwrap();
    cluster.prints(claims, "");
    cluster.finish();
}

fn daemon_set(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "log", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "log"}},
            "template": {
                "metadata": {"labels": {"app": "log"}},
                "spec": {"containers": [{"name": "log", "image": image}]},
            },
        },
    })
}

/// The nodes that the pods ask for, in order.
fn nodes_of_pods(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.json("get pods -n shop");
    let place = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0";
    let mut nodes: Vec<String> = (pods["items"].as_array().unwrap().iter())
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let field = pod.pointer(place).unwrap();
            assert_eq!(field["key"], "metadata.name");
            field["values"][0].as_str().unwrap().to_owned()
        })
        .collect();
    nodes.sort();
    nodes
}

fn on_nodes(cluster: &Cluster, wanted: &[&str]) {
    wait::until(&format!("pods on {wanted:?}"), LIMIT, || {
        let nodes = nodes_of_pods(cluster);
        if nodes == wanted {
            Ok(())
        } else {
            Err(format!("{nodes:?}\n{}", cluster.controllers.output()))
        }
    });
}

fn node(cluster: &Cluster, name: &str) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"disk": "ssd"}}});
    cluster.apply(&node);
    // Upstream's admission takes a new node for one that is not ready.
    cluster
        .kubectl(&format!("taint node {name} node.kubernetes.io/not-ready-"))
        .unwrap();
}

#[test]
fn each_node_has_one_daemon_pod_unless_it_is_tainted() {
    // Nobody tells how the nodes are: who looks after silent ones must not run.
    let cluster = start(&["--controllers=*,-node-lifecycle-controller"]);
    for name in ["n1", "n2", "n3"] {
        node(&cluster, name);
    }
    cluster
        .kubectl("taint node n3 dedicated=db:NoSchedule")
        .unwrap();
    cluster.apply(&daemon_set("one"));
    on_nodes(&cluster, &["n1", "n2"]);
    let status = "get daemonset log -n shop -o jsonpath={.status.desiredNumberScheduled}/{.status.currentNumberScheduled}\
                  /{.status.numberReady}/{.status.updatedNumberScheduled}/{.status.numberAvailable}/{.status.numberMisscheduled}\
                  /{.status.observedGeneration}";
    cluster.prints(status, "2/2/2/2/2/0/1");
    let pod = &cluster.json("get pods -n shop")["items"][0];
    let revision = &cluster.json("get controllerrevisions -n shop")["items"][0];
    let hash = &revision["metadata"]["labels"]["controller-revision-hash"];
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"app": "log", "controller-revision-hash": hash, "pod-template-generation": "1"})
    );
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
    assert_eq!(tolerations.len(), 6, "{tolerations:?}");

    // A node comes, a taint goes, one drives out.
    node(&cluster, "n4");
    on_nodes(&cluster, &["n1", "n2", "n4"]);
    cluster.kubectl("taint node n3 dedicated-").unwrap();
    on_nodes(&cluster, &["n1", "n2", "n3", "n4"]);
    cluster
        .kubectl("taint node n1 dedicated=db:NoExecute")
        .unwrap();
    on_nodes(&cluster, &["n2", "n3", "n4"]);
    cluster.prints(status, "3/3/3/3/3/0/1");
    cluster
        .kubectl("label node n2 disk=hdd --overwrite")
        .unwrap();

    // An update: one node after another, and the old revision is kept.
    cluster
        .kubectl("set image daemonset/log -n shop log=two")
        .unwrap();
    cluster
        .kubectl("rollout status daemonset/log -n shop --timeout=90s")
        .unwrap();
    cluster.prints(IMAGES, "two two two");
    let history = cluster
        .kubectl("rollout history daemonset/log -n shop")
        .unwrap();
    assert!(
        history.contains("\n1 ") && history.contains("\n2 "),
        "{history}"
    );
    // One that cannot get anywhere gives up no more than one pod, and is undone.
    cluster
        .kubectl("set image daemonset/log -n shop log=broken")
        .unwrap();
    wait::until("one is broken", LIMIT, || {
        let images = cluster.kubectl(IMAGES)?;
        if images.matches("broken").count() == 1 {
            Ok(())
        } else {
            Err(images)
        }
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(cluster.kubectl(IMAGES).unwrap().matches("two").count(), 2);
    cluster
        .kubectl("rollout undo daemonset/log -n shop")
        .unwrap();
    cluster.prints(IMAGES, "two two two");
    cluster.prints(
        "get controllerrevisions -n shop -o jsonpath={.items[*].revision} --sort-by=.revision",
        "1 3 4",
    );

    // A pod that failed is replaced; a selector that excludes a node takes its pod away.
    let failed = cluster.json("get pods -n shop")["items"][0]["metadata"]["name"].clone();
    let failed = failed.as_str().unwrap();
    say(&cluster, failed, "Failed", false);
    cluster.gone(&format!("get pod {failed} -n shop"));
    on_nodes(&cluster, &["n2", "n3", "n4"]);
    let mut set = daemon_set("two");
    set["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    set["spec"]["updateStrategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    cluster.apply(&set);
    on_nodes(&cluster, &["n3", "n4"]);
    cluster
        .kubectl("rollout status daemonset/log -n shop --timeout=90s")
        .unwrap();
    // With a surge the new one comes first.
    cluster
        .kubectl("set image daemonset/log -n shop log=broken")
        .unwrap();
    wait::until("a new one beside the old ones", LIMIT, || {
        let images = cluster.kubectl(IMAGES)?;
        let mut images: Vec<&str> = images.split(' ').collect();
        images.sort_unstable();
        if images == ["broken", "two", "two"] {
            Ok(())
        } else {
            Err(format!("{images:?}"))
        }
    });
    let events = cluster
        .kubectl("get events -n shop -o jsonpath={.items[*].reason}")
        .unwrap();
    for reason in ["SuccessfulCreate", "SuccessfulDelete", "FailedDaemonPod"] {
        assert!(events.contains(reason), "{reason} in {events}");
    }
    cluster.kubectl("delete daemonset log -n shop").unwrap();
    cluster.prints(NAMES, "");
    cluster.prints("get controllerrevisions -n shop -o name", "");
    cluster.finish();
}

fn budget(name: &str, app: &str, bound: &Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": app}}});
    for (key, value) in bound.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

#[test]
fn budgets_tell_how_many_pods_may_be_evicted() {
    let cluster = start(&[]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hello", "namespace": "shop"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "hello"}},
            "template": {
                "metadata": {"labels": {"app": "hello"}},
                "spec": {"containers": [{"name": "web", "image": "one"}]},
            },
        },
    });
    let status = |name: &str| {
        format!(
            "get pdb {name} -n shop -o jsonpath={{.status.expectedPods}}/{{.status.currentHealthy}}/{{.status.desiredHealthy}}\
             /{{.status.disruptionsAllowed}}/{{.status.observedGeneration}}/{{.status.conditions[*].reason}}"
        )
    };
    cluster.apply(&budget("hello", "hello", &json!({"maxUnavailable": 1})));
    cluster.prints(&status("hello"), "0/0/0/0/1/InsufficientPods");
    cluster.apply(&deployment);
    cluster.prints(&status("hello"), "3/3/2/1/1/SufficientPods");
    cluster
        .kubectl("scale deployment/hello -n shop --replicas=5")
        .unwrap();
    cluster.prints(&status("hello"), "5/5/4/1/1/SufficientPods");
    cluster.apply(&budget("hello", "hello", &json!({"maxUnavailable": "40%"})));
    cluster.prints(&status("hello"), "5/5/3/2/2/SufficientPods");

    // Pods that are not well count against it.
    let pods = cluster.kubectl(NAMES).unwrap();
    let mut pods = pods.split(' ');
    say(&cluster, pods.next().unwrap(), "Running", false);
    say(&cluster, pods.next().unwrap(), "Running", false);
    cluster.prints(&status("hello"), "5/3/3/0/2/InsufficientPods");
    let evict = |pod: &str| {
        let file = cluster.upstream.directory().join("eviction.json");
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "shop"}});
        std::fs::write(&file, eviction.to_string()).unwrap();
        cluster.kubectl(&format!(
            "create --raw /api/v1/namespaces/shop/pods/{pod}/eviction -f {}",
            file.display()
        ))
    };
    let well = pods.next().unwrap();
    let refused = evict(well).unwrap_err();
    assert!(refused.contains("disruption budget"), "{refused}");
    // With a looser budget one goes, and another is made: nothing stays noted down.
    cluster.apply(&budget("hello", "hello", &json!({"minAvailable": 2})));
    cluster.prints(&status("hello"), "5/3/2/1/3/SufficientPods");
    evict(well).unwrap();
    cluster.gone(&format!("get pod {well} -n shop"));
    cluster.prints(&status("hello"), "5/3/2/1/3/SufficientPods");
    cluster.prints(
        "get pdb hello -n shop -o jsonpath={.status.disruptedPods}",
        "",
    );

    // A StatefulSet's pods, and pods that nobody keeps.
    cluster.apply(&stateful_set(2, "one"));
    cluster.apply(&budget("web", "web", &json!({"minAvailable": "50%"})));
    cluster.prints(&status("web"), "2/2/1/1/1/SufficientPods");
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "shop", "labels": {"app": "bare"}},
        "spec": {"containers": [{"name": "web", "image": "one"}]},
    }));
    cluster.apply(&budget("bare", "bare", &json!({"minAvailable": 1})));
    cluster.prints(&status("bare"), "1/1/1/0/1/InsufficientPods");
    // One whose keeper does not say how many there should be cannot be told.
    cluster.apply(&budget("bare", "bare", &json!({"minAvailable": "50%"})));
    cluster.prints(&status("bare"), "0/1/0/0/2/InsufficientPods");
    let events = cluster
        .kubectl("get events -n shop -o jsonpath={.items[*].reason}")
        .unwrap();
    assert!(events.contains("UnmanagedPods"), "{events}");
    cluster.finish();
}
