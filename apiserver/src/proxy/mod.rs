//! `pods/proxy`, `services/proxy` and `nodes/proxy`: HTTP requests that go on to what runs in the cluster, and their answers.
//!
//! What a path names is resolved in [`location`] and [`service`], the request goes out in [`send`], and what an answer says of
//! its own addresses is made to lead back through the proxy in [`links`]. Upstream: apimachinery's `pkg/util/proxy`.

mod headers;
mod html;
mod links;
mod location;
mod name;
mod send;
mod service;

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};

use self::links::Links;
use self::name::Name;
use crate::kubelets::{Https, Kubelets, passage};
use crate::registry::subresource::{Hook, Hooks};
use crate::registry::{Api, Call};
use crate::status::Status;

/// Whose proxy it is.
#[derive(Clone, Copy, Debug)]
enum Of {
    Pods,
    Services,
    Nodes,
}

struct Proxy {
    of: Of,
    kubelets: Kubelets,
    anyone: Https,
}

/// Serves the proxies, by `anyone` what is spoken to by TLS.
pub fn serve(hooks: &mut Hooks, kubelets: &Kubelets, anyone: &Https) {
    for (resource, of) in [
        ("pods", Of::Pods),
        ("services", Of::Services),
        ("nodes", Of::Nodes),
    ] {
        let proxy = Proxy {
            of,
            kubelets: kubelets.clone(),
            anyone: anyone.clone(),
        };
        hooks.insert("", resource, "proxy", Arc::new(proxy));
    }
}

#[async_trait]
impl Hook for Proxy {
    async fn serve(
        &self,
        api: &Api,
        call: &Call<'_>,
        body: Body,
    ) -> Result<Response<Body>, Status> {
        let what = match self.of {
            Of::Pods => "pod",
            Of::Services => "service",
            Of::Nodes => "node",
        };
        let name = Name::parse(call.name()).ok_or_else(|| {
            let name = api::field::quote(call.name());
            Status::bad_request(format!("invalid {what} request {name}"))
        })?;
        let location = match self.of {
            Of::Pods => location::of_pod(api, call, &name).await?,
            Of::Services => service::locate(api, call, &name).await?,
            Of::Nodes => location::of_node(api, call, &name).await?,
        };
        let path = subpath(call);
        let upgrades = passage::wants_upgrade(call.headers);
        if !upgrades && path.is_empty() && matches!(*call.method, Method::GET | Method::HEAD) {
            return to_the_root(call);
        }
        let links = Links::new(call, &path, &location);
        let request = request(call, &path, &links, upgrades, body)?;
        let answer = send::send(&self.kubelets, &self.anyone, &location, request).await?;
        match call.upgrade.take().filter(|_| upgrades) {
            Some(client) => passage::hand_over(call, client, answer),
            None => Ok(links.of_answer(headers::of_answer(answer))),
        }
    }
}

/// What of the path is the backend's: empty, or from a `/` on.
fn subpath(call: &Call<'_>) -> String {
    let info = &call.cx.info;
    let mut path = info.parts.get(3..).unwrap_or_default().join("/");
    if !path.is_empty() && !path.starts_with('/') {
        path.insert(0, '/');
    }
    if info.path.ends_with('/') && !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// A page at no path would resolve its relative links beside the proxy, not in it (kubernetes/kubernetes#4958).
fn to_the_root(call: &Call<'_>) -> Result<Response<Body>, Status> {
    let query = match call.raw_query {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let location = format!("{}/{query}", call.uri.path());
    let location = HeaderValue::from_str(&location).map_err(Status::internal)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The request as the backend gets it.
fn request(
    call: &Call<'_>,
    path: &str,
    links: &Links,
    upgrades: bool,
    body: Body,
) -> Result<Request<Body>, Status> {
    let path = match path {
        "" => "/",
        path => path,
    };
    let target = match call.raw_query {
        "" => links::escape_path(path),
        query => format!("{}?{query}", links::escape_path(path)),
    };
    let target: PathAndQuery = target
        .parse()
        .map_err(|error| Status::bad_request(format!("the path: {error}")))?;
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers::of_request(call, upgrades);
    if !upgrades && let Ok(forwarded) = HeaderValue::from_str(&links.forwarded()) {
        request.headers_mut().insert("x-forwarded-uri", forwarded);
    }
    Ok(request)
}
