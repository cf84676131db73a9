//! Links of a proxied answer to its own host: they are made to lead through the proxy.

use axum::body::Body;
use http::{HeaderValue, Response, header};

use super::html;
use super::location::Location;
use crate::registry::Call;

/// What links of one answer are seen from.
pub(super) struct Links {
    /// The proxy's own path, which goes before the backend's.
    prefix: String,
    /// The backend's path.
    path: String,
    /// The backend, as `host:port`.
    backend: String,
    /// The host that the client asked.
    asked: String,
}

impl Links {
    /// Of a request whose backend's part of the path is `path`.
    pub fn new(call: &Call<'_>, path: &str, location: &Location) -> Links {
        let whole = &call.cx.info.path;
        let asked = call.headers.get(header::HOST);
        let asked = asked.and_then(|host| host.to_str().ok());
        let asked = asked.or_else(|| call.uri.authority().map(http::uri::Authority::as_str));
        Links {
            prefix: whole.strip_suffix(path).unwrap_or(whole).to_owned(),
            path: path.to_owned(),
            backend: location.authority(),
            asked: asked.unwrap_or_default().to_owned(),
        }
    }

    /// The whole path, for `X-Forwarded-Uri`.
    pub fn forwarded(&self) -> String {
        escape_path(&format!("{}{}", self.prefix, self.path))
    }

    /// The answer with its redirection or, if it is an HTML page, its links made to lead through the proxy.
    pub fn of_answer(self, mut answer: Response<Body>) -> Response<Body> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers = answer.headers_mut();
        if let Some(location) = headers.get(header::LOCATION).and_then(text) {
            if let Ok(location) = HeaderValue::from_str(&self.rewritten(&location)) {
                headers.insert(header::LOCATION, location);
            }
            return answer;
        }
        let media = headers.get(header::CONTENT_TYPE).and_then(text);
        let media = media.unwrap_or_default();
        let is_html = media.split(';').next().map(str::trim) == Some("text/html");
        if !is_html || headers.contains_key(header::CONTENT_ENCODING) {
            return answer;
        }
        headers.remove(header::CONTENT_LENGTH);
        answer.map(|body| html::rewritten(body, move |link| self.rewritten(link)))
    }

    /// A link, if it is to this host and from its root on, as it leads through the proxy; any other as it is.
    fn rewritten(&self, link: &str) -> String {
        let (scheme, rest) = split_scheme(link);
        let (host, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (path, more) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let elsewhere = !host.is_empty() && host != self.backend && host != self.asked;
        if elsewhere || !path.starts_with('/') || (host.is_empty() && !scheme.is_empty()) {
            return link.to_owned();
        }
        let origin = match host.is_empty() || host != self.asked {
            true => String::new(),
            false if scheme.is_empty() => format!("//{host}"),
            false => format!("{scheme}://{host}"),
        };
        match path.starts_with(&self.prefix) {
            true => format!("{origin}{path}{more}"),
            false => format!("{origin}{}{path}{more}", self.prefix),
        }
    }
}

/// What stands before the first `:` of a URL, if that is a scheme, and what stands after it.
fn split_scheme(link: &str) -> (&str, &str) {
    let Some((scheme, rest)) = link.split_once(':') else {
        return ("", link);
    };
    let fits = |(at, byte): (usize, u8)| {
        byte.is_ascii_alphabetic()
            || at > 0 && (byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
    };
    match !scheme.is_empty() && scheme.bytes().enumerate().all(fits) {
        true => (scheme, rest),
        false => ("", link),
    }
}

/// Percent-encodes what cannot stand for itself in a path (Go: `URL.EscapedPath`).
pub(super) fn escape_path(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' | b'@' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_own_host_lead_through_the_proxy() {
        let links = Links {
            prefix: "/api/v1/namespaces/a/pods/p/proxy".to_owned(),
            path: "/page".to_owned(),
            backend: "10.0.0.7:8080".to_owned(),
            asked: "localhost:8001".to_owned(),
        };
        for (link, through) in [
            ("/x/y?q=1#f", "/api/v1/namespaces/a/pods/p/proxy/x/y?q=1#f"),
            ("/", "/api/v1/namespaces/a/pods/p/proxy/"),
            (
                "http://10.0.0.7:8080/x",
                "/api/v1/namespaces/a/pods/p/proxy/x",
            ),
            (
                "http://localhost:8001/x",
                "http://localhost:8001/api/v1/namespaces/a/pods/p/proxy/x",
            ),
            (
                "/api/v1/namespaces/a/pods/p/proxy/x",
                "/api/v1/namespaces/a/pods/p/proxy/x",
            ),
            ("x/y", "x/y"),
            ("#here", "#here"),
            ("?q", "?q"),
            ("", ""),
            ("https://example.com/x", "https://example.com/x"),
            ("//example.com/x", "//example.com/x"),
            ("mailto:a@b", "mailto:a@b"),
            ("javascript:/x/", "javascript:/x/"),
        ] {
            assert_eq!(links.rewritten(link), through, "{link}");
        }
    }

    #[test]
    fn paths_are_escaped_as_little_as_may_be() {
        assert_eq!(escape_path("/a b/c;d=ä%?"), "/a%20b/c;d=%C3%A4%25%3F");
    }
}
