use api::codec::json;
use serde_json::{Value, json};

use super::*;

fn tree(object: Value) -> Tree {
    let ty = match object["kind"].as_str() {
        Some("Node") => Node::TYPE,
        Some("ReplicaSet") => apps::v1::ReplicaSet::TYPE,
        Some("Service") => Service::TYPE,
        _ => Pod::TYPE,
    };
    let mut strict = json::Strict::default();
    json::decode(
        api::Schema::builtin(),
        ty,
        object.to_string().into_bytes(),
        &mut strict,
    )
    .unwrap()
}

fn pod(spec: Value) -> PodProjection {
    let metadata = json!({"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "a"}});
    PodProjection::project(&tree(
        json!({"kind": "Pod", "metadata": metadata, "spec": spec}),
    ))
}

#[test]
fn what_a_waiting_pod_asks_for_is_read() {
    let pod = pod(json!({
        "schedulerName": "s", "priority": 7, "preemptionPolicy": "Never", "overhead": {"cpu": "10m"},
        "schedulingGates": [{"name": "g"}], "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}, {"key": "odd", "effect": "Odd"}],
        "containers": [
            {"name": "a", "image": "registry:5000/x", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi", "x.io/y": "2"}},
             "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81}]},
            {"name": "b", "image": "x@sha256:abc"}],
        "initContainers": [{"name": "i", "image": "y:1", "resources": {"requests": {"ephemeral-storage": "1Mi"}}}],
    }));
    assert_eq!(
        (
            &*pod.view.scheduler_name,
            pod.view.load.priority,
            pod.view.preempts,
            pod.view.gated
        ),
        ("s", 7, false, true)
    );
    let spec = pod.view.spec.unwrap();
    let requests = &spec.needs.requests;
    assert_eq!(
        (
            requests.milli_cpu,
            requests.memory,
            requests.ephemeral_storage
        ),
        (1510, 1 << 30, 1 << 20)
    );
    assert_eq!(requests.scalars[..], [("x.io/y".into(), 2)]);
    assert_eq!(
        (
            pod.view.load.nonzero_milli_cpu,
            pod.view.load.nonzero_memory
        ),
        (1610, (1 << 30) + (200 << 20))
    );
    assert_eq!(
        spec.needs
            .ports
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["0.0.0.0:80/TCP"]
    );
    assert_eq!(
        spec.needs.images[..],
        [
            "y:1".into(),
            "registry:5000/x:latest".into(),
            "x@sha256:abc".into()
        ]
    );
    assert_eq!(
        spec.needs.tolerations.len(),
        1,
        "an unknown effect tolerates nothing"
    );
    assert!(
        spec.unsupported.is_empty()
            && spec.needs.required.is_none()
            && spec.needs.preferred.is_none()
    );
}

#[test]
fn pods_of_one_template_share_what_they_ask_for() {
    let one = || {
        pod(json!({"containers": [{"name": "a", "image": "x:1"}]}))
            .view
            .spec
            .unwrap()
    };
    assert!(Arc::ptr_eq(&one(), &one()));
}

#[test]
fn what_is_not_supported_is_named_once() {
    let term = json!({"topologyKey": "zone"});
    let pod = pod(json!({
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}},
        "volumes": [
            {"name": "a", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "b", "persistentVolumeClaim": {"claimName": "d"}},
            {"name": "e", "emptyDir": {}}, {"name": "f", "configMap": {"name": "m"}}],
        "resourceClaims": [{"name": "r", "resourceClaimName": "r"}],
        "containers": [],
    }));
    let fields: Vec<_> = pod
        .view
        .spec
        .unwrap()
        .unsupported
        .iter()
        .map(|f| f.to_string())
        .collect();
    assert_eq!(
        fields,
        [
            "spec.affinity.podAffinity",
            "spec.affinity.podAntiAffinity",
            "spec.volumes[*].persistentVolumeClaim",
            "spec.resourceClaims"
        ]
    );
}

#[test]
fn a_pod_that_is_resized_takes_the_most_of_what_is_asked_allocated_and_in_force() {
    let placed = |resize: Value| {
        let object = json!({"kind": "Pod", "metadata": {"name": "p"},
            "spec": {"nodeName": "n", "containers": [{"name": "a", "resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}]},
            "status": {"conditions": resize, "containerStatuses": [{"name": "a",
                "allocatedResources": {"cpu": "1", "memory": "2Gi"},
                "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]}});
        let pod = PodProjection::project(&tree(object)).view;
        assert!(pod.spec.is_none() && pod.node.as_deref() == Some("n"));
        (pod.load.requests.milli_cpu, pod.load.requests.memory >> 30)
    };
    assert_eq!(placed(json!([])), (3000, 2));
    assert_eq!(
        placed(json!([{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}])),
        (2000, 2)
    );
}

#[test]
fn nodes_services_and_controllers_are_read() {
    let node = NodeShape::project(&tree(
        json!({"kind": "Node", "metadata": {"name": "n", "labels": {"a": "b"}},
        "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "3900m", "memory": "1Ki", "pods": "110", "x.io/y": "4"},
            "images": [{"names": ["b@sha256:1", "a:1"], "sizeBytes": 5}]}}),
    ));
    assert_eq!(
        (
            node.allocatable.milli_cpu,
            node.allocatable.memory,
            node.pods
        ),
        (3900, 1024, 110)
    );
    assert_eq!(
        (node.unschedulable, node.taints[0].to_string().as_str()),
        (true, "k:NoSchedule")
    );
    assert_eq!(
        node.images[..],
        [("a:1".into(), 5), ("b@sha256:1".into(), 5)]
    );
    let service = tree(
        json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"app": "a"}}}),
    );
    assert!(ServiceSelector::project(&service).0.is_some());
    assert!(
        ServiceSelector::project(&tree(
            json!({"kind": "Service", "metadata": {}, "spec": {}})
        ))
        .0
        .is_none()
    );
    let owner = OwnerSelector::project(&tree(
        json!({"kind": "ReplicaSet", "metadata": {}, "spec": {
        "selector": {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "t", "operator": "Exists"}]}}}),
    ));
    let labels: Labels = [("app", "a"), ("t", "")].into_iter().collect();
    assert!(owner.0.matches(&labels) && !owner.0.matches(&[("app", "a")].into_iter().collect()));
}

#[test]
fn the_node_on_which_room_is_kept_is_read() {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []},
        "status": {"nominatedNodeName": "n1"}});
    let pod = PodProjection::project(&tree(object));
    assert_eq!(pod.view.nominated.as_deref(), Some("n1"));
}
