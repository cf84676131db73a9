//! Containers through containerd's own API, on a private instance of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kubelet::containerd::{Event, NewContainer, NewTask, Stdio, TaskState};
use kubelet::logs::writer::WriterConfig;
use kubelet::logs::{Rotation, cri};
use kubelet::oci::{Host, ProcessConfig, SpecConfig, User, process, spec};
use support::{IMAGE, Machine};

/// Makes and starts a container of the payload image.
async fn start(machine: &Machine, id: &str, args: &[&str]) -> u32 {
    let host = Host::detect(None).unwrap();
    let image = support::images(&machine.containerd)
        .find(IMAGE)
        .await
        .unwrap()
        .unwrap();
    let args = ["/payload"]
        .iter()
        .chain(args)
        .map(|arg| (*arg).to_owned())
        .collect();
    let config = SpecConfig {
        process: ProcessConfig {
            args,
            user: User::default(),
            ..Default::default()
        },
        shim_group: "test-pod".into(),
        cgroup_path: format!("/gantry-{}/{id}", machine.namespace),
        ..Default::default()
    };
    let new = NewContainer {
        id: id.into(),
        labels: BTreeMap::from([("who".to_owned(), id.to_owned())]),
        image: image.name,
        spec: spec(&config, &host).unwrap(),
        oci_runtime: host.oci_runtime.clone(),
    };
    machine.containerd.create_container(new).await.unwrap();
    let rootfs = machine
        .containerd
        .prepare_snapshot(id, &image.chain)
        .await
        .unwrap();
    let writer = WriterConfig {
        path: machine.path().join(format!("{id}.log")),
        rotation: Rotation {
            max_bytes: 100_000,
            max_files: 50,
        },
        tap: machine.path().join(format!("{id}.tap")),
    };
    let output = writer.uri(Path::new(env!("CARGO_BIN_EXE_kubelet")));
    let stdio = Stdio {
        stdout: output.clone(),
        stderr: output,
        ..Stdio::default()
    };
    let task = NewTask {
        id: id.into(),
        rootfs,
        stdio,
        oci_runtime: host.oci_runtime,
    };
    machine.containerd.create_task(task).await.unwrap();
    machine.containerd.start_task(id, "").await.unwrap()
}

/// The text of the log of a container, streams mixed.
fn log(machine: &Machine, id: &str) -> Vec<String> {
    let files = kubelet::logs::files(&machine.path().join(format!("{id}.log"))).unwrap();
    let text: Vec<u8> = files
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap())
        .collect();
    let lines = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| cri::parse(line).unwrap());
    lines
        .map(|line| {
            format!(
                "{} {}",
                line.stream.name(),
                String::from_utf8_lossy(line.text)
            )
        })
        .collect()
}

#[tokio::test]
async fn a_container_runs_says_something_and_ends_and_is_told_of() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let mut events = machine.containerd.events(&machine.namespace).await.unwrap();
    start(&machine, "warm", &["exit", "0"]).await;
    let started = Instant::now();
    start(
        &machine,
        "a",
        &["say", "out", "then", "complain", "err", "then", "exit", "7"],
    )
    .await;
    println!("from nothing to running: {:?}", started.elapsed());
    let exit = loop {
        match events.next().await.unwrap() {
            Event::Exited { container, exit } if container == "a" => break exit,
            _ => {}
        }
    };
    assert_eq!(exit.code, 7);
    assert_eq!(
        machine.containerd.wait_task("a", "").await.unwrap(),
        exit,
        "waiting says the same"
    );
    let task = machine
        .containerd
        .tasks()
        .await
        .unwrap()
        .into_iter()
        .find(|task| task.id == "a")
        .unwrap();
    assert_eq!(task.state, TaskState::Stopped(exit));
    assert_eq!(
        machine
            .containerd
            .delete_task("a")
            .await
            .unwrap()
            .unwrap()
            .code,
        7
    );
    assert_eq!(machine.containerd.delete_task("a").await.unwrap(), None);
    let mut lines = log(&machine, "a");
    lines.sort();
    assert_eq!(lines, ["stderr err", "stdout out"]);

    let container = machine.containerd.container("a").await.unwrap().unwrap();
    assert_eq!(container.labels["who"], "a");
    machine
        .containerd
        .label_container("a", [("more".to_owned(), "x".to_owned())].into())
        .await
        .unwrap();
    let labels = machine
        .containerd
        .container("a")
        .await
        .unwrap()
        .unwrap()
        .labels;
    assert_eq!(
        (labels["who"].as_str(), labels["more"].as_str()),
        ("a", "x")
    );
    machine.containerd.delete_container("a").await.unwrap();
    assert_eq!(machine.containerd.container("a").await.unwrap(), None);
    machine.stop().await;
}

#[tokio::test]
async fn no_line_is_lost_when_the_container_and_its_shim_group_are_told_to_end() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    start(
        &machine,
        "counter",
        &["count", "20000", "0", "then", "exit", "0"],
    )
    .await;
    start(&machine, "second", &["sleep", "1000"]).await;
    machine.containerd.wait_task("counter", "").await.unwrap();
    // Deleting the task closes its output; the writers end by themselves.
    machine.containerd.delete_task("counter").await.unwrap();
    support::eventually("all lines", || async {
        (log(&machine, "counter").len() == 20_000).then_some(())
    })
    .await;
    let lines = log(&machine, "counter");
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(at, line)| *line == format!("stdout {at}"))
    );
    assert!(
        kubelet::logs::files(&machine.path().join("counter.log"))
            .unwrap()
            .len()
            > 3,
        "the log was set aside on the way"
    );
    machine.stop().await;
}

#[tokio::test]
async fn a_further_process_runs_in_a_running_container() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let pid = start(&machine, "a", &["sleep", "1000"]).await;
    let fifos = ["out", "err"].map(|name| machine.path().join(name));
    for fifo in &fifos {
        nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    }
    let args = ["/payload", "status", "Name", "then", "exit", "3"]
        .map(str::to_owned)
        .to_vec();
    let config = ProcessConfig {
        args,
        ..Default::default()
    };
    let [out, err] = fifos.map(|fifo| fifo.display().to_string());
    let reader = out.clone();
    let said = tokio::task::spawn_blocking(move || std::fs::read_to_string(reader).unwrap());
    let other = err.clone();
    let complained = tokio::task::spawn_blocking(move || std::fs::read_to_string(other).unwrap());
    let stdio = Stdio {
        stdout: out,
        stderr: err,
        ..Stdio::default()
    };
    machine
        .containerd
        .create_exec("a", "exec-1", &process(&config, None).unwrap(), stdio)
        .await
        .unwrap();
    machine.containerd.start_task("a", "exec-1").await.unwrap();
    assert_eq!(
        machine
            .containerd
            .wait_task("a", "exec-1")
            .await
            .unwrap()
            .code,
        3
    );
    machine.containerd.delete_exec("a", "exec-1").await.unwrap();
    assert_eq!(
        (
            said.await.unwrap().as_str(),
            complained.await.unwrap().as_str()
        ),
        ("Name:\tpayload\n", "")
    );
    let task = machine.containerd.task("a").await.unwrap().unwrap();
    assert_eq!((task.pid, task.state), (pid, TaskState::Running));
    machine.stop().await;
}

#[tokio::test]
async fn an_own_instance_is_found_again_and_its_containers_outlive_it() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let pid = start(&machine, "a", &["sleep", "1000"]).await;
    let daemon = machine.instance.pid().unwrap();
    let (dir, run) = (
        machine.path().join("containerd"),
        machine.path().join("run"),
    );
    let again = kubelet::containerd::serve_own(&support::containerd_program(), &dir, &run)
        .await
        .unwrap();
    assert_eq!(again.pid(), Some(daemon));
    again.stop().await.unwrap();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    let again = kubelet::containerd::serve_own(&support::containerd_program(), &dir, &run)
        .await
        .unwrap();
    assert_ne!(again.pid(), Some(daemon));
    let task = machine.containerd.task("a").await.unwrap().unwrap();
    assert_eq!((task.pid, task.state), (pid, TaskState::Running));
    machine.stop().await;
}

#[tokio::test]
async fn a_daemon_that_hangs_is_not_waited_for() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let pid = nix::unistd::Pid::from_raw(machine.instance.pid().unwrap());
    let signal = |signal| nix::sys::signal::kill(pid, signal).unwrap();
    signal(nix::sys::signal::Signal::SIGSTOP);
    until_stopped(pid).await;
    let asked = tokio::time::timeout(Duration::from_secs(20), machine.containerd.version()).await;
    signal(nix::sys::signal::Signal::SIGCONT);
    assert!(asked.expect("an answer").unwrap_err().is_unanswered());
    machine.containerd.version().await.unwrap();
    machine.stop().await;
}

/// A signal is sent at once, and takes effect on one thread after the other.
async fn until_stopped(pid: nix::unistd::Pid) {
    let tasks = format!("/proc/{pid}/task");
    let stopped = || {
        let mut tasks = std::fs::read_dir(&tasks).unwrap();
        tasks.all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            stat.is_ok_and(|stat| {
                stat.rsplit(") ")
                    .next()
                    .is_some_and(|rest| rest.starts_with('T'))
            })
        })
    };
    while !stopped() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_image_is_listed_once_with_its_names_and_a_missing_one_is_not_found() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let images = support::images(&machine.containerd);
    let image = images.find(IMAGE).await.unwrap().unwrap();
    assert_eq!(image.config.entrypoint, ["/payload"]);
    assert!(
        image.files.passwd.starts_with("root:x:0:0:"),
        "{:?}",
        image.files
    );
    let list = images.list().await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].0, [IMAGE.to_owned(), image.id.clone()]);
    assert!(
        image.id.starts_with("registry.test/payload@sha256:"),
        "{}",
        image.id
    );
    assert!(
        images
            .find("registry.test/other:1")
            .await
            .unwrap()
            .is_none()
    );
    machine.stop().await;
}

/// Something that looks like a shim of this machine's containerd, and holds a socket.
fn forgotten_shim(machine: &Machine, socket: std::os::unix::net::UnixListener) -> Child {
    let address = machine.instance.socket().to_str().unwrap();
    let shim = Command::new("sh")
        .arg0("/usr/bin/containerd-shim-runc-v2")
        .args(["-c", "while :; do sleep 0.1 </dev/null; done"])
        .args(["-namespace", &machine.namespace, "-address", address])
        .stdin(std::os::fd::OwnedFd::from(socket))
        .spawn()
        .unwrap();
    // For a moment after the kernel has let go of the parent, it shows no command line.
    let command = format!("/proc/{}/cmdline", shim.id());
    e2e::wait::until(
        "it is a shim",
        Duration::from_secs(10),
        || match std::fs::read(&command) {
            Ok(words) if words.starts_with(b"/usr/bin/containerd-shim") => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    shim
}

#[tokio::test]
async fn a_shim_that_was_forgotten_is_ended_with_its_socket_and_no_other_is() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let pid = start(&machine, "a", &["sleep", "1000"]).await;
    let socket = machine.containerd.shim_socket("forgotten");
    let mut forgotten = forgotten_shim(&machine, UnixListener::bind(&socket).unwrap());
    machine.containerd.remove_shim("forgotten").await;
    assert_eq!(forgotten.wait().unwrap().signal(), Some(9));
    assert!(!socket.exists());
    // The one that serves has its task still.
    let task = machine.containerd.task("a").await.unwrap().unwrap();
    assert_eq!((task.pid, task.state), (pid, TaskState::Running));

    machine
        .containerd
        .kill_task("a", "", 9, true)
        .await
        .unwrap();
    machine.containerd.wait_task("a", "").await.unwrap();
    machine.containerd.delete_task("a").await.unwrap();
    machine.containerd.delete_container("a").await.unwrap();
    let elsewhere = machine.path().join("elsewhere");
    let mut forgotten = forgotten_shim(&machine, UnixListener::bind(elsewhere).unwrap());
    machine.containerd.remove_all_shims().await;
    assert_eq!(forgotten.wait().unwrap().signal(), Some(9));
    machine.stop().await;
}
