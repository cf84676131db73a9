//! Addresses and ranges that are valid and not written as they should be.

use std::net::IpAddr;

use super::Warnings;
use crate::field::Path;

/// An address.
pub(super) fn ip(out: &mut Warnings, path: &Path<'_>, text: &str) {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(inner) => out.push(format!(
                "{path}: non-standard IP address \"{text}\" is invalid: use \"{inner}\""
            )),
            None if address.to_string() != text => out.push(format!(
                "{path}: IPv6 address \"{text}\" should be in RFC 5952 canonical format (\"{address}\")"
            )),
            None => {}
        },
        Ok(IpAddr::V4(_)) => {}
        Err(_) => {
            if let Ok(address) = sloppy(text) {
                out.push(format!(
                    "{path}: non-standard IP address \"{text}\" is invalid: use \"{address}\""
                ));
            }
        }
    }
}

/// A range.
pub(super) fn cidr(out: &mut Warnings, path: &Path<'_>, text: &str) {
    let Some((address, bits)) = text.split_once('/') else {
        return;
    };
    let (Ok(ip), Ok(length)) = (sloppy(address), bits.parse::<u32>()) else {
        return;
    };
    let (ip, length) = match ip {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) if length >= 96 => (IpAddr::V4(four), length - 96),
            _ => (ip, length),
        },
        IpAddr::V4(_) => (ip, length),
    };
    let Ok(net) = ipnet(ip, length) else { return };
    let width = if ip.is_ipv4() { 32 } else { 128 };
    let before = out.len();
    if net != ip {
        out.push(format!(
            "{path}: CIDR value \"{text}\" is ambiguous in this context (should be \"{net}/{length}\" or \"{ip}/{width}\"?)"
        ));
    }
    let strict = address.parse::<IpAddr>();
    let mapped = matches!(strict, Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some());
    if strict.is_err() || mapped || (bits.len() > 1 && bits.starts_with('0')) {
        out.push(format!(
            "{path}: non-standard CIDR value \"{text}\" is invalid: use \"{net}/{length}\""
        ));
    }
    if out.len() == before && ip.is_ipv6() && format!("{ip}/{length}") != text {
        out.push(format!(
            "{path}: IPv6 CIDR value \"{text}\" should be in RFC 5952 canonical format (\"{ip}/{length}\")"
        ));
    }
}

/// An address, leading zeros passed over.
fn sloppy(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    if text.contains(':') {
        return text.parse();
    }
    let parts: Vec<&str> = text
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            trimmed => trimmed,
        })
        .collect();
    parts.join(".").parse()
}

/// The first address of a range; an error if it has more bits than an address.
fn ipnet(ip: IpAddr, length: u32) -> Result<IpAddr, ()> {
    match ip {
        IpAddr::V4(four) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Ok(IpAddr::V4((u32::from(four) & mask).into()))
        }
        IpAddr::V6(six) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Ok(IpAddr::V6((u128::from(six) & mask).into()))
        }
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(check: fn(&mut Warnings, &Path<'_>, &str), text: &str) -> Warnings {
        let mut out = Vec::new();
        check(&mut out, &Path::new("f"), text);
        out
    }

    #[test]
    fn addresses_are_recommended_as_they_are_written_canonically() {
        assert!(of(ip, "10.0.0.1").is_empty());
        assert!(of(ip, "2001:db8::1").is_empty());
        assert_eq!(
            of(ip, "2001:DB8:0::1"),
            [
                r#"f: IPv6 address "2001:DB8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")"#
            ]
        );
        assert_eq!(
            of(ip, "010.0.0.1"),
            [r#"f: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1""#]
        );
        assert_eq!(
            of(ip, "::ffff:1.2.3.4"),
            [r#"f: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4""#]
        );
    }

    #[test]
    fn ranges_are_told_when_bits_are_lost() {
        assert!(of(cidr, "10.0.0.0/8").is_empty());
        assert_eq!(
            of(cidr, "10.1.2.3/8"),
            [
                r#"f: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)"#
            ]
        );
    }
}
