//! What texts may look like: each function says what is wrong, in upstream's words, and allocates nothing where all is well.

use std::net::IpAddr;

use super::address::{Range, sloppy};
use crate::names;

/// What is wrong with a text; empty if nothing is.
pub(super) type Messages = Vec<String>;

/// How many bytes a DNS label may have.
pub(super) const LABEL_MAX: usize = 63;
/// How many bytes a DNS subdomain may have.
pub(super) const SUBDOMAIN_MAX: usize = 253;

fn lower(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9')
}

/// A text in lower case, letter by letter as Go does it: what a letter becomes does not depend on its neighbours.
pub(super) fn lowercase(text: &str) -> String {
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    text.chars().map(lower).collect()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(lower)
        && bytes.last().is_some_and(lower)
        && bytes.iter().all(|byte| lower(byte) || *byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// A message with the pattern and examples, as upstream words it.
fn pattern(message: &str, pattern: &str, examples: &[&str]) -> String {
    let mut out = message.to_owned();
    out.push_str(" (e.g. ");
    for (at, example) in examples.iter().enumerate() {
        out.push_str(if at > 0 { " or " } else { "" });
        out.push('\'');
        out.push_str(example);
        out.push_str("', ");
    }
    out.push_str("regex used for validation is '");
    out.push_str(pattern);
    out.push_str("')");
    out
}

/// A reason of a condition.
pub(super) fn condition_reason(text: &str) -> Messages {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let bytes = text.as_bytes();
    let valid = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(word)
        && bytes.iter().all(|b| word(b) || matches!(b, b',' | b':'));
    if valid {
        return Vec::new();
    }
    vec![pattern(
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or \
         '_,:', and must end with an alphanumeric character or '_'",
        "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
        &[
            "my_name",
            "MY_NAME",
            "MyName",
            "ReasonA,ReasonB",
            "ReasonA:ReasonB",
        ],
    )]
}

/// RFC 1123 label.
pub(crate) fn dns_label(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > LABEL_MAX {
        out.push(too_long(LABEL_MAX));
    }
    if !is_label(text) {
        out.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                 with an alphanumeric character",
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
                &["my-name", "123-abc"],
            )
        });
    }
    out
}

/// RFC 1123 label, as upstream's newer rules word it.
pub(super) fn short_name(text: &str) -> Messages {
    let mut out = dns_label(text);
    if text.len() > LABEL_MAX {
        out[0] = format!("must be no more than {LABEL_MAX} bytes");
    }
    out
}

/// RFC 1035 label: as RFC 1123's, but that it begins with a letter.
pub(super) fn dns_1035_label(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > LABEL_MAX {
        out.push(too_long(LABEL_MAX));
    }
    if !is_label(text) || text.as_bytes()[0].is_ascii_digit() {
        out.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
             and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    out
}

/// RFC 1123 subdomain: most names.
pub(super) fn dns_subdomain(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_long(SUBDOMAIN_MAX));
    }
    if !is_subdomain(text) {
        out.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
             end with an alphanumeric character",
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    out
}

/// The same, as upstream's newer rules word it.
pub(super) fn long_name(text: &str) -> Messages {
    let mut out = dns_subdomain(text);
    if text.len() > SUBDOMAIN_MAX {
        out[0] = format!("must be no more than {SUBDOMAIN_MAX} bytes");
    }
    out
}

/// A subdomain in whatever case, as upstream's newer rules word it.
pub(super) fn long_name_caseless(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(format!("must be no more than {SUBDOMAIN_MAX} bytes"));
    }
    // Upstream's pattern takes what folds to an ASCII letter for that letter.
    let folded = text.replace('\u{17f}', "s").replace('\u{212a}', "k");
    if !is_subdomain(&folded.to_ascii_lowercase()) {
        out.push(pattern(
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an \
             alphanumeric character",
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["Example.com"],
        ));
    }
    out
}

/// A subdomain whose labels may hold underscores: DNS search domains.
pub(super) fn dns_subdomain_with_underscore(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_long(SUBDOMAIN_MAX));
    }
    let is_label = |label: &str| {
        let bytes = label.strip_prefix('_').unwrap_or(label).as_bytes();
        bytes.first().is_some_and(lower)
            && bytes.last().is_some_and(lower)
            && bytes
                .iter()
                .all(|byte| lower(byte) || matches!(byte, b'-' | b'_'))
    };
    if !text.split('.').all(is_label) {
        out.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start \
             and end with an alphanumeric character",
            "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    out
}

/// A subdomain behind a `*.`: the hosts of Ingresses.
pub(super) fn wildcard_subdomain(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_long(SUBDOMAIN_MAX));
    }
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        out.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower \
             case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            "\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["*.example.com"],
        ));
    }
    out
}

/// What may stand between two slashes of a URL.
pub(super) fn path_segment(text: &str, prefix: bool) -> Messages {
    if !prefix && matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ['/', '%']
        .into_iter()
        .filter(|c| text.contains(*c))
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

/// The key of a label or annotation, and other qualified names.
pub(super) fn label_key(text: &str) -> Messages {
    let (prefix, name) = text.split_once('/').unwrap_or(("a", text));
    if prefix.len() <= SUBDOMAIN_MAX && is_subdomain(prefix) && is_label_text(name) {
        return Vec::new();
    }
    names::label_key(text)
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Messages {
    if text.is_empty() || is_label_text(text) {
        return Vec::new();
    }
    names::label_value(text)
}

fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= LABEL_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// `must be between … and …`.
pub(super) fn range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// A port's name.
pub(super) fn port_name(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > 15 {
        out.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|byte| lower(&byte) || byte == b'-') {
        out.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".to_owned());
    }
    out
}

/// The name of an environment variable.
pub(super) fn env_name(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.is_empty() {
        out.push("environment variable name must be non-empty".to_owned());
    }
    if text
        .bytes()
        .any(|byte| !matches!(byte, b' '..=b'~') || byte == b'=')
    {
        out.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    out
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Messages {
    let mut out = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        out.push(too_long(SUBDOMAIN_MAX));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(allowed) {
        out.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." => out.push("must not be '.'".to_owned()),
        ".." => out.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => out.push("must not start with '..'".to_owned()),
        _ => {}
    }
    out
}

/// The name of an HTTP header.
pub(super) fn http_header(text: &str) -> Messages {
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Vec::new();
    }
    vec![pattern(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// A percentage: `25%`.
pub(super) fn percent(text: &str) -> Messages {
    if as_percent(text).is_some() {
        return Vec::new();
    }
    vec![pattern(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// The number of a percentage; too large a one counts as the largest.
pub(super) fn as_percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().unwrap_or(i64::MAX))
}

/// A kernel parameter's name, with dots or slashes.
pub(super) fn is_sysctl(text: &str) -> bool {
    let is_segment = |segment: &str| {
        let bytes = segment.as_bytes();
        bytes.first().is_some_and(lower)
            && bytes.last().is_some_and(lower)
            && bytes
                .iter()
                .all(|byte| lower(byte) || matches!(byte, b'-' | b'_'))
    };
    text.len() <= SUBDOMAIN_MAX && text.split(['.', '/']).all(is_segment)
}

/// An IP address.
pub(super) fn ip(text: &str) -> Messages {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            vec!["must not be an IPv4-mapped IPv6 address".to_owned()]
        }
        Ok(_) => Vec::new(),
        Err(_) if sloppy(text).is_some() => {
            vec!["must not have leading 0s".to_owned()]
        }
        Err(_) => {
            vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()]
        }
    }
}

/// An IP address as it is written canonically.
pub(super) fn canonical_ip(text: &str) -> Messages {
    let messages = ip(text);
    match text.parse::<IpAddr>() {
        Ok(address) if messages.is_empty() && address.to_string() != text => {
            vec![format!("must be in canonical form (\"{address}\")")]
        }
        _ => messages,
    }
}

/// Whether a text is a range at all.
pub(super) fn is_cidr(text: &str) -> bool {
    Range::parse(text).is_some()
}

/// A range of IP addresses: of what is wrong with it the first alone is told.
pub(super) fn cidr(text: &str) -> Messages {
    let Some(range) = Range::parse(text) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()];
    };
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let message = match address.parse::<IpAddr>() {
        Err(_) => "must not have leading 0s in IP or prefix length",
        Ok(_) if bits.len() > 1 && bits.starts_with('0') => {
            "must not have leading 0s in IP or prefix length"
        }
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
            "must not have an IPv4-mapped IPv6 address"
        }
        Ok(ip) if ip != range.first() => "must not have bits set beyond the prefix length",
        Ok(_) => return Vec::new(),
    };
    vec![message.to_owned()]
}

/// A range of IP addresses as it is written canonically.
pub(super) fn canonical_cidr(text: &str) -> Messages {
    let messages = cidr(text);
    match Range::parse(text).map(|range| range.to_string()) {
        Some(canonical) if messages.is_empty() && canonical != text => {
            vec![format!("must be in canonical form (\"{canonical}\")")]
        }
        _ => messages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains_are_told_apart() {
        assert!(dns_label("a-1").is_empty() && dns_subdomain("a.b-1").is_empty());
        assert_eq!(dns_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns_label("A").len(), 1);
        assert_eq!(
            dns_label(&"a".repeat(64)),
            ["must be no more than 63 characters"]
        );
        assert_eq!(dns_subdomain("").len(), 1);
        assert!(dns_subdomain_with_underscore("_tcp.a_b").is_empty());
        assert_eq!(dns_subdomain_with_underscore("__a").len(), 1);
        assert!(wildcard_subdomain("*.a.b-1").is_empty());
        assert_eq!(wildcard_subdomain("*").len(), 1);
        assert_eq!(wildcard_subdomain("a.*.b").len(), 1);
    }

    #[test]
    fn addresses_are_strict() {
        assert!(ip("10.0.0.1").is_empty() && ip("::1").is_empty());
        assert_eq!(ip("010.0.0.1"), ["must not have leading 0s"]);
        assert_eq!(ip("00001::ffff"), ["must not have leading 0s"]);
        assert_eq!(ip("::ffff:1.2.3.4").len(), 1);
        assert_eq!(ip("x").len(), 1);
        assert!(cidr("10.0.0.0/8").is_empty() && cidr("::/0").is_empty());
        assert!(cidr("10.0.0.1/32").is_empty() && cidr("0.0.0.0/0").is_empty());
        assert_eq!(
            cidr("10.0.0.1/8"),
            ["must not have bits set beyond the prefix length"]
        );
        assert_eq!(
            cidr("010.0.0.1/08"),
            ["must not have leading 0s in IP or prefix length"]
        );
        assert_eq!(
            cidr("::ffff:10.0.0.1/100"),
            ["must not have an IPv4-mapped IPv6 address"]
        );
        assert_eq!(cidr("10.0.0.0/33").len(), 1);
        assert_eq!(cidr("10.0.0.0").len(), 1);
        assert!(canonical_cidr("2001:db8::/32").is_empty());
        assert_eq!(
            canonical_cidr("2001:DB8:0::/32"),
            ["must be in canonical form (\"2001:db8::/32\")"]
        );
        assert_eq!(canonical_cidr("10.0.0.1/8").len(), 1);
    }

    #[test]
    fn small_texts() {
        assert!(port_name("http-1").is_empty());
        assert_eq!(port_name("80").len(), 1);
        assert_eq!(port_name("").len(), 2);
        assert!(env_name("a b").is_empty());
        assert_eq!(env_name("a=").len(), 1);
        assert!(config_key("a.B_c-1").is_empty());
        assert_eq!(config_key(".."), ["must not be '..'"]);
        assert_eq!(as_percent("25%"), Some(25));
        assert_eq!(as_percent("%"), None);
        assert!(is_sysctl("net.ipv4.ip_forward") && is_sysctl("net/a") && !is_sysctl("a..b"));
        assert_eq!(path_segment("a/b%", false).len(), 2);
        assert_eq!(path_segment("..", false), ["may not be '..'"]);
        assert!(path_segment("system:a", false).is_empty());
    }
}
