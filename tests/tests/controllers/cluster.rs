//! Our controllers on upstream's API server, and a kubelet that only says so: what the tests of controllers stand on.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use e2e::{
    cluster::{binary, grant_controllers},
    net::free_port,
    process::Process,
    upstream::{UpstreamApiserver, kubectl},
    wait,
};
use serde_json::{Value, json};

/// How long anything may take on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A running API server with our controllers.
pub struct Cluster {
    pub upstream: UpstreamApiserver,
    pub kubeconfig: PathBuf,
    pub controllers: Process,
    kubelet: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Cluster {
    pub fn start(flags: &[&str]) -> Cluster {
        let upstream = UpstreamApiserver::start(&[]).unwrap();
        let user = "system:kube-controller-manager";
        grant_controllers(&upstream, user).unwrap();
        let kubeconfig = upstream.kubeconfig_for(user, &[]).unwrap();
        let controllers = Self::spawn(upstream.directory(), &kubeconfig, flags);
        let mut cluster = Cluster {
            upstream,
            kubeconfig,
            controllers,
            kubelet: None,
        };
        cluster.start_kubelet();
        cluster
    }

    pub fn spawn(directory: &Path, kubeconfig: &Path, flags: &[&str]) -> Process {
        let mut command = Command::new(binary("controllers"));
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args([
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            &free_port().unwrap().to_string(),
        ]);
        command.args(flags);
        Process::start("controllers", directory, command).unwrap()
    }

    /// Makes pods ready shortly after they appear, unless their image is `broken`.
    fn start_kubelet(&mut self) {
        let (admin, stop) = (
            self.upstream.admin.clone(),
            Arc::new(AtomicBool::new(false)),
        );
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                let pods =
                    kubectl(&admin, &["get", "pods", "-A", "-o", "json"]).unwrap_or_default();
                let pods: Value = serde_json::from_str(&pods).unwrap_or_default();
                for pod in pods["items"].as_array().into_iter().flatten() {
                    let image = &pod["spec"]["containers"][0]["image"];
                    if pod["status"]["phase"] == "Running" || image == "broken" {
                        continue;
                    }
                    let text = |field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
                    let now = "2026-01-01T00:00:00Z";
                    let status = json!({"status": {"phase": "Running", "conditions": [
                        {"type": "Ready", "status": "True", "lastTransitionTime": now}]}});
                    // It may be gone by now.
                    let _ = kubectl(
                        &admin,
                        &[
                            "patch",
                            "pod",
                            "-n",
                            &text("namespace"),
                            &text("name"),
                            "--subresource=status",
                            "-p",
                            &status.to_string(),
                        ],
                    );
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        self.kubelet = Some((stop, thread));
    }

    pub fn kubectl(&self, line: &str) -> Result<String, String> {
        self.upstream.kubectl(&line.split(' ').collect::<Vec<_>>())
    }

    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{line} -o json")).unwrap()).unwrap()
    }

    pub fn apply(&self, object: &Value) {
        let file = self.upstream.directory().join("apply.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.kubectl(&format!("apply -f {}", file.display()))
            .unwrap();
    }

    /// Waits until `line` prints this.
    pub fn prints(&self, line: &str, wanted: &str) {
        wait::until(&format!("kubectl {line}"), LIMIT, || {
            let printed = self.kubectl(line).unwrap_or_else(|e| e);
            if printed.trim() == wanted {
                Ok(())
            } else {
                Err(format!("{printed:?}\n{}", self.controllers.output()))
            }
        });
    }

    pub fn gone(&self, line: &str) {
        wait::until(&format!("gone: {line}"), LIMIT, || {
            match self.kubectl(line) {
                Err(error) if error.contains("NotFound") => Ok(()),
                other => Err(format!("{other:?}\n{}", self.controllers.output())),
            }
        });
    }

    /// Ends the controllers and holds their log against what may stand there.
    pub fn finish(mut self) {
        let status = self.controllers.terminate(Duration::from_secs(5)).unwrap();
        assert!(
            status.is_some_and(|s| s.success()),
            "SIGTERM ends it within 5 s: {status:?}\n{}",
            self.controllers.output()
        );
        let log = self.controllers.output();
        let errors: Vec<&str> = log
            .lines()
            .filter(|l| l.contains("ERROR") || l.contains("panicked"))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.kubelet.take() {
            stop.store(true, Relaxed);
            let _ = thread.join();
        }
    }
}
