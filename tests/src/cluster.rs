//! A cluster of ours on real containerd, in either shape, beside whatever else runs on this machine.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::net::free_port;
use crate::process::Process;
use crate::upstream::{self, Etcd, UpstreamApiserver};
use crate::wait;

/// How the components run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `gantry up` on the embedded store.
    OneProcess,
    /// A process for each component, on etcd.
    Separate,
    /// A process for each component but the API server, which is upstream's.
    UpstreamApiserver,
}

/// The shapes that are all ours: every end-to-end test runs in each.
pub const SHAPES: [Shape; 2] = [Shape::OneProcess, Shape::Separate];

/// The roles of upstream's controllers that ours do the work of.
const CONTROLLER_ROLES: [&str; 21] = [
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "job-controller",
    "ttl-after-finished-controller",
    "volumeattributesclass-protection-controller",
    "pv-protection-controller",
    "pvc-protection-controller",
    "daemon-set-controller",
    "deployment-controller",
    "disruption-controller",
    "replicaset-controller",
    "replication-controller",
    "resourcequota-controller",
    "generic-garbage-collector",
    "namespace-controller",
    "node-controller",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "service-account-controller",
    "root-ca-cert-publisher",
    "statefulset-controller",
];

/// Gives our controllers' one account on upstream's API server the roles of the accounts that upstream's have each.
///
/// # Errors
/// What kubectl said.
pub fn grant_controllers(upstream: &UpstreamApiserver, user: &str) -> Result<(), String> {
    for role in CONTROLLER_ROLES {
        let (name, role) = (
            format!("ours-{role}"),
            format!("--clusterrole=system:controller:{role}"),
        );
        let args = ["create", "clusterrolebinding", &name, &role, "--user", user];
        upstream.kubectl(&args)?;
    }
    Ok(())
}

/// Our own binaries, where the tests themselves were built.
pub fn binary(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    // Tests are target/PROFILE/deps/TEST-HASH, programs target/PROFILE/PROGRAM.
    let directory = exe.parent().unwrap_or(Path::new("."));
    let profile = match directory.parent() {
        Some(parent) if directory.ends_with("deps") => parent,
        _ => directory,
    };
    profile.join(name)
}

/// A running cluster of one node. Dropping it ends its processes and takes away what it made on the machine.
pub struct Cluster {
    /// How it runs.
    pub shape: Shape,
    /// A kubeconfig of a member of `system:masters`.
    pub admin: PathBuf,
    /// The name of its node.
    pub node: String,
    /// Its processes by name: `gantry`, or `apiserver`, `scheduler`, `controllers`, `kubelet`.
    pub processes: Vec<(String, Process)>,
    /// Its etcd, if the components run separately.
    pub etcd: Option<Etcd>,
    /// Upstream's API server, in that shape.
    pub upstream: Option<UpstreamApiserver>,
    names: Names,
    directory: TempDir,
}

/// What tells this cluster from others on the machine.
struct Names {
    api_port: u16,
    kubelet_port: u16,
    scheduler_port: u16,
    instance: String,
    pod_cidr: String,
}

impl Names {
    fn new() -> io::Result<Self> {
        let api_port = free_port()?;
        // Ports are handed out in turn, so that clusters which run at the same time differ here, too.
        let (high, low) = (api_port >> 8, api_port & 0xff);
        Ok(Self {
            api_port,
            kubelet_port: free_port()?,
            scheduler_port: free_port()?,
            instance: format!("gt{api_port}"),
            pod_cidr: format!("10.{}.{low}.0/24", 128 + high % 100),
        })
    }
}

impl Cluster {
    /// Starts a cluster and waits until its node is Ready.
    pub fn start(shape: Shape) -> io::Result<Self> {
        let mut cluster = Self::prepare(shape)?;
        for name in cluster.components() {
            cluster.launch(name)?;
            if *name == "apiserver" || *name == "gantry" {
                cluster.await_api();
            }
        }
        wait::until("the node is Ready", Duration::from_secs(60), || {
            cluster.kubectl(&[
                "wait",
                "--for=condition=Ready",
                "node",
                "--all",
                "--timeout=1s",
            ])
        });
        Ok(cluster)
    }

    /// A cluster of which nothing of ours runs yet: [`Cluster::launch`] starts its components.
    pub fn prepare(shape: Shape) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("gantry-e2e-").tempdir()?;
        let names = Names::new()?;
        let mut cluster = Self {
            shape,
            admin: directory.path().join("data/admin.conf"),
            node: names.instance.clone(),
            processes: Vec::new(),
            etcd: None,
            upstream: None,
            names,
            directory,
        };
        if shape == Shape::Separate {
            cluster.etcd = Some(Etcd::start(cluster.directory.path())?);
        }
        if shape == Shape::UpstreamApiserver {
            cluster.start_upstream()?;
        }
        Ok(cluster)
    }

    /// Upstream's API server, with the kubeconfigs and roles that our components need on it, where ours would write them.
    fn start_upstream(&mut self) -> io::Result<()> {
        let upstream = UpstreamApiserver::start(&[])?;
        let data = self.directory.path().join("data");
        std::fs::create_dir_all(data.join("pki"))?;
        std::fs::copy(upstream.directory().join("ca.crt"), data.join("pki/ca.crt"))?;
        std::fs::copy(&upstream.admin, &self.admin)?;
        let controllers = "system:kube-controller-manager";
        let node = format!("system:node:{}", self.node);
        let configs = [
            ("scheduler.conf", "system:kube-scheduler", &[][..]),
            ("controllers.conf", controllers, &[]),
            (
                &format!("kubelet-{}.conf", self.node),
                &node,
                &["system:nodes"],
            ),
        ];
        for (file, user, groups) in configs {
            std::fs::copy(upstream.kubeconfig_for(user, groups)?, data.join(file))?;
        }
        grant_controllers(&upstream, controllers).map_err(io::Error::other)?;
        self.upstream = Some(upstream);
        Ok(())
    }

    /// The processes of this shape, in the order in which they start.
    pub fn components(&self) -> &'static [&'static str] {
        match self.shape {
            Shape::OneProcess => &["gantry"],
            Shape::Separate => &["apiserver", "scheduler", "controllers", "kubelet"],
            Shape::UpstreamApiserver => &["scheduler", "controllers", "kubelet"],
        }
    }

    /// Starts a component that is not running.
    pub fn launch(&mut self, name: &str) -> io::Result<()> {
        let command = self.command(name);
        let process = Process::start(name, self.directory.path(), command)?;
        self.processes.retain(|(other, _)| other != name);
        self.processes.push((name.to_owned(), process));
        Ok(())
    }

    /// A component's process.
    pub fn process(&mut self, name: &str) -> Option<&mut Process> {
        self.processes
            .iter_mut()
            .find(|(other, _)| other == name)
            .map(|(_, process)| process)
    }

    /// Waits until the API server answers.
    pub fn await_api(&self) {
        wait::until("the API server is ready", Duration::from_secs(30), || {
            self.kubectl(&["get", "--raw", "/readyz"])
        });
    }

    fn command(&self, name: &str) -> Command {
        let data = self.directory.path().join("data");
        let mut command = Command::new(binary(name));
        command.env("RUST_LOG", "info");
        let api = |command: &mut Command| {
            command.arg("--data-dir").arg(&data);
            command.args(["--bind-address", "127.0.0.1"]);
            command.args([
                "--secure-port",
                &self.names.api_port.to_string(),
                "--node",
                &self.node,
            ]);
            if let Some(etcd) = &self.etcd {
                command.args(["--etcd-servers", &etcd.url]);
            }
        };
        match name {
            "gantry" => {
                command.arg("up");
                api(&mut command);
                command.args(["--kubelet-port", &self.names.kubelet_port.to_string()]);
                self.node_flags(&mut command);
            }
            "apiserver" => api(&mut command),
            "kubelet" => {
                command
                    .arg("--kubeconfig")
                    .arg(data.join(format!("kubelet-{}.conf", self.node)));
                command.args([
                    "--port",
                    &self.names.kubelet_port.to_string(),
                    "--own-containerd",
                ]);
                command.arg("--root-dir").arg(data.join("kubelet"));
                command.arg("--pod-logs-dir").arg(data.join("pod-logs"));
                command.arg("--client-ca-file").arg(data.join("pki/ca.crt"));
                self.node_flags(&mut command);
            }
            component => {
                command
                    .arg("--kubeconfig")
                    .arg(data.join(format!("{component}.conf")));
                // Only the scheduler is asked for more than its health.
                let port = match component {
                    "scheduler" => self.names.scheduler_port,
                    _ => 0,
                };
                command.args(["--bind-address", "127.0.0.1"]);
                command.args(["--secure-port", &port.to_string()]);
            }
        }
        command
    }

    fn node_flags(&self, command: &mut Command) {
        let names = &self.names;
        command.args(["--hostname-override", &self.node, "--node-ip", "127.0.0.1"]);
        command.args([
            "--pod-cidr",
            &names.pod_cidr,
            "--cluster-cidr",
            &names.pod_cidr,
        ]);
        command.args(["--instance", &names.instance, "--bridge", &names.instance]);
        command.args([
            "--containerd-namespace",
            &names.instance,
            "--cgroup-root",
            &format!("/{}", names.instance),
        ]);
        command
            .arg("--run-dir")
            .arg(self.directory.path().join("run"));
        // Nobody answers there, so that the cluster brings a containerd of its own.
        command
            .arg("--container-runtime-endpoint")
            .arg(self.directory.path().join("no-containerd.sock"));
        // However full the machine's disk is.
        command.args([
            "--eviction-hard",
            "memory.available<1Mi,nodefs.available<1%",
        ]);
    }

    /// Runs upstream's kubectl as the admin.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        upstream::kubectl(&self.admin, args)
    }

    /// Runs our `ctl` as the admin.
    pub fn ctl(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new(binary("ctl"))
            .env("KUBECONFIG", &self.admin)
            .args(args)
            .output()
            .map_err(|error| error.to_string())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(stdout)
        } else {
            Err(format!(
                "ctl {}: {stdout}{}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr)
            ))
        }
    }

    /// Loads the sample image `gantry.local/hello:1` into the cluster's containerd.
    pub fn load_hello(&self) -> Result<(), String> {
        self.load(&hello_server()?, "gantry.local/hello:1")
    }

    /// Loads an image of one static program into the cluster's containerd.
    pub fn load(&self, program: &Path, name: &str) -> Result<(), String> {
        let archive = self.directory.path().join("image.tar");
        let run = |args: &[&str]| {
            let mut command = Command::new(binary("gantry"));
            command.args(args);
            command
        };
        let mut pack = run(&["image", "pack", "--name", name]);
        pack.arg("--binary")
            .arg(program)
            .arg("--output")
            .arg(&archive);
        succeed(&mut pack)?;
        let mut load = run(&["image", "load"]);
        load.arg("--data-dir")
            .arg(self.directory.path().join("data"));
        self.node_flags(&mut load);
        load.arg(&archive);
        succeed(&mut load)
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, process) in &mut self.processes {
            let _ = process.terminate(Duration::from_secs(5));
        }
        if std::thread::panicking() {
            for (_, process) in &self.processes {
                let output = process.output();
                let start = output
                    .char_indices()
                    .rev()
                    .nth(4000)
                    .map_or(0, |(at, _)| at);
                eprintln!("---- {:?}\n{}", self.shape, &output[start..]);
            }
        }
        let mut reset = Command::new(binary("gantry"));
        reset
            .args(["reset", "--yes"])
            .arg("--data-dir")
            .arg(self.directory.path().join("data"));
        self.node_flags(&mut reset);
        if let Err(error) = succeed(&mut reset) {
            eprintln!("{error}");
        }
    }
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The sample server, linked statically: built once for all tests of a process.
///
/// # Errors
/// What cargo said.
pub fn hello_server() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        let target = "x86_64-unknown-linux-gnu";
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let directory = root.join("target/static");
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(&root)
            .env("RUSTFLAGS", "-C target-feature=+crt-static");
        command.args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "hello-server",
            "--target",
            target,
            "--target-dir",
        ]);
        succeed(command.arg(&directory))?;
        Ok(directory.join(target).join("release/hello-server"))
    };
    BUILT.get_or_init(build).clone()
}

/// Fetches a page over plain HTTP.
pub fn fetch(address: &str, port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((address, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(io::Error::other(answer)),
    }
}
