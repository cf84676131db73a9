//! Image references, as far as the default pull policy asks: does this one mean the tag `latest`?
//!
//! Grammar: github.com/distribution/reference.

const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// Whether a reference means the tag `latest`, said or not. What is no image reference means none.
pub(super) fn is_latest(image: &str) -> bool {
    if image.len() == 64
        && image
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return false;
    }
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to a registry's port.
    let from = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[from..].find(':') {
        Some(colon) => (&rest[..from + colon], Some(&rest[from + colon + 1..])),
        None => (rest, None),
    };
    let well_formed = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    well_formed && tag.map_or(digest.is_none(), |tag| tag == "latest")
}

/// The length of the host, and the slash after it, of a name that has none.
const DEFAULT_REGISTRY: usize = 10;

fn is_name(name: &str) -> bool {
    let is_host = |first: &str| {
        first.contains(['.', ':'])
            || first == "localhost"
            || first.bytes().any(|b| b.is_ascii_uppercase())
    };
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first), rest),
        _ => (None, name),
    };
    // Without a host, the length counts the registry that is meant, and without a folder the one that is meant, too.
    let implied = match host {
        Some(host) => host.len() + 1,
        None if path.contains('/') => DEFAULT_REGISTRY,
        None => DEFAULT_REGISTRY + "library/".len(),
    };
    implied + path.len() <= NAME_MAX
        && host.is_none_or(|host| is_domain(host) || is_component(host))
        && path.split('/').all(is_component)
}

fn is_domain(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    let is_address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| {
            !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        });
    (is_address || name.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower case letters and digits, parted by one of `.` `_` `__` or by dashes.
fn is_component(component: &str) -> bool {
    let lower = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let bytes = component.as_bytes();
    if !(bytes.first().is_some_and(lower) && bytes.last().is_some_and(lower)) {
        return false;
    }
    let is_separator =
        |part: &[u8]| matches!(part, b"." | b"_" | b"__") || part.iter().all(|b| *b == b'-');
    bytes
        .chunk_by(|a, b| lower(a) == lower(b))
        .all(|part| lower(&part[0]) || is_separator(part))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.bytes().next().is_some_and(word)
        && tag.len() <= TAG_MAX
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_is_meant_where_no_other_tag_or_digest_is_said() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for image in [
            "nginx",
            "nginx:latest",
            "library/nginx",
            "localhost:5000/a/b",
            "registry.example.com:80/x__y/z.a-b--c",
            "[::1]:5000/x",
            &format!("nginx:latest@{digest}"),
            "Host/x",
        ] {
            assert!(is_latest(image), "{image}");
        }
        for image in [
            "",
            "nginx:1",
            "Nginx",
            "a b",
            "a..b",
            "nginx:",
            "-a",
            "a@b",
            &"0".repeat(64),
            &"a".repeat(256),
            &format!("nginx@{digest}"),
            &format!("nginx:1@{digest}"),
            "nginx@sha256:00",
            "registry.example.com:80/x:v1",
        ] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
