//! `/exec`, `/attach` and `/portForward`: connections that are upgraded, then served apart from HTTP.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::ServerState;
use crate::exec::stream::{self, Command};
use crate::pod::{Endpoints, Running};
use crate::streaming::idle::{Idle, LIMIT};
use crate::streaming::remote::{Options, Remote};
use crate::streaming::upgrade::{Upgrade, negotiate};
use crate::streaming::{forward, remote};
use crate::{attach, streaming};

type Names = Path<(String, String, String)>;
type NamesWithUid = Path<(String, String, String, String)>;
type Pairs = Vec<(String, String)>;

fn refuse(code: StatusCode, message: impl Into<String>) -> Response {
    (code, message.into()).into_response()
}

/// A client that asks for the streams of a container.
struct Asked {
    running: Running,
    options: Options,
    upgrade: Upgrade,
    on_upgrade: OnUpgrade,
}

fn ask(
    state: &ServerState,
    (namespace, pod, container): (&str, &str, &str),
    uid: Option<&str>,
    query: &Pairs,
    request: &mut Request,
) -> Result<Asked, Box<Response>> {
    let options = Options::parse(query)
        .map_err(|message| Box::new(refuse(StatusCode::BAD_REQUEST, message)))?;
    let known = state.lookup.pod(namespace, pod);
    if known.is_none_or(|known| uid.is_some_and(|uid| uid != known.uid)) {
        let refusal = refuse(StatusCode::NOT_FOUND, "pod does not exist");
        return Err(Box::new(refusal));
    }
    let running = state
        .lookup
        .running(namespace, pod, container)
        .ok_or_else(|| {
            let message = format!("container not found ({container:?})");
            Box::new(refuse(StatusCode::INTERNAL_SERVER_ERROR, message))
        })?;
    let upgrade = negotiate(request.headers(), &remote::SPDY, &remote::WEBSOCKET)
        .map_err(|refusal| Box::new(refusal.response()))?;
    let on_upgrade = hyper::upgrade::on(request);
    Ok(Asked {
        running,
        options,
        upgrade,
        on_upgrade,
    })
}

/// Answers, and goes on with the client's streams.
fn serve<F>(
    state: &ServerState,
    asked: Asked,
    work: impl FnOnce(Running, Remote) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let Asked {
        running,
        options,
        upgrade,
        on_upgrade,
    } = asked;
    let response = upgrade.response();
    spawn(
        state,
        on_upgrade,
        async move |io, idle| match Remote::open(io, &upgrade, options, idle).await {
            Ok(remote) => work(running, remote).await,
            Err(error) => tracing::debug!(%error, "a client for a container's streams"),
        },
    );
    response
}

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

fn spawn<F>(
    state: &ServerState,
    on_upgrade: OnUpgrade,
    work: impl FnOnce(Upgraded, Idle) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send,
{
    let stop = state.stop.clone();
    tokio::spawn(async move {
        let io = match on_upgrade.await {
            Ok(io) => TokioIo::new(io),
            Err(error) => {
                tracing::debug!(%error, "a connection that was to be upgraded");
                return;
            }
        };
        let idle = Idle::default();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = work(io, idle.clone()) => {}
            () = idle.expired(LIMIT) => tracing::debug!("a stream was idle for long: ended"),
        }
    });
}

pub(super) async fn exec(
    state: State<ServerState>,
    Path((namespace, pod, container)): Names,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    exec_in(&state, (&namespace, &pod, &container), None, query, request)
}

pub(super) async fn exec_with_uid(
    state: State<ServerState>,
    Path((namespace, pod, uid, container)): NamesWithUid,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    exec_in(
        &state,
        (&namespace, &pod, &container),
        Some(&uid),
        query,
        request,
    )
}

fn exec_in(
    state: &ServerState,
    names: (&str, &str, &str),
    uid: Option<&str>,
    query: Pairs,
    mut request: Request,
) -> Response {
    let asked = match ask(state, names, uid, &query, &mut request) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let args = query
        .into_iter()
        .filter(|(key, _)| key == "command")
        .map(|(_, value)| value);
    let (args, options) = (args.collect::<Vec<_>>(), asked.options);
    if args.is_empty() {
        return refuse(
            StatusCode::BAD_REQUEST,
            "you must specify at least 1 command",
        );
    }
    let shared = Arc::clone(&state.shared);
    serve(state, asked, async move |running, remote| {
        let command = Command {
            container: running.known.id,
            // Processes that an earlier kubelet executed may run on: no count of this one's would do.
            exec: format!("stream-{}", shared.random.suffix(16)),
            args,
            options,
            dir: shared.exec_dir(&running.uid),
        };
        stream::serve(&shared.containerd, &command, remote).await;
    })
}

pub(super) async fn attach(
    state: State<ServerState>,
    Path((namespace, pod, container)): Names,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    attach_to(&state, (&namespace, &pod, &container), None, query, request)
}

pub(super) async fn attach_with_uid(
    state: State<ServerState>,
    Path((namespace, pod, uid, container)): NamesWithUid,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    attach_to(
        &state,
        (&namespace, &pod, &container),
        Some(&uid),
        query,
        request,
    )
}

fn attach_to(
    state: &ServerState,
    names: (&str, &str, &str),
    uid: Option<&str>,
    query: Pairs,
    mut request: Request,
) -> Response {
    let asked = match ask(state, names, uid, &query, &mut request) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let shared = Arc::clone(&state.shared);
    serve(state, asked, async move |running, remote| {
        let endpoints = Endpoints::new(&shared.exec_dir(&running.uid), &running.known.id);
        attach::serve(&shared.containerd, &running, &endpoints, remote).await;
    })
}

pub(super) async fn port_forward(
    state: State<ServerState>,
    Path((namespace, pod)): Path<(String, String)>,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    forward_to(&state, (&namespace, &pod), None, query, request)
}

pub(super) async fn port_forward_with_uid(
    state: State<ServerState>,
    Path((namespace, pod, uid)): Names,
    Query(query): Query<Pairs>,
    request: Request,
) -> Response {
    forward_to(&state, (&namespace, &pod), Some(&uid), query, request)
}

fn forward_to(
    state: &ServerState,
    (namespace, name): (&str, &str),
    uid: Option<&str>,
    query: Pairs,
    mut request: Request,
) -> Response {
    let Some(pod) = state.lookup.pod(namespace, name) else {
        return refuse(StatusCode::NOT_FOUND, "pod does not exist");
    };
    if uid.is_some_and(|uid| uid != pod.uid) {
        return refuse(StatusCode::NOT_FOUND, "pod not found");
    }
    let upgrade = match negotiate(request.headers(), &forward::SPDY, &forward::WEBSOCKET) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.response(),
    };
    let ports = match forward::names_ports(&upgrade)
        .then(|| forward::ports(&query))
        .transpose()
    {
        Ok(ports) => ports.unwrap_or_default(),
        Err(message) => return refuse(StatusCode::BAD_REQUEST, message),
    };
    let netns = match (&state.shared.network, pod.host_network) {
        (_, true) => None,
        (Some(network), false) => Some(network.netns_path(&pod.uid)),
        (None, false) => {
            return refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the node has no pod network",
            );
        }
    };
    let response = upgrade.response();
    let target = forward::Target {
        // Upstream's name of a pod in one word.
        pod: format!("{name}_{namespace}"),
        uid: pod.uid,
    };
    spawn(
        state,
        hyper::upgrade::on(&mut request),
        async move |io, idle| {
            let connect = move |port: u16| {
                let netns = netns.clone();
                async move {
                    let socket = network::connect(netns, port).await?;
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    tokio::net::TcpStream::from_std(socket)
                }
            };
            streaming::forward::serve(io, &upgrade, &ports, target, connect, idle).await;
        },
    );
    response
}
