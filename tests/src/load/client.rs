//! One TLS connection, one request at a time: as thin as a client can be, since it shares the machine with the server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::credentials::Credentials;

/// Where a server is and how to speak to it, from a kubeconfig.
#[derive(Clone)]
pub struct Target {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Target {
    /// Reads the current context of a kubeconfig with certificates, inline or in files.
    pub fn from_kubeconfig(path: &Path) -> io::Result<Self> {
        let credentials = Credentials::read(path)?;
        let uri: Uri = credentials.server.parse().map_err(io::Error::other)?;
        let host = uri.host().unwrap_or("127.0.0.1").to_owned();
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(443));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&credentials.authority) {
            roots
                .add(certificate.map_err(io::Error::other)?)
                .map_err(io::Error::other)?;
        }
        let chain = CertificateDer::pem_slice_iter(&credentials.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(&credentials.key).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(io::Error::other)?;
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(Self {
            address,
            name,
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    /// The same, for connections that speak this protocol (ALPN).
    pub fn with_protocol(&self, name: &[u8]) -> Self {
        let mut tls = ClientConfig::clone(self.tls.config());
        tls.alpn_protocols = vec![name.to_vec()];
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            ..self.clone()
        }
    }

    /// The server's `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens a TLS connection and says nothing on it.
    pub async fn stream(&self) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        self.tls.connect(self.name.clone(), tcp).await
    }

    /// Opens a connection.
    pub async fn connect(&self) -> io::Result<Connection> {
        let (sender, connection) = handshake(TokioIo::new(self.stream().await?))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection {
            sender,
            host: self.address.clone(),
        })
    }
}

/// An open connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Reads what is at a path, in the media type that is asked for.
    pub async fn get(&mut self, path: &str, accept: &str) -> io::Result<Response<Bytes>> {
        let request = Request::builder()
            .uri(path)
            .header("accept", accept)
            .body(Full::default())
            .map_err(io::Error::other)?;
        self.request(request).await
    }

    /// Reads the JSON at a path.
    pub async fn get_json(&mut self, path: &str) -> io::Result<serde_json::Value> {
        let answer = self.get(path, "application/json").await?;
        serde_json::from_slice(answer.body())
            .map_err(|error| io::Error::other(format!("{path}: {error}")))
    }

    /// Sends a request as it is, with a `Host` if it has none, and reads the answer.
    pub async fn request(&mut self, request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
        let (head, body) = self.exchange(request).await?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// The same with the answer's body still to be read.
    pub async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Incoming>> {
        if let Ok(host) = self.host.parse() {
            request
                .headers_mut()
                .entry(http::header::HOST)
                .or_insert(host);
        }
        self.sender.ready().await.map_err(io::Error::other)?;
        self.sender
            .send_request(request)
            .await
            .map_err(io::Error::other)
    }

    /// Sends one request and gives the answer with its body still to be read.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", "application/json")
            .header("content-type", kind)
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        self.exchange(request).await
    }

    /// Sends one request and reads the answer to its end; gives its status and length.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> io::Result<(StatusCode, usize)> {
        let response = self.send(method, path, kind, body).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame
                .map_err(io::Error::other)?
                .data_ref()
                .map_or(0, Bytes::len);
        }
        Ok((status, length))
    }

    /// Like [`Connection::call`], and an error unless the status is a success.
    pub async fn expect(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> io::Result<usize> {
        let name = method.clone();
        let (status, length) = self.call(method, path, kind, body).await?;
        if status.is_success() {
            Ok(length)
        } else {
            Err(io::Error::other(format!("{name} {path}: {status}")))
        }
    }
}
