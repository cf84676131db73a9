//! etcd servers for tests: processes of our own, on ports that were free, in directories that go away.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use store::etcd::Config;
use store::{Etcd, Log};

/// The binaries to test with, by name: the one that `GANTRY_ETCD` names, else the distribution's (3.4 in Debian 12) and upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Distribution,
    Upstream,
}

/// The binary, or a line that says that it is lacking.
pub fn binary(version: Version) -> Option<PathBuf> {
    let found = match (std::env::var_os("GANTRY_ETCD"), version) {
        (Some(path), Version::Upstream) => Some(PathBuf::from(path)),
        (None, Version::Upstream) => upstream(),
        (_, Version::Distribution) => {
            let path = PathBuf::from("/usr/bin/etcd");
            path.exists().then_some(path)
        }
    };
    if found.is_none() {
        // The harness names the thread after the test.
        let thread = std::thread::current();
        println!(
            "SKIP {}: {} is not installed",
            thread.name().unwrap_or("a test"),
            match version {
                Version::Distribution => "the distribution's etcd",
                Version::Upstream => "upstream's etcd",
            }
        );
    }
    found
}

fn upstream() -> Option<PathBuf> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream/build");
    let output = Command::new(build).arg("etcd").output().ok()?;
    if !output.status.success() {
        return None;
    }
    let dir = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(dir.trim()).join("etcd"))
}

/// Certificates to serve and be served with.
#[derive(Clone)]
pub struct Pki {
    pub dir: PathBuf,
    /// What the server's certificate is for.
    pub address: Ipv4Addr,
}

/// One member: it runs until it is stopped or dropped.
pub struct Member {
    binary: PathBuf,
    args: Vec<String>,
    dir: PathBuf,
    pub url: String,
    process: Option<Child>,
}

impl Member {
    pub fn start(&mut self) {
        assert!(self.process.is_none());
        let log = std::fs::File::create(self.dir.join("log")).unwrap();
        let process = Command::new(&self.binary)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Lets it hang, or go on.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.as_ref().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(process), signal).unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster in a directory of its own.
pub struct Cluster {
    pub members: Vec<Member>,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub async fn start(binary: &Path, size: usize, pki: Option<&Pki>, extra: &[&str]) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let scheme = if pki.is_some() { "https" } else { "http" };
        let address = pki.map_or_else(address, |pki| pki.address);
        let ports: Vec<(u16, u16)> = free_ports(address, size * 2)
            .chunks(2)
            .map(|p| (p[0], p[1]))
            .collect();
        let initial: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(n, (_, peer))| format!("m{n}=http://{address}:{peer}"))
            .collect();
        let mut members = Vec::new();
        for (n, (client, peer)) in ports.iter().enumerate() {
            let dir = dir.path().join(format!("m{n}"));
            std::fs::create_dir(&dir).unwrap();
            let url = format!("{scheme}://{address}:{client}");
            let peer = format!("http://{address}:{peer}");
            let mut args: Vec<String> = [
                ("--name", format!("m{n}")),
                ("--data-dir", dir.join("data").display().to_string()),
                ("--listen-client-urls", url.clone()),
                ("--advertise-client-urls", url.clone()),
                ("--listen-peer-urls", peer.clone()),
                ("--initial-advertise-peer-urls", peer),
                ("--initial-cluster", initial.join(",")),
            ]
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect();
            if let Some(pki) = pki {
                let file = |name: &str| pki.dir.join(name).display().to_string();
                args.extend(["--client-cert-auth=true".to_owned()]);
                args.extend(["--trusted-ca-file".to_owned(), file("ca.pem")]);
                args.extend(["--cert-file".to_owned(), file("server.pem")]);
                args.extend(["--key-file".to_owned(), file("server.key")]);
            }
            args.extend(extra.iter().map(|arg| (*arg).to_owned()));
            let mut member = Member {
                binary: binary.to_owned(),
                args,
                dir,
                url,
                process: None,
            };
            member.start();
            members.push(member);
        }
        Cluster { members, dir }
    }

    pub fn config(&self) -> Config {
        Config::new(self.members.iter().map(|m| m.url.clone()).collect())
    }

    /// Waits until this member answers, which needs the cluster's majority.
    pub async fn answers(&self, member: usize) {
        let config = Config::new(vec![self.members[member].url.clone()]);
        self.log(&config).await.shutdown().await;
    }

    /// A log on it, once it answers.
    pub async fn log(&self, config: &Config) -> Etcd {
        let log = Etcd::new(config).await.unwrap();
        let answers = async {
            while let Err(error) = log.head().await {
                assert!(
                    matches!(error, store::Error::Unavailable(_)),
                    "unexpected: {error}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(super::PATIENCE, answers)
            .await
            .is_err()
        {
            let log = std::fs::read_to_string(self.dir.path().join("m0/log"));
            panic!("etcd does not answer:\n{}", log.unwrap_or_default());
        }
        log
    }
}

/// A loopback address for one cluster alone, so that nobody else takes the ports of members that are stopped.
pub fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 0x80, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Ports that were free a moment ago, all different.
fn free_ports(address: Ipv4Addr, count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((address, 0)).unwrap())
        .collect();
    listeners
        .iter()
        .map(|l| l.local_addr().unwrap().port())
        .collect()
}
