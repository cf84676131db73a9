//! A node's data path, in a network namespace of the test's own, so that the machine's stays as it is.
//! Needs root, `nft`, `ip` and `iptables`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use network::{Config, HostPort, Network, Protocol};
use nix::sched::{CloneFlags, setns, unshare};

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that the data path could leave behind.
fn state(dir: &Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let ours = mounts
        .lines()
        .filter(|line| line.contains(dir.to_str().unwrap()))
        .collect::<Vec<_>>()
        .join("\n");
    vec![
        output("ip", &["-br", "link"]),
        output("ip", &["route", "show", "table", "all"]),
        output("ip", &["rule"]),
        output("nft", &["list", "ruleset"]),
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(),
        ours,
        std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| format!("{entry:?}"))
            .collect(),
    ]
}

fn skipped() -> bool {
    let missing = ["nft", "ip", "iptables"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_err());
    let missing = match nix::unistd::geteuid().is_root() {
        true => missing,
        false => Some("root"),
    };
    if let Some(missing) = missing {
        // The harness names the thread after the test.
        let thread = std::thread::current();
        println!(
            "SKIP {}: needs {missing}",
            thread.name().unwrap_or("a test")
        );
    }
    missing.is_some()
}

/// Runs `test` on a thread in a network namespace of its own, with a directory, and compares before and after.
fn in_own_namespace<F, Fut>(prepare: &[&[&str]], test: F)
where
    F: FnOnce(Config) -> Fut + Send,
    Fut: Future<Output = Network>,
{
    if skipped() {
        return;
    }
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                assert!(
                    Command::new("ip")
                        .args(["link", "set", "lo", "up"])
                        .status()
                        .unwrap()
                        .success()
                );
                for command in prepare {
                    assert!(
                        Command::new(command[0])
                            .args(&command[1..])
                            .status()
                            .unwrap()
                            .success(),
                        "{command:?}"
                    );
                }
                let dir = tempfile::tempdir().unwrap();
                let before = state(dir.path());
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let network = test(config(dir.path())).await;
                    network.teardown().await.unwrap();
                });
                assert_eq!(state(dir.path()), before);
            })
            .join()
            .unwrap();
    });
}

fn config(dir: &Path) -> Config {
    Config {
        instance: "test".into(),
        bridge: "gbr-test".into(),
        pod_cidr: "10.77.1.0/24".parse().unwrap(),
        cluster_cidr: "10.77.0.0/16".parse().unwrap(),
        data_dir: dir.join("data"),
        netns_dir: dir.join("netns"),
        mtu: Some(1400),
    }
}

/// Runs `inside` on a thread in the namespace pinned at `netns`.
fn within<T: Send + 'static>(
    netns: PathBuf,
    inside: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        setns(
            std::fs::File::open(netns).unwrap(),
            CloneFlags::CLONE_NEWNET,
        )
        .unwrap();
        inside()
    })
}

/// Listens at the port. A child that another test is just starting holds the last listener until it becomes its program.
fn listen(port: u16) -> TcpListener {
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < limit => {
                std::thread::sleep(Duration::from_millis(10));
            }
            listener => return listener.unwrap(),
        }
    }
}

/// Serves one connection in the pod with `text` and says who asked.
fn serve_once(
    netns: PathBuf,
    port: u16,
    text: &'static str,
) -> std::thread::JoinHandle<SocketAddr> {
    let (ready, wait) = std::sync::mpsc::channel();
    let thread = within(netns, move || {
        let listener = listen(port);
        ready.send(()).unwrap();
        let (mut connection, peer) = listener.accept().unwrap();
        connection.write_all(text.as_bytes()).unwrap();
        peer
    });
    wait.recv().unwrap();
    thread
}

fn fetch(address: impl Into<SocketAddr>) -> String {
    let mut text = String::new();
    let mut connection =
        TcpStream::connect_timeout(&address.into(), Duration::from_secs(5)).unwrap();
    connection.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn pods_reach_each_other_and_the_node_and_nothing_is_left_behind() {
    in_own_namespace(&[], async |config| {
        let network = Network::setup(config.clone()).await.unwrap();
        let started = Instant::now();
        let a = network.attach("a", &[]).await.unwrap();
        println!("attach: {:?}", started.elapsed());
        let b = network.attach("b", &[]).await.unwrap();
        assert_ne!(a.address, b.address);
        assert_eq!(
            network.attach("a", &[]).await.unwrap(),
            a,
            "attaching again changes nothing"
        );

        let served = serve_once(b.netns.clone(), 80, "from b");
        let target = (b.address, 80);
        assert_eq!(
            within(a.netns.clone(), move || fetch(target))
                .join()
                .unwrap(),
            "from b"
        );
        assert_eq!(
            served.join().unwrap().ip(),
            a.address,
            "no NAT between pods"
        );

        let served = serve_once(b.netns.clone(), 80, "to the node");
        assert_eq!(fetch((b.address, 80)), "to the node");
        assert_eq!(served.join().unwrap().ip(), network.gateway());

        let node = TcpListener::bind((network.gateway(), 0)).unwrap();
        let target = node.local_addr().unwrap();
        let asked = within(a.netns.clone(), move || fetch(target));
        let (mut connection, peer) = node.accept().unwrap();
        connection.write_all(b"node").unwrap();
        drop(connection);
        assert_eq!(
            (asked.join().unwrap().as_str(), peer.ip()),
            ("node", a.address.into())
        );

        // A restarted node finds its pods as they were, and makes good what is half gone.
        let network = Network::setup(config).await.unwrap();
        assert_eq!(network.attached().unwrap(), ["a", "b"]);
        assert_eq!(network.attachment("a"), Some(a.clone()));
        let link = output("ip", &["-br", "link"])
            .lines()
            .find(|line| line.starts_with("veth"))
            .unwrap()
            .to_owned();
        let link = link.split(['@', ' ']).next().unwrap();
        assert!(
            Command::new("ip")
                .args(["link", "del", link])
                .status()
                .unwrap()
                .success()
        );
        for id in ["a", "b"] {
            network.attach(id, &[]).await.unwrap();
        }
        assert_eq!(
            output("ip", &["-br", "link"])
                .lines()
                .filter(|line| line.starts_with("veth"))
                .count(),
            2
        );
        network.detach("a").await.unwrap();
        network.detach("a").await.unwrap();
        assert_eq!(network.attachment("a"), None);
        network
    });
}

#[test]
fn host_ports_lead_to_their_pod_from_outside_from_the_node_and_from_the_pod_itself() {
    let host: &[&[&str]] = &[
        &[
            "ip", "link", "add", "uplink", "type", "veth", "peer", "name", "beyond",
        ],
        &["ip", "addr", "add", "192.0.2.9/24", "dev", "uplink"],
        &["ip", "link", "set", "uplink", "up"],
    ];
    in_own_namespace(host, async |config| {
        let network = Network::setup(config.clone()).await.unwrap();
        let any = HostPort {
            protocol: Protocol::Tcp,
            host_ip: None,
            host_port: 8080,
            pod_port: 80,
        };
        let bound = HostPort {
            host_ip: Some(Ipv4Addr::new(192, 0, 2, 9)),
            host_port: 8081,
            ..any
        };
        let pod = network.attach("a", &[any, bound]).await.unwrap();
        let other = network.attach("b", &[]).await.unwrap();

        for address in ["192.0.2.9:8080", "127.0.0.1:8080", "192.0.2.9:8081"] {
            let served = serve_once(pod.netns.clone(), 80, "pod");
            assert_eq!(
                fetch(address.parse::<SocketAddr>().unwrap()),
                "pod",
                "{address}"
            );
            served.join().unwrap();
        }
        for netns in [other.netns.clone(), pod.netns.clone()] {
            let served = serve_once(pod.netns.clone(), 80, "pod");
            let asked = within(netns, || {
                fetch("192.0.2.9:8080".parse::<SocketAddr>().unwrap())
            });
            assert_eq!(asked.join().unwrap(), "pod");
            served.join().unwrap();
        }
        assert!(
            TcpStream::connect("127.0.0.1:8081").is_err(),
            "bound to another address"
        );

        // The maps outlive a restart; the port is free again once its pod is gone.
        let network = Network::setup(config).await.unwrap();
        let conflict = network
            .attach(
                "c",
                &[HostPort {
                    pod_port: 90,
                    ..any
                }],
            )
            .await
            .unwrap_err();
        println!("{conflict}");
        assert_eq!(
            network.attached().unwrap(),
            ["a", "b"],
            "nothing half-made remains"
        );
        network.detach("a").await.unwrap();
        assert!(TcpStream::connect("127.0.0.1:8080").is_err());
        network.attach("c", &[any]).await.unwrap();
        network
    });
}

#[test]
fn an_attachment_that_was_interrupted_is_made_whole_by_the_next() {
    in_own_namespace(&[], async |config| {
        let network = Network::setup(config.clone()).await.unwrap();
        let port = HostPort {
            protocol: Protocol::Tcp,
            host_ip: None,
            host_port: 8080,
            pod_port: 80,
        };
        let pod = network.attach("a", &[]).await.unwrap();
        let inside = pod.netns.clone();
        let ip = |arguments: &'static [&'static str]| {
            within(inside.clone(), || output("ip", arguments))
                .join()
                .unwrap()
        };
        let seen = || {
            [
                ip(&["-4", "-o", "addr", "show", "dev", "eth0"]),
                ip(&["route"]),
            ]
        };
        let whole = seen();
        // Before the host ports; and before that, with the link made and less done inside.
        let undone: [&[&str]; 3] = [
            &[],
            &["link", "set", "eth0", "down"],
            &["addr", "flush", "dev", "eth0"],
        ];
        for undo in undone {
            if !undo.is_empty() {
                ip(undo);
                assert_ne!(seen(), whole, "{undo:?}");
            }
            let network = Network::setup(config.clone()).await.unwrap();
            assert_eq!(network.attach("a", &[port]).await.unwrap(), pod);
            assert_eq!(seen(), whole, "{undo:?}");
            let served = serve_once(pod.netns.clone(), 80, "pod");
            assert_eq!(fetch((Ipv4Addr::LOCALHOST, 8080)), "pod");
            served.join().unwrap();
        }
        network
    });
}

#[test]
fn a_dropping_forward_policy_of_iptables_gets_two_rules_which_go_again() {
    let host: &[&[&str]] = &[
        &["iptables", "-P", "FORWARD", "DROP"],
        &["iptables", "-A", "FORWARD", "-i", "other0", "-j", "ACCEPT"],
    ];
    in_own_namespace(host, async |config| {
        let network = Network::setup(config.clone()).await.unwrap();
        assert!(network.forward_policy().rules_inserted);
        let network = Network::setup(config).await.unwrap();
        let rules = output("iptables", &["-S", "FORWARD"]);
        assert_eq!(rules.matches("gbr-test").count(), 2, "{rules}");
        assert!(rules.contains("-A FORWARD -i other0 -j ACCEPT"), "{rules}");
        assert!(network.forward_policy().foreign_drops.is_empty());
        network
    });
}

#[test]
fn a_dropping_chain_of_someone_else_is_reported_and_left_alone() {
    let host: &[&[&str]] = &[&[
        "nft",
        "add table inet fw; add chain inet fw guard { type filter hook forward priority 0; policy drop; }",
    ]];
    in_own_namespace(host, async |config| {
        let network = Network::setup(config).await.unwrap();
        assert_eq!(network.forward_policy().foreign_drops, ["inet fw guard"]);
        assert!(!network.forward_policy().rules_inserted);
        network
    });
}
