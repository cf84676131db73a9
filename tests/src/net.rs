//! Ports that nobody uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

/// Below the range from which the kernel takes the ports of connections: a port from there could be taken by anybody's
/// connection between this answer and its use.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A loopback port that was free a moment ago, and that neither this process nor another that asks here gets as long as this
/// process lives: tests run beside each other, each with servers of its own.
pub fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static RESERVED: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let size = RANGE.end - RANGE.start;
    // Processes begin at different places.
    let offset = u16::try_from(std::process::id() % u32::from(size)).unwrap_or(0);
    for _ in 0..size {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) % size;
        let port = RANGE.start + (offset + turn) % size;
        let Some(reservation) = reserve(port)? else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
            reserved.push(reservation);
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

/// A name that one socket of this network namespace can have, until its process ends. `None` if somebody has it.
fn reserve(port: u16) -> io::Result<Option<UnixListener>> {
    let name = SocketAddr::from_abstract_name(format!("gantry-test-port-{port}"))?;
    match UnixListener::bind_addr(&name) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: std::collections::BTreeSet<u16> =
            (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 100);
    }

    #[test]
    fn a_port_that_another_process_reserved_is_not_given() {
        let port = free_port().unwrap();
        assert!(reserve(port).unwrap().is_none());
    }
}
