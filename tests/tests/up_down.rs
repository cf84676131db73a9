//! The two commands that the README opens with, on machines made of namespaces: what they serve and leave, what they refuse,
//! and what comes of them when they are interrupted; and what an interrupted judge leaves.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use e2e::cluster::{binary, hello_server};
use e2e::upstream::binary as binary_of_upstream;

/// One machine at a time: what they have in common (processes, cgroups) would look like traces.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a script of `scripts/`, which must end well and say `last`.
fn run(test: &str, script: &str, last: &str) {
    run_on(None, test, script, last);
}

/// The same on a machine with this containerd, the installed one if `None`.
fn run_on(containerd: Option<&Path>, test: &str, script: &str, last: &str) {
    if !e2e::is_root() {
        return e2e::skip(test, "containers need root");
    }
    let _turn = TURN.lock().unwrap_or_else(|broken| broken.into_inner());
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(script);
    let path = std::env::var("PATH").unwrap_or_default();
    let beside = containerd.and_then(Path::parent).map(|dir| dir.display());
    let path = beside.map_or(path.clone(), |dir| format!("{dir}:{path}"));
    // Whoever runs the tests in the background ignores Ctrl-C, and what ignores it from the start cannot be interrupted.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,QUIT"])
        .arg(script)
        .env("PATH", path)
        .env("GANTRY_TEST_BINARIES", binary("").as_os_str())
        .env("GANTRY_TEST_HELLO", hello_server().unwrap());
    // As a person's shell would have it: with the variables that cargo sets for its tests, build scripts would run again and
    // with them everything that stands on them.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let kept = ["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.as_str());
        if (name.starts_with("CARGO") && !kept) || name == "LD_LIBRARY_PATH" {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains(last), "{text}\n{errors}");
    println!("{text}");
}

#[test]
fn hack_up_serves_the_sample_and_hack_down_leaves_no_trace() {
    run("up_down", "up-down", "no trace is left");
}

#[test]
fn hack_up_names_all_that_is_in_its_way_and_changes_nothing() {
    run("obstacles", "obstacles", "every obstacle is named");
}

#[test]
fn hack_up_may_be_interrupted_anywhere_and_run_twice_at_once() {
    run(
        "interrupted",
        "interrupted",
        "every interruption was recovered from",
    );
}

#[test]
fn hack_up_makes_a_unit_where_systemd_runs_and_hack_down_takes_it_away() {
    run("unit", "unit", "the unit came and went");
}

#[test]
fn a_containerd_that_answers_is_used_and_left_as_it_was() {
    run("foreign", "foreign", "the other's containerd is untouched");
}

#[test]
fn a_containerd_2_that_answers_is_used_and_left_as_it_was() {
    let containerd = containerd_2();
    run_on(
        Some(&containerd),
        "foreign_2",
        "foreign",
        "the other's containerd is untouched",
    );
}

#[test]
fn no_trace_is_left_with_an_own_containerd_2() {
    let containerd = containerd_2();
    run_on(
        Some(&containerd),
        "unit_2",
        "unit",
        "the unit came and went",
    );
}

#[test]
fn a_judge_may_be_interrupted_anywhere_and_leaves_no_trace() {
    // What it takes minutes to build is built on the machine, and once.
    for name in ["e2e.test", "nonewprivs", "kube-controller-manager"] {
        binary_of_upstream(name).unwrap();
    }
    run("judges", "judges", "no judge left a trace");
}

/// Built by `hack/upstream/build`, with its shim and `ctr` beside it.
fn containerd_2() -> PathBuf {
    for name in ["containerd-shim-runc-v2", "ctr"] {
        binary_of_upstream(name).unwrap();
    }
    binary_of_upstream("containerd").unwrap()
}
