//! A client at the input and output of a container's own process. What it sees is what the log writer shows from now on.

use futures::StreamExt;
use tokio::net::UnixStream;
use tokio_util::codec::FramedRead;

use crate::containerd::Containerd;
use crate::exec::stream::{feed, resize};
use crate::logs::cri::Stream;
use crate::logs::tap::Pieces;
use crate::pod::{Endpoints, Running};
use crate::streaming::remote::{Outcome, Remote};

/// Until the container ends or the client goes away. The end of the client's input ends the container's with it if the
/// container wants that of its first client (`stdinOnce`) and has no terminal, else this session alone: as upstream.
pub async fn serve(
    containerd: &Containerd,
    container: &Running,
    endpoints: &Endpoints,
    mut remote: Remote,
) {
    let outcome = match UnixStream::connect(endpoints.tap()).await {
        Ok(socket) => {
            run(containerd, container, endpoints, socket, &mut remote).await;
            Outcome::Success
        }
        Err(error) => Outcome::Failed(format!("the container's output is not shown: {error}")),
    };
    remote.end(&outcome).await;
}

async fn run(
    containerd: &Containerd,
    container: &Running,
    endpoints: &Endpoints,
    socket: UnixStream,
    remote: &mut Remote,
) {
    let known = &container.known;
    let (stdout, stderr) = (remote.stdout.clone(), remote.stderr.clone());
    let mut pieces = FramedRead::new(socket, Pieces);
    // The first says that nothing is missed from now on: only then may input lead to output.
    if !matches!(pieces.next().await, Some(Ok(_))) {
        return;
    }
    let output = async {
        while let Some(Ok((stream, bytes))) = pieces.next().await {
            let to = match stream {
                Stream::Stdout => &stdout,
                Stream::Stderr => &stderr,
            };
            if let Some(to) = to.as_ref().filter(|_| !bytes.is_empty())
                && !to.write(bytes).await
            {
                return;
            }
        }
    };
    let closed = remote.closed.clone();
    let stdin = remote.stdin.take().filter(|_| known.stdin);
    let input = async {
        let Some(stdin) = stdin else {
            return closed.cancelled().await;
        };
        feed(&endpoints.stdin(), stdin, &closed).await;
        if known.stdin_once && !known.tty {
            if let Err(error) = containerd.close_stdin(&known.id, "").await {
                tracing::debug!(%error, "closing a container's input");
            }
            closed.cancelled().await;
        }
    };
    let sizes = async {
        resize(containerd, &known.id, "", remote).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = output => {}
        () = input => {}
        () = sizes => {}
    }
}
