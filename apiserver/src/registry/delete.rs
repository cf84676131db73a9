//! delete: an object goes: at once, after a time of grace, or when its finalizers are done.

use std::sync::Arc;

use api::field::quote;
use api::{Ref, Tree};
use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;
use store::{Expect, Op, Revision};

use super::commit::{ATTEMPTS, Refused, Written, store_key};
use super::{Api, Call, Kind, body, companion, meta};
use crate::admission::{Attributes, Operation};
use crate::codec::accept::{accepted, sent};
use crate::codec::object::decode;
use crate::registry::respond::success;
use crate::registry::strategy::Garbage;
use crate::request::{DeleteOptions, Propagation, Stage, UNREADABLE_ONLY};
use crate::status::Status;
use crate::view::Object;

/// The finalizer that leaves dependents without their owner.
const ORPHAN: &str = "orphan";
/// The finalizer that waits for dependents to go first.
const FOREGROUND: &str = "foregroundDeletion";

/// What a delete came to.
pub struct Deleted {
    /// The object as it was last, with its resourceVersion.
    pub tree: Tree,
    /// The version in the view, if it is still there.
    pub object: Option<Arc<Object>>,
    /// It is gone.
    pub gone: bool,
}

/// Deletes the object of the path.
pub async fn delete(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let content = body::read(call.cx, raw).await?;
    let options = options(call, content)?;
    let kind = call.kind;
    let deleted = delete_object(api, call, call.name(), &options).await?;
    if deleted.gone && !kind.strategy.returns_deleted {
        let resource = &kind.resource;
        let mut details =
            json!({ "name": call.name(), "group": resource.group, "kind": resource.name });
        if resource.group.is_empty() {
            details = json!({ "name": call.name(), "kind": resource.name });
        }
        details["uid"] = meta::of(&deleted.tree).uid().into();
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
        return Ok(success(accepted, &status));
    }
    let code = match (deleted.gone, options.orphan_dependents) {
        (false, Some(false)) => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let written = Written {
        tree: deleted.tree,
        object: deleted.object,
        created: false,
    };
    api.respond_written(call.cx, kind, accepted, code, &written)
}

/// The options of a delete, from its body if it has one, else from the query.
pub fn options(call: &Call<'_>, content: Bytes) -> Result<DeleteOptions, Status> {
    if content.is_empty() {
        return DeleteOptions::parse(&call.cx.query);
    }
    let schema = api::Schema::builtin();
    let type_id = schema
        .type_of_kind("meta.k8s.io", "v1", "DeleteOptions")
        .ok_or_else(|| Status::internal("no DeleteOptions"))?;
    let media = sent(call.headers)?;
    let tree = decode_options(media, content, type_id)?;
    let root = tree.root();
    let number = |field| root.get(field).and_then(Ref::as_i64);
    let dry_run: Vec<&str> = root
        .get("dryRun")
        .into_iter()
        .flat_map(Ref::items)
        .filter_map(Ref::as_str)
        .collect();
    let mut options = DeleteOptions::checked(
        number("gracePeriodSeconds"),
        root.get("orphanDependents").and_then(Ref::as_bool),
        root.get("propagationPolicy").and_then(Ref::as_str),
        &dry_run,
    )?;
    let precondition = |field| {
        root.path("preconditions")
            .and_then(|p| p.get(field))
            .and_then(Ref::as_str)
            .map(str::to_owned)
    };
    options.unreadable_only = root
        .get(UNREADABLE_ONLY)
        .and_then(Ref::as_bool)
        .unwrap_or_default();
    options.precondition_uid = precondition("uid");
    options.precondition_resource_version = precondition("resourceVersion");
    Ok(options)
}

/// Refuses options that say they are something else.
fn check_kind(version: &str, kind: &str) -> Result<(), Status> {
    if version.matches('/').count() > 1 {
        let message = format!("unexpected GroupVersion string: {version}");
        return Err(Status::bad_request(message));
    }
    if matches!(kind, "" | "DeleteOptions") {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
        quote(kind),
        quote(version)
    )))
}

/// DeleteOptions may come in any group and version.
fn decode_options(
    media: crate::codec::rendering::Media,
    content: Bytes,
    type_id: api::TypeId,
) -> Result<Tree, Status> {
    use crate::codec::rendering::Media;
    use api::codec::{json, protobuf, yaml};
    let schema = api::Schema::builtin();
    let bad = |why: String| Status::bad_request(why);
    let from_json = |content: Bytes| {
        let meta = json::type_meta(&content)
            .map_err(|e| bad(format!("couldn't get version/kind; json parse error: {e}")))?;
        check_kind(&meta.api_version, &meta.kind)?;
        json::decode(schema, type_id, content, &mut json::Strict::new())
            .map_err(|e| bad(e.to_string()))
    };
    match media {
        Media::Json => from_json(content),
        Media::Yaml => {
            let content = yaml::to_json(&content, &mut json::Strict::new())
                .map_err(|e| bad(e.to_string()))?;
            from_json(content.into())
        }
        Media::Protobuf => {
            let unknown = protobuf::unwrap_unknown(&content).map_err(|e| bad(e.to_string()))?;
            check_kind(&unknown.api_version, &unknown.kind)?;
            protobuf::decode(schema, type_id, content.slice(unknown.raw))
                .map_err(|e| bad(e.to_string()))
        }
    }
}

enum Stop {
    Again(Revision),
    Refused(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Stop {
        Stop::Refused(status)
    }
}

/// What a delete has marked as deleted with no time left: whoever sees the mark may finish before it does, and the
/// delete has then succeeded all the same (kubernetes/kubernetes#19403).
#[derive(Default)]
struct Marked(Option<Tree>);

impl Marked {
    /// The last state that is known of what was marked, if it is gone: `current` is not there, or another of that name.
    fn gone(&mut self, current: Option<&Tree>) -> Option<Deleted> {
        let uid = |tree: &Tree| meta::of(tree).uid().to_owned();
        let marked = self.0.as_ref().map(uid)?;
        if current.is_some_and(|current| uid(current) == marked) {
            return None;
        }
        self.0.take().map(|tree| Deleted {
            tree,
            object: None,
            gone: true,
        })
    }
}

/// Deletes the object `name`: again, if somebody else's write came between.
pub async fn delete_object(
    api: &Api,
    call: &Call<'_>,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, Status> {
    let (cx, kind) = (call.cx, call.kind);
    let key = kind.key(call.namespace(), name);
    let mut current = api.current(kind, &key);
    let mut certain = false;
    let mut attempts = 0;
    let mut marked = Marked::default();
    loop {
        let attempt = match &current {
            Some(_) if options.unreadable_only => Err(Stop::Refused(readable(call, &key, name))),
            Some(object) => attempt(api, call, name, &key, object, options, &mut marked).await,
            None => match marked.gone(None) {
                Some(deleted) => Ok(deleted),
                None => Err(Stop::Refused(Status::not_found(kind.qualified(), name))),
            },
        };
        match attempt {
            Ok(deleted) => return Ok(deleted),
            Err(Stop::Again(head)) => {
                attempts += 1;
                if attempts > ATTEMPTS {
                    return Err(Status::modified(kind.qualified(), name));
                }
                let _ = api.view.reach(head).await;
                current = api.current(kind, &key);
            }
            Err(Stop::Refused(status)) if certain || !matches!(status.code(), 404 | 409) => {
                return Err(status);
            }
            Err(Stop::Refused(status)) => {
                let fresh = api.fresh(cx, kind, &key).await?;
                if fresh.as_ref().map(|o| o.revision()) == current.as_ref().map(|o| o.revision()) {
                    return Err(status);
                }
                current = fresh;
                certain = true;
            }
        }
    }
}

/// 409: the object can be read, and only one that cannot is to go.
fn readable(call: &Call<'_>, key: &str, name: &str) -> Status {
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}{key}, ResourceVersion: 0, AdditionalErrorMsg: unsafe \
         deletion is not allowed because the object is decodable from storage",
        call.kind.prefix
    );
    Status::conflict(call.kind.qualified(), name, why)
}

/// What is to be done with an object that is to go.
enum Step {
    /// Nothing: it is on its way.
    Pending,
    /// It is marked, and somebody else finishes.
    Mark,
    /// It is marked, and then goes.
    MarkAndGo,
    /// It goes.
    Go,
}

async fn attempt(
    api: &Api,
    call: &Call<'_>,
    name: &str,
    key: &str,
    object: &Arc<Object>,
    options: &DeleteOptions,
    before: &mut Marked,
) -> Result<Deleted, Stop> {
    let (cx, kind) = (call.cx, call.kind);
    let old = cx.time(Stage::Decode, || {
        let mut old = decode(&kind.codec, object)?;
        meta::of_mut(&mut old).set("resourceVersion", object.revision().to_string().as_str());
        Ok::<_, Status>(old)
    })?;
    if let Some(deleted) = before.gone(Some(&old)) {
        return Ok(deleted);
    }
    preconditions(kind, name, &old, options)?;
    let attributes = Attributes {
        cx,
        kind,
        subresource: "",
        operation: Operation::Delete,
        namespace: if kind.is("", "namespaces") {
            name
        } else {
            call.namespace()
        },
        name,
        dry_run: options.dry_run,
        delete: Some(options),
    };
    cx.time_async(
        Stage::Admission,
        api.admission.validate(&attributes, None, Some(&old)),
    )
    .await?;
    let now = api.env.now().as_second();
    let mut new = old.clone();
    let step = match kind.is("", "namespaces") {
        true => namespace_step(&mut new, options, now),
        false => step(kind, &mut new, options, now),
    };
    let expect = Expect::At(object.revision());
    match step {
        Step::Pending => Ok(Deleted {
            tree: old,
            object: Some(Arc::clone(object)),
            gone: false,
        }),
        Step::Mark | Step::MarkAndGo if options.dry_run => Ok(Deleted {
            tree: new,
            object: None,
            gone: matches!(step, Step::MarkAndGo),
        }),
        Step::Mark => {
            let op = api.put(cx, kind, key, &new, expect)?;
            let revision = append(api, call, vec![op]).await?;
            let written = api.written(cx, kind, key, new, revision, false).await;
            Ok(Deleted {
                tree: written.tree,
                object: written.object,
                gone: false,
            })
        }
        Step::MarkAndGo => {
            let op = api.put(cx, kind, key, &new, expect)?;
            let marked = append(api, call, vec![op]).await?;
            meta::of_mut(&mut new).set("resourceVersion", marked.to_string().as_str());
            before.0 = Some(new.clone());
            go(api, call, key, new, Expect::At(marked)).await
        }
        Step::Go if options.dry_run => Ok(Deleted {
            tree: old,
            object: None,
            gone: true,
        }),
        Step::Go => go(api, call, key, old, expect).await,
    }
}

async fn go(
    api: &Api,
    call: &Call<'_>,
    key: &str,
    mut last: Tree,
    expect: Expect,
) -> Result<Deleted, Stop> {
    let own = Op::Delete {
        key: store_key(call.kind, key),
        expect,
    };
    let ops = std::iter::once(own)
        .chain(companion::delete(api, call, &last))
        .collect();
    let revision = append(api, call, ops).await?;
    // Whoever reads after the answer must not find it.
    let _ = call
        .cx
        .time_async(Stage::View, api.view.reach(revision))
        .await;
    meta::of_mut(&mut last).set("resourceVersion", revision.to_string().as_str());
    Ok(Deleted {
        tree: last,
        object: None,
        gone: true,
    })
}

async fn append(api: &Api, call: &Call<'_>, ops: Vec<Op>) -> Result<Revision, Stop> {
    match api.append(call.cx, call.kind, "delete", ops).await {
        Ok(revision) => Ok(revision),
        Err(Refused::Conflict(conflict)) => Err(Stop::Again(conflict.head)),
        Err(Refused::Failed(status)) => Err(Stop::Refused(status)),
    }
}

fn preconditions(
    kind: &Kind,
    name: &str,
    old: &Tree,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let old = meta::of(old);
    // Upstream names the kind here, not the resource.
    let subject = kind.qualified_kind();
    if let Some(uid) = options
        .precondition_uid
        .as_deref()
        .filter(|uid| *uid != old.uid())
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and \
             then recreated",
            old.uid()
        );
        return Err(Status::conflict(subject, name, why));
    }
    let version = options.precondition_resource_version.as_deref();
    if let Some(version) = version.filter(|version| *version != old.resource_version()) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object \
             might have been modified",
            old.resource_version()
        );
        return Err(Status::conflict(subject, name, why));
    }
    Ok(())
}

/// Marks an object as being deleted, as far as that is needed, and says what comes next (upstream: `rest.BeforeDelete`,
/// `deletionFinalizersForGarbageCollection`).
fn step(kind: &Kind, object: &mut Tree, options: &DeleteOptions, now: i64) -> Step {
    let old = meta::of(object);
    let (deletion, grace, generation) = (
        old.deletion(),
        old.grace().map(|g| if g < 0 { 1 } else { g }),
        old.generation(),
    );
    let asked = options
        .grace_period_seconds
        .map(|g| if g < 0 { 1 } else { g });
    let graceful = kind.strategy.rules.grace(object, options);
    let mut marked = None;
    if graceful.is_some() {
        match (deletion, grace.unwrap_or_default()) {
            // Marked before, with no time left: it goes.
            (Some(_), 0) => {}
            (Some(deletion), grace) => match asked {
                // Only a shorter time may be asked for.
                Some(asked) if asked < grace => {
                    let moved = deletion.saturating_sub(grace).saturating_add(asked);
                    let late = moved < now;
                    marked = Some((
                        if late { now } else { moved },
                        if late && asked != 0 { 1 } else { asked },
                        generation,
                    ));
                }
                _ => return Step::Pending,
            },
            (None, _) => {
                let grace = graceful.unwrap_or_default();
                marked = Some((
                    now.saturating_add(grace),
                    grace,
                    generation + i64::from(generation > 0),
                ));
            }
        }
    }
    let wanted = finalizers(kind, object, options);
    let changed = {
        let mut had: Vec<&str> = meta::of(object).finalizers().collect();
        let mut wants: Vec<&str> = wanted.iter().map(String::as_str).collect();
        had.sort_unstable();
        wants.sort_unstable();
        had != wants
    };
    if changed {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        meta::of_mut(object).set_finalizers(&wanted);
    }
    let mut metadata = meta::of_mut(object);
    match marked {
        Some((deletion, grace, generation)) => {
            metadata.set_time("deletionTimestamp", deletion);
            metadata.set("deletionGracePeriodSeconds", grace);
            metadata.set("generation", generation);
            match grace == 0 && wanted.is_empty() {
                true => Step::MarkAndGo,
                false => Step::Mark,
            }
        }
        None if wanted.is_empty() => Step::Go,
        None => {
            if deletion.is_none() && generation > 0 {
                metadata.set("generation", generation + 1);
            }
            if deletion.is_none_or(|at| at > now) {
                metadata.set_time("deletionTimestamp", now);
            }
            metadata.set("deletionGracePeriodSeconds", 0);
            match changed || deletion.is_none() || grace != Some(0) {
                true => Step::Mark,
                false => Step::Pending,
            }
        }
    }
}

/// The finalizers that an object is to have, once it is being deleted.
fn finalizers(kind: &Kind, object: &Tree, options: &DeleteOptions) -> Vec<String> {
    let had: Vec<&str> = meta::of(object).finalizers().collect();
    let default = kind.strategy.garbage;
    let has = |finalizer: &str| had.contains(&finalizer);
    let first = had
        .iter()
        .find(|f| matches!(**f, ORPHAN | FOREGROUND))
        .copied();
    let (orphan, foreground) = match (default, options.orphan_dependents, options.propagation) {
        (Garbage::Unsupported, ..) => (false, false),
        (_, Some(orphan), _) => (orphan, false),
        (_, None, Some(propagation)) => (
            propagation == Propagation::Orphan,
            propagation == Propagation::Foreground,
        ),
        _ if has(ORPHAN) || has(FOREGROUND) => (first == Some(ORPHAN), first == Some(FOREGROUND)),
        _ => (default == Garbage::Orphan, false),
    };
    let kept = had
        .iter()
        .filter(|f| !matches!(**f, ORPHAN | FOREGROUND))
        .map(|f| (*f).to_owned());
    kept.chain(orphan.then(|| ORPHAN.to_owned()))
        .chain(foreground.then(|| FOREGROUND.to_owned()))
        .collect()
}

/// A namespace is marked as terminating; it goes when nothing of it is left.
fn namespace_step(object: &mut Tree, options: &DeleteOptions, now: i64) -> Step {
    let old = meta::of(object);
    if old.deletion().is_some() {
        let empty = object
            .root()
            .path("spec.finalizers")
            .is_none_or(|list| list.is_empty());
        return match empty && old.finalizers().next().is_none() {
            true => Step::Go,
            false => Step::Pending,
        };
    }
    let had: Vec<String> = old.finalizers().map(str::to_owned).collect();
    let has = |finalizer: &str| had.iter().any(|f| f == finalizer);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation) {
        (Some(orphan), _) => (orphan, !orphan),
        (None, Some(propagation)) => (
            propagation == Propagation::Orphan,
            propagation == Propagation::Foreground,
        ),
        (None, None) => (has(ORPHAN), has(FOREGROUND)),
    };
    let mut wanted: Vec<&str> = had
        .iter()
        .map(String::as_str)
        .filter(|f| !matches!(*f, ORPHAN | FOREGROUND))
        .collect();
    wanted.extend(orphan.then_some(ORPHAN));
    wanted.extend(foreground.then_some(FOREGROUND));
    let mut metadata = meta::of_mut(object);
    metadata.set_finalizers(&wanted);
    metadata.set_time("deletionTimestamp", now);
    meta::ensure(&mut object.root_mut(), "status", |status| {
        meta::set(status, "phase", "Terminating")
    });
    Step::Mark
}
