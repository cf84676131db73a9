//! `pods/eviction`: a pod is deleted, if its disruption budget allows it.

use api::core::v1::Pod;
use api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetMut};
use api::selector::label::LabelSelector;
use api::{Ref, RefMut, Tree, Value};
use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;

use crate::admission::Operation;
use crate::codec::accept::{accepted, sent};
use crate::codec::object::{decode, set_kind_named};
use crate::registry::attempts::ATTEMPTS;
use crate::registry::change::{Change, run};
use crate::registry::commit::Refused;
use crate::registry::delete::delete_object;
use crate::registry::prepare::Prepare;
use crate::registry::respond::success;
use crate::registry::{Api, Call, Kind, body, meta};
use crate::request::{CreateOptions, DeleteOptions, Stage, UpdateOptions};
use crate::status::{Cause, Details, Reason, Status};
use crate::view::Object;
use store::Expect;

/// After how many seconds somebody who was refused may ask again.
const RETRY_SECONDS: i32 = 10;
/// How many evictions a budget remembers before their pods are seen to go: upstream's `MaxDisruptedPodSize`.
const MAX_DISRUPTED: usize = 2000;

/// Evicts the pod of the path.
pub async fn evict(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let media = sent(call.headers)?;
    let content = body::read(call.cx, raw).await?;
    let options = CreateOptions::parse(&call.cx.query)?;
    let schema = api::Schema::builtin();
    let type_id = schema
        .type_of_kind("policy", "v1", "Eviction")
        .ok_or_else(|| Status::internal("no Eviction"))?;
    let expected = body::Expected {
        group: "policy",
        version: "v1",
        kind: "Eviction",
        type_id,
        schema: &call.kind.codec.schema,
    };
    let mut eviction = call.cx.time(Stage::Decode, || {
        body::decode(call.cx, expected, media, content, options.field_validation)
    })?;
    set_kind_named(&mut eviction, "policy/v1", "Eviction");
    if meta::of(&eviction).name() != call.name() {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let mut delete = match eviction.root().get("deleteOptions") {
        Some(given) => DeleteOptions::read(given)?,
        None => DeleteOptions::default(),
    };
    delete.dry_run |= options.dry_run;
    let attributes = call.body_attributes(Operation::Create, options.dry_run);
    api.admission.judge_body(&attributes, &eviction).await?;
    evict_pod(api, call, delete).await?;
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    let mut response = success(accepted, &status);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn evict_pod(api: &Api, call: &Call<'_>, delete: DeleteOptions) -> Result<(), Status> {
    let any_version = delete.precondition_resource_version.is_none();
    let mut attempts = 0;
    let (pod, tree) = loop {
        let pod = api
            .fresh(call.cx, call.kind, &call.key())
            .await?
            .ok_or_else(|| Status::not_found(call.kind.qualified(), call.name()))?;
        let tree = decode(&call.kind.codec, &pod)?;
        let over = matches!(Pod::of(&tree).status().phase(), "Succeeded" | "Failed")
            || meta::of(&tree).deletion().is_some();
        if !over && Pod::of(&tree).status().phase() != "Pending" {
            break (pod, tree);
        }
        // No budget guards it; one that may yet become ready goes in the version that was judged.
        match finish(api, call, delete.clone(), !over, &pod).await {
            Err(status) if status.code() == 409 && any_version && attempts < ATTEMPTS => {
                attempts += 1;
            }
            outcome => return outcome,
        }
    };
    let pinned = ask_budget(api, call, &tree, delete.dry_run).await?;
    finish(api, call, delete, pinned, &pod)
        .await
        .map_err(|status| match status.code() {
            409 if pinned && any_version => too_many(
                "Cannot evict pod as it would violate the pod's disruption budget.",
                "The disruption budget is still being processed by the server.".to_owned(),
            ),
            _ => status,
        })
}

/// Takes one disruption out of the pod's budget; whether the pod must be the very version that was judged.
async fn ask_budget(api: &Api, call: &Call<'_>, pod: &Tree, dry_run: bool) -> Result<bool, Status> {
    let kinds = api.kinds();
    let Some(kind) = kinds.get("policy", "v1", "poddisruptionbudgets") else {
        return Ok(false);
    };
    for _ in 0..=ATTEMPTS {
        let Some((object, budget)) = budget_of(kind, call.namespace(), pod)? else {
            return Ok(false);
        };
        let view = PodDisruptionBudget::of(&budget);
        let ready = Pod::of(pod)
            .status()
            .conditions()
            .iter()
            .any(|c| c.type_() == "Ready" && c.status() == "True");
        let status = view.status();
        if !ready {
            let always = view.spec().unhealthy_pod_eviction_policy() == Some("AlwaysAllow");
            let healthy = status.current_healthy() >= status.desired_healthy()
                && status.desired_healthy() > 0;
            if always || healthy {
                return Ok(true);
            }
        }
        if status.observed_generation() < view.metadata().generation() {
            let name = view.metadata().name();
            let cause =
                format!("The disruption budget {name} is still being processed by the server.");
            return Err(too_many(
                "Cannot evict pod as it would violate the pod's disruption budget.",
                cause,
            ));
        }
        if status.disruptions_allowed() < 0 || status.disrupted_pods().len() > MAX_DISRUPTED {
            return Err(Status::forbidden(
                kind.qualified(),
                view.metadata().name(),
                "pdb disruptions allowed is negative",
            ));
        }
        if status.disruptions_allowed() == 0 {
            let cause = format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                view.metadata().name(),
                status.desired_healthy(),
                status.current_healthy()
            );
            return Err(too_many(
                "Cannot evict pod as it would violate the pod's disruption budget.",
                cause,
            ));
        }
        if dry_run {
            return Ok(false);
        }
        let allowed = status.disruptions_allowed() - 1;
        let mut new = budget.clone();
        let mut change = PodDisruptionBudgetMut::of(&mut new);
        change.status_mut().set_disruptions_allowed(allowed);
        let now = api.env.now().as_second();
        let observed = status.observed_generation();
        meta::ensure(&mut new.root_mut(), "status", |status| {
            if allowed == 0 {
                exhausted(status, observed, now);
            }
            meta::ensure(status, "disruptedPods", |pods| {
                pods.insert(meta::of(pod).name(), Value::Time(now));
            });
        });
        let op = api.put(
            call.cx,
            kind,
            object.key(),
            &new,
            Expect::At(object.revision()),
        )?;
        match api.append(call.cx, kind, "update", vec![op]).await {
            Ok(_) => return Ok(false),
            Err(Refused::Failed(status)) => return Err(status),
            Err(Refused::Conflict(conflict)) => {
                let _ = api.view.reach(conflict.head).await;
            }
        }
    }
    Err(Status::timeout(
        "couldn't update PodDisruptionBudget due to conflicts",
        RETRY_SECONDS,
    ))
}

/// Says in the status of a budget that it allows no disruption any more.
fn exhausted(status: &mut RefMut<'_>, observed: i64, now: i64) {
    meta::ensure(status, "conditions", |list| {
        let is_it = |c: Ref<'_>| c.get("type").and_then(Ref::as_str) == Some("DisruptionAllowed");
        list.retain(|c| !is_it(c));
        let mut condition = list.push_new();
        meta::set(&mut condition, "type", "DisruptionAllowed");
        meta::set(&mut condition, "status", "False");
        meta::set(&mut condition, "observedGeneration", observed);
        meta::set(&mut condition, "lastTransitionTime", Value::Time(now));
        meta::set(&mut condition, "reason", "InsufficientPods");
        meta::set(&mut condition, "message", "");
    });
}

/// The budget that selects the pod.
fn budget_of(
    kind: &Kind,
    namespace: &str,
    pod: &Tree,
) -> Result<Option<(std::sync::Arc<Object>, Tree)>, Status> {
    let Some(collection) = &kind.collection else {
        return Ok(None);
    };
    let root = format!("{namespace}/");
    let snapshot = collection.snapshot();
    let mut found = None;
    for object in snapshot
        .from(&root)
        .take_while(|object| object.key().starts_with(&root))
    {
        let tree = decode(&kind.codec, object)?;
        if !selects(&tree, pod) {
            continue;
        }
        if found.is_some() {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::new(500, Reason::Unknown, message, None));
        }
        found = Some((std::sync::Arc::clone(object), tree));
    }
    Ok(found)
}

/// Whether a budget's selector holds for a pod; none selects nothing, an empty one everything.
fn selects(budget: &Tree, pod: &Tree) -> bool {
    let Some(selector) = PodDisruptionBudget::of(budget).spec().selector() else {
        return false;
    };
    let Ok(selector) = LabelSelector::of(selector) else {
        return false;
    };
    let labels = Pod::of(pod).metadata().labels();
    selector.matches(|key| labels.get(key))
}

fn too_many(message: &str, cause: String) -> Status {
    let cause = Cause {
        reason: "DisruptionBudget".to_owned(),
        message: cause,
        field: String::new(),
    };
    let details = Details {
        causes: vec![cause],
        retry_after_seconds: RETRY_SECONDS,
        ..Details::default()
    };
    Status::new(429, Reason::TooManyRequests, message, Some(details))
}

/// Says on the pod why it goes, and deletes it.
async fn finish(
    api: &Api,
    call: &Call<'_>,
    mut delete: DeleteOptions,
    pinned: bool,
    judged: &Object,
) -> Result<(), Status> {
    if pinned && delete.precondition_resource_version.is_none() {
        delete.precondition_resource_version = Some(judged.revision().to_string());
    }
    if !delete.dry_run {
        let now = api.env.now().as_second();
        let wanted = delete.precondition_resource_version.clone();
        let change = Change {
            options: &UpdateOptions::default(),
            uid: delete.precondition_uid.as_deref(),
            force_create: false,
            make: &|pod| {
                let Some(pod) = pod else {
                    return Err(Status::not_found(call.kind.qualified(), call.name()));
                };
                let mut new = pod.clone();
                if let Some(version) = &wanted {
                    meta::of_mut(&mut new).set("resourceVersion", version.as_str());
                }
                mark(&mut new, now);
                Ok(new)
            },
            prepare: Prepare::Binding,
        };
        let written = run(api, call, &change).await?;
        if delete.precondition_resource_version.is_some() {
            delete.precondition_resource_version =
                Some(meta::of(&written.tree).resource_version().to_owned());
        }
    }
    delete_object(api, call, call.name(), &delete)
        .await
        .map(|_| ())
}

fn mark(pod: &mut Tree, now: i64) {
    meta::ensure(&mut pod.root_mut(), "status", |status| {
        meta::ensure(status, "conditions", |list| {
            list.retain(|c| c.get("type").and_then(Ref::as_str) != Some("DisruptionTarget"));
            let mut condition = list.push_new();
            meta::set(&mut condition, "type", "DisruptionTarget");
            meta::set(&mut condition, "status", "True");
            meta::set(&mut condition, "lastTransitionTime", Value::Time(now));
            meta::set(&mut condition, "reason", "EvictionByEvictionAPI");
            meta::set(&mut condition, "message", "Eviction API: evicting");
        });
    });
}
