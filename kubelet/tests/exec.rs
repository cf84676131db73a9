//! Commands in containers, attached containers and connections to their ports: asked for with upstream's kubectl of upstream's
//! API server, over WebSockets and over SPDY.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::process::Limit;
use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};
use support::cluster::Cluster;

const LIMIT: Duration = Duration::from_secs(120);

/// Which protocol kubectl is to speak.
#[derive(Clone, Copy, Debug)]
enum Over {
    WebSocket,
    Spdy,
}

const BOTH: [Over; 2] = [Over::WebSocket, Over::Spdy];

fn kubectl(cluster: &Cluster, over: Over, args: &[&str]) -> Command {
    let mut command = cluster.kubectl_command(&[]);
    let websockets = matches!(over, Over::WebSocket).to_string();
    command
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &websockets)
        .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", &websockets)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it with `input`, and fails if it takes too long.
fn run(mut command: Command, input: &[u8]) -> (i32, Vec<u8>, String) {
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let _limit = Limit::of(&child, LIMIT);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    (
        status.code().unwrap_or(-1),
        stdout,
        String::from_utf8_lossy(&stderr).into_owned(),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until `what` is said on the other end.
fn until_said(from: &mut impl Read, what: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !text(&all).contains(what) {
        assert_eq!(
            // A terminal has no end but an error, once nobody is at its other side.
            from.read(&mut byte).unwrap_or(0),
            1,
            "{what:?} is not in {:?}",
            text(&all)
        );
        all.push(byte[0]);
    }
    text(&all)
}

fn payload(name: &str, args: &[&str]) -> Value {
    let container = json!({"name": "c", "args": args});
    let other = json!({"name": name, "args": ["sleep", "1000"]});
    json!({"terminationGracePeriodSeconds": 0, "containers": [container, other]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_streams_and_its_exit_code() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run("p", payload("other", &["sleep", "1000"]));
    cluster.phase("p", "Running");
    for over in BOTH {
        println!("over {over:?}");
        let exec = |flags: &[&str], command: &[&str], input: &[u8]| {
            let all = [
                &["exec", "p", "-c", "c"],
                flags,
                &["--", "/payload"],
                command,
            ]
            .concat();
            run(kubectl(&cluster, over, &all), input)
        };
        let (code, out, err) = exec(
            &[],
            &[
                "say", "out", "then", "complain", "err", "then", "exit", "42",
            ],
            b"",
        );
        assert_eq!((code, text(&out).as_str()), (42, "out\n"), "{err}");
        assert!(
            err.contains("err\n") && err.contains("exit code 42"),
            "{err}"
        );
        let (code, out, err) = exec(&["-i"], &["lines"], b"one\ntwo\n");
        assert_eq!(
            (code, text(&out).as_str()),
            (0, "got one\ngot two\nno more\n"),
            "{err}"
        );
        let (code, out, err) = exec(&["-i"], &["lines"], b"");
        assert_eq!((code, text(&out).as_str()), (0, "no more\n"), "{err}");
        // More than all the pipes and windows on the way hold, in both directions at once.
        let mut large: Vec<u8> = (0..24_u32 << 20).map(|at| (at % 251) as u8).collect();
        let (code, out, err) = exec(&["-i"], &["echo"], &large);
        assert!(
            code == 0 && out == large,
            "{code}: {} of {} bytes: {err}",
            out.len(),
            large.len()
        );
        large.truncate(0);
        let (code, out, err) = exec(&[], &["gush", "16"], b"");
        assert!(
            code == 0 && out.len() == 16 << 20,
            "{code}: {} bytes: {err}",
            out.len()
        );

        let (code, _, err) = run(
            kubectl(&cluster, over, &["exec", "p", "-c", "c", "--", "/nothing"]),
            b"",
        );
        assert!(code != 0 && err.contains("/nothing"), "{code}: {err}");
        let (code, _, err) = run(
            kubectl(
                &cluster,
                over,
                &["exec", "p", "-c", "none", "--", "/payload"],
            ),
            b"",
        );
        assert!(code != 0 && err.contains("none"), "{err}");
    }
    // Nothing is left of them in the container: neither processes nor pipes.
    let config = support::cluster::config(&cluster.machine, cluster.number);
    cluster.until("no pipe is left", || {
        let uid = cluster.pod("p")["metadata"]["uid"].as_str()?.to_owned();
        let left = std::fs::read_dir(config.run_dir.join("exec").join(uid)).ok()?;
        let left: Vec<_> = left.flatten().map(|file| file.file_name()).collect();
        left.iter()
            .all(|name| !name.to_string_lossy().starts_with("stream-"))
            .then_some(())
    });
    cluster.stop().await;
}

/// A kubectl at a terminal of its own.
struct AtTerminal {
    child: Child,
    terminal: std::fs::File,
    _limit: Limit,
}

fn at_terminal(mut command: Command) -> AtTerminal {
    let size = Winsize {
        ws_row: 33,
        ws_col: 77,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).unwrap();
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    let child = command
        .stdin(slave())
        .stdout(slave())
        .stderr(slave())
        .spawn()
        .unwrap();
    AtTerminal {
        _limit: Limit::of(&child, LIMIT),
        child,
        terminal: pty.master.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_the_size_of_the_clients_and_one_output() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run("p", payload("other", &["sleep", "1000"]));
    cluster.phase("p", "Running");
    for over in BOTH {
        let args = [
            "exec", "-it", "p", "-c", "c", "--", "/payload", "size", "33", "then", "env", "TERM",
            "then", "complain", "err", "then", "lines",
        ];
        let mut kubectl = at_terminal(kubectl(&cluster, over, &args));
        let said = until_said(&mut kubectl.terminal, "err\r\n");
        assert!(
            said.contains("terminal true rows 33 columns 77\r\n"),
            "{over:?}: {said}"
        );
        assert!(said.contains("TERM=xterm\r\n"), "{said}");
        kubectl.terminal.write_all(b"typed\n").unwrap();
        until_said(&mut kubectl.terminal, "got typed\r\n");
        // The end of input, as a terminal has it.
        kubectl.terminal.write_all(b"\x04").unwrap();
        until_said(&mut kubectl.terminal, "no more\r\n");
        assert!(kubectl.child.wait().unwrap().success());
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_attached_to_and_its_input_outlives_a_kubelet() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    let interactive = |once: bool| {
        json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [
            {"name": "c", "args": ["lines"], "stdin": true, "stdinOnce": once},
        ]})
    };
    cluster.run("once", interactive(true));
    cluster.run("more", interactive(false));
    cluster.run(
        "talker",
        json!({"terminationGracePeriodSeconds": 0, "containers": [
            {"name": "c", "args": ["count", "1000000", "20000"]},
        ]}),
    );
    cluster.run(
        "shell",
        json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [
            {"name": "c", "args": ["size", "33", "then", "lines"], "stdin": true, "tty": true},
        ]}),
    );
    for name in ["once", "more", "talker", "shell"] {
        cluster.phase(name, "Running");
    }

    // Input that comes and goes with each client.
    let session = |cluster: &Cluster, over: Over, line: &str| {
        let mut child = kubectl(cluster, over, &["attach", "-i", "more"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let _limit = Limit::of(&child, LIMIT);
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        until_said(&mut output, &format!("got {line}\n"));
        drop(input);
        // The end of input is the end of this session, not of the container.
        child.wait().unwrap();
    };
    session(&cluster, Over::WebSocket, "one");
    session(&cluster, Over::Spdy, "two");

    cluster.kill();
    cluster.restart();
    cluster.until("the node is served again", || {
        cluster
            .api
            .kubectl(&["exec", "talker", "--", "/payload", "say", "x"])
            .ok()
    });
    session(&cluster, Over::WebSocket, "three");
    let log = cluster.logs(&["more"]);
    assert_eq!(log, "got one\ngot two\ngot three\n");

    // The first client's end of input is the container's.
    let (code, out, err) = run(
        kubectl(&cluster, Over::WebSocket, &["attach", "-i", "once"]),
        b"a\nb\n",
    );
    assert!(
        code == 0 && text(&out).ends_with("no more\n"),
        "{code}: {}: {err}",
        text(&out)
    );
    cluster.phase("once", "Succeeded");
    assert_eq!(cluster.logs(&["once"]), "got a\ngot b\nno more\n");

    // One that has no input shows what it says, to several at a time; their going away loses no line of its log.
    for over in BOTH {
        let mut viewers: Vec<Child> = (0..2)
            .map(|_| {
                kubectl(&cluster, over, &["attach", "talker"])
                    .spawn()
                    .unwrap()
            })
            .collect();
        for viewer in &mut viewers {
            let _limit = Limit::of(viewer, LIMIT);
            let mut lines = BufReader::new(viewer.stdout.take().unwrap()).lines();
            let numbers: Vec<u64> = lines
                .by_ref()
                .take(10)
                .map(|line| line.unwrap().parse().unwrap())
                .collect();
            assert!(
                numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "{numbers:?}"
            );
            viewer.kill().unwrap();
            viewer.wait().unwrap();
        }
    }
    let log = cluster.logs(&["talker"]);
    assert!(
        log.lines()
            .zip(0..)
            .all(|(line, number): (&str, u64)| line == number.to_string()),
        "{log}"
    );

    let mut terminal = at_terminal(kubectl(
        &cluster,
        Over::WebSocket,
        &["attach", "-it", "shell"],
    ));
    until_said(&mut terminal.terminal, "terminal true rows 33");
    terminal.terminal.write_all(b"hello\n").unwrap();
    until_said(&mut terminal.terminal, "got hello\r\n");
    terminal.terminal.write_all(b"\x04").unwrap();
    until_said(&mut terminal.terminal, "no more");
    terminal.child.wait().unwrap();
    cluster.phase("shell", "Succeeded");
    assert!(cluster.logs(&["shell"]).contains("got hello"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_reached_by_many_connections_at_a_time() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    cluster.run("p", payload("other", &["mirror", "7000"]));
    cluster.phase("p", "Running");
    cluster.until("it listens", || {
        (cluster.logs(&["p", "-c", "c"]) == "listening\n").then_some(())
    });
    for over in BOTH {
        println!("over {over:?}");
        let mut child = kubectl(&cluster, over, &["port-forward", "pod/p", ":7000", ":7001"])
            .spawn()
            .unwrap();
        let _limit = Limit::of(&child, LIMIT);
        let mut output = child.stdout.take().unwrap();
        let port = |said: &str| -> u16 {
            let (_, rest) = said.split_once("127.0.0.1:").unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        let open = port(&until_said(&mut output, "-> 7000\n"));
        let clients: Vec<_> = (0..8_u8)
            .map(|number| {
                std::thread::spawn(move || {
                    let mut socket = TcpStream::connect(("127.0.0.1", open)).unwrap();
                    socket.set_read_timeout(Some(LIMIT)).unwrap();
                    let sent = vec![number; 3 << 20];
                    let (mut writer, copy) = (socket.try_clone().unwrap(), sent.clone());
                    let writing = std::thread::spawn(move || {
                        writer.write_all(&copy).unwrap();
                        writer.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut back = vec![0; sent.len()];
                    socket.read_exact(&mut back).unwrap();
                    writing.join().unwrap();
                    assert_eq!(back, sent);
                    // The end came through, and came back.
                    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
                })
            })
            .collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());

        // One that takes nothing holds up no other for good, and leaves nothing when it goes.
        let mut idle = TcpStream::connect(("127.0.0.1", open)).unwrap();
        idle.write_all(b"x").unwrap();
        let mut other = TcpStream::connect(("127.0.0.1", open)).unwrap();
        other.set_read_timeout(Some(LIMIT)).unwrap();
        other.write_all(b"y").unwrap();
        other.read_exact(&mut [0]).unwrap();
        drop((idle, other));
        let end = Instant::now() + LIMIT;
        while connections(&cluster, 7000) > 0 {
            assert!(Instant::now() < end, "connections in the pod are left");
            std::thread::sleep(Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    // Where nothing listens the client is told.
    let mut child = kubectl(
        &cluster,
        Over::WebSocket,
        &["port-forward", "pod/p", ":7001"],
    )
    .spawn()
    .unwrap();
    let _limit = Limit::of(&child, LIMIT);
    let said = until_said(child.stdout.as_mut().unwrap(), "-> 7001\n");
    let (_, rest) = said.split_once("127.0.0.1:").unwrap();
    let closed: u16 = rest.split(' ').next().unwrap().parse().unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", closed)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let _ = socket.read(&mut [0]);
    until_said(
        child.stderr.as_mut().unwrap(),
        "error forwarding port 7001 to pod p_default",
    );
    child.kill().unwrap();
    child.wait().unwrap();
    cluster.stop().await;
}

/// How many connections of the pod's port are established, as the container sees them.
fn connections(cluster: &Cluster, port: u16) -> usize {
    let table = cluster
        .api
        .kubectl(&[
            "exec",
            "p",
            "-c",
            "c",
            "--",
            "/payload",
            "cat",
            "/proc/net/tcp",
        ])
        .unwrap();
    let local = format!(":{port:04X}");
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| {
            fields.get(1).is_some_and(|at| at.ends_with(&local)) && fields.get(3) == Some(&"01")
        })
        .count()
}
