//! Our ResourceQuota controller on upstream's API server: what it says is used is what there is.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::{process::Command, time::Duration};

use e2e::{
    cluster::{binary, grant_controllers},
    net::free_port,
    process::Process,
    upstream::UpstreamApiserver,
    wait,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

struct Cluster {
    upstream: UpstreamApiserver,
    controllers: Process,
}

impl Cluster {
    fn start() -> Cluster {
        let upstream = UpstreamApiserver::start(&[]).unwrap();
        let user = "system:kube-controller-manager";
        grant_controllers(&upstream, user).unwrap();
        let kubeconfig = upstream.kubeconfig_for(user, &[]).unwrap();
        let mut command = Command::new(binary("controllers"));
        command.arg("--kubeconfig").arg(&kubeconfig);
        let port = free_port().unwrap().to_string();
        command.args(["--bind-address", "127.0.0.1", "--secure-port", &port]);
        let controllers = Process::start("controllers", upstream.directory(), command).unwrap();
        Cluster {
            upstream,
            controllers,
        }
    }

    fn kubectl(&self, line: &str) -> Result<String, String> {
        self.upstream.kubectl(&line.split(' ').collect::<Vec<_>>())
    }

    fn create(&self, object: &Value) -> Result<String, String> {
        let file = self.upstream.directory().join("create.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.kubectl(&format!("create -f {}", file.display()))
    }

    fn quota(&self, name: &str, spec: &Value) {
        let metadata = json!({"name": name, "namespace": "shop"});
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec});
        self.create(&quota).unwrap();
    }

    /// Waits until the quota's status bounds what its spec says, and this is used.
    fn says(&self, name: &str, used: &Value) {
        wait::until(&format!("quota {name}"), LIMIT, || {
            let line = format!("get resourcequota -n shop {name} -o json");
            let quota: Value = serde_json::from_str(&self.kubectl(&line)?).unwrap();
            match quota["status"]["used"] == *used
                && quota["status"]["hard"] == quota["spec"]["hard"]
            {
                true => Ok(()),
                false => Err(format!(
                    "{}\n{}",
                    quota["status"],
                    self.controllers.output()
                )),
            }
        });
    }
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
    })
}

#[test]
fn what_is_there_is_counted_and_what_goes_is_given_back() {
    let mut cluster = Cluster::start();
    cluster.kubectl("create namespace shop").unwrap();
    wait::until("the account", LIMIT, || {
        cluster.kubectl("get serviceaccount -n shop default")
    });
    // Something is there before the quota is.
    cluster.create(&pod("a", "100m")).unwrap();
    cluster.kubectl("create configmap -n shop one").unwrap();
    cluster.quota(
        "all",
        &json!({"hard": {
            "pods": "3", "requests.cpu": "1", "count/configmaps": "5", "services": "2", "services.nodeports": "2",
            "count/deployments.apps": "1", "persistentvolumeclaims": "1", "requests.storage": "5Gi", "resourcequotas": "2",
        }}),
    );
    let used = |pods: &str, cpu: &str, maps: &str, services: [&str; 2], storage: [&str; 2]| {
        json!({
            "pods": pods, "requests.cpu": cpu, "count/configmaps": maps, "services": services[0],
            "services.nodeports": services[1], "count/deployments.apps": "0", "persistentvolumeclaims": storage[0],
            "requests.storage": storage[1], "resourcequotas": "1",
        })
    };
    // The root CA's is a ConfigMap as well.
    cluster.says("all", &used("1", "100m", "2", ["0", "0"], ["0", "0"]));

    // What is made now the API server charges.
    cluster.create(&pod("b", "200m")).unwrap();
    cluster
        .kubectl("create service nodeport -n shop s --tcp=80:80")
        .unwrap();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}},
    });
    cluster.create(&claim).unwrap();
    cluster.says("all", &used("2", "300m", "2", ["1", "1"], ["1", "1Gi"]));
    let refusal = cluster.create(&pod("c", "800m")).unwrap_err();
    assert!(
        refusal.contains("exceeded quota: all, requested: requests.cpu=800m, used: requests.cpu=300m, limited: requests.cpu=1"),
        "{refusal}"
    );

    // What goes, ends or shrinks is given back.
    cluster
        .kubectl("delete pod -n shop b --grace-period=0 --force")
        .unwrap();
    cluster.says("all", &used("1", "100m", "2", ["1", "1"], ["1", "1Gi"]));
    let ended = r#"{"status":{"phase":"Succeeded"}}"#;
    cluster
        .kubectl(&format!(
            "patch pod -n shop a --subresource=status -p {ended}"
        ))
        .unwrap();
    cluster.says("all", &used("0", "0", "2", ["1", "1"], ["1", "1Gi"]));
    let plain = r#"{"spec":{"type":"ClusterIP"}}"#;
    cluster
        .kubectl(&format!("patch service -n shop s -p {plain}"))
        .unwrap();
    cluster.says("all", &used("0", "0", "2", ["1", "0"], ["1", "1Gi"]));
    cluster.kubectl("delete configmap -n shop one").unwrap();
    cluster.kubectl("delete pvc -n shop c").unwrap();
    cluster.says("all", &used("0", "0", "1", ["1", "0"], ["0", "0"]));

    // A changed bound counts at once.
    let more = r#"{"spec":{"hard":{"pods":"9","secrets":"4","configmaps":null}}}"#;
    cluster
        .kubectl(&format!(
            "patch resourcequota -n shop all --type=merge -p {more}"
        ))
        .unwrap();
    let mut wanted = used("0", "0", "1", ["1", "0"], ["0", "0"]);
    wanted["secrets"] = json!("0");
    cluster.says("all", &wanted);
    // So is put right what somebody writes into the status.
    let stray = r#"{"status":{"hard":{"pods":"1"}}}"#;
    cluster
        .kubectl(&format!(
            "patch resourcequota -n shop all --type=merge --subresource=status -p {stray}"
        ))
        .unwrap();
    cluster.says("all", &wanted);

    // Of a scope only what is in it.
    cluster.quota(
        "best-effort",
        &json!({"scopes": ["BestEffort"], "hard": {"pods": "5"}}),
    );
    cluster.says("best-effort", &json!({"pods": "0"}));
    cluster.create(&pod("d", "100m")).unwrap();
    let status =
        cluster.kubectl("get resourcequota -n shop best-effort -o jsonpath={.status.used.pods}");
    assert_eq!(status.unwrap(), "0");

    let status = cluster
        .controllers
        .terminate(Duration::from_secs(5))
        .unwrap();
    let log = cluster.controllers.output();
    assert!(status.is_some_and(|s| s.success()), "{log}");
    let errors: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("ERROR") || l.contains("panicked"))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
