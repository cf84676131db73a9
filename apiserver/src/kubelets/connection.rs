//! A connection to what this server asks on behalf of clients: made, and spoken HTTP/1.1 on, for one request.

use std::io;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

/// How long reaching it may take: upstream's figure, for kubelets and for what is proxied.
pub(crate) const DIAL: Duration = Duration::from_secs(30);

/// A connection that is set up as this server's own are.
pub(crate) async fn dial(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    crate::serve::tune(&stream)?;
    Ok(stream)
}

/// Sends a request, whose target is a path. The connection ends with the answer's body, unless the answer upgrades it.
pub(crate) async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Result<Response<Body>, hyper::Error> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the answer was read, or is not wanted any more.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a backend broke off");
        }
    });
    Ok(sender.send_request(request).await?.map(Body::new))
}
