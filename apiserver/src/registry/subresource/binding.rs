//! `pods/binding`: a pod is given its node.

use api::{Ref, Tree};
use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;

use crate::admission::Operation;
use crate::codec::accept::{accepted, sent};
use crate::codec::object::set_kind_named;
use crate::registry::change::{Change, run};
use crate::registry::prepare::Prepare;
use crate::registry::respond::success;
use crate::registry::{Api, Call, body, meta};
use crate::request::{CreateOptions, Stage};
use crate::status::{Qualified, Reason, Status};

/// Assigns the pod of the path to the node of the body.
pub async fn bind(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let media = sent(call.headers)?;
    let content = body::read(call.cx, raw).await?;
    let options = CreateOptions::parse(&call.cx.query)?;
    let schema = api::Schema::builtin();
    let type_id = schema
        .type_of_kind("", "v1", "Binding")
        .ok_or_else(|| Status::internal("no Binding"))?;
    let expected = body::Expected {
        group: "",
        version: "v1",
        kind: "Binding",
        type_id,
        schema: &call.kind.codec.schema,
    };
    let mut binding = call.cx.time(Stage::Decode, || {
        body::decode(call.cx, expected, media, content, options.field_validation)
    })?;
    set_kind_named(&mut binding, "v1", "Binding");
    let target = |field| {
        binding
            .root()
            .path("target")
            .and_then(|t| t.get(field))
            .and_then(Ref::as_str)
            .unwrap_or_default()
    };
    validate(&binding, call.name(), target("kind"), target("name"))?;
    let attributes = call.body_attributes(Operation::Create, options.dry_run);
    api.admission.judge_body(&attributes, &binding).await?;
    let node = target("name").to_owned();
    let now = api.env.now().as_second();
    let uid = meta::of(&binding).uid();
    let change = Change {
        options: &options,
        uid: Some(uid).filter(|uid| !uid.is_empty()),
        force_create: false,
        make: &|pod| assign(pod, &binding, &node, now),
        prepare: Prepare::Binding,
    };
    run(api, call, &change)
        .await
        .map_err(|status| match status.code() {
            409 => conflict(call.name(), status.message()),
            _ => status,
        })?;
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    let mut response = success(accepted, &status);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

fn conflict(pod: &str, why: &str) -> Status {
    match why.starts_with("Operation cannot be fulfilled on pods/binding") {
        true => Status::conflict(
            Qualified::new("", "pods/binding"),
            pod,
            why.split_once(": ").map_or(why, |(_, why)| why),
        ),
        false => Status::conflict(Qualified::new("", "pods/binding"), pod, why),
    }
}

fn validate(binding: &Tree, pod: &str, kind: &str, node: &str) -> Result<(), Status> {
    use api::field::{Error, ErrorList, Path};
    let name = meta::of(binding).name();
    if name != pod {
        return Err(Status::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    let target = Path::new("target");
    let mut errors = ErrorList::new();
    if !matches!(kind, "" | "Node") {
        errors.push(Error::not_supported(
            &target.child("kind"),
            kind,
            &["Node", "<empty>"],
        ));
    }
    if node.is_empty() {
        errors.push(Error::required(&target.child("name"), ""));
    }
    // Upstream does not make a 422 of what validation says here.
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::new(500, Reason::Unknown, errors.to_string(), None)),
    }
}

fn assign(pod: Option<&Tree>, binding: &Tree, node: &str, now: i64) -> Result<Tree, Status> {
    let Some(pod) = pod else {
        return Err(Status::not_found(Qualified::new("", "pods"), ""));
    };
    let name = meta::of(pod).name();
    let refuse = |why: String| {
        Err(Status::conflict(
            Qualified::new("", "pods/binding"),
            name,
            why,
        ))
    };
    if meta::of(pod).deletion().is_some() {
        return refuse(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        ));
    }
    let assigned = pod
        .root()
        .path("spec.nodeName")
        .and_then(Ref::as_str)
        .unwrap_or_default();
    if !assigned.is_empty() {
        return refuse(format!(
            "pod {name} is already assigned to node {}",
            api::field::quote(assigned)
        ));
    }
    if pod
        .root()
        .path("spec.schedulingGates")
        .is_some_and(|gates| !gates.is_empty())
    {
        return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let wanted = meta::of(binding).resource_version();
    let current = meta::of(pod).resource_version();
    if !wanted.is_empty() && wanted != current {
        return refuse(format!(
            "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {current}"
        ));
    }
    let mut new = pod.clone();
    meta::ensure(&mut new.root_mut(), "spec", |spec| {
        meta::set(spec, "nodeName", node)
    });
    for map in ["annotations", "labels"] {
        for (key, value) in meta::of(binding)
            .get(map)
            .into_iter()
            .flat_map(Ref::entries)
        {
            meta::of_mut(&mut new).insert(map, key, value.as_str().unwrap_or_default());
        }
    }
    set_scheduled(&mut new, now);
    Ok(new)
}

/// The condition `PodScheduled` becomes true.
fn set_scheduled(pod: &mut Tree, now: i64) {
    let list = pod.root().path("status.conditions");
    let place = list.and_then(|list| {
        list.items()
            .position(|c| c.get("type").and_then(Ref::as_str) == Some("PodScheduled"))
    });
    meta::ensure(&mut pod.root_mut(), "status", |status| {
        meta::ensure(status, "conditions", |list| {
            let mut condition = match place {
                None => list.push_new(),
                Some(index) => match list.item(index) {
                    Some(condition) => condition,
                    None => return,
                },
            };
            let changed = condition.as_ref().get("status").and_then(Ref::as_str) != Some("True");
            meta::set(&mut condition, "type", "PodScheduled");
            meta::set(&mut condition, "status", "True");
            meta::remove(&mut condition, "reason");
            meta::remove(&mut condition, "message");
            if changed {
                meta::set(&mut condition, "lastTransitionTime", api::Value::Time(now));
            }
        });
    });
}
