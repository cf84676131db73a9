//! URLs as Go reads them (`net/url` of Go 1.26), whose words upstream passes on.

use std::net::IpAddr;

use crate::field::quote;

/// What of a URL is looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    /// In small letters; empty if there is none.
    pub(super) scheme: String,
    /// With the port.
    pub(super) host: String,
    /// User and password.
    pub(super) user: Option<String>,
    pub(super) query: String,
    pub(super) fragment: String,
}

/// Reads a URL.
///
/// # Errors
/// Why it is none.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let of = |text: &str, why: String| format!("parse {}: {why}", quote(text));
    let mut url = parse_rest(before).map_err(|why| of(before, why))?;
    url.fragment = unescape(fragment).map_err(|why| of(text, why))?;
    Ok(url)
}

fn parse_rest(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.to_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.to_owned();
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(url);
        }
        let segment = rest.split('/').next().unwrap_or_default();
        if segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !after.starts_with('/'))
    {
        let end = after.find('/').unwrap_or(after.len());
        path = &after[end..];
        authority(&mut url, &after[..end])?;
    }
    unescape(path)?;
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = text.bytes().position(|byte| !inner(byte));
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    match end.filter(|end| text.as_bytes()[*end] == b':') {
        Some(0) => Err("missing protocol scheme".to_owned()),
        Some(end) if begins => Ok((&text[..end], &text[end + 1..])),
        _ => Ok(("", text)),
    }
}

fn authority(url: &mut Url, text: &str) -> Result<(), String> {
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    url.host = self::host(&url.scheme, host)?;
    let Some(user) = user else { return Ok(()) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    url.user = Some(match user.split_once(':') {
        None => escape(&unescape(user)?),
        Some((name, password)) => {
            let (name, password) = (unescape(name)?, unescape(password)?);
            format!("{}:{}", escape(&name), escape(&password))
        }
    });
    Ok(())
}

fn host(scheme: &str, text: &str) -> Result<String, String> {
    match text.rfind('[') {
        None => {}
        Some(0) => return literal(text),
        Some(_) => return Err("invalid IP-literal".to_owned()),
    }
    // In web addresses a second colon is none of the host's.
    let colon = match scheme {
        "http" | "https" => text.find(':'),
        _ => text.rfind(':'),
    };
    if let Some(at) = colon {
        port(&text[at..])?;
    }
    unescape_host(text)
}

/// An address of IPv6 in brackets.
fn literal(text: &str) -> Result<String, String> {
    let Some(end) = text.rfind(']') else {
        return Err("missing ']' in host".to_owned());
    };
    port(&text[end + 1..])?;
    let inner = &text[1..end];
    let (address, zone) = match inner.find("%25") {
        Some(at) => (&inner[..at], unescape(&inner[at..])?),
        None => (inner, String::new()),
    };
    let address = unescape_host(address)?;
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if zone != "%" => Ok(format!("[{address}{zone}]{}", &text[end + 1..])),
        Ok(IpAddr::V4(_)) => Err("invalid IP-literal".to_owned()),
        _ => {
            let address = quote(&format!("{address}{zone}"));
            Err(format!(
                "invalid host: ParseAddr({address}): unable to parse IP"
            ))
        }
    }
}

fn port(text: &str) -> Result<(), String> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    let begins = text.is_empty() || text.starts_with(':');
    if begins && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quote(text)))
}

/// In a host ASCII characters stand as they are, and not all of them.
fn unescape_host(text: &str) -> Result<String, String> {
    for (at, c) in text.char_indices() {
        let of_ascii = matches!(text.as_bytes().get(at + 1), Some(b'0'..=b'7'));
        let escape = text.get(at..at + 3).unwrap_or(&text[at..]);
        if c == '%' && of_ascii && is_escape(escape) && escape != "%25" {
            return Err(invalid_escape(escape));
        }
        let allowed = c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c);
        if c.is_ascii() && !allowed {
            let c = quote(c.encode_utf8(&mut [0; 4]));
            return Err(format!("invalid character {c} in host name"));
        }
        if c == '%' && !is_escape(escape) {
            break;
        }
    }
    unescape(text)
}

fn is_escape(text: &str) -> bool {
    text.len() == 3 && text.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())
}

fn invalid_escape(text: &str) -> String {
    format!("invalid URL escape {}", quote(text))
}

/// `%41` → `A`.
fn unescape(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let escape = rest.get(..3).unwrap_or(rest);
        let byte = u8::from_str_radix(&escape[1..], 16).ok();
        match byte.filter(|_| is_escape(escape)) {
            Some(byte) => out.push(byte),
            None => return Err(invalid_escape(escape)),
        }
        rest = &rest[3..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A user's name or password as it stands in a URL.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        parse(text).err().unwrap_or_default()
    }

    #[test]
    fn parts_are_told_apart() {
        let url = parse("HTTPS://a:b%40@example.com:8443/p/q?x=y#z%41").unwrap();
        assert_eq!(url.scheme, "https");
        assert_eq!(url.host, "example.com:8443");
        assert_eq!(url.user.as_deref(), Some("a:b%40"));
        assert_eq!((url.query.as_str(), url.fragment.as_str()), ("x=y", "zA"));
        for text in ["", "text", "/abs", "../x", "a/b:c", "mailto:x", "*"] {
            assert_eq!(parse(text).unwrap().host, "", "{text}");
        }
        assert_eq!(parse("https://[::1]:80/").unwrap().host, "[::1]:80");
        assert_eq!(
            parse("https://[fe80::1%25en0]").unwrap().host,
            "[fe80::1%en0]"
        );
        assert_eq!(parse("https://%C3%A4/").unwrap().host, "ä");
    }

    #[test]
    fn what_is_none_is_said_as_go_says_it() {
        for (text, wanted) in [
            (":x", "parse \":x\": missing protocol scheme"),
            (
                "1:x",
                "parse \"1:x\": first path segment in URL cannot contain colon",
            ),
            (
                "a b:c",
                "parse \"a b:c\": first path segment in URL cannot contain colon",
            ),
            (
                "https://a b",
                "parse \"https://a b\": invalid character \" \" in host name",
            ),
            (
                "https://a:b",
                "parse \"https://a:b\": invalid port \":b\" after host",
            ),
            (
                "https://a:1:2",
                "parse \"https://a:1:2\": invalid port \":1:2\" after host",
            ),
            (
                "https://%41",
                "parse \"https://%41\": invalid URL escape \"%41\"",
            ),
            (
                "https://a/%4",
                "parse \"https://a/%4\": invalid URL escape \"%4\"",
            ),
            (
                "https://[::1",
                "parse \"https://[::1\": missing ']' in host",
            ),
            (
                "https://[1.2.3.4]",
                "parse \"https://[1.2.3.4]\": invalid IP-literal",
            ),
            (
                "https://ä@b",
                "parse \"https://ä@b\": net/url: invalid userinfo",
            ),
            (
                "a\tb#c",
                "parse \"a\\tb\": net/url: invalid control character in URL",
            ),
            ("a#%zz", "parse \"a#%zz\": invalid URL escape \"%zz\""),
        ] {
            assert_eq!(why(text), wanted);
        }
    }
}
