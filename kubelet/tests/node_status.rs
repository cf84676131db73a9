//! What a node says of itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::cluster::{Cluster, NODE};

/// A process that is stopped as long as this is there.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: i32) -> Self {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        Self(Pid::from_raw(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// Waits until the node's `Ready` condition is this.
fn until_ready_is(cluster: &Cluster, status: &str) -> Value {
    cluster.until(&format!("Ready is {status}"), || {
        let node = cluster.get("node", NODE)?;
        let mut conditions = node["status"]["conditions"].as_array()?.iter();
        let ready = conditions.find(|condition| condition["type"] == "Ready")?;
        (ready["status"] == status).then(|| ready.clone())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_whatever_others_say_of_it_and_not_while_its_containerd_hangs() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    // As the controller that has heard nothing from it for a while.
    let unknown = json!({"status": {"conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
    }]}})
    .to_string();
    let patch = ["patch", "node", NODE, "--subresource=status", "-p"];
    let patched = [&patch[..], &[unknown.as_str()]].concat();
    cluster.api.kubectl(&patched).unwrap();
    until_ready_is(&cluster, "Unknown");
    let ready = until_ready_is(&cluster, "True");
    assert_eq!(ready["reason"], "KubeletReady");

    let stopped = Stopped::stop(cluster.machine.instance.pid().unwrap());
    let ready = until_ready_is(&cluster, "False");
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.starts_with("container runtime is down"),
        "{message}"
    );
    drop(stopped);
    until_ready_is(&cluster, "True");
    let sleeper = json!({"name": "c", "args": ["sleep", "1000"]});
    cluster.run(
        "p",
        json!({"terminationGracePeriodSeconds": 0, "containers": [sleeper]}),
    );
    cluster.ready("p");
    cluster.delete("p");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_may_not_read_its_pods_ends_when_it_is_to() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    let written = |cluster: &Cluster| until_ready_is(cluster, "True")["lastHeartbeatTime"].clone();
    let rule = |groups: &str, resources: &[&str]| json!({"apiGroups": [groups], "resources": resources, "verbs": ["*"]});
    cluster.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "podless"},
        "rules": [rule("", &["nodes", "nodes/status", "services"]), rule("coordination.k8s.io", &["leases"])],
    }));
    cluster.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "podless"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "podless"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "podless"}],
    }));
    cluster.kill();
    let before = written(&cluster);
    cluster.launch.kubeconfig = Some(cluster.api.kubeconfig_for("podless", &[]).unwrap());
    cluster.restart();
    cluster.until("the node's status is written", || {
        (written(&cluster) != before).then_some(())
    });
    // It ends, and well.
    cluster.stop().await;
}
