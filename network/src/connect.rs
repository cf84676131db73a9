//! Connections from inside a pod's network namespace.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};

use crate::Network;

impl Network {
    /// A connection to `port` of the loopback interface of pod `id`.
    ///
    /// # Errors
    /// When the pod has no namespace, or nothing listens there.
    pub async fn connect(&self, id: &str, port: u16) -> io::Result<TcpStream> {
        connect(Some(self.netns_path(id)), port).await
    }
}

/// A connection to `port` of the loopback interface: in the namespace pinned at `netns`, or of the node itself.
///
/// A thread of its own does so and ends with it: `setns` changes the calling thread for good. The socket stays where it was
/// made.
///
/// # Errors
/// When there is no such namespace, or nothing listens there.
pub async fn connect(netns: Option<PathBuf>, port: u16) -> io::Result<TcpStream> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("connect".into())
        .spawn(move || {
            // Nobody waits any more when the receiver is gone; the connection ends then.
            let _ = tell.send(connect_here(netns, port));
        })?;
    told.await
        .map_err(|_| io::Error::other("the thread that makes connections panicked"))?
}

fn connect_here(netns: Option<PathBuf>, port: u16) -> io::Result<TcpStream> {
    if let Some(netns) = netns {
        setns(File::open(netns)?, CloneFlags::CLONE_NEWNET)?;
    }
    // In upstream's order; the first refusal is the one to tell of.
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .or_else(|error| TcpStream::connect((Ipv6Addr::LOCALHOST, port)).map_err(|_| error))
}
