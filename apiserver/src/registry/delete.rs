//! delete: an object goes: at once, after a time of grace, or when its finalizers are done.

use std::sync::Arc;

use api::Tree;
use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;
use store::{Expect, Op};

use super::attempts::{Attempts, Stop, append};
use super::commit::{Written, store_key};
use super::deletion::{Step, namespace_step, step};
use super::{Api, Call, Kind, body, companion, delete_options, meta};
use crate::admission::{Attributes, Operation};
use crate::codec::accept::accepted;
use crate::codec::object::decode;
use crate::registry::respond::success;
use crate::request::{DeleteOptions, Stage};
use crate::status::Status;
use crate::view::Object;

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
    let options = delete_options::read(call, content)?;
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
    let kind = call.kind;
    let key = kind.key(call.namespace(), name);
    let mut attempts = Attempts::new(api, call, name, &key);
    let mut marked = Marked::default();
    loop {
        let attempt = match attempts.current() {
            Some(_) if options.unreadable_only => Err(readable(call, &key, name).into()),
            Some(object) => attempt(api, call, name, &key, object, options, &mut marked).await,
            None => match marked.gone(None) {
                Some(deleted) => Ok(deleted),
                None => Err(Status::not_found(kind.qualified(), name).into()),
            },
        };
        match attempt {
            Ok(deleted) => return Ok(deleted),
            Err(stop) => {
                if let Some(deleted) = attempts.after(stop).await? {
                    return Ok(deleted);
                }
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

async fn attempt(
    api: &Api,
    call: &Call<'_>,
    name: &str,
    key: &str,
    object: &Arc<Object>,
    options: &DeleteOptions,
    before: &mut Marked,
) -> Result<Deleted, Stop<Deleted>> {
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
        namespace: call.admission_namespace(name),
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
            let revision = append(api, call, "delete", vec![op]).await?;
            let written = api.written(cx, kind, key, new, revision, false).await;
            Ok(Deleted {
                tree: written.tree,
                object: written.object,
                gone: false,
            })
        }
        Step::MarkAndGo => {
            let op = api.put(cx, kind, key, &new, expect)?;
            let marked = append(api, call, "delete", vec![op]).await?;
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
) -> Result<Deleted, Stop<Deleted>> {
    let own = Op::Delete {
        key: store_key(call.kind, key),
        expect,
    };
    let ops = std::iter::once(own)
        .chain(companion::delete(api, call, &last))
        .collect();
    let revision = append(api, call, "delete", ops).await?;
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
