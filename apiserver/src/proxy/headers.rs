//! Which headers go through a proxy (RFC 9110, 7.6.1; Go's `httputil.ReverseProxy`).

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Response};

use crate::kubelets::passage;
use crate::registry::Call;

/// What is said to the next hop alone.
const HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Who may read the answers of this server in a browser is not for its backends to say.
const CROSS_ORIGIN: [HeaderName; 4] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
];

/// A request's. The client's credentials were taken from them by this server's authentication.
pub(super) fn of_request(call: &Call<'_>, upgrades: bool) -> HeaderMap {
    let mut headers = call.headers.clone();
    if upgrades {
        passage::remove_token(&mut headers);
        headers.remove(header::TRANSFER_ENCODING);
    } else {
        remove_hop(&mut headers);
    }
    // Links are looked for in what a browser shows, and not behind a compression.
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        headers.remove(header::ACCEPT_ENCODING);
    }
    if !headers.contains_key(header::HOST)
        && let Some(host) = call.uri.authority()
        && let Ok(host) = HeaderValue::from_str(host.as_str())
    {
        headers.insert(header::HOST, host);
    }
    headers
}

/// An answer's.
pub(super) fn of_answer(mut answer: Response<Body>) -> Response<Body> {
    remove_hop(answer.headers_mut());
    for name in CROSS_ORIGIN {
        answer.headers_mut().remove(name);
    }
    answer
}

fn remove_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).into_iter();
    let named = named.filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(','));
    let named: Vec<HeaderName> = named.filter_map(|name| name.trim().parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_one_hop_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-own"),
            ("x-own", "1"),
            ("te", "trailers"),
            ("x-kept", "2"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        remove_hop(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-kept"]);
    }
}
