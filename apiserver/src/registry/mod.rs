//! The request pipeline: one way for all kinds, a file a verb.
//!
//! `serve` finds the kind and the verb; the verb's file reads like the way of the request: decode, current object, patch,
//! defaults, mutating admission, strategy, validation, validating admission, encode, append, answer. What is particular to a
//! kind stands in [`strategy`]; what is particular to an endpoint below an object in [`subresource`]. This module must not know
//! sockets, TLS, or how anybody was authenticated.

mod attempts;
pub mod body;
mod certificates;
mod change;
pub mod commit;
pub mod companion;
pub(crate) mod create;
mod delete;
mod delete_collection;
mod delete_options;
mod deletion;
pub mod fields;
mod get;
mod key_pairs;
mod kind;
mod list;
pub mod managed;
pub mod meta;
pub mod names;
mod patch;
mod patching;
mod prepare;
pub mod respond;
pub(crate) mod rules;
pub mod selection;
pub mod strategy;
pub mod subresource;
mod update;
mod watch;

use std::sync::Arc;

use api::kinds::Verb as ResourceVerb;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use store::Log;

pub use kind::{Kind, KindTable, api_version, builtin, builtin_resources};

use crate::admission::{Attributes, Chain, Operation};
use crate::authz::Authorizer;
use crate::chain::Handler;
use crate::codec::accept::routable;
use crate::codec::rendering::Cache;
use crate::env::Env;
use crate::request::{RequestContext, Verb};
use crate::status::{Status, plain_text};
use crate::view::View;

/// What serves resources.
pub struct Api {
    /// Every object.
    pub view: Arc<View>,
    /// Renderings of objects.
    pub cache: Arc<Cache>,
    /// Time and randomness.
    pub env: Env,
    /// Who may do what: asked here when one request does what another verb stands for.
    pub authorizer: Arc<Authorizer>,
    /// Admission.
    pub admission: Chain,
    /// Endpoints below objects that others serve: logs, exec, proxies, tokens.
    pub hooks: subresource::Hooks,
    /// What is written together with objects.
    pub companions: companion::Companions,
    log: Arc<dyn Log>,
    kinds: ArcSwap<KindTable>,
}

/// What an [`Api`] is made of.
pub struct Parts {
    /// The log that is written to.
    pub log: Arc<dyn Log>,
    /// The view of the same log.
    pub view: Arc<View>,
    /// The served kinds.
    pub kinds: KindTable,
    /// The cap of renderings, in bytes.
    pub renderings: usize,
    /// Time and randomness.
    pub env: Env,
    /// Who may do what.
    pub authorizer: Arc<Authorizer>,
    /// Admission.
    pub admission: Chain,
    /// Endpoints that others serve.
    pub hooks: subresource::Hooks,
    /// What is written together with objects.
    pub companions: companion::Companions,
}

impl From<Parts> for Api {
    fn from(parts: Parts) -> Api {
        Api {
            view: parts.view,
            cache: Arc::new(Cache::new(parts.renderings)),
            env: parts.env,
            authorizer: parts.authorizer,
            admission: parts.admission,
            hooks: parts.hooks,
            companions: parts.companions,
            log: parts.log,
            kinds: ArcSwap::from_pointee(parts.kinds),
        }
    }
}

/// One request for a resource.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What accompanies it.
    pub cx: &'a RequestContext,
    /// The kind concerned.
    pub kind: &'a Arc<Kind>,
    /// Its method and target, for an endpoint that passes them on.
    pub method: &'a Method,
    /// See `method`.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query, raw.
    pub raw_query: &'a str,
    /// Its connection, for an endpoint that goes on without HTTP.
    pub upgrade: &'a Upgrade,
}

/// The connection of a request, to be had once by an endpoint that upgrades it.
#[derive(Default)]
pub struct Upgrade(Mutex<Option<OnUpgrade>>);

impl Upgrade {
    /// The connection, once the answer is sent. `None` if it cannot be upgraded: HTTP/2, or a caller of the same process.
    pub fn take(&self) -> Option<OnUpgrade> {
        self.0.lock().take()
    }
}

impl<'a> Call<'a> {
    /// The namespace; empty for kinds without.
    pub fn namespace(&self) -> &'a str {
        if self.kind.resource.namespaced {
            &self.cx.info.namespace
        } else {
            ""
        }
    }

    /// The name in the path.
    pub fn name(&self) -> &'a str {
        &self.cx.info.name
    }

    /// The subresource.
    pub fn subresource(&self) -> &'a str {
        &self.cx.info.subresource
    }

    /// The key of the object.
    pub fn key(&self) -> String {
        self.kind.key(self.namespace(), self.name())
    }

    /// The namespace that admission is told of an object of this name: of a namespace it is its own name.
    pub fn admission_namespace<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        if self.kind.is("", "namespaces") {
            name
        } else {
            self.namespace()
        }
    }

    /// What admission is told of a request for a subresource whose body is not the object.
    pub fn body_attributes(&self, operation: Operation, dry_run: bool) -> Attributes<'a> {
        Attributes {
            cx: self.cx,
            kind: self.kind,
            subresource: self.subresource(),
            operation,
            namespace: self.namespace(),
            name: self.name(),
            dry_run,
            delete: None,
        }
    }

    /// Who owns the fields that the request sets.
    pub fn field_manager(&self, option: &str) -> String {
        match option {
            "" => self.cx.default_field_manager(),
            manager => manager.to_owned(),
        }
    }
}

impl Api {
    /// The served kinds.
    pub fn kinds(&self) -> Arc<KindTable> {
        self.kinds.load_full()
    }

    /// Changes the served kinds: custom ones come and go.
    pub fn change_kinds(&self, change: impl Fn(&mut KindTable)) {
        self.kinds.rcu(|kinds| {
            let mut kinds = KindTable::clone(kinds);
            change(&mut kinds);
            kinds
        });
    }

    async fn dispatch(
        &self,
        cx: &RequestContext,
        head: &http::request::Parts,
        upgrade: &Upgrade,
        body: Body,
    ) -> Result<Response<Body>, Status> {
        let (info, headers) = (&cx.info, &head.headers);
        let kinds = self.kinds.load();
        let Some(kind) = kinds.get(&info.group, &info.version, &info.resource) else {
            if kinds.iter().any(|kind| kind.resource.group == info.group) {
                return Err(Status::unknown_resource());
            }
            // Upstream's routers end where no group begins.
            return Ok(plain_text(StatusCode::NOT_FOUND, "404 page not found"));
        };
        let kind = &Arc::clone(kind);
        drop(kinds);
        let call = Call {
            cx,
            kind,
            method: &head.method,
            uri: &head.uri,
            headers,
            raw_query: head.uri.query().unwrap_or_default(),
            upgrade,
        };
        if info.verb == Verb::Proxy {
            return Err(Status::unknown_resource());
        }
        self.check_scope(&call)?;
        if !info.is_proxied() {
            routable(headers, matches!(info.verb, Verb::List | Verb::Watch))?;
        }
        check_name(info.name.as_str())?;
        if !info.subresource.is_empty() {
            return subresource::serve(self, &call, body).await;
        }
        let verb = resource_verb(info.verb).filter(|verb| kind.resource.verbs.contains(*verb));
        let Some(verb) = verb else {
            if info.verb == Verb::Watch && kind.resource.verbs.contains(ResourceVerb::List) {
                warn_of_age(&call);
                return Err(Status::method_not_supported(kind.qualified(), "watch"));
            }
            return Err(Status::method_not_allowed());
        };
        warn_of_age(&call);
        if let Some(hook) = self.hooks.get(&info.group, &info.resource, "") {
            return Arc::clone(hook).serve(self, &call, body).await;
        }
        match verb {
            ResourceVerb::Get => get::get(self, &call).await,
            ResourceVerb::List => list::list(self, &call).await,
            ResourceVerb::Watch => watch::watch(self, &call).await,
            ResourceVerb::Create => create::create(self, &call, body).await,
            ResourceVerb::Update => update::update(self, &call, body).await,
            ResourceVerb::Patch => patch::patch(self, &call, body).await,
            ResourceVerb::Delete => delete::delete(self, &call, body).await,
            ResourceVerb::DeleteCollection => {
                delete_collection::delete_collection(self, &call, body).await
            }
        }
    }

    /// Refuses paths that upstream does not route: a namespace before a kind without, a name where none belongs.
    fn check_scope(&self, call: &Call<'_>) -> Result<(), Status> {
        let (info, resource) = (&call.cx.info, &call.kind.resource);
        let of_namespaces = call.kind.is("", "namespaces");
        if !resource.namespaced && !info.namespace.is_empty() && !of_namespaces {
            return Err(Status::unknown_resource());
        }
        let needs_namespace = resource.namespaced && info.namespace.is_empty();
        match info.verb {
            Verb::List | Verb::Watch => Ok(()),
            Verb::Create if !info.name.is_empty() && info.subresource.is_empty() => {
                Err(Status::method_not_allowed())
            }
            Verb::Create | Verb::DeleteCollection if needs_namespace => {
                Err(Status::method_not_allowed())
            }
            _ if needs_namespace => Err(Status::unknown_resource()),
            Verb::Update | Verb::Patch if info.name.is_empty() => Err(Status::method_not_allowed()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Handler for Api {
    async fn handle(
        &self,
        cx: Arc<RequestContext>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let upgrade = Upgrade(Mutex::new(head.extensions.remove()));
        if head.method == Method::HEAD && !cx.info.is_proxied() {
            // Nothing else has such a route.
            let info = &cx.info;
            let kinds = self.kinds.load();
            let kind = kinds.get(&info.group, &info.version, &info.resource);
            return Err(
                kind.map_or_else(Status::unknown_resource, |_| Status::method_not_allowed())
            );
        }
        self.dispatch(&cx, &head, &upgrade, body).await
    }
}

/// Refuses names that would leave the place where objects of a kind are kept.
fn check_name(name: &str) -> Result<(), Status> {
    let why = match name {
        "." | ".." => format!("may not be '{name}'"),
        _ => {
            let wrong = ["/", "%"].into_iter().filter(|part| name.contains(part));
            let wrong: Vec<_> = wrong
                .map(|part| format!("may not contain '{part}'"))
                .collect();
            wrong.join(";")
        }
    };
    if why.is_empty() {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "Name parameter invalid: {}: {why}",
        api::field::quote(name)
    )))
}

fn resource_verb(verb: Verb) -> Option<ResourceVerb> {
    Some(match verb {
        Verb::Get => ResourceVerb::Get,
        Verb::List => ResourceVerb::List,
        Verb::Watch => ResourceVerb::Watch,
        Verb::Create => ResourceVerb::Create,
        Verb::Update => ResourceVerb::Update,
        Verb::Patch => ResourceVerb::Patch,
        Verb::Delete => ResourceVerb::Delete,
        Verb::DeleteCollection => ResourceVerb::DeleteCollection,
        _ => return None,
    })
}

/// Tells who uses a kind that upstream advises against.
fn warn_of_age(call: &Call<'_>) {
    let Some((since, instead)) = call.kind.deprecated() else {
        return;
    };
    let instead = instead.map(|instead| format!("; use {instead}"));
    let codec = &call.kind.codec;
    call.cx.warn(&format!(
        "{} {} is deprecated in {since}+{}",
        codec.api_version,
        codec.kind,
        instead.unwrap_or_default()
    ));
}
