//! Endpoints below an object.
//!
//! `status` and its kin are updates of a part of the object. The others have a kind of their own: a file each, or a hook that
//! others serve.

mod binding;
mod eviction;
mod part;
mod scale;

pub use scale::of as scale_of;

use std::collections::HashMap;
use std::sync::Arc;

use api::kinds::Verb as ResourceVerb;
use async_trait::async_trait;
use axum::body::Body;
use http::Response;

use super::{Api, Call, get, patch, resource_verb, update};
use crate::request::Verb;
use crate::status::Status;

/// An endpoint below an object that is served elsewhere: logs, exec, proxies, tokens.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Answers a request; `body` is unread.
    async fn serve(&self, api: &Api, call: &Call<'_>, body: Body)
    -> Result<Response<Body>, Status>;
}

/// The endpoints that are served elsewhere, by `group/resource/subresource`.
#[derive(Clone, Default)]
pub struct Hooks(HashMap<String, Arc<dyn Hook>>);

impl Hooks {
    /// Serves a subresource by `hook`.
    pub fn insert(&mut self, group: &str, resource: &str, subresource: &str, hook: Arc<dyn Hook>) {
        self.0
            .insert(format!("{group}/{resource}/{subresource}"), hook);
    }

    /// Serves a whole resource by `hook`: one that is stored nowhere. It is asked for the verbs that the resource has.
    pub fn insert_resource(&mut self, group: &str, resource: &str, hook: Arc<dyn Hook>) {
        self.insert(group, resource, "", hook);
    }

    /// The hook of a subresource; of the resource itself, if that is empty.
    pub(super) fn get(
        &self,
        group: &str,
        resource: &str,
        subresource: &str,
    ) -> Option<&Arc<dyn Hook>> {
        self.0.get(&format!("{group}/{resource}/{subresource}"))
    }
}

/// Answers a request for a subresource.
pub async fn serve(api: &Api, call: &Call<'_>, body: Body) -> Result<Response<Body>, Status> {
    let resource = &call.kind.resource;
    let name = call.subresource();
    let subresource = resource
        .subresource(name)
        .ok_or_else(Status::unknown_resource)?;
    let verb = resource_verb(call.cx.info.verb).filter(|verb| subresource.verbs.contains(*verb));
    if verb.is_none() && !call.cx.info.is_proxied() {
        return Err(Status::method_not_allowed());
    }
    if let Some(hook) = api.hooks.get(&resource.group, &resource.name, name) {
        return Arc::clone(hook).serve(api, call, body).await;
    }
    let Some(verb) = verb else {
        return Err(Status::method_not_allowed());
    };
    match (name, verb) {
        ("status" | "finalize" | "ephemeralcontainers" | "resize" | "approval", _)
            if subresource.type_id == resource.type_id =>
        {
            part::serve(api, call, verb, body).await
        }
        ("scale", _) => scale::serve(api, call, verb, body).await,
        ("eviction", ResourceVerb::Create) => eviction::evict(api, call, body).await,
        ("binding", ResourceVerb::Create) => binding::bind(api, call, body).await,
        _ => Err(Status::method_not_supported(
            call.kind.qualified(),
            &format!("{} of {name}", Verb::as_str(call.cx.info.verb)),
        )),
    }
}

pub(super) use get::get as get_whole;
pub(super) use patch::patch as patch_whole;
pub(super) use update::update as update_whole;
