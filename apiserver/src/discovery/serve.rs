//! The endpoints of discovery.

use std::sync::{Arc, OnceLock};

use api::Tree;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::routing::any;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::groups::{Group, Version};
use super::negotiate::{Wanted, single, wanted};
use super::{aggregated, legacy, root};
use crate::codec::accept::Accepted;
use crate::codec::object::encode_tree;
use crate::codec::pretty::indent;
use crate::codec::rendering::Media;
use crate::health::Health;
use crate::status::{Status, negotiate, plain_text, render};

/// Answers discovery. Custom resources and aggregated APIs join by [`Discovery::publish`].
pub struct Discovery {
    served: ArcSwap<Served>,
    server_address: Option<String>,
    health: Arc<Health>,
}

/// What is served from one change to the next.
struct Served {
    groups: Vec<Group>,
    core: Cached,
    others: Cached,
}

/// An aggregated document and its entity tag, made when it is first asked for.
#[derive(Default)]
struct Cached(OnceLock<(Bytes, HeaderValue)>);

impl Discovery {
    /// Discovery of these groups, of a server at `server_address` (host and port), if clients are to be told.
    pub fn new(
        groups: Vec<Group>,
        server_address: Option<String>,
        health: Arc<Health>,
    ) -> Arc<Discovery> {
        let served = ArcSwap::from_pointee(Served::new(groups));
        Arc::new(Discovery {
            served,
            server_address,
            health,
        })
    }

    /// Replaces what is served: all groups, in their order of priority. Called when a custom resource or an aggregated API comes
    /// or goes.
    pub fn publish(&self, groups: Vec<Group>) {
        self.served.store(Arc::new(Served::new(groups)));
    }

    /// The routes.
    pub fn routes(self: &Arc<Self>) -> Router {
        let both = |router: Router<Arc<Discovery>>,
                    path: &str,
                    handler: axum::routing::MethodRouter<Arc<Discovery>>| {
            router
                .route(path, handler.clone())
                .route(&format!("{path}/"), handler)
        };
        let mut router = Router::new().route("/", any(root_paths));
        router = both(router, "/api", any(core));
        router = both(router, "/apis", any(others));
        router = both(router, "/api/{version}", any(core_version));
        router = both(router, "/apis/{group}", any(one_group));
        router = both(router, "/apis/{group}/{version}", any(one_version));
        router.with_state(Arc::clone(self))
    }
}

impl Served {
    fn new(groups: Vec<Group>) -> Served {
        Served {
            groups,
            core: Cached::default(),
            others: Cached::default(),
        }
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    fn others(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| !group.name.is_empty())
    }
}

impl Cached {
    fn get(&self, make: impl Fn() -> Tree) -> &(Bytes, HeaderValue) {
        self.0.get_or_init(|| {
            let json = encode_tree(&make(), Media::Json);
            let tag = aggregated::entity_tag(&json);
            (
                json,
                HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\"")),
            )
        })
    }

    fn answer(&self, headers: &HeaderMap, media: Media, make: impl Fn() -> Tree) -> Response<Body> {
        let (json, tag) = self.get(&make);
        let mut response = Response::new(Body::empty());
        if headers.get(IF_NONE_MATCH) == Some(tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let content = if media == Media::Json {
                json.clone()
            } else {
                encode_tree(&make(), media)
            };
            *response.body_mut() = content.into();
        }
        let kind = match media {
            Media::Json => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Media::Yaml => "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Media::Protobuf => {
                "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
        };
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        fields.insert(VARY, HeaderValue::from_static("Accept"));
        fields.insert(ETAG, tag.clone());
        response
    }
}

type Discover = State<Arc<Discovery>>;

async fn root_paths(State(discovery): Discover) -> Response<Body> {
    let paths = root::paths(&discovery.served.load().groups, &discovery.health);
    json(indent(&root::document(&paths)).into())
}

async fn core(State(discovery): Discover, request: Request) -> Response<Body> {
    let served = discovery.served.load();
    let Some(group) = served.group("") else {
        return not_found();
    };
    if request.method != Method::GET {
        return request.refuse(&Status::method_not_allowed());
    }
    match wanted(&request.headers) {
        Wanted::Aggregated(media) => served
            .core
            .answer(&request.headers, media, || aggregated::document([group])),
        Wanted::Single => request.answer(true, || {
            legacy::versions(group, discovery.server_address.as_deref())
        }),
    }
}

async fn others(State(discovery): Discover, request: Request) -> Response<Body> {
    let served = discovery.served.load();
    match wanted(&request.headers) {
        Wanted::Aggregated(media) => served.others.answer(&request.headers, media, || {
            aggregated::document(served.others())
        }),
        Wanted::Single => request.answer(false, || legacy::groups(served.others())),
    }
}

async fn one_group(
    State(discovery): Discover,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    match discovery
        .served
        .load()
        .group(&name)
        .filter(|_| !name.is_empty())
    {
        Some(group) => request.answer(false, || legacy::group(group)),
        None => not_found(),
    }
}

async fn core_version(
    state: Discover,
    Path(version): Path<String>,
    request: Request,
) -> Response<Body> {
    one_version(state, Path((String::new(), version)), request).await
}

async fn one_version(
    State(discovery): Discover,
    Path((group, version)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let served = discovery.served.load();
    let found: Option<(&Group, &Version)> = served
        .group(&group)
        .and_then(|group| group.version(&version).map(|version| (group, version)));
    match found {
        Some(_) if request.method != Method::GET => request.refuse(&Status::method_not_allowed()),
        Some((group, version)) => request.answer(true, || legacy::resources(group, version)),
        None if served.group(&group).is_some() => request.refuse(&Status::unknown_resource()),
        None => not_found(),
    }
}

/// What of a request counts here.
struct Request {
    method: Method,
    headers: HeaderMap,
    query: String,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Request {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        state: &S,
    ) -> Result<Request, Self::Rejection> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await?;
        Ok(Request {
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            query: query.unwrap_or_default(),
        })
    }
}

impl Request {
    fn answer(&self, routed: bool, make: impl FnOnce() -> Tree) -> Response<Body> {
        match single(&self.headers, &self.query, routed) {
            Ok(accepted) => document(accepted, &make()),
            Err(status) => self.refuse(&status),
        }
    }

    fn refuse(&self, status: &Status) -> Response<Body> {
        render(status, negotiate(&self.headers, &self.query))
    }
}

fn document(accepted: Accepted, tree: &Tree) -> Response<Body> {
    let content = encode_tree(tree, accepted.media);
    let content = if accepted.pretty && accepted.media == Media::Json {
        indent(&content).into()
    } else {
        content
    };
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(accepted.media.as_str()),
    );
    response
}

fn json(content: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(content));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn not_found() -> Response<Body> {
    plain_text(StatusCode::NOT_FOUND, "404 page not found")
}
