//! Objects that several things are wrong with, or one that changing a valid object in one place does not find.

mod control;
mod networking;
mod storage;

use serde_json::{Value, json};

/// The objects.
pub fn objects() -> Vec<Value> {
    let mut all = workloads();
    all.extend(control::objects());
    all.extend(networking::objects());
    all.extend(storage::objects());
    all
}

fn workloads() -> Vec<Value> {
    let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec});
    let service = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"}, "spec": spec});
    let controller = |spec: Value| json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "r", "namespace": "default"}, "spec": spec});
    let c = |extra: Value| {
        let mut container = json!({"name": "c", "image": "i"});
        for (key, value) in extra.as_object().unwrap() {
            container[key] = value.clone();
        }
        container
    };
    let template = |labels: Value| json!({"metadata": {"labels": labels}, "spec": {"containers": [c(json!({}))]}});
    let made_of = |spec: Value| {
        controller(json!({"template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}))
    };
    let job = |extra: Value| {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default"}, "spec": {
            "manualSelector": true, "selector": {"matchLabels": {"a": "b"}}, "completions": 5,
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}},
        }});
        for (key, value) in extra.as_object().unwrap() {
            job["spec"][key] = value.clone();
        }
        job
    };
    // A volume of one source, a trust bundle or a certificate.
    let bundle = |source: Value| {
        pod(
            json!({"containers": [c(json!({}))], "volumes": [{"name": "a", "projected": {"sources": [{"clusterTrustBundle": source}]}}]}),
        )
    };
    let certificate = |extra: Value| {
        let mut source =
            json!({"signerName": "example.com/a", "keyType": "ED25519", "keyPath": "k"});
        for (key, value) in extra.as_object().unwrap() {
            source[key] = value.clone();
        }
        pod(
            json!({"containers": [c(json!({}))], "volumes": [{"name": "a", "projected": {"sources": [{"podCertificate": source}]}}]}),
        )
    };
    // Upstream's server breaks off where completions are missing beside a policy: no test can change that here.
    let succeeds =
        |rules: Value| job(json!({"completionMode": "Indexed", "successPolicy": {"rules": rules}}));
    vec![
        json!({"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration", "metadata": {"name": "m"}, "spec": {"resource": {"group": "A", "resource": "1"}}}),
        json!({"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration", "metadata": {"name": "m"}}),
        succeeds(
            json!([{"succeededIndexes": "0-1,3", "succeededCount": 2}, {"succeededCount": 3}]),
        ),
        succeeds(json!([])),
        succeeds(json!([{}])),
        succeeds(json!([{"succeededCount": -1}, {"succeededCount": 6}])),
        succeeds(json!([{"succeededIndexes": "0-1", "succeededCount": 3}])),
        succeeds(
            json!([{"succeededIndexes": "1-2-3"}, {"succeededIndexes": "x"}, {"succeededIndexes": "5"}]),
        ),
        succeeds(
            json!([{"succeededIndexes": "3-1"}, {"succeededIndexes": "1,0"}, {"succeededIndexes": ""}]),
        ),
        job(json!({"successPolicy": {"rules": [{"succeededCount": 1}]}})),
        job(
            json!({"completions": 200_000, "parallelism": 200_000, "completionMode": "Indexed", "backoffLimitPerIndex": 1}),
        ),
        job(
            json!({"completions": 200_000, "parallelism": 20_000, "completionMode": "Indexed", "backoffLimitPerIndex": 1, "maxFailedIndexes": 150_000}),
        ),
        job(
            json!({"podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3, 0, 3]}}, {}]}}),
        ),
        job(
            json!({"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": []}}),
        ),
        job(json!({"managedBy": "Example.com/{}"})),
        bundle(json!({"path": "p"})),
        bundle(json!({"name": "", "path": "p"})),
        bundle(json!({"name": "a", "path": ""})),
        bundle(json!({"name": "a", "path": "../x"})),
        bundle(json!({"name": "A_", "path": "p"})),
        bundle(json!({"name": "example.com:a:b", "path": "p"})),
        bundle(json!({"name": "example.com:a:B", "path": "p"})),
        bundle(json!({"name": ":", "path": "p"})),
        bundle(json!({"name": "a", "labelSelector": {"matchLabels": {"a": "b"}}, "path": "p"})),
        bundle(json!({"signerName": "", "path": "p"})),
        bundle(json!({"signerName": "example", "path": "p"})),
        bundle(json!({"signerName": "example/a", "path": "p"})),
        bundle(json!({"signerName": "example.com/a/b", "path": "p"})),
        bundle(json!({"signerName": "exa_mple.com/A.b", "path": "p"})),
        bundle(
            json!({"signerName": format!("{}/{}", ["a"; 130].join("."), ["b"; 200].join(".")), "path": "p"}),
        ),
        bundle(
            json!({"signerName": "example.com/a", "labelSelector": {"matchLabels": {"a b": "c d"}}, "path": "p"}),
        ),
        certificate(json!({})),
        certificate(json!({"signerName": ""})),
        certificate(json!({"keyType": "RSA2048"})),
        certificate(json!({"keyType": ""})),
        certificate(json!({"maxExpirationSeconds": 3599})),
        certificate(json!({"maxExpirationSeconds": 7_862_401})),
        certificate(json!({"signerName": "kubernetes.io/a", "maxExpirationSeconds": 86_401})),
        certificate(json!({"signerName": "a.kubernetes.io/a", "maxExpirationSeconds": 86_400})),
        certificate(json!({"keyPath": ""})),
        certificate(
            json!({"keyPath": "/k", "certificateChainPath": "..c", "credentialBundlePath": "a/../b"}),
        ),
        certificate(json!({"certificateChainPath": "k"})),
        certificate(json!({"userAnnotations": {"Example.com/A": "b"}})),
        certificate(json!({"userAnnotations": {"plain": "b"}})),
        certificate(json!({"userAnnotations": {"": "b"}})),
        certificate(json!({"userAnnotations": {"a b/c": "d"}})),
        certificate(json!({"userAnnotations": {"example.com/a": "b".repeat(300_000)}})),
        pod(json!({})),
        pod(json!({"containers": [{}]})),
        pod(json!({"containers": [c(json!({})), c(json!({}))], "initContainers": [c(json!({}))]})),
        pod(json!({"containers": [c(json!({"image": " nginx "}))]})),
        pod(
            json!({"containers": [c(json!({"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}))]}),
        ),
        pod(json!({"containers": [c(json!({"livenessProbe": {}}))]})),
        pod(
            json!({"containers": [c(json!({"readinessProbe": {"tcpSocket": {"port": "Bad_Name"}, "terminationGracePeriodSeconds": 1}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"env": [{"name": "A=B"}, {"name": "C", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "D", "valueFrom": {}}]}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"resources": {"requests": {"example.com/gpu": "1"}}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"resources": {"limits": {"nothing": "1", "cpu": "-1", "example.com/gpu": "500m", "hugepages-2Mi": "1Mi"}}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"resources": {"claims": [{"name": "a"}, {"name": "a"}]}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"ports": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 81, "hostPort": 1}, {"containerPort": 0}]}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": false}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}]}),
        ),
        pod(json!({"containers": [c(json!({}))], "volumes": [{"name": "a"}, {"name": "a"}]})),
        pod(
            json!({"containers": [c(json!({}))], "volumes": [{"name": "a", "projected": {"sources": [{"secret": {"name": "a", "items": [{"key": "k", "path": "p"}]}, "configMap": {"name": "b", "items": [{"key": "k", "path": "p"}]}}]}}]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "ephemeralContainers": [c(json!({"name": "e"}))]}),
        ),
        pod(json!({"containers": [c(json!({}))], "dnsPolicy": "None"})),
        pod(json!({"containers": [c(json!({}))], "dnsPolicy": "None", "dnsConfig": {}})),
        pod(
            json!({"containers": [c(json!({}))], "dnsConfig": {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"]}}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "tolerations": [{"key": "a", "operator": "Lt", "value": "1"}]}),
        ),
        pod(json!({"containers": [c(json!({}))], "hostNetwork": true, "hostUsers": false})),
        pod(
            json!({"containers": [c(json!({}))], "hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}, {"name": "net.core.somaxconn", "value": "1"}]}}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "nodeName": "n", "schedulingGates": [{"name": "a"}]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "schedulingGates": [{"name": "a"}, {"name": "a"}]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "os": {"name": "windows"}, "hostPID": true, "securityContext": {"runAsUser": 1}}),
        ),
        pod(json!({"containers": [c(json!({}))], "os": {"name": "plan9"}})),
        pod(json!({"containers": [c(json!({"lifecycle": {"stopSignal": "SIGTERM"}}))]})),
        pod(
            json!({"containers": [c(json!({}))], "initContainers": [c(json!({"name": "i", "livenessProbe": {"tcpSocket": {"port": 1}}}))]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "initContainers": [c(json!({"name": "i", "restartPolicy": "Sometimes"}))]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "resources": {"limits": {"cpu": "1", "ephemeral-storage": "1"}}}),
        ),
        pod(
            json!({"containers": [c(json!({"resources": {"limits": {"cpu": "2"}}}))], "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "resourceClaims": [{"name": "a"}, {"name": "b", "resourceClaimName": "x", "resourceClaimTemplateName": "y"}]}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}),
        ),
        pod(
            json!({"containers": [c(json!({}))], "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}, {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"]}]}),
        ),
        service(json!({})),
        service(json!({"ports": [{"port": 80}, {"port": 80}]})),
        service(json!({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]})),
        service(json!({"ports": [{"port": 80, "nodePort": 30000}]})),
        service(json!({"ports": [{"port": 80}], "clusterIP": "not-an-ip"})),
        service(json!({"ports": [{"port": 80}], "type": "LoadBalancer", "clusterIP": "None"})),
        service(json!({"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]})),
        service(json!({"ports": [{"port": 80}], "externalIPs": ["0.0.0.0"]})),
        service(json!({"ports": [{"port": 80}], "externalTrafficPolicy": "Local"})),
        service(
            json!({"ports": [{"port": 80}], "ipFamilies": ["IPv5"], "ipFamilyPolicy": "Sometimes"}),
        ),
        service(
            json!({"ports": [{"port": 80}], "loadBalancerSourceRanges": ["10.0.0.1/8"], "loadBalancerClass": "x"}),
        ),
        service(
            json!({"ports": [{"port": 80}], "type": "LoadBalancer", "loadBalancerSourceRanges": ["010.0.0.1/08", "::ffff:10.0.0.1/100", "10.0.0.0/08"]}),
        ),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "b", "bad key": "", "..": "x"}, "binaryData": {"a": "AAE="}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "x".repeat(1 << 20), "b": "x"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "eHh4".repeat(360_000)}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}, "type": "kubernetes.io/tls"}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}, "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default", "annotations": {"a": "x".repeat(300_000)}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default", "finalizers": ["orphan", "foregroundDeletion", "x", "a/b"]}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default", "ownerReferences": [{}, {"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "1"}]}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": true}, {"apiVersion": "v1", "kind": "Pod", "name": "b", "uid": "2", "controller": true}]}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "Never"}, {"key": "c"}]}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"capacity": {"cpu": "-1", "pods": "500m"}}}),
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "system-mine"}, "value": 5}),
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "mine"}, "value": 1_000_000_001}),
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "default"}, "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "x"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 5, "containers": [{"name": "c", "image": "i"}]}}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"}, "spec": {}}),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "r", "namespace": "default"}}),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "Not Valid", "namespace": "default", "labels": {"a b": "c d"}}, "spec": {"template": template(json!({"a": "b"}))}}),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "a.long.name", "namespace": "default"}, "spec": {"template": template(json!({"a": "b"}))}}),
        controller(json!({"selector": {"a": "b"}})),
        controller(json!({"selector": {"a": "b"}, "template": {}})),
        controller(json!({"selector": {"a": "b"}, "template": template(json!({}))})),
        controller(json!({"selector": {"a": "b"}, "template": template(json!({"a": "c"}))})),
        controller(
            json!({"selector": {"a": "b", "c": "d"}, "template": template(json!({"a": "b"}))}),
        ),
        controller(
            json!({"selector": {"a b": "c d"}, "template": template(json!({"a b": "c d"}))}),
        ),
        controller(json!({"selector": {}, "template": template(json!({}))})),
        controller(json!({"template": template(json!({"a": "b"}))})),
        controller(
            json!({"replicas": -1, "minReadySeconds": -1, "template": template(json!({"a": "b"}))}),
        ),
        controller(json!({"replicas": -1, "selector": {"a": "b"}})),
        made_of(
            json!({"restartPolicy": "Never", "activeDeadlineSeconds": 5, "containers": [c(json!({}))]}),
        ),
        made_of(json!({"restartPolicy": "Sometimes", "containers": [c(json!({}))]})),
        made_of(json!({"activeDeadlineSeconds": 0, "containers": []})),
        made_of(
            json!({"containers": [c(json!({}))], "ephemeralContainers": [{"name": "e", "image": "i"}]}),
        ),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"}, "spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, "selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"}, "spec": {"strategy": {"type": "Recreate", "rollingUpdate": {}}, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
    ]
}
