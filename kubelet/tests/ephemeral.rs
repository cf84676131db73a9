//! Containers added to pods that run, with upstream's `kubectl debug`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::IMAGE;
use support::cluster::Cluster;

/// Adds a container that runs the payload with these arguments.
fn debug(cluster: &Cluster, pod: &str, name: &str, flags: &[&str], payload: &[&str]) {
    let output = debugging(cluster, pod, name, flags, payload)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn debugging(
    cluster: &Cluster,
    pod: &str,
    name: &str,
    flags: &[&str],
    payload: &[&str],
) -> Command {
    let image = format!("--image={IMAGE}");
    let common = [
        "debug",
        pod,
        "-c",
        name,
        &image,
        "--image-pull-policy=IfNotPresent",
    ];
    cluster.kubectl_command(&[&common, flags, &["--", "/payload"], payload].concat())
}

fn status(pod: &Value, name: &str) -> Value {
    let statuses = pod["status"]["ephemeralContainerStatuses"].as_array();
    let mut statuses = statuses.into_iter().flatten();
    statuses
        .find(|status| status["name"] == name)
        .cloned()
        .unwrap_or_default()
}

fn until_state(cluster: &Cluster, pod: &str, name: &str, state: &str) -> Value {
    cluster.until(&format!("{name} of {pod} is {state}"), || {
        let status = status(&cluster.pod(pod), name);
        status["state"][state].is_object().then_some(status)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_started_once_sees_its_target_and_counts_for_nothing() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    cluster.run("p", json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "args": ["sleep", "1000"]}]}));
    let before = cluster.ready("p");
    let first = ["cat", "/proc/1/cmdline"];
    let look = [&first[..], &["then", "exit", "3"]].concat();
    debug(&cluster, "p", "look", &["--target=c"], &look);
    let looked = until_state(&cluster, "p", "look", "terminated");
    assert_eq!(
        (
            &looked["state"]["terminated"]["exitCode"],
            &looked["state"]["terminated"]["reason"]
        ),
        (&json!(3), &json!("Error"))
    );
    assert_eq!(
        cluster.logs(&["p", "-c", "look"]),
        "/payload\x00sleep\x001000\x00"
    );

    // Without a target it is alone.
    let own = [&first[..], &["then", "say", "", "then", "sleep", "1000"]].concat();
    debug(&cluster, "p", "own", &[], &own);
    until_state(&cluster, "p", "own", "running");
    cluster.until("it tells of its own first process", || {
        let log = cluster.logs(&["p", "-c", "own"]);
        log.starts_with("/payload\x00cat\x00").then_some(())
    });
    let exec = ["exec", "p", "-c", "own", "--", "/payload", "say", "inside"];
    let said = cluster.kubectl_command(&exec).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "inside\n",
        "{said:?}"
    );

    // One is spoken with as soon as it runs.
    let mut talk = debugging(&cluster, "p", "talk", &["-i"], &["lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = talk.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(talk.stdout.take().unwrap());
    while !said.ends_with("got one\n") {
        assert_ne!(output.read_line(&mut said).unwrap(), 0, "{said:?}");
    }
    // That the client's input ends lets the client go and ends nothing else.
    drop(input);
    assert!(talk.wait().unwrap().success());
    until_state(&cluster, "p", "talk", "running");

    // Neither what has happened since nor a new kubelet starts one again.
    cluster.kill();
    cluster.restart();
    debug(&cluster, "p", "last", &[], &["sleep", "1000"]);
    until_state(&cluster, "p", "last", "running");
    let after = cluster.pod("p");
    assert_eq!(status(&after, "look"), looked);
    assert_eq!(
        (
            &looked["restartCount"],
            &looked["ready"],
            looked.get("started")
        ),
        (&json!(0), &json!(false), None)
    );
    assert_eq!(
        (
            &after["status"]["phase"],
            &after["status"]["containerStatuses"]
        ),
        (
            &before["status"]["phase"],
            &before["status"]["containerStatuses"]
        )
    );
    let events = cluster.api.kubectl(&["get", "events", "-o", "json"]);
    let events: Value = serde_json::from_str(&events.unwrap()).unwrap();
    let started = events["items"].as_array().unwrap().iter().any(|event| {
        event["reason"] == "Started"
            && event["involvedObject"]["fieldPath"] == "spec.ephemeralContainers{look}"
    });
    assert!(started, "{}", cluster.events());
    cluster.delete("p");
    cluster.no_tasks().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_started_where_others_cannot_be_and_ends_with_the_pod() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run(
        "stuck",
        json!({
            "terminationGracePeriodSeconds": 0,
            "initContainers": [{"name": "first", "args": ["exit", "1"]}],
            "containers": [{"name": "c", "args": ["sleep", "1000"]}],
        }),
    );
    cluster.until("its init container fails", || {
        let status = cluster.pod("stuck")["status"]["initContainerStatuses"][0].clone();
        status["restartCount"].as_u64().filter(|count| *count > 0)
    });
    debug(&cluster, "stuck", "look", &[], &["sleep", "1000"]);
    until_state(&cluster, "stuck", "look", "running");
    debug(
        &cluster,
        "stuck",
        "early",
        &["--target=c"],
        &["sleep", "1000"],
    );
    let early = cluster.until("it waits for its target", || {
        let status = status(&cluster.pod("stuck"), "early");
        (status["state"]["waiting"]["reason"] == "CreateContainerConfigError").then_some(status)
    });
    assert_eq!(
        early["state"]["waiting"]["message"],
        "unable to find target container c"
    );
    assert_eq!(cluster.pod("stuck")["status"]["phase"], "Pending");

    cluster.run(
        "brief",
        json!({
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "args": ["until", "/end"]}],
        }),
    );
    cluster.ready("brief");
    debug(&cluster, "brief", "look", &[], &["sleep", "1000"]);
    let running = until_state(&cluster, "brief", "look", "running");
    let end = [
        "exec", "brief", "-c", "c", "--", "/payload", "write", "/end", "x",
    ];
    cluster.kubectl_command(&end).output().unwrap();
    let over = cluster.phase("brief", "Succeeded");
    let ended = status(&over, "look");
    assert_eq!(ended["containerID"], running["containerID"]);
    assert_eq!(ended["state"]["terminated"]["exitCode"], 137, "{ended}");
    for name in ["stuck", "brief"] {
        cluster.delete(name);
    }
    cluster.no_tasks().await;
    cluster.stop().await;
}
