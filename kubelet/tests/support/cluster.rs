//! Upstream's API server, and one node of ours: the kubelet's own process on a private containerd, its network beside
//! whatever else the machine has.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::upstream::UpstreamApiserver;
use serde_json::{Value, json};

use super::{IMAGE, Machine};

pub const NODE: &str = "node-1";

/// How the kubelet is started, beyond what every test's is.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// As whom it speaks with the API server; as the administrator if `None`.
    pub kubeconfig: Option<PathBuf>,
    /// Further flags.
    pub flags: Vec<String>,
    /// With a containerd of its own; the test's own one is for nothing then.
    pub own_containerd: bool,
    /// Seconds between two looks at live volumes; one if `None`.
    pub sync_frequency: Option<u32>,
    /// Where its server listens: the same after a restart, as the node's object says.
    pub port: u16,
    /// Where the programs that it and its descendants execute are written down, by `strace`.
    pub trace: Option<PathBuf>,
}

pub struct Cluster {
    pub api: UpstreamApiserver,
    pub machine: Machine,
    pub kubelet: Child,
    pub number: u8,
    pub launch: Launch,
    log: PathBuf,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

/// One API server at a time: they are large.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Cluster {
    pub async fn start() -> Self {
        Self::start_with(|_| Launch::default()).await
    }

    /// The same with a kubelet started otherwise; its files are below the directory that `launch` is called with.
    pub async fn start_with(launch: impl FnOnce(&Path) -> Launch) -> Self {
        let turn = TURN.lock().await;
        // Tests of several processes beside each other need bridges and addresses of their own.
        static NEXT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
        let number = (std::process::id() as u8)
            .wrapping_add(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let api = UpstreamApiserver::start(&[
            "--kubelet-preferred-address-types",
            "InternalIP",
            "--allow-privileged=true",
        ])
        .unwrap();
        let machine = Machine::start_in("pods").await;
        let log = machine.path().join("kubelet.log");
        let launch = Launch {
            port: e2e::net::free_port().unwrap(),
            ..launch(machine.path())
        };
        let kubelet = spawn(&api, &machine, number, &log, &launch);
        let cluster = Self {
            api,
            machine,
            kubelet,
            number,
            launch,
            log,
            _turn: turn,
        };
        cluster.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}));
        cluster.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "none"}}));
        cluster.until("the node is Ready", || {
            let node = cluster.get("node", NODE)?;
            let ready = node["status"]["conditions"]
                .as_array()?
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True");
            ready.then_some(())
        });
        cluster
    }

    pub fn restart(&mut self) {
        self.kubelet = spawn(
            &self.api,
            &self.machine,
            self.number,
            &self.log,
            &self.launch,
        );
    }

    pub fn kill(&mut self) {
        self.kubelet.kill().unwrap();
        self.kubelet.wait().unwrap();
    }

    /// Upstream's kubectl as the cluster's administrator, for what is spoken with while it runs.
    pub fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(e2e::upstream::binary("kubectl").unwrap());
        command
            .arg("--kubeconfig")
            .arg(&self.api.admin)
            .arg("--cache-dir")
            .arg(self.api.admin.with_extension("cache"))
            .args(args);
        command
    }

    pub fn create(&self, object: &Value) {
        let file = self.machine.path().join(format!(
            "object-{}.json",
            object["metadata"]["name"].as_str().unwrap()
        ));
        std::fs::write(&file, object.to_string()).unwrap();
        self.api
            .kubectl(&["create", "-f", file.to_str().unwrap()])
            .unwrap();
    }

    /// Creates a pod on the node; `spec` without node name, and containers without image get the payload's.
    pub fn run(&self, name: &str, spec: Value) {
        self.create(&pod(name, spec));
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let text = self.api.kubectl(&["get", kind, name, "-o", "json"]).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub fn pod(&self, name: &str) -> Value {
        self.get("pod", name).unwrap_or_default()
    }

    pub fn until<T>(&self, what: &str, mut check: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = check() {
                return value;
            }
            if Instant::now() > end {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                let pods = self
                    .api
                    .kubectl(&["get", "pods", "-o", "yaml"])
                    .unwrap_or_default();
                panic!(
                    "{what}: not within 30 s\n{pods}\n{}\n{}",
                    self.events(),
                    tail.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn phase(&self, name: &str, phase: &str) -> Value {
        self.until(&format!("{name} is {phase}"), || {
            Some(self.pod(name)).filter(|pod| pod["status"]["phase"] == phase)
        })
    }

    pub fn ready(&self, name: &str) -> Value {
        self.until(&format!("{name} is ready"), || {
            let pod = self.pod(name);
            let ready = pod["status"]["conditions"]
                .as_array()?
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True");
            ready.then_some(pod)
        })
    }

    pub fn waiting(&self, name: &str, reason: &str) -> Value {
        self.until(&format!("{name} waits with {reason}"), || {
            let pod = self.pod(name);
            let status = pod["status"]["containerStatuses"][0].clone();
            (status["state"]["waiting"]["reason"] == reason).then_some(status)
        })
    }

    pub fn logs(&self, args: &[&str]) -> String {
        let mut all = vec!["logs", "--insecure-skip-tls-verify-backend"];
        all.extend(args);
        self.api.kubectl(&all).unwrap()
    }

    pub fn events(&self) -> String {
        self.api
            .kubectl(&[
                "get",
                "events",
                "-o",
                "custom-columns=O:.involvedObject.name,R:.reason,M:.message",
                "--no-headers",
            ])
            .unwrap_or_default()
    }

    pub fn delete(&self, name: &str) {
        self.api
            .kubectl(&["delete", "pod", name, "--wait=false"])
            .unwrap();
        self.until(&format!("{name} is gone"), || {
            self.get("pod", name).is_none().then_some(())
        });
    }

    /// The containerd of the kubelet.
    pub async fn containerd(&self) -> kubelet::containerd::Containerd {
        kubelet::running_containerd(&config(&self.machine, self.number))
            .await
            .unwrap()
    }

    /// The containers and process ids of what runs.
    pub async fn tasks(&self) -> Vec<(String, u32)> {
        let containerd = self.containerd().await;
        containerd
            .tasks()
            .await
            .unwrap()
            .into_iter()
            .map(|task| (task.id, task.pid))
            .collect()
    }

    /// Waits until nothing runs.
    pub async fn no_tasks(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let tasks = self.tasks().await;
            if tasks.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "still there after 30 s: {tasks:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the kubelet and takes away everything that it made.
    pub async fn stop(mut self) {
        let (number, instance) = (self.number, self.machine.instance.clone());
        if self.kubelet.try_wait().unwrap().is_none() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(self.kubelet.id()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            let _limit = e2e::process::Limit::of(&self.kubelet, Duration::from_secs(60));
            let status = self.kubelet.wait().unwrap();
            assert!(
                status.success(),
                "{}",
                std::fs::read_to_string(&self.log).unwrap()
            );
        }
        let config = config(&self.machine, number);
        kubelet::cleanup(&config).await.unwrap();
        for left in [&config.root_dir, &config.run_dir] {
            assert!(!left.exists(), "{}", left.display());
        }
        let links = Command::new("ip").args(["-br", "link"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&links.stdout).contains(&config.bridge));
        instance.stop().await.unwrap();
    }
}

/// A failed test leaves nothing behind either.
impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let _ = self.kubelet.kill();
        let _ = self.kubelet.wait();
        let (config, instance) = (
            config(&self.machine, self.number),
            self.machine.instance.clone(),
        );
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let cleaned = kubelet::cleanup(&config).await;
                let stopped = instance.stop().await;
                println!("cleaned up: {cleaned:?} {stopped:?}");
            });
        });
        let _ = cleaner.join();
    }
}

pub fn pod(name: &str, mut spec: Value) -> Value {
    spec["nodeName"] = NODE.into();
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let image = container.get("image").cloned().unwrap_or(IMAGE.into());
            container["image"] = image;
            if container.get("imagePullPolicy").is_none() {
                container["imagePullPolicy"] = "IfNotPresent".into();
            }
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "spec": spec})
}

/// The same as the flags of [`spawn`].
pub fn config(machine: &Machine, number: u8) -> kubelet::Config {
    let dir = machine.path();
    kubelet::Config {
        root_dir: dir.join("kubelet"),
        run_dir: dir.join("kubelet-run"),
        pod_logs_dir: dir.join("pod-logs"),
        containerd_socket: machine.instance.socket().to_path_buf(),
        containerd_namespace: "pods".into(),
        instance: format!("test{number}"),
        bridge: format!("gtest{number}"),
        pod_cidr: Some(format!("10.199.{number}.0/24").parse().unwrap()),
        cgroup_root: format!("/gantry-test{number}"),
        containerd_program: super::containerd_program(),
        ..kubelet::Config::new(NODE, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

fn spawn(
    api: &UpstreamApiserver,
    machine: &Machine,
    number: u8,
    log: &Path,
    launch: &Launch,
) -> Child {
    let config = config(machine, number);
    let path = |path: &Path| path.display().to_string();
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    let mut command = match &launch.trace {
        // As a grandchild it leaves the kubelet our child, which gets our signals.
        Some(trace) => {
            let mut strace = Command::new("strace");
            strace
                .args(["-D", "-f", "-qq", "-s", "256", "-o"])
                .arg(trace)
                .args(["-e", "trace=execve,execveat,clone,clone3,fork,vfork"])
                .arg(env!("CARGO_BIN_EXE_kubelet"));
            strace
        }
        None => Command::new(env!("CARGO_BIN_EXE_kubelet")),
    };
    command
        .args([
            "--kubeconfig",
            &path(launch.kubeconfig.as_ref().unwrap_or(&api.admin)),
            "--hostname-override",
            NODE,
            "--node-ip",
            "127.0.0.1",
            "--address",
            "127.0.0.1",
            "--port",
            &launch.port.to_string(),
        ])
        .args([
            "--root-dir",
            &path(&config.root_dir),
            "--run-dir",
            &path(&config.run_dir),
            "--pod-logs-dir",
            &path(&config.pod_logs_dir),
        ])
        .args([
            "--container-runtime-endpoint",
            &path(&if launch.own_containerd {
                machine.path().join("none.sock")
            } else {
                config.containerd_socket.clone()
            }),
            "--containerd-namespace",
            "pods",
            "--containerd-program",
            &config.containerd_program,
        ])
        .args([
            "--instance",
            &config.instance,
            "--bridge",
            &config.bridge,
            "--cgroup-root",
            &config.cgroup_root,
        ])
        .args([
            "--pod-cidr",
            &config.pod_cidr.unwrap().to_string(),
            "--sync-frequency",
            &launch.sync_frequency.unwrap_or(1).to_string(),
            // However full the machine's disk is.
            "--eviction-hard",
            "memory.available<1Mi,nodefs.available<1%",
        ])
        .args(["--client-ca-file", &path(&api.directory().join("ca.crt"))])
        .args(launch.own_containerd.then_some("--own-containerd"))
        .args(&launch.flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
