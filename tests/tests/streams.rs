//! Commands in containers, attached containers and connections to their ports, through the whole of a cluster of ours: with
//! upstream's kubectl, over WebSockets and SPDY, and with `ctl`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::cluster::{Cluster, SHAPES, Shape, binary};
use e2e::{upstream, wait};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Client {
    KubectlOverWebSocket,
    KubectlOverSpdy,
    Ctl,
}

const CLIENTS: [Client; 3] = [
    Client::KubectlOverWebSocket,
    Client::KubectlOverSpdy,
    Client::Ctl,
];

fn command(cluster: &Cluster, client: Client, args: &[&str]) -> Command {
    let mut command = match client {
        Client::Ctl => Command::new(binary("ctl")),
        _ => {
            let mut command = Command::new(upstream::binary("kubectl").unwrap());
            let websockets = matches!(client, Client::KubectlOverWebSocket).to_string();
            command
                .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &websockets)
                .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", &websockets)
                .arg("--cache-dir")
                .arg(cluster.admin.with_extension("cache"));
            command
        }
    };
    command
        .env("KUBECONFIG", &cluster.admin)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(cluster: &Cluster, client: Client, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let mut child = command(cluster, client, args).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), output.stdout, stderr)
}

fn until_said(from: &mut impl Read, what: &str) -> String {
    let (mut all, mut byte) = (String::new(), [0]);
    while !all.contains(what) {
        assert_eq!(
            from.read(&mut byte).unwrap(),
            1,
            "{what:?} is not in {all:?}"
        );
        all.push(char::from(byte[0]));
    }
    all
}

fn end(mut child: Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

fn streams_of(shape: Shape) {
    let cluster = Cluster::start(shape).unwrap();
    cluster
        .load(&e2e::payload::payload().unwrap(), "gantry.local/payload:1")
        .unwrap();
    cluster.load_hello().unwrap();
    let container = |name: &str, args: &[&str], stdin: bool| json!({"name": name, "image": "gantry.local/payload:1", "imagePullPolicy": "Never", "args": args, "stdin": stdin});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            container("c", &["mirror", "7000"], false), container("reader", &["lines"], true),
            {"name": "web", "image": "gantry.local/hello:1", "imagePullPolicy": "Never", "env": [{"name": "POD_NAME", "value": "p"}]},
        ],
    }});
    let file = cluster.directory().join("pod.json");
    std::fs::write(&file, pod.to_string()).unwrap();
    cluster
        .kubectl(&["create", "-f", file.to_str().unwrap()])
        .unwrap();
    cluster
        .kubectl(&["wait", "pod/p", "--for=condition=Ready", "--timeout=120s"])
        .unwrap();
    wait::until("it listens", LIMIT, || {
        let log = cluster.kubectl(&["logs", "p", "-c", "c"])?;
        if log == "listening\n" {
            Ok(())
        } else {
            Err(log)
        }
    });

    for client in CLIENTS {
        println!("{client:?}");
        let exec = |flags: &[&str], words: &[&str], input: &[u8]| {
            let args = [&["exec", "p", "-c", "c"], flags, &["--", "/payload"], words].concat();
            run(&cluster, client, &args, input)
        };
        let words = [
            "say", "out", "then", "complain", "err", "then", "exit", "42",
        ];
        let (code, out, err) = exec(&[], &words, b"");
        assert_eq!((code, out.as_slice()), (42, &b"out\n"[..]), "{err}");
        assert!(
            err.contains("err\n") && err.contains("exit code 42"),
            "{err}"
        );
        // More than all the pipes on the way hold, in both directions at once.
        let large: Vec<u8> = (0..8_u32 << 20).map(|at| (at % 251) as u8).collect();
        let (code, out, err) = exec(&["-i"], &["echo"], &large);
        assert!(
            code == 0 && out == large,
            "{code}: {} bytes: {err}",
            out.len()
        );
        let (code, _, err) = run(&cluster, client, &["exec", "none", "--", "x"], b"");
        assert!(
            code != 0 && err.contains("pods \"none\" not found"),
            "{err}"
        );

        let mut attached = command(&cluster, client, &["attach", "-i", "p", "-c", "reader"])
            .spawn()
            .unwrap();
        attached
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"hello\n")
            .unwrap();
        until_said(attached.stdout.as_mut().unwrap(), "got hello\n");
        drop(attached.stdin.take());
        attached.wait().unwrap();

        let mut forward = command(&cluster, client, &["port-forward", "pod/p", ":7000"])
            .spawn()
            .unwrap();
        let said = until_said(forward.stdout.as_mut().unwrap(), "-> 7000\n");
        let (_, rest) = said.split_once("127.0.0.1:").unwrap();
        let port: u16 = rest.split(' ').next().unwrap().parse().unwrap();
        let mut sockets: Vec<TcpStream> = (0..4)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        for (number, socket) in (0_u8..).zip(&mut sockets) {
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket.write_all(&vec![number; 100_000]).unwrap();
        }
        for (number, socket) in (0_u8..).zip(&mut sockets) {
            let mut back = vec![0; 100_000];
            socket.read_exact(&mut back).unwrap();
            assert!(back.iter().all(|byte| *byte == number));
        }
        drop(sockets);
        end(forward);
    }
    let log = cluster.kubectl(&["logs", "p", "-c", "reader"]).unwrap();
    assert_eq!(log, "got hello\n".repeat(CLIENTS.len()));
    proxies(&cluster);
    // Who may only read may not run commands, though a WebSocket begins with a GET.
    let role = [
        "create",
        "role",
        "reader",
        "--verb=get",
        "--resource=pods,pods/exec",
    ];
    cluster.kubectl(&role).unwrap();
    cluster
        .kubectl(&[
            "create",
            "rolebinding",
            "reader",
            "--role=reader",
            "--user=bob",
        ])
        .unwrap();
    let (code, _, err) = run(
        &cluster,
        Client::KubectlOverWebSocket,
        &[
            "exec", "--as=bob", "p", "-c", "c", "--", "/payload", "say", "x",
        ],
        b"",
    );
    assert!(code != 0 && err.contains("forbidden"), "{err}");
}

/// Pages of a pod, of the pod behind a Service, and of the kubelet, by the API server.
fn proxies(cluster: &Cluster) {
    let get = |path: &str| cluster.kubectl(&["get", "--raw", &format!("/api/v1/{path}")]);
    let refused = |path: &str, why: &str| {
        let error = get(path).unwrap_err();
        assert!(error.contains(why), "{path}: {error}");
    };
    let pods = "namespaces/default/pods";
    // Without a slash at its end the path leads to the one with it, which kubectl follows.
    for path in ["p:8080/proxy", "p:8080/proxy/", "http:p:8080/proxy/?q=1"] {
        let page = get(&format!("{pods}/{path}")).unwrap();
        assert!(page.contains("I am p, and you are"), "{page}");
    }
    assert_eq!(
        get(&format!("{pods}/p:8080/proxy/healthz")).unwrap(),
        "ok\n"
    );
    refused(
        &format!("{pods}/p:8080/proxy/none"),
        "could not find the requested resource",
    );
    refused(
        &format!("{pods}/none:8080/proxy/"),
        "pods \"none\" not found",
    );
    refused(
        &format!("{pods}/p:8081/proxy/"),
        "error trying to reach service",
    );
    refused(&format!("{pods}/ftp:p:8080/proxy/"), "invalid pod request");
    // What is behind it says what it does not take.
    let body = cluster.directory().join("body");
    std::fs::write(&body, "{}").unwrap();
    let post = format!("/api/v1/{pods}/p:8080/proxy/");
    let posted = cluster.kubectl(&["create", "--raw", &post, "-f", body.to_str().unwrap()]);
    let error = posted.unwrap_err();
    assert!(error.contains("does not allow this method"), "{error}");

    // A Service leads to a ready endpoint of its slices, if that is a pod's.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    let address = cluster
        .kubectl(&["get", "pod", "p", "-o", "jsonpath={.status.podIP}"])
        .unwrap();
    let target = json!({"kind": "Pod", "namespace": "default", "name": "p"});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "s-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "s"}},
        "endpoints": [{"addresses": ["10.255.255.1"], "targetRef": target}, {"addresses": [address], "targetRef": target}],
        "ports": [{"name": "http", "port": 8080}]});
    let services = "namespaces/default/services";
    let create = |object: &serde_json::Value| {
        let file = cluster.directory().join("proxied.json");
        std::fs::write(&file, object.to_string()).unwrap();
        cluster
            .kubectl(&["create", "-f", file.to_str().unwrap()])
            .unwrap();
    };
    create(&service);
    refused(
        &format!("{services}/s:http/proxy/"),
        "no endpoints available for service",
    );
    create(&slice);
    for port in ["http", "80"] {
        let page = get(&format!("{services}/s:{port}/proxy/")).unwrap();
        assert!(page.contains("I am p, and you are"), "{page}");
    }
    refused(
        &format!("{services}/s:81/proxy/"),
        "no service port 81 found for service",
    );
}

#[test]
fn containers_are_reached_in_one_process_and_in_several() {
    if !nix::unistd::geteuid().is_root() {
        return e2e::skip("streams", "containers need root");
    }
    SHAPES.into_iter().for_each(streams_of);
}
