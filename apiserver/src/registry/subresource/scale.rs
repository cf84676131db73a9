//! `scale`: how many replicas a workload has, in a form that is the same for all kinds (`autoscaling/v1` Scale).

use api::kinds::Verb;
use api::{Ref, Tree};
use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};

use crate::codec::accept::{accepted, sent};
use crate::codec::object::decode;
use crate::registry::change::{Change, run};
use crate::registry::managed::{Writer, track};
use crate::registry::prepare::Prepare;
use crate::registry::update::match_name;
use crate::registry::{Api, Call, body, meta, patch, patching};
use crate::request::{PatchOptions, UpdateOptions};
use crate::status::Status;

/// Answers a request.
pub async fn serve(
    api: &Api,
    call: &Call<'_>,
    verb: Verb,
    raw: Body,
) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let kind = call.kind;
    let scale = match verb {
        Verb::Get => {
            let object = api
                .fresh(call.cx, kind, &call.key())
                .await?
                .ok_or_else(|| Status::not_found(kind.qualified(), call.name()))?;
            let mut tree = decode(&kind.codec, &object)?;
            meta::of_mut(&mut tree).set("resourceVersion", object.revision().to_string().as_str());
            of(&tree)?
        }
        Verb::Update => {
            let media = sent(call.headers)?;
            let content = body::read(call.cx, raw).await?;
            let options = UpdateOptions::parse_update(&call.cx.query)?;
            let expected = body::Expected {
                group: "autoscaling",
                version: "v1",
                kind: "Scale",
                type_id: type_id()?,
                schema: &kind.codec.schema,
            };
            let wanted = body::decode(call.cx, expected, media, content, options.field_validation)?;
            match_name(call, &wanted)?;
            change(api, call, &options, &|_| Ok(wanted.clone())).await?
        }
        Verb::Patch => {
            let patch_kind = patch::patch_kind(call)?;
            let content: Bytes = body::read(call.cx, raw).await?;
            let options = PatchOptions::parse(&call.cx.query, patch_kind)?;
            let manager = call.field_manager(&options.update.field_manager);
            let patch = patching::Patch::parse(call, patch_kind, &content, &options, &manager)?;
            change(api, call, &options.update, &|scale| {
                patch.apply_plain(call, scale)
            })
            .await?
        }
        _ => return Err(Status::method_not_allowed()),
    };
    api.respond_tree(call.cx, kind, accepted, StatusCode::OK, &scale)
}

fn type_id() -> Result<api::TypeId, Status> {
    api::Schema::builtin()
        .type_of_kind("autoscaling", "v1", "Scale")
        .ok_or_else(|| Status::internal("the schema has no Scale"))
}

/// Changes the scale of the current object by `wanted`, which makes a new one of the present one.
async fn change(
    api: &Api,
    call: &Call<'_>,
    options: &UpdateOptions,
    wanted: &(dyn Fn(&Tree) -> Result<Tree, Status> + Send + Sync),
) -> Result<Tree, Status> {
    let manager = call.field_manager(&options.field_manager);
    let change = Change {
        options,
        uid: None,
        force_create: false,
        make: &|live| {
            let Some(live) = live else {
                return Err(Status::not_found(call.kind.qualified(), call.name()));
            };
            let wanted = wanted(&of(live)?)?;
            validate(&wanted)?;
            let replicas = wanted
                .root()
                .path("spec.replicas")
                .and_then(Ref::as_i64)
                .unwrap_or_default();
            let mut new = live.clone();
            meta::ensure(&mut new.root_mut(), "spec", |spec| {
                meta::set(spec, "replicas", replicas)
            });
            let version = meta::of(&wanted).resource_version();
            if !version.is_empty() {
                meta::of_mut(&mut new).set("resourceVersion", version);
            }
            let writer = Writer {
                manager: &manager,
                subresource: call.subresource(),
                now: api.env.now(),
            };
            track(call.kind, Some(live), &mut new, writer);
            Ok(new)
        },
        prepare: Prepare::Main,
    };
    of(&run(api, call, &change).await?.tree)
}

fn validate(scale: &Tree) -> Result<(), Status> {
    use api::field::{Error, Path};
    let replicas = scale
        .root()
        .path("spec.replicas")
        .and_then(Ref::as_i64)
        .unwrap_or_default();
    if replicas >= 0 {
        return Ok(());
    }
    let spec = Path::new("spec");
    let why = "must be greater than or equal to 0";
    let errors = [Error::invalid(&spec.child("replicas"), replicas, why)]
        .into_iter()
        .collect();
    Err(Status::invalid(
        crate::status::Qualified::new("autoscaling", "Scale"),
        meta::of(scale).name(),
        &errors,
    ))
}

/// The scale of a workload.
///
/// # Errors
/// If there is no such kind.
pub fn of(object: &Tree) -> Result<Tree, Status> {
    let mut scale = Tree::new(type_id()?);
    let mut root = scale.root_mut();
    meta::set(&mut root, "kind", "Scale");
    meta::set(&mut root, "apiVersion", "autoscaling/v1");
    let number = |path: &str| {
        object
            .root()
            .path(path)
            .and_then(Ref::as_i64)
            .unwrap_or_default()
    };
    meta::ensure(&mut root, "spec", |spec| {
        meta::set(spec, "replicas", number("spec.replicas"))
    });
    let selector = selector(object);
    meta::ensure(&mut root, "status", |status| {
        meta::set(status, "replicas", number("status.replicas"));
        meta::set(status, "selector", selector.as_str());
    });
    let from = meta::of(object);
    let mut metadata = meta::of_mut(&mut scale);
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        metadata.copy(field, from);
    }
    Ok(scale)
}

/// The label selector, as text.
fn selector(object: &Tree) -> String {
    let Some(selector) = object.root().path("spec.selector") else {
        return String::new();
    };
    let text = |r: Ref<'_>| r.as_str().unwrap_or_default().to_owned();
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let mut terms: Vec<String> = labels
        .entries()
        .filter_map(|(key, value)| value.as_str().map(|value| format!("{key}={value}")))
        .collect();
    for requirement in selector
        .get("matchExpressions")
        .into_iter()
        .flat_map(Ref::items)
    {
        let key = requirement.get("key").map(text).unwrap_or_default();
        let values: Vec<String> = requirement
            .get("values")
            .into_iter()
            .flat_map(Ref::items)
            .map(text)
            .collect();
        let values = values.join(",");
        terms.push(
            match requirement
                .get("operator")
                .and_then(Ref::as_str)
                .unwrap_or_default()
            {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key,
            },
        );
    }
    terms.sort();
    terms.join(",")
}
