//! Addresses at which nobody answers: of the simulated nodes, and of their pods.

use std::net::Ipv4Addr;

/// Of the nodes: 100.64.0.0/10, which is for carriers and so in nobody's cluster.
const NODES: u32 = 0x6440_0000;
/// Of the pods: 10.128.0.0/9, a part for each process is not needed, since nobody routes there.
const PODS: u32 = 0x0a80_0000;
const PODS_MASK: u32 = 0x007f_ffff;

/// The address of the node at `index`.
pub(super) fn of_node(index: usize) -> Ipv4Addr {
    let index = u32::try_from(index).unwrap_or(u32::MAX) & 0x003f_ffff;
    Ipv4Addr::from_bits(NODES | index)
}

/// The address of the `number`th pod, from 1 on; reused after eight million.
pub(super) fn of_pod(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(PODS | number & PODS_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_one_another() {
        assert_eq!(of_node(0), Ipv4Addr::new(100, 64, 0, 0));
        assert_eq!(of_node(257), Ipv4Addr::new(100, 64, 1, 1));
        assert_eq!(of_pod(1), Ipv4Addr::new(10, 128, 0, 1));
        assert_eq!(of_pod(PODS_MASK + 2), Ipv4Addr::new(10, 128, 0, 1));
    }
}
