//! What a kubelet executes: nothing but the tool that sets packet filter rules, its own containerd where it brings one, and
//! itself to write the log of a container that has input or a terminal.
//! Containers are made through containerd's API, never by `ctr` or an OCI runtime that the kubelet starts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use support::cluster::{Cluster, Launch};

/// What `strace` saw of a process and all that descend from it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    /// Who made whom.
    parents: BTreeMap<u32, u32>,
    /// Each program's path, and who became it.
    programs: Vec<(u32, String)>,
}

impl Trace {
    fn read(text: &str) -> Self {
        let mut trace = Self::default();
        for line in text.lines() {
            let Some((pid, call)) = line.trim_start().split_once(' ') else {
                continue;
            };
            let pid: u32 = pid.parse().unwrap();
            let call = call.trim_start();
            let result = call
                .rsplit_once(" = ")
                .and_then(|(_, result)| result.split(' ').next()?.parse::<i64>().ok());
            let name = call
                .trim_start_matches("<... ")
                .split(['(', ' '])
                .next()
                .unwrap();
            if name.starts_with("exec") {
                // A program that is not there was meant to be executed all the same.
                if let Some(path) = call.split('"').nth(1) {
                    trace.programs.push((pid, path.to_owned()));
                }
            } else if let Some(child) = result.and_then(|result| u32::try_from(result).ok()) {
                trace.parents.insert(child, pid);
            }
        }
        trace
    }

    /// File names of the programs that were executed by processes of which no ancestor, nor they themselves before, had
    /// become `but`; and those of the others.
    fn split(&self, but: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let is_it = |path: &str| path.rsplit('/').next() == Some(but);
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        for (at, (pid, path)) in self.programs.iter().enumerate() {
            let mut ancestry =
                std::iter::successors(Some(*pid), |pid| self.parents.get(pid).copied());
            let below = ancestry.any(|ancestor| {
                self.programs[..at]
                    .iter()
                    .any(|(other, program)| *other == ancestor && is_it(program))
            });
            let name = path.rsplit('/').next().unwrap().to_owned();
            if below { &mut others } else { &mut own }.insert(name);
        }
        (own, others)
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_trace_tells_who_executed_what() {
    let trace = Trace::read(concat!(
        "10 execve(\"/bin/kubelet\", [\"kubelet\"], 0x1 /* 3 vars */) = 0\n",
        "10 clone3({flags=CLONE_THREAD}, 88) = 11\n",
        "11 vfork( <unfinished ...>\n",
        "12 execve(\"/usr/bin/containerd\", [\"containerd\"], 0x1 <unfinished ...>\n",
        "11 <... vfork resumed>)              = 12\n",
        "12 <... execve resumed>)             = 0\n",
        "12 clone(child_stack=NULL) = 13\n",
        "13 execve(\"/usr/sbin/runc\", [\"runc\"], 0x1) = -1 ENOENT (No such file or directory)\n",
        "10 clone3({flags=CLONE_VFORK}, 88) = 14\n",
        "14 execve(\"/usr/bin/ctr\", [\"ctr\"], 0x1) = 0\n",
    ));
    assert_eq!(
        trace.split("containerd"),
        (names(&["kubelet", "containerd", "ctr"]), names(&["runc"]))
    );
}

/// Makes the kubelet do all that one might be tempted to execute a program for.
fn exercise(cluster: &Cluster) {
    cluster.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"text": "one"}}));
    cluster.run("busy", json!({
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"fsGroup": 2222},
        "initContainers": [{"name": "init", "args": ["say", "first"]}],
        "containers": [{
            "name": "c", "args": ["serve", "8080"],
            "ports": [{"containerPort": 8080, "hostPort": e2e::net::free_port().unwrap()}],
            "resources": {"limits": {"memory": "64Mi"}},
            "readinessProbe": {"exec": {"command": ["/payload", "exists", "/config/text"]}, "periodSeconds": 1},
            "lifecycle": {"postStart": {"exec": {"command": ["/payload", "write", "/started", "x"]}}},
            "volumeMounts": [{"name": "config", "mountPath": "/config"}, {"name": "scratch", "mountPath": "/scratch"}],
        }],
        "volumes": [{"name": "config", "configMap": {"name": "settings"}}, {"name": "scratch", "emptyDir": {"medium": "Memory"}}],
    }));
    cluster.ready("busy");
    assert_eq!(cluster.logs(&["busy", "-c", "init"]), "first\n");
    cluster.run(
        "crash",
        json!({"containers": [{"name": "c", "args": ["exit", "1"]}]}),
    );
    cluster.run(
        "absent",
        json!({"containers": [{"name": "c", "image": "127.0.0.1:1/none:1"}]}),
    );
    cluster.waiting("crash", "CrashLoopBackOff");
    for name in ["busy", "crash", "absent"] {
        cluster.delete(name);
    }
}

fn read(trace: &Path) -> Trace {
    Trace::read(&std::fs::read_to_string(trace).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_executes_no_ctr_and_no_runtime() {
    skip_without_containerd!();
    let mut trace = Default::default();
    let cluster = Cluster::start_with(|dir| {
        trace = dir.join("trace");
        Launch {
            trace: Some(trace.clone()),
            ..Default::default()
        }
    })
    .await;
    exercise(&cluster);
    let (own, others) = read(&trace).split("containerd");
    assert_eq!((own, others), (names(&["kubelet", "nft"]), names(&[])));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_with_a_containerd_of_its_own_executes_that_and_leaves_the_rest_to_it() {
    skip_without_containerd!();
    let mut trace = Default::default();
    let cluster = Cluster::start_with(|dir| {
        trace = dir.join("trace");
        Launch {
            trace: Some(trace.clone()),
            own_containerd: true,
            ..Default::default()
        }
    })
    .await;
    let containerd = cluster.containerd().await;
    let archive = cluster.machine.path().join("payload.tar");
    support::images(&containerd)
        .load(&archive, None)
        .await
        .unwrap();
    exercise(&cluster);
    let (own, others) = read(&trace).split("containerd");
    assert_eq!(own, names(&["kubelet", "nft", "containerd"]));
    // The shim has executed a runtime, and the kubelet's binary as log writer.
    assert!(
        others.contains("kubelet") && others.contains("containerd-shim-runc-v2"),
        "{others:?}"
    );
    assert!(
        others.contains("runc") || others.contains("crun"),
        "{others:?}"
    );
    assert!(!others.contains("ctr"), "{others:?}");
    cluster.stop().await;
}
