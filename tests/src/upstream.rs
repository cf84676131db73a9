//! Upstream's own binaries: etcd, kube-apiserver and the others, built by `hack/upstream/build`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::net::free_port;
use crate::pki::Pki;
use crate::process::Process;
use crate::wait;

/// The path of one upstream binary; builds it if the cache lacks it.
pub fn binary(name: &str) -> io::Result<PathBuf> {
    if let Some(directory) = std::env::var_os("GANTRY_UPSTREAM_BIN") {
        let path = Path::new(&directory).join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream/build");
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(script).arg(name).output()?;
    if !status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&stderr).into_owned(),
        ));
    }
    Ok(Path::new(String::from_utf8_lossy(&stdout).trim()).join(name))
}

/// One etcd member on loopback.
pub struct Etcd {
    process: Process,
    /// The client URL.
    pub url: String,
    directory: PathBuf,
    ports: (u16, u16),
}

impl Etcd {
    /// Starts upstream's etcd with its data in `directory`.
    pub fn start(directory: &Path) -> io::Result<Self> {
        let ports = (free_port()?, free_port()?);
        let process = Self::spawn(directory, ports)?;
        Ok(Self {
            process,
            url: format!("http://127.0.0.1:{}", ports.0),
            directory: directory.to_owned(),
            ports,
        })
    }

    fn spawn(directory: &Path, (client, peer): (u16, u16)) -> io::Result<Process> {
        let mut command = Command::new(binary("etcd")?);
        let (client, peer) = (
            format!("http://127.0.0.1:{client}"),
            format!("http://127.0.0.1:{peer}"),
        );
        command.arg("--data-dir").arg(directory.join("etcd"));
        command.args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ]);
        command.args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        Process::start("etcd", directory, command)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same data and ports.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process = Self::spawn(&self.directory, self.ports)?;
        Ok(())
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Upstream's kube-apiserver on an etcd of its own, with RBAC on and certificates made here.
pub struct UpstreamApiserver {
    /// Its etcd.
    pub etcd: Etcd,
    /// The API server's process.
    pub process: Process,
    /// The URL of the API server.
    pub url: String,
    /// A kubeconfig of a member of `system:masters`.
    pub admin: PathBuf,
    pki: Pki,
    directory: TempDir,
}

impl UpstreamApiserver {
    /// Starts both and waits until `/readyz` says ok. `extra` flags are added at the end.
    pub fn start(extra: &[&str]) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let etcd = Etcd::start(directory.path())?;
        Self::start_on(etcd, directory, extra)
    }

    /// The same, on an etcd that runs; its own files are in `directory`.
    pub fn start_on(etcd: Etcd, directory: TempDir, extra: &[&str]) -> io::Result<Self> {
        let pki = Pki::make(directory.path(), "test-ca")?;
        pki.serving("apiserver", &[])?;
        pki.client("admin", "admin", &["system:masters"])?;
        pki.token_keys()?;
        let port = free_port()?;
        let path = |name: &str| directory.path().join(name);
        let mut command = Command::new(binary("kube-apiserver")?);
        command.args([
            "--etcd-servers",
            &etcd.url,
            "--bind-address",
            "127.0.0.1",
            "--advertise-address",
            "127.0.0.1",
        ]);
        command.args([
            "--secure-port",
            &port.to_string(),
            "--service-cluster-ip-range",
            "10.96.0.0/16",
        ]);
        command.args([
            "--authorization-mode",
            "Node,RBAC",
            "--endpoint-reconciler-type",
            "none",
        ]);
        command.args([
            "--service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ]);
        command.args(["--enable-admission-plugins", "NodeRestriction"]);
        for (flag, file) in [
            ("--client-ca-file", "ca.crt"),
            ("--tls-cert-file", "apiserver.crt"),
            ("--tls-private-key-file", "apiserver.key"),
            ("--service-account-key-file", "sa.pub"),
            ("--service-account-signing-key-file", "sa.key"),
            ("--kubelet-client-certificate", "admin.crt"),
            ("--kubelet-client-key", "admin.key"),
        ] {
            command.arg(flag).arg(path(file));
        }
        command.args(extra);
        let mut process = Process::start("kube-apiserver", directory.path(), command)?;
        let url = format!("https://127.0.0.1:{port}");
        let admin = pki.kubeconfig("admin", &url)?;
        wait::until(
            "upstream's kube-apiserver is ready",
            Duration::from_secs(60),
            || {
                if !process.is_running() {
                    return Err(format!("it ended: {}", process.output()));
                }
                kubectl(&admin, &["get", "--raw", "/readyz"]).map(drop)
            },
        );
        Ok(Self {
            etcd,
            process,
            url,
            admin,
            pki,
            directory,
        })
    }

    /// A kubeconfig for a user with these groups.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> io::Result<PathBuf> {
        let file = user.replace(':', "-");
        self.pki.client(&file, user, groups)?;
        self.pki.kubeconfig(&file, &self.url)
    }

    /// Runs upstream's kubectl as the admin; an error carries what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        kubectl(&self.admin, args)
    }

    /// Where its certificates and logs are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// How long a kubectl may take whose output is waited for.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs upstream's kubectl with a kubeconfig.
pub fn kubectl(kubeconfig: &Path, args: &[&str]) -> Result<String, String> {
    let binary = binary("kubectl").map_err(|error| error.to_string())?;
    let cache = kubeconfig.with_extension("cache");
    let mut command = Command::new(binary);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--cache-dir")
        .arg(cache)
        .args(args);
    let output = crate::process::output(&mut command, LIMIT).map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "kubectl {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
