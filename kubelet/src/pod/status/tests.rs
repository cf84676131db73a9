use api::codec::json;
use api::schema::Schema;
use api::tree::Tree;

use super::super::record::Ended;
use super::*;

fn pod(spec: Value) -> Tree {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "generation": 2}, "spec": spec});
    let bytes = bytes::Bytes::from(serde_json::to_vec(&object).unwrap());
    json::decode(
        Schema::builtin(),
        Pod::TYPE,
        bytes,
        &mut json::Strict::default(),
    )
    .unwrap()
}

fn attempt(number: u32, phase: Phase) -> Attempt {
    Attempt {
        id: format!("id{number}"),
        number,
        image: "registry.test/i:1".into(),
        image_id: "registry.test/i@sha256:0".into(),
        started: Some(Timestamp::UNIX_EPOCH),
        phase,
        ..Attempt::default()
    }
}

fn ended(code: i32) -> Phase {
    let reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
    Phase::Ended(Ended {
        code,
        reason,
        message: String::new(),
        at: Timestamp::UNIX_EPOCH,
    })
}

fn observed(attempts: &[(&str, Vec<Attempt>)]) -> Observed {
    Observed {
        attempts: attempts
            .iter()
            .map(|(name, list)| ((*name).to_owned(), list.clone()))
            .collect(),
        ..Default::default()
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap()
}

#[test]
fn phases_follow_the_restart_policy() {
    let with = |policy: &str, phase_of_c: Phase| {
        let tree = pod(json!({"restartPolicy": policy, "containers": [{"name": "c"}]}));
        phase(
            Pod::of(&tree),
            &observed(&[("c", vec![attempt(0, phase_of_c)])]),
        )
    };
    assert_eq!(with("Always", Phase::Running), "Running");
    assert_eq!(with("Always", ended(0)), "Running");
    assert_eq!(with("OnFailure", ended(0)), "Succeeded");
    assert_eq!(with("OnFailure", ended(1)), "Running");
    assert_eq!(with("Never", ended(1)), "Failed");
    assert_eq!(with("Never", ended(0)), "Succeeded");
    assert_eq!(with("Never", Phase::Created), "Pending");
}

#[test]
fn a_pod_that_ends_has_failed_unless_everything_ended_well() {
    let tree = pod(json!({"restartPolicy": "Always", "containers": [{"name": "c"}]}));
    let mut seen = observed(&[("c", vec![attempt(0, ended(0))])]);
    seen.ending = true;
    assert_eq!(phase(Pod::of(&tree), &seen), "Succeeded");
    seen.attempts
        .insert("c".into(), vec![attempt(0, ended(137))]);
    assert_eq!(phase(Pod::of(&tree), &seen), "Failed");
}

#[test]
fn a_crashing_container_waits_with_its_last_end() {
    let tree = pod(json!({"containers": [{"name": "c"}]}));
    let mut seen = observed(&[("c", vec![attempt(4, ended(3))])]);
    seen.waiting.insert(
        "c".into(),
        ("CrashLoopBackOff".into(), "back-off 10s".into()),
    );
    let status = compute(Pod::of(&tree), &seen, Timestamp::UNIX_EPOCH);
    let container = &status["containerStatuses"][0];
    assert_eq!(
        container["state"],
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}})
    );
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["restartCount"], 4);
    assert_eq!(
        condition(&status, "Ready")["message"],
        "containers with unready status: [c]"
    );
    assert_eq!(condition(&status, "Ready")["observedGeneration"], 2);
}

#[test]
fn a_pod_waits_for_its_init_containers_in_order() {
    let tree = pod(json!({
        "initContainers": [{"name": "i1"}, {"name": "side", "restartPolicy": "Always"}],
        "containers": [{"name": "c"}],
    }));
    let mut seen = observed(&[
        ("i1", vec![attempt(0, ended(0))]),
        ("side", vec![attempt(1, Phase::Running)]),
    ]);
    let status = compute(Pod::of(&tree), &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(status["phase"], "Pending");
    assert_eq!(
        condition(&status, "Initialized")["message"],
        "containers with incomplete status: [side]"
    );
    assert_eq!(
        status["containerStatuses"][0]["state"]["waiting"]["reason"],
        "PodInitializing"
    );
    seen.started.insert("id1".into());
    let status = compute(Pod::of(&tree), &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(condition(&status, "Initialized")["status"], "True");
    assert_eq!(status["initContainerStatuses"][0]["ready"], true);
}

#[test]
fn an_ephemeral_container_is_shown_and_counts_for_nothing() {
    let tree = pod(json!({
        "restartPolicy": "Never", "containers": [{"name": "c"}],
        "ephemeralContainers": [{"name": "e", "image": "i"}, {"name": "later", "image": "j"}],
    }));
    let pod = Pod::of(&tree);
    let mut seen = observed(&[
        ("c", vec![attempt(0, Phase::Running)]),
        ("e", vec![attempt(1, ended(3))]),
    ]);
    seen.ready.insert("id0".into());
    let status = compute(pod, &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(status["phase"], "Running");
    assert_eq!(condition(&status, "Ready")["status"], "True");
    assert_eq!(status["containerStatuses"].as_array().unwrap().len(), 1);
    let [e, later] = [0, 1].map(|at| &status["ephemeralContainerStatuses"][at]);
    assert_eq!(
        (&e["name"], &e["state"]["terminated"]["exitCode"]),
        (&json!("e"), &json!(3))
    );
    assert_eq!((&e["ready"], e.get("started")), (&json!(false), None));
    assert_eq!(later["state"]["waiting"]["reason"], "ContainerCreating");
    assert_eq!(later["image"], "j");
    // It is ended with the pod, and until then the pod is not over.
    seen.attempts
        .insert("e".into(), vec![attempt(1, Phase::Running)]);
    seen.attempts.insert("c".into(), vec![attempt(0, ended(0))]);
    assert!(is_decided(pod, &seen));
    assert_eq!(phase(pod, &seen), "Running");
    seen.attempts
        .insert("e".into(), vec![attempt(1, ended(137))]);
    assert_eq!(phase(pod, &seen), "Succeeded");
}

#[test]
fn a_resize_is_told_as_long_as_it_is_and_taken_back_then() {
    let spec = json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]});
    let tree = pod(spec);
    let mut running = attempt(0, Phase::Running);
    running.resources = ContainerResources::from_json(&json!({"requests": {"cpu": "1"}}));
    let mut seen = observed(&[("c", vec![running])]);
    seen.resize = Resize {
        pending: None,
        in_progress: Some(InProgress {
            error: Some("too little".into()),
            generation: 2,
        }),
        told: true,
    };
    let status = compute(Pod::of(&tree), &seen, Timestamp::UNIX_EPOCH);
    let container = &status["containerStatuses"][0];
    assert_eq!(container["allocatedResources"], json!({"cpu": "2"}));
    assert_eq!(
        container["resources"],
        json!({"requests": {"cpu": "1"}}),
        "what is in force"
    );
    let in_progress = condition(&status, "PodResizeInProgress");
    assert_eq!(
        (&in_progress["reason"], &in_progress["message"]),
        (&json!("Error"), &json!("too little"))
    );
    assert_eq!(condition(&status, "PodResizePending")["$patch"], "delete");
}

#[test]
fn what_ends_only_to_be_started_anew_does_not_end_its_pod() {
    let tree = pod(json!({"restartPolicy": "OnFailure", "containers": [{"name": "c"}]}));
    let mut replaced = attempt(0, ended(0));
    replaced.resized = true;
    let mut seen = observed(&[("c", vec![replaced])]);
    assert_eq!(phase(Pod::of(&tree), &seen), "Running");
    assert!(!is_decided(Pod::of(&tree), &seen));
    seen.ending = true;
    assert_eq!(phase(Pod::of(&tree), &seen), "Succeeded");
}
