//! Volumes of storage that is reached over a network by the addresses of its servers: iSCSI, Fibre Channel, Quobyte, GlusterFS.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#iscsi>

use super::super::check::{each, in_range, required, shown};
use super::super::format;
use super::all_required;
use crate::core::v1::{
    FCVolumeSource, GlusterfsPersistentVolumeSource, ISCSIPersistentVolumeSource,
    QuobyteVolumeSource,
};
use crate::field::{Error, ErrorList, Path};

const LUN_MAX: i64 = 255;
/// The volume's name, a colon, and the portal: the name of the interface that the kubelet makes for an initiator.
const INTERFACE_MAX: usize = 64;
const TENANT_MAX: usize = 64;

pub(super) fn iscsi(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: ISCSIPersistentVolumeSource<'_>,
    volume: &str,
) {
    let portal = source.target_portal();
    required(errors, &path.child("targetPortal"), portal);
    if source.has_initiator_name() && volume.len() + 1 + portal.len() > INTERFACE_MAX {
        // So upstream spells it here.
        errors.push(Error::invalid(
            &path.child("targetportal"),
            portal,
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.",
        ));
    }
    let (place, iqn) = (path.child("iqn"), source.iqn());
    if required(errors, &place, iqn) {
        qualified(errors, &place, iqn);
    }
    in_range(errors, &path.child("lun"), source.lun(), 0, LUN_MAX);
    let place = path.child("secretRef");
    match source.secret_ref() {
        None if source.chap_auth_discovery() || source.chap_auth_session() => {
            errors.push(Error::required(&place, ""));
        }
        None => {}
        Some(secret) => _ = required(errors, &place.child("name"), secret.name()),
    }
    if let Some(initiator) = source.initiator_name() {
        qualified(errors, &path.child("initiatorname"), initiator);
    }
}

fn qualified(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !is_qualified(name) {
        errors.push(Error::invalid(path, name, "must be valid format"));
    }
}

/// Whether a text names a target or an initiator of iSCSI (RFC 3720): by a domain and its year, or by a number.
fn is_qualified(name: &str) -> bool {
    let number = |digits: usize| {
        let mut rest = name.chars().skip(3);
        rest.next().is_some_and(|separator| separator != '\n')
            && rest.clone().count() == digits
            && rest.all(|c| c.is_ascii_alphanumeric())
    };
    match name.get(..3) {
        // Upstream looks for the name anywhere behind its beginning.
        Some("iqn") => name
            .match_indices("iqn.")
            .any(|(at, prefix)| is_dated(&name[at + prefix.len()..])),
        Some("eui") => number(16),
        Some("naa") => number(32),
        _ => false,
    }
}

/// `2001-04.com.example:storage`.
fn is_dated(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dated = bytes.len() > 8
        && bytes[..8].iter().enumerate().all(|(at, byte)| match at {
            4 => *byte == b'-',
            7 => *byte == b'.',
            _ => byte.is_ascii_digit(),
        });
    let Some((authority, rest)) = text.get(8..).and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let in_authority = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let ends = |c: char| ",;*&$|\t\n\x0c\r ".contains(c);
    dated
        && !authority.is_empty()
        && authority.bytes().all(in_authority)
        && !rest.is_empty()
        && !rest.contains(ends)
}

pub(super) fn fc(errors: &mut ErrorList, path: &Path<'_>, source: FCVolumeSource<'_>) {
    let (names, ids) = (source.target_wwns(), source.wwids());
    let place = path.child("targetWWNs");
    if names.is_empty() && ids.is_empty() {
        let why = "must specify either targetWWNs or wwids, but not both";
        errors.push(Error::required(&place, why));
    }
    if !names.is_empty() && !ids.is_empty() {
        let why = "targetWWNs and wwids can not be specified simultaneously";
        errors.push(Error::invalid(&place, shown(names.node()), why));
    }
    if names.is_empty() {
        return;
    }
    let place = path.child("lun");
    match source.lun() {
        Some(lun) => in_range(errors, &place, lun, 0, LUN_MAX),
        None => errors.push(Error::required(
            &place,
            "lun is required if targetWWNs is specified",
        )),
    }
}

pub(super) fn quobyte(errors: &mut ErrorList, path: &Path<'_>, source: QuobyteVolumeSource<'_>) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let (place, registry) = (path.child("registry"), source.registry());
    if registry.is_empty() {
        errors.push(Error::required(&place, PAIRS));
    } else if source.tenant().len() > TENANT_MAX {
        let why = "must be a UUID and may not exceed a length of 64 characters";
        errors.push(Error::required(&path.child("tenant"), why));
    } else {
        // Upstream says it for each; said once it is the same.
        if registry.split(',').any(|pair| !is_host_and_port(pair)) {
            errors.push(Error::invalid(&place, registry, PAIRS));
        }
    }
    required(errors, &path.child("volume"), source.volume());
}

/// Whether Go's `net.SplitHostPort` would take it: any port, even none behind the colon; IPv6 addresses in brackets.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host = match host.strip_prefix('[') {
        // The first closing bracket must be the last character of the host.
        Some(rest) => match rest.split_once(']') {
            Some((inner, "")) => inner,
            _ => return false,
        },
        None if host.contains(':') => return false,
        None => host,
    };
    ![host, port].iter().any(|part| part.contains(['[', ']']))
}

pub(super) fn glusterfs(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: GlusterfsPersistentVolumeSource<'_>,
) {
    let fields = [("endpoints", source.endpoints()), ("path", source.path())];
    all_required(errors, path, &fields);
    let place = path.child("endpointsNamespace");
    match source.endpoints_namespace() {
        None => {}
        Some("") => errors.push(Error::invalid(
            &place,
            "",
            "if the endpointnamespace is set, it must be a valid namespace name",
        )),
        Some(namespace) => each(errors, &place, namespace, format::dns_label(namespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_targets() {
        for name in [
            "iqn.2001-04.com.example:storage.disk1",
            "iqn.2001-04.com-x:a:b",
            "iqn-iqn.2001-04.com:a",
            "eui.0123456789abcdef",
            "naa.0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_qualified(name), "{name}");
        }
        for name in [
            "",
            "iq",
            "iqn",
            "iqn.2001-04.com.example",
            "iqn.2001-04.:a",
            "iqn.2001-04.com:",
            "iqn.2001-04.com:a b",
            "iqn.201-04.com:a",
            "iqn.2001-04.cöm:a",
            "eui.0123",
            "naa.0123456789abcdef",
            "x.iqn.2001-04.com:a",
        ] {
            assert!(!is_qualified(name), "{name}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        for text in ["a:1", ":", "a:", "[::1]:80", "[]:1", "a:http"] {
            assert!(is_host_and_port(text), "{text}");
        }
        for text in [
            "", "a", "::1", "a:b:1", "[::1]", "[::1]x:1", "[::1:80", "a]:1", "a:1]",
        ] {
            assert!(!is_host_and_port(text), "{text}");
        }
    }
}
