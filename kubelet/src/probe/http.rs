//! A GET of its own, as probes and hooks need it: one request a connection, the answer's code only.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::Http;
use super::check::authority;

/// Answers whose head is longer than this are not read on.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// So many places are asked, one after the other.
const MAX_PLACES: usize = 10;

/// Asks once: 200 to 399 is well. Redirects within the host are followed; one to another host is well by itself.
///
/// # Errors
/// The reason, if it is not, or no answer comes within `timeout`.
pub async fn get(http: &Http, timeout: Duration, agent: &str) -> Result<(), String> {
    match answered(http, timeout, agent).await? {
        200..400 => Ok(()),
        code => Err(format!("HTTP probe failed with statuscode: {code}")),
    }
}

/// The code of the answer, whatever it says; redirects are followed as by [`get`].
///
/// # Errors
/// The reason, if no answer comes within `timeout`.
pub async fn answered(http: &Http, timeout: Duration, agent: &str) -> Result<u16, String> {
    let mut place = http.clone();
    let asked = tokio::time::timeout(timeout, follow(&mut place, agent)).await;
    let url = place.url();
    match asked {
        Ok(answer) => answer.map_err(|error| format!("Get \"{url}\": {error}")),
        Err(_) => Err(format!(
            "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )),
    }
}

/// Asks at `place`, and wherever the host sends from there: the last code.
async fn follow(place: &mut Http, agent: &str) -> Result<u16, String> {
    for _ in 0..MAX_PLACES {
        let (code, location) = ask(place, agent).await?;
        let next = location.map(|location| place.redirected(&location));
        match next.transpose()?.flatten() {
            Some(next) => *place = next,
            None => return Ok(code),
        }
    }
    Err(format!("stopped after {MAX_PLACES} redirects"))
}

async fn ask(http: &Http, agent: &str) -> Result<(u16, Option<String>), String> {
    let address = authority(&http.host, http.port);
    let stream = TcpStream::connect(&address)
        .await
        .map_err(|error| format!("dial tcp {address}: {error}"))?;
    if !http.tls {
        return exchange(stream, http, agent).await;
    }
    let connector = TlsConnector::from(Arc::new(unverified()));
    let name = ServerName::try_from(http.host.clone()).map_err(|error| error.to_string())?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    exchange(stream, http, agent).await
}

impl Http {
    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let address = authority(&self.host, self.port);
        format!("{scheme}://{address}{}", self.path)
    }

    /// Where a `Location` leads from here; `None` if to another host, which is not asked.
    fn redirected(&self, location: &str) -> Result<Option<Self>, String> {
        let failed = |error: url::ParseError| {
            format!("failed to parse Location header {location:?}: {error}")
        };
        let here = Url::parse(&self.url()).map_err(failed)?;
        let there = here.join(location).map_err(failed)?;
        if there.host() != here.host() {
            return Ok(None);
        }
        let tls = match there.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(format!("unsupported protocol scheme {other:?}")),
        };
        let query = there.query().map(|query| format!("?{query}"));
        // Who names a host means that one.
        let relative = Url::parse(location).is_err();
        Ok(Some(Self {
            port: there.port_or_known_default().unwrap_or(self.port),
            tls,
            host_header: self.host_header.clone().filter(|_| relative),
            path: format!("{}{}", there.path(), query.unwrap_or_default()),
            ..self.clone()
        }))
    }
}

/// The code of the answer, and where it sends to.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    http: &Http,
    agent: &str,
) -> Result<(u16, Option<String>), String> {
    let text = |error: std::io::Error| error.to_string();
    let host = http.host_header.clone();
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        http.path,
        host.unwrap_or_else(|| authority(&http.host, http.port))
    );
    let has = |name: &str| {
        http.headers
            .iter()
            .any(|(header, _)| header.eq_ignore_ascii_case(name))
    };
    if !has("user-agent") {
        request += &format!("User-Agent: {agent}\r\n");
    }
    if !has("accept") {
        request += "Accept: */*\r\n";
    }
    for (name, value) in http
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
    {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    loop {
        if let Some(read) = read_head(&answer)? {
            return Ok(read);
        }
        if answer.len() > MAX_HEAD_BYTES {
            return Err("malformed HTTP response".into());
        }
        if stream.read_buf(&mut answer).await.map_err(text)? == 0 {
            return Err(if answer.is_empty() {
                "EOF".into()
            } else {
                "unexpected EOF".into()
            });
        }
    }
}

/// Code and `Location`, as soon as enough of an answer is there: of one that sends nowhere, its first line is.
fn read_head(answer: &[u8]) -> Result<Option<(u16, Option<String>)>, String> {
    let mut lines = answer
        .split_inclusive(|byte| *byte == b'\n')
        .map(String::from_utf8_lossy);
    let Some(first) = lines.next().filter(|line| line.ends_with("\r\n")) else {
        return Ok(None);
    };
    let code: Option<u16> = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.trim_end().parse().ok());
    let code =
        code.ok_or_else(|| format!("malformed HTTP response {:?}", first.trim_end_matches('\n')))?;
    if !matches!(code, 301 | 302 | 303 | 307 | 308) {
        return Ok(Some((code, None)));
    }
    let mut location = None;
    for line in lines.filter(|line| line.ends_with('\n')) {
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some((code, location)));
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, value)| {
            name.eq_ignore_ascii_case("location") && !value.trim().is_empty()
        }) {
            location.get_or_insert_with(|| value.trim().to_owned());
        }
    }
    Ok(None)
}

/// Probes trust any certificate: they ask an address that they know, and tell it nothing.
fn unverified() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        })
        .unwrap_or_else(|error| unreachable!("ring has the default protocol versions: {error}"))
}

#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a question, if the server gives these answers, one after the other; and what it was asked. `PORT` in
    /// an answer is its port.
    async fn asked(answers: &[&str], host: &str) -> (Result<(), String>, Vec<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Vec<String> = answers
            .iter()
            .map(|answer| answer.replace("PORT", &port.to_string()))
            .collect();
        let server = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let read = connection.read(&mut request).await.unwrap();
                connection.write_all(answer.as_bytes()).await.unwrap();
                requests.push(String::from_utf8_lossy(&request[..read]).into_owned());
            }
            requests
        });
        let http = Http {
            host: host.into(),
            port,
            tls: false,
            host_header: Some("h.test".into()),
            path: "/x?y=1".into(),
            headers: vec![("X-A".to_owned(), "b".to_owned())],
        };
        let result = get(&http, Duration::from_secs(5), "agent/1").await;
        let requests = tokio::time::timeout(Duration::from_secs(5), server).await;
        (result, requests.expect("fewer questions").unwrap())
    }

    async fn ask(answer: &str) -> Result<(), String> {
        let (result, requests) = asked(&[answer], "127.0.0.1").await;
        let request = &requests[0];
        assert!(
            request.starts_with("GET /x?y=1 HTTP/1.1\r\nHost: h.test\r\n"),
            "{request}"
        );
        assert!(
            request.contains("User-Agent: agent/1\r\n") && request.contains("X-A: b\r\n"),
            "{request}"
        );
        result
    }

    #[tokio::test]
    async fn two_and_three_hundreds_are_well() {
        assert_eq!(ask("HTTP/1.1 204 No Content\r\n\r\n").await, Ok(()));
        assert_eq!(ask("HTTP/1.0 302 Found\r\n\r\n").await, Ok(()));
        assert_eq!(
            ask("HTTP/1.1 503 No\r\n\r\n").await.unwrap_err(),
            "HTTP probe failed with statuscode: 503"
        );
        assert!(ask("hello\r\n").await.unwrap_err().contains("malformed"));
        assert!(ask("").await.unwrap_err().contains("EOF"));
    }

    #[tokio::test]
    async fn who_only_tells_is_content_with_any_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Http {
            host: "127.0.0.1".into(),
            port: listener.local_addr().unwrap().port(),
            tls: false,
            host_header: None,
            path: "/".into(),
            headers: Vec::new(),
        };
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            assert_ne!(connection.read(&mut [0; 1024]).await.unwrap(), 0);
            let answer = b"HTTP/1.1 503 No\r\n\r\n";
            connection.write_all(answer).await.unwrap();
        };
        let ask = answered(&http, Duration::from_secs(5), "agent/1");
        assert_eq!(tokio::join!(ask, server).0, Ok(503));
        drop(listener);
        let refused = answered(&http, Duration::from_secs(5), "agent/1").await;
        assert!(refused.unwrap_err().contains("refused"));
    }

    #[tokio::test]
    async fn redirects_are_followed_within_the_host_and_not_beyond() {
        let (well, unwell) = ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n");
        let to =
            |location: &str| format!("HTTP/1.1 302 Found\r\nX: y\r\nlocation: {location}\r\n\r\n");
        let (result, requests) = asked(&[&to("/login?a=b#c"), unwell], "127.0.0.1").await;
        assert_eq!(
            result.unwrap_err(),
            "HTTP probe failed with statuscode: 500"
        );
        assert!(requests[1].starts_with("GET /login?a=b HTTP/1.1\r\nHost: h.test\r\n"));
        assert!(requests[1].contains("X-A: b\r\n"), "{}", requests[1]);
        // A link that names the host leaves the header behind, which was for another one.
        let (result, requests) = asked(
            &[&to("http://127.0.0.1:PORT/z"), &to("w"), well],
            "127.0.0.1",
        )
        .await;
        assert_eq!(result, Ok(()));
        let hosts = requests[1..].iter().map(|request| {
            request.starts_with("GET /z HTTP/1.1\r\nHost: 127.0.0.1:")
                || request.starts_with("GET /w HTTP/1.1\r\nHost: 127.0.0.1:")
        });
        assert!(hosts.into_iter().all(|host| host), "{requests:?}");
        assert_eq!(ask(&to("http://elsewhere.test/")).await, Ok(()));
        let around = to("/x");
        let (result, _) = asked(&[&*around; 10], "127.0.0.1").await;
        assert!(result.unwrap_err().ends_with("stopped after 10 redirects"));
    }

    #[tokio::test]
    async fn a_host_may_be_a_name() {
        let (result, _) = asked(&["HTTP/1.1 200 OK\r\n\r\n"], "localhost").await;
        assert_eq!(result, Ok(()));
    }
}
