//! Autoscalers, flow control, webhooks and APIServices.

use serde_json::{Value, json};

pub fn objects() -> Vec<Value> {
    let scaler = |extra: Value| {
        let mut scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "default"}, "spec": {
            "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        }});
        for (key, value) in extra.as_object().unwrap() {
            scaler["spec"][key] = value.clone();
        }
        scaler
    };
    let first = |annotations: Value, spec: Value| json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "default", "annotations": annotations}, "spec": spec});
    let flow = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let level = |name: &str, spec: Value| flow("PriorityLevelConfiguration", name, spec);
    let rules = |rules: Value| {
        flow(
            "FlowSchema",
            "f",
            json!({"priorityLevelConfiguration": {"name": "p"}, "rules": [rules]}),
        )
    };
    let hook = |extra: Value| {
        let mut hook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"]});
        for (key, value) in extra.as_object().unwrap() {
            hook[key] = value.clone();
        }
        hook
    };
    let hooks = |name: &str, hooks: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}, "webhooks": hooks});
    let hook_at = |url: &str| hooks("h", json!([hook(json!({"clientConfig": {"url": url}}))]));
    let serving = |path: &str| {
        hooks(
            "h",
            json!([hook(
                json!({"clientConfig": {"service": {"name": "s", "namespace": "n", "path": path}}})
            )]),
        )
    };
    let served = |spec: Value| json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.g.example.com"}, "spec": spec});
    vec![
        scaler(json!({})),
        scaler(json!({"minReplicas": 5})),
        // Empty is not absent: defaults are not filled in.
        scaler(json!({"behavior": {"scaleUp": {"policies": []}, "scaleDown": {"policies": []}}})),
        scaler(json!({"minReplicas": -1, "maxReplicas": -2})),
        scaler(json!({"minReplicas": 0, "maxReplicas": 0})),
        scaler(json!({"scaleTargetRef": {"kind": "a/b", "name": "..", "apiVersion": "a/b/c"}})),
        scaler(json!({"scaleTargetRef": {"kind": "Deployment", "name": "d"}})),
        scaler(json!({"scaleTargetRef": {"kind": "ReplicationController", "name": "r"}})),
        scaler(
            json!({"metrics": [{}, {"type": "Wrong"}, {"type": "Object"}, {"type": "Pods", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 0}}}]}),
        ),
        scaler(
            json!({"metrics": [{"type": "Object", "object": {}, "pods": {}}, {"type": "External", "external": {"metric": {"name": "a/b"}, "target": {"type": "Value", "value": "0", "averageValue": "-1"}}}]}),
        ),
        scaler(
            json!({"metrics": [{"type": "ContainerResource", "containerResource": {"name": "wrong", "container": "A_", "target": {"type": "Other"}}}, {"type": "Resource", "resource": {"target": {"averageValue": "1", "averageUtilization": 1}}}]}),
        ),
        scaler(json!({"behavior": {"scaleDown": {"tolerance": "-1"}}})),
        scaler(
            json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601, "selectPolicy": "None", "policies": [{"type": "", "value": 0, "periodSeconds": 1801}, {}]}}}),
        ),
        first(
            json!({"autoscaling.alpha.kubernetes.io/behavior": "{\"ScaleUp\":{\"SelectPolicy\":\"No\",\"Policies\":[{\"Type\":\"Pods\",\"Value\":0,\"PeriodSeconds\":1}]}}"}),
            json!({"maxReplicas": 0, "minReplicas": 0, "targetCPUUtilizationPercentage": 0, "scaleTargetRef": {}}),
        ),
        level(
            "exempt",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}),
        ),
        level(
            "exempt",
            json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": -1, "lendablePercent": 101}}),
        ),
        level(
            "exempt",
            json!({"type": "Exempt", "limited": {"limitResponse": {"type": "Reject"}}}),
        ),
        level(
            "catch-all",
            json!({"type": "Limited", "limited": {"nominalConcurrencyShares": 6, "limitResponse": {"type": "Reject"}}}),
        ),
        level("p", json!({})),
        level("p", json!({"type": "Exempt"})),
        level("p", json!({"type": "Other", "exempt": {}, "limited": {}})),
        level("p", json!({"type": "Limited"})),
        level(
            "p",
            json!({"type": "Limited", "exempt": {}, "limited": {"limitResponse": {"type": "Queue"}}}),
        ),
        level(
            "p",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject", "queuing": {}}}}),
        ),
        level(
            "p",
            json!({"type": "Limited", "limited": {"borrowingLimitPercent": -1, "limitResponse": {"type": "Other", "queuing": {}}}}),
        ),
        level(
            "p",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 1025, "handSize": 6}}}}),
        ),
        level(
            "p",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 10_000_001, "handSize": -1, "queueLengthLimit": -1}}}}),
        ),
        level(
            "p",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 4}}}}),
        ),
        flow(
            "FlowSchema",
            "exempt",
            json!({"priorityLevelConfiguration": {"name": "exempt"}, "matchingPrecedence": 1}),
        ),
        flow(
            "FlowSchema",
            "catch-all",
            json!({"distinguisherMethod": {"type": "ByNobody"}, "priorityLevelConfiguration": {}, "matchingPrecedence": 10_001}),
        ),
        flow(
            "FlowSchema",
            "f",
            json!({"priorityLevelConfiguration": {"name": "P"}, "matchingPrecedence": 1, "rules": [{}]}),
        ),
        rules(
            json!({"subjects": [{"kind": "User"}, {"kind": "Group", "user": {"name": ""}, "serviceAccount": {}}, {"kind": "ServiceAccount", "serviceAccount": {"name": "A"}}, {}], "resourceRules": [{}]}),
        ),
        rules(
            json!({"subjects": [{"kind": "User", "user": {"name": "*"}}], "resourceRules": [{"verbs": ["*", "get"], "apiGroups": ["*", ""], "resources": ["*", "pods"], "namespaces": ["*", "A"]}], "nonResourceRules": [{"verbs": ["head"], "nonResourceURLs": ["", "a", "/a b", "/a//b", "/a*", "/*", "/"]}]}),
        ),
        hooks("a.static.k8s.io", json!([])),
        hooks(
            "h",
            json!([
                hook(json!({})),
                hook(
                    json!({"clientConfig": {"url": "https://a", "service": {"name": "s", "namespace": "n"}}})
                )
            ]),
        ),
        hooks(
            "h",
            json!([{"clientConfig": {"service": {"port": 0}}, "admissionReviewVersions": ["V", "v2", "v2"], "sideEffects": "Some", "timeoutSeconds": 31, "rules": [{"operations": ["*", "GET"], "apiGroups": ["*", ""], "apiVersions": [], "resources": ["*", "*/*", "a/*", "a/b"], "scope": "All"}]}]),
        ),
        hooks(
            "h",
            json!([hook(
                json!({"name": "b.com", "clientConfig": {"url": "https://a"}, "failurePolicy": "No", "matchPolicy": "No", "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchConditions": [{"name": "a b", "expression": " "}, {"name": "a b", "expression": "true"}]})
            )]),
        ),
        hook_at(""),
        hook_at("https://"),
        hook_at("http://a:b@c?d#e"),
        hook_at("https://a:b"),
        hook_at("https://[::1"),
        hook_at("https://a/%zz"),
        hook_at("https://a b"),
        hook_at("a:b:c"),
        hook_at(":a"),
        serving("//"),
        serving("a"),
        serving("/a//B/"),
        served(json!({})),
        served(
            json!({"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 20_001, "versionPriority": 1_001, "caBundle": "AAE=", "insecureSkipTLSVerify": true}),
        ),
        served(
            json!({"group": "G", "version": "V", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"port": 70_000}, "caBundle": "AAE=", "insecureSkipTLSVerify": true}),
        ),
    ]
}
