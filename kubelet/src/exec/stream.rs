//! A further process in a running container, with a client at its input and output.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::pipes::Pipes;
use crate::containerd::{Containerd, Error};
use crate::streaming::remote::{Options, Outcome, Output, Remote, Stdin};

/// How often it is looked whether a pipe is empty.
const LOOK: Duration = Duration::from_millis(10);

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct Command {
    /// The container in containerd.
    pub container: String,
    /// Names the process in it.
    pub exec: String,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Which streams it has.
    pub options: Options,
    /// Where its pipes are made.
    pub dir: PathBuf,
}

/// Runs the command with the client at its streams, and tells the client how it ended. A client that goes away ends the input;
/// the command goes on, as upstream's.
pub async fn serve(containerd: &Containerd, command: &Command, mut remote: Remote) {
    let options = command.options;
    // A terminal has an output whether anybody wants it or not.
    let wanted = [options.stdin, options.stdout || options.tty, options.stderr];
    let outcome = match Pipes::make(&command.dir, &command.exec, wanted) {
        Ok(pipes) => run(containerd, command, &pipes, &mut remote).await,
        Err(error) => Err(Error::Protocol(format!(
            "pipes for {}: {error}",
            command.exec
        ))),
    };
    let outcome = match outcome {
        Ok(0) => Outcome::Success,
        Ok(code) => Outcome::Exited(code),
        Err(error) => Outcome::Failed(format!("error executing command in container: {error}")),
    };
    remote.end(&outcome).await;
}

async fn run(
    containerd: &Containerd,
    command: &Command,
    pipes: &Pipes,
    remote: &mut Remote,
) -> Result<u32, Error> {
    let (container, exec, tty) = (&*command.container, &*command.exec, command.options.tty);
    let mut process: Value = containerd.container_spec(container).await?["process"].clone();
    process["args"] = command.args.clone().into();
    process["terminal"] = tty.into();
    if let (true, Some(env)) = (tty, process["env"].as_array_mut())
        && !env.iter().any(|entry| {
            entry
                .as_str()
                .is_some_and(|entry| entry.starts_with("TERM="))
        })
    {
        env.push("TERM=xterm".into());
    }
    // Open before the process begins: what it says is kept, however soon it ends.
    let outputs = receivers(pipes).map_err(|error| Error::Protocol(error.to_string()))?;
    let stdio = pipes.stdio(tty);
    containerd
        .create_exec(container, exec, &process, stdio)
        .await?;
    if let Err(error) = containerd.start_task(container, exec).await {
        let _ = containerd.delete_exec(container, exec).await;
        return Err(error);
    }
    let mut pumps = JoinSet::new();
    for (receiver, output) in outputs
        .into_iter()
        .zip([remote.stdout.clone(), remote.stderr.clone()])
    {
        if let Some(receiver) = receiver {
            pumps.spawn(pump(receiver, output));
        }
    }
    // Ends with this function, which is when the process has ended.
    let _input = remote
        .stdin
        .take()
        .zip(pipes.stdin.clone())
        .map(|(stdin, path)| {
            let (containerd, closed) = (containerd.clone(), remote.closed.clone());
            let (container, exec) = (container.to_owned(), exec.to_owned());
            AbortOnDropHandle::new(tokio::spawn(async move {
                feed(&path, stdin, &closed).await;
                if tty {
                    // Its terminal goes with its input; what it says meanwhile is still wanted.
                    closed.cancelled().await;
                }
                if let Err(error) = containerd.close_stdin(&container, &exec).await {
                    tracing::debug!(%error, "closing the input of an executed process");
                }
            }))
        });
    let exit = tokio::select! {
        biased;
        exit = containerd.wait_task(container, exec) => exit,
        () = resize(containerd, container, exec, remote) => containerd.wait_task(container, exec).await,
    };
    // Whoever it left behind may hold its output open.
    tokio::select! {
        biased;
        () = async { while pumps.join_next().await.is_some() {} } => {}
        () = remote.closed.cancelled() => pumps.shutdown().await,
    }
    let deleted = containerd.delete_exec(container, exec).await;
    let exit = exit?;
    deleted?;
    Ok(exit.code)
}

/// Follows the sizes of the client's terminal until there are no more.
pub async fn resize(containerd: &Containerd, container: &str, exec: &str, remote: &mut Remote) {
    while let Some(size) = remote.sizes.recv().await {
        let resized = containerd
            .resize(container, exec, size.width, size.height)
            .await;
        if let Err(error) = resized {
            tracing::debug!(%error, "resizing a terminal");
        }
    }
}

/// Copies to the client, and what it takes no more to nowhere: the process must not wait for it.
async fn pump(mut from: pipe::Receiver, to: Option<Output>) {
    let mut chunk = vec![0; 32 * 1024];
    let mut taken = true;
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        if let Some(to) = to.as_ref().filter(|_| taken) {
            taken = to.write(Bytes::copy_from_slice(&chunk[..read])).await;
        }
    }
}

/// Copies the client's input into the FIFO at `path`, and waits until all of it was taken from there.
pub async fn feed(path: &Path, mut stdin: Stdin, closed: &CancellationToken) {
    let mut pipe = match closed.run_until_cancelled(sender(path)).await {
        None => return,
        Some(Ok(pipe)) => pipe,
        Some(Err(error)) => {
            tracing::debug!(%error, path = %path.display(), "opening an input");
            return;
        }
    };
    while let Some(bytes) = stdin.next().await {
        let written = tokio::select! {
            biased;
            written = pipe.write_all(&bytes) => written.is_ok(),
            () = closed.cancelled() => false,
        };
        if !written {
            return;
        }
    }
    while rustix::io::ioctl_fionread(&pipe).is_ok_and(|left| left > 0) {
        tokio::select! {
            biased;
            () = closed.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The FIFO's end for writing, once somebody has it open for reading: who opened it after an end of the input would wait for
/// that without end. The shim opens it some time after it has answered.
async fn sender(path: &Path) -> io::Result<pipe::Sender> {
    loop {
        match pipe::OpenOptions::new().open_sender(path) {
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                tokio::time::sleep(LOOK).await;
            }
            opened => return opened,
        }
    }
}

/// The ends of the outputs that are read here.
fn receivers(pipes: &Pipes) -> io::Result<[Option<pipe::Receiver>; 2]> {
    let open = |path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map(|path| pipe::OpenOptions::new().open_receiver(path))
            .transpose()
    };
    Ok([open(&pipes.stdout)?, open(&pipes.stderr)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;

    #[tokio::test]
    async fn an_end_of_input_is_not_lost_on_who_opens_it_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (of, closed) = (path.clone(), CancellationToken::new());
        let mut feeding = tokio::spawn(async move { feed(&of, Stdin::ended(), &closed).await });
        let soon = tokio::time::timeout(Duration::from_millis(50), &mut feeding).await;
        assert!(soon.is_err(), "nobody has heard of the end");
        // As a shim does it: it waits until there is a writer.
        let reading = tokio::task::spawn_blocking(move || std::fs::read(path));
        let read = tokio::time::timeout(Duration::from_secs(30), reading).await;
        assert_eq!(read.unwrap().unwrap().unwrap(), b"");
        feeding.await.unwrap();
    }
}
