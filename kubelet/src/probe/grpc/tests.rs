use super::*;

use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Response;

/// The headers and the service that a server was asked with.
type Asked = Arc<Mutex<Vec<(http::HeaderMap, String)>>>;

/// A server that knows the health of services, and hangs when asked for `slow`.
async fn health(
    request: Request<HealthCheckRequest>,
) -> Result<Response<HealthCheckResponse>, Status> {
    let status = match request.get_ref().service.as_str() {
        "" => 1,
        "sick" => 2,
        "odd" => 9,
        "slow" => std::future::pending().await,
        _ => return Err(Status::not_found("unknown service")),
    };
    Ok(Response::new(HealthCheckResponse { status }))
}

async fn serve(path: &'static str) -> (SocketAddr, Asked, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
    let noted = asked.clone();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let noted = noted.clone();
            let service =
                hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let noted = noted.clone();
                    async move {
                        if request.uri().path() != path {
                            return Ok(Status::unimplemented("unknown path").into_http());
                        }
                        let headers = request.headers().clone();
                        let service =
                            tower::service_fn(move |request: Request<HealthCheckRequest>| {
                                let seen = (headers.clone(), request.get_ref().service.clone());
                                noted.lock().push(seen);
                                health(request)
                            });
                        let codec: ProstCodec<HealthCheckResponse, HealthCheckRequest> =
                            ProstCodec::default();
                        let answer = tonic::server::Grpc::new(codec)
                            .unary(service, request)
                            .await;
                        Ok::<http::Response<tonic::body::Body>, io::Error>(answer)
                    }
                });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, asked, server)
}

async fn ask_for(address: SocketAddr, service: &str, timeout: Duration) -> Result<(), String> {
    let grpc = Grpc {
        address,
        service: service.to_owned(),
    };
    check(&grpc, timeout, "agent/1").await
}

#[tokio::test]
async fn only_serving_is_well_and_every_failure_is_told_as_upstream_does() {
    let (address, asked, server) = serve(CHECK).await;
    let ask = |service: &'static str| ask_for(address, service, Duration::from_secs(5));
    assert_eq!(ask("").await, Ok(()));
    let (headers, service) = asked.lock()[0].clone();
    assert_eq!(
        (service.as_str(), &headers["te"]),
        ("", &"trailers".parse().unwrap())
    );
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("agent/1"),
        "{headers:?}"
    );
    assert!(headers.contains_key("grpc-timeout"), "{headers:?}");
    assert_eq!(
        ask("sick").await.unwrap_err(),
        "service unhealthy (responded with \"NOT_SERVING\")"
    );
    assert_eq!(
        ask("odd").await.unwrap_err(),
        "service unhealthy (responded with \"9\")"
    );
    assert_eq!(
        ask("none").await.unwrap_err(),
        "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"
    );
    assert_eq!(
        ask_for(address, "slow", Duration::from_secs(3))
            .await
            .unwrap_err(),
        "timeout: health rpc did not complete within 3s"
    );
    server.abort();
}

#[tokio::test]
async fn a_server_without_the_protocol_is_told_apart_from_one_that_is_not_there() {
    let (address, _, server) = serve("/other").await;
    assert_eq!(
        ask_for(address, "", Duration::from_secs(5))
            .await
            .unwrap_err(),
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown path"
    );
    server.abort();
    let _ = server.await;
    let not_there = |address: SocketAddr| {
        format!(
            "timeout: failed to connect service \"{address}\" within 1s: context deadline exceeded"
        )
    };
    assert_eq!(
        ask_for(address, "", Duration::from_secs(1))
            .await
            .unwrap_err(),
        not_there(address)
    );
    // One that speaks HTTP/1.1 is none either, and neither is one that says nothing.
    for says in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(says.as_bytes()).await.unwrap();
                let _ = stream.read(&mut [0; 64]).await;
                kept.push(stream);
            }
        });
        let error = ask_for(address, "", Duration::from_secs(1))
            .await
            .unwrap_err();
        assert_eq!(error, not_there(address), "{says:?}");
        server.abort();
    }
}

#[tokio::test]
async fn a_server_that_comes_within_the_timeout_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        // It is not there yet for the first who comes.
        drop(listener.accept().await.unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(|request| async {
            let codec: ProstCodec<HealthCheckResponse, HealthCheckRequest> = ProstCodec::default();
            let answer = tonic::server::Grpc::new(codec)
                .unary(tower::service_fn(health), request)
                .await;
            Ok::<_, io::Error>(answer)
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    assert_eq!(ask_for(address, "", Duration::from_secs(30)).await, Ok(()));
    server.abort();
}
