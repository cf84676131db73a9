//! The process: what it refuses, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn controllers(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_controllers"));
    command
        .args(flags)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn refusal(flags: &[&str]) -> String {
    let Output { status, stderr, .. } = controllers(flags).output().unwrap();
    assert!(!status.success(), "{flags:?}");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    assert!(refusal(&["--kubeconfig=x", "--cloud-provider=external"]).contains("--cloud-provider"));
    assert!(
        refusal(&["--kubeconfig=x", "--node-monitor-grace-period=forty"])
            .contains("--node-monitor-grace-period")
    );
    assert!(
        refusal(&["--kubeconfig=x", "--controllers=*,cloud-node-controller"])
            .contains("\"cloud-node-controller\" is not in the list")
    );
    assert!(
        refusal(&["--kubeconfig=x", "--leader-elect-resource-lock=configmaps"])
            .contains("configmaps")
    );
    assert!(refusal(&[]).contains("--kubeconfig"));
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() {
    let error = refusal(&["--kubeconfig=no/such/file", "--secure-port=0"]);
    assert!(error.contains("no/such/file"), "{error}");
}

#[test]
fn sigterm_ends_it_in_time_even_if_no_server_answers() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubeconfig");
    // Hangs up on whoever calls.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::fs::write(
        &file,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\n\
             users: [{{name: c, user: {{token: t}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
        ),
    )
    .unwrap();
    for elect in ["--leader-elect=true", "--leader-elect=false"] {
        let mut child = controllers(&[
            "--kubeconfig",
            &file.display().to_string(),
            "--secure-port=0",
            elect,
        ])
        .spawn()
        .unwrap();
        // It goes on trying.
        for _ in 0..3 {
            drop(server.accept().unwrap());
        }
        assert!(child.try_wait().unwrap().is_none());
        let killed = Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(killed.success());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "still there five seconds after SIGTERM"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{elect}: {status}");
    }
}
