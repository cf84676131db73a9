//! The request that a connection begins with: which transport and which protocol.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");
const SPDY: &str = "SPDY/3.1";

/// What is spoken beneath the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// SPDY/3.1.
    Spdy,
    /// A WebSocket.
    WebSocket,
}

/// What a client and this server agree upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What is spoken beneath.
    pub transport: Transport,
    /// The protocol; empty for a WebSocket client that asks for none.
    pub protocol: String,
    /// The answer to the WebSocket's key.
    accept: Option<String>,
}

/// Why there is no upgrade: the answer's code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: StatusCode,
    message: String,
    accepted: Vec<&'static str>,
}

impl Refusal {
    fn new(code: StatusCode, message: impl Into<String>) -> Self {
        let (message, accepted) = (message.into(), Vec::new());
        Self {
            code,
            message,
            accepted,
        }
    }

    /// As an answer.
    pub fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.message));
        *response.status_mut() = self.code;
        for protocol in self.accepted {
            response
                .headers_mut()
                .append(ACCEPTED, HeaderValue::from_static(protocol));
        }
        response
    }
}

/// Whether a request wants a WebSocket.
pub fn is_websocket(headers: &HeaderMap) -> bool {
    has(headers, header::CONNECTION, "upgrade") && has(headers, header::UPGRADE, "websocket")
}

/// The first protocol of the client's that the server has. `websocket` with an empty name among them: a client may name none.
///
/// # Errors
/// When there is none, or nothing is to be upgraded.
pub fn negotiate(
    headers: &HeaderMap,
    spdy: &[&'static str],
    websocket: &[&'static str],
) -> Result<Upgrade, Refusal> {
    if !has(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "Upgrade request required",
        ));
    }
    if is_websocket(headers) {
        return over_websocket(headers, websocket);
    }
    if !has(headers, header::UPGRADE, SPDY) {
        let message = "unable to upgrade: missing upgrade headers in request";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    let offered = list(headers, VERSION);
    if offered.is_empty() {
        let message =
            "unable to upgrade: header X-Stream-Protocol-Version does not exist in request";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    match offered.iter().find(|protocol| spdy.contains(protocol)) {
        Some(protocol) => Ok(Upgrade {
            transport: Transport::Spdy,
            protocol: (*protocol).to_owned(),
            accept: None,
        }),
        None => {
            let (offered, ours) = (offered.join(" "), spdy.join(" "));
            let message = format!(
                "unable to upgrade: unable to negotiate protocol: client supports [{offered}], server accepts [{ours}]"
            );
            let code = StatusCode::FORBIDDEN;
            Err(Refusal {
                code,
                message,
                accepted: spdy.to_vec(),
            })
        }
    }
}

fn over_websocket(headers: &HeaderMap, ours: &[&'static str]) -> Result<Upgrade, Refusal> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    let (Some(key), Some(b"13")) = (key, version.map(HeaderValue::as_bytes)) else {
        let message = "a WebSocket needs a key and version 13";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    };
    let mut offered = list(headers, header::SEC_WEBSOCKET_PROTOCOL);
    if offered.is_empty() {
        offered.push("");
    }
    match offered.iter().find(|protocol| ours.contains(protocol)) {
        Some(protocol) => Ok(Upgrade {
            transport: Transport::WebSocket,
            protocol: (*protocol).to_owned(),
            accept: Some(derive_accept_key(key.as_bytes())),
        }),
        None => {
            let (offered, ours) = (offered.join(" "), ours.join(" "));
            let message =
                format!("requested protocol(s) are not supported: [{offered}]; supports [{ours}]");
            Err(Refusal::new(StatusCode::FORBIDDEN, message))
        }
    }
}

impl Upgrade {
    /// The answer with which the connection changes.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        // It is among those of the client's that this server has: ASCII.
        let protocol = HeaderValue::from_str(&self.protocol).ok();
        match self.transport {
            Transport::Spdy => {
                headers.insert(header::UPGRADE, HeaderValue::from_static(SPDY));
                protocol.map(|protocol| headers.insert(VERSION, protocol));
            }
            Transport::WebSocket => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                if let Some(accept) = self
                    .accept
                    .as_deref()
                    .and_then(|accept| HeaderValue::from_str(accept).ok())
                {
                    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
                }
                if let Some(protocol) = protocol.filter(|protocol| !protocol.is_empty()) {
                    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
                }
            }
        }
        response
    }
}

/// The elements of a header that is a list, which may come in several lines.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| line.split(',')).map(str::trim);
    elements.filter(|element| !element.is_empty()).collect()
}

fn has(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    list(headers, name)
        .iter()
        .any(|element| element.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_clients_first_known_protocol_is_taken() {
        let spdy = ["v4", "v3"];
        let ask = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "v9, v3"),
            ("x-stream-protocol-version", "v4"),
        ];
        let taken = negotiate(&headers(&ask), &spdy, &[]).unwrap();
        assert_eq!(
            (taken.transport, taken.protocol.as_str()),
            (Transport::Spdy, "v3")
        );
        let response = taken.response();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["x-stream-protocol-version"], "v3");

        let refused = negotiate(&headers(&ask[..3]), &["v4"], &[])
            .unwrap_err()
            .response();
        assert_eq!(refused.status(), 403);
        assert_eq!(
            refused.headers()["x-accepted-stream-protocol-versions"],
            "v4"
        );
        for wrong in [&ask[..1], &ask[1..], &ask[..2], &[]] {
            let refused = negotiate(&headers(wrong), &spdy, &[])
                .unwrap_err()
                .response();
            assert_eq!(refused.status(), 400, "{wrong:?}");
        }
    }

    #[test]
    fn a_websocket_client_may_name_no_protocol_where_that_is_allowed() {
        let mut ask = vec![
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ];
        let taken = negotiate(&headers(&ask), &[], &["", "v5"]).unwrap();
        let response = taken.response();
        // The example of RFC 6455.
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        assert_eq!(
            negotiate(&headers(&ask), &[], &["v5"]).unwrap_err().code,
            403
        );
        ask.push(("sec-websocket-protocol", "v5"));
        assert_eq!(
            negotiate(&headers(&ask), &[], &["", "v5"])
                .unwrap()
                .protocol,
            "v5"
        );
        ask.remove(2);
        assert_eq!(
            negotiate(&headers(&ask), &[], &["v5"]).unwrap_err().code,
            400
        );
    }
}
