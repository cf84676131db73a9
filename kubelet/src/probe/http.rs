//! A GET of its own, as probes and hooks need it: one request a connection, the answer's code only.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Http;

/// Answers longer than this are not read on.
const MAX_ANSWER_BYTES: usize = 10 * 1024;

/// Asks once: 200 to 399 is well.
///
/// # Errors
/// The reason, if it is not, or no answer comes within `timeout`.
pub async fn get(http: &Http, timeout: Duration, agent: &str) -> Result<(), String> {
    let scheme = if http.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}{}", http.address, http.path);
    let asked = async {
        let stream = TcpStream::connect(http.address)
            .await
            .map_err(|error| format!("dial tcp {}: {error}", http.address))?;
        if !http.tls {
            return exchange(stream, http, agent).await;
        }
        let connector = TlsConnector::from(Arc::new(unverified()));
        let name = ServerName::from(http.address.ip());
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        exchange(stream, http, agent).await
    };
    let code = match tokio::time::timeout(timeout, asked).await {
        Ok(answer) => answer.map_err(|error| format!("Get \"{url}\": {error}"))?,
        Err(_) => {
            return Err(format!(
                "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            ));
        }
    };
    if (200..400).contains(&code) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {code}"))
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    http: &Http,
    agent: &str,
) -> Result<u16, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        http.path, http.host
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
        if let Some(line) = answer
            .split(|byte| *byte == b'\n')
            .next()
            .filter(|line| line.ends_with(b"\r"))
        {
            let line = String::from_utf8_lossy(line);
            let code = line
                .strip_prefix("HTTP/1.")
                .and_then(|rest| rest.split(' ').nth(1))
                .and_then(|code| code.parse().ok());
            return code.ok_or_else(|| format!("malformed HTTP response {line:?}"));
        }
        if answer.len() > MAX_ANSWER_BYTES {
            return Err("malformed HTTP response".into());
        }
        if stream.read_buf(&mut answer).await.map_err(text)? == 0 {
            return Err("EOF".into());
        }
    }
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

    async fn ask(answer: &'static str) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = connection.read(&mut request).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let headers = vec![("X-A".to_owned(), "b".to_owned())];
        let http = Http {
            address,
            tls: false,
            host: "h.test".into(),
            path: "/x?y=1".into(),
            headers,
        };
        let result = get(&http, Duration::from_secs(5), "agent/1").await;
        let request = server.await.unwrap();
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
}
