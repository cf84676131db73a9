//! Addresses and ranges as values: what a text stands for, however leniently it is written, and what an address is for
//! (upstream: `k8s.io/utils/net`, `ValidateEndpointIP`).

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::field::{Error, ErrorList, Path};

/// An address in whose numbers zeros may lead: upstream reads it so to tell it from what is none.
pub(super) fn sloppy(text: &str) -> Option<IpAddr> {
    text.parse()
        .or_else(|_| without_leading_zeros(text).parse())
        .ok()
}

/// `010.0.0.1` → `10.0.0.1`.
fn without_leading_zeros(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['.', ':']) {
        let number = part.trim_end_matches(['.', ':']);
        let digits = part.trim_start_matches('0');
        if digits.len() < part.len() && number.bytes().all(|digit| digit == b'0') {
            out.push('0');
        }
        out.push_str(digits);
    }
    out
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Its first address.
    first: IpAddr,
    /// How many bits all its addresses have in common.
    length: u32,
}

impl Range {
    /// The range that a text stands for: zeros may lead its numbers, and the address may be any in the range.
    pub(super) fn parse(text: &str) -> Option<Range> {
        let (address, bits) = text.split_once('/')?;
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let length = bits.parse::<u32>().ok().filter(|_| digits)?;
        let first = match sloppy(address)? {
            IpAddr::V4(ip) => {
                let rest = u32::BITS.checked_sub(length)?;
                IpAddr::V4(Ipv4Addr::from_bits(cut_32(ip.to_bits(), rest)))
            }
            IpAddr::V6(ip) => {
                let rest = u128::BITS.checked_sub(length)?;
                IpAddr::V6(Ipv6Addr::from_bits(cut_128(ip.to_bits(), rest)))
            }
        };
        Some(Range { first, length })
    }

    /// Its first address.
    pub(super) fn first(self) -> IpAddr {
        self.first
    }

    /// Whether it is one of IPv4, as which also mapped addresses count.
    pub(super) fn is_v4(self) -> bool {
        self.first.to_canonical().is_ipv4()
    }

    /// Whether all of another range is in this one, and this one has more. Lengths are compared as they are written.
    pub(super) fn is_wider_than(self, other: Range) -> bool {
        let holds = match (self.first.to_canonical(), other.first.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                // Of a mapped address the bits in front of it are not counted.
                let mapped = if self.first.is_ipv6() { 96 } else { 0 };
                let rest = (u32::BITS + mapped).saturating_sub(self.length);
                cut_32(net.to_bits() ^ ip.to_bits(), rest) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let rest = u128::BITS.saturating_sub(self.length);
                cut_128(net.to_bits() ^ ip.to_bits(), rest) == 0
            }
            _ => false,
        };
        holds && self.length < other.length
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

/// The bits but for the last `rest`.
fn cut_32(bits: u32, rest: u32) -> u32 {
    bits & u32::MAX.checked_shl(rest).unwrap_or(0)
}

/// The bits but for the last `rest`.
fn cut_128(bits: u128, rest: u32) -> u128 {
    bits & u128::MAX.checked_shl(rest).unwrap_or(0)
}

/// An address at which others can reach something: an endpoint's, or a Service's external one.
pub fn endpoint_ip(errors: &mut ErrorList, path: &Path<'_>, text: &str) {
    let mut wrong = |why: &str| errors.push(Error::invalid(path, text, why));
    let Some(address) = sloppy(text).map(|address| address.to_canonical()) else {
        return wrong("must be a valid IP address");
    };
    if address.is_unspecified() {
        wrong(&format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        wrong("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (unicast, multicast) = match address {
        IpAddr::V4(ip) => (ip.is_link_local(), matches!(ip.octets(), [224, 0, 0, _])),
        IpAddr::V6(ip) => (
            ip.is_unicast_link_local(),
            ip.segments()[0] & 0xff0f == 0xff02,
        ),
    };
    if unicast {
        wrong("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        wrong("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_may_lead_the_numbers_of_an_address() {
        let reads = |text: &str| sloppy(text).map(|address| address.to_string());
        for (text, want) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("010.000.0.01", Some("10.0.0.1")),
            ("0.0.0.0", Some("0.0.0.0")),
            ("::", Some("::")),
            ("0000::00001", Some("::1")),
            ("00002001:db8::10", Some("2001:db8::10")),
            ("::ffff:01.2.3.4", Some("::ffff:1.2.3.4")),
            ("1.2.3", None),
            ("1..2.3", None),
            ("300.1.1.1", None),
            ("00x1.2.3.4", None),
            ("fe80::1%eth0", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(reads(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn ranges_begin_with_their_first_address() {
        let reads = |text: &str| Range::parse(text).map(|range| range.to_string());
        for (text, want) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3/032", Some("10.1.2.3/32")),
            ("10.1.2.3/0", Some("0.0.0.0/0")),
            ("2001:db8::1/64", Some("2001:db8::/64")),
            ("2001:db8::1/0", Some("::/0")),
            ("10.0.0.0/33", None),
            ("10.0.0.0/+8", None),
            ("10.0.0.0/", None),
            ("10.0.0.0/8/8", None),
            ("10.0.0.0", None),
        ] {
            assert_eq!(reads(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_range_holds_those_within_it() {
        let wider = |one: &str, other: &str| {
            let (one, other) = (Range::parse(one).unwrap(), Range::parse(other).unwrap());
            one.is_wider_than(other)
        };
        assert!(wider("10.0.0.0/8", "10.1.0.0/16"));
        assert!(wider("0.0.0.0/0", "10.0.0.0/8"));
        assert!(wider("::/0", "2001:db8::/32"));
        assert!(!wider("10.0.0.0/8", "10.0.0.0/8"));
        assert!(!wider("10.1.0.0/16", "10.0.0.0/8"));
        assert!(!wider("10.0.0.0/8", "11.0.0.0/16"));
        assert!(!wider("10.0.0.0/8", "2001:db8::/32"));
        // 104 written bits of a mapped address are 8 of the address, and more than 16.
        assert!(!wider("::ffff:10.0.0.0/104", "10.1.0.0/16"));
        assert!(wider("::ffff:10.0.0.0/104", "::ffff:10.1.0.0/112"));
    }

    #[test]
    fn endpoints_have_addresses_that_others_reach() {
        let told = |text: &str| {
            let mut errors = ErrorList::new();
            endpoint_ip(&mut errors, &Path::new("ip"), text);
            errors.len()
        };
        for text in ["10.0.0.1", "2001:db8::1", "239.0.0.1", "010.0.0.1"] {
            assert_eq!(told(text), 0, "{text}");
        }
        for text in [
            "x",
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.1.1",
            "fe80::1",
            "224.0.0.5",
            "ff12::1",
        ] {
            assert_eq!(told(text), 1, "{text}");
        }
    }
}
