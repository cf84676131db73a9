//! update: an object is replaced. And what patch, apply and the subresources share with it: [`Change`], run against the current
//! object until nobody else's write comes between.

use std::sync::Arc;

use api::Tree;
use axum::body::Body;
use http::{Response, StatusCode};
use store::{Expect, Op, Revision};

use super::commit::{ATTEMPTS, Refused, Written, store_key};
use super::create::{dedup_owners, match_namespace, place};
use super::managed::{Writer, same_but_times, track};
use super::{Api, Call, body, companion, meta, rules};
use crate::admission::{Attributes, Operation};
use crate::authz::Attributes as Access;
use crate::codec::accept::{accepted, sent};
use crate::codec::object::{decode, encode};
use crate::request::{Stage, UpdateOptions};
use crate::status::{Reason, Status};
use crate::view::Object;

/// Decodes an object, and puts it in place of the one that is there.
pub async fn update(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let content = body::read(call.cx, raw).await?;
    let options = UpdateOptions::parse_update(&call.cx.query)?;
    let media = sent(call.headers)?;
    let mut new = body::object(call.cx, call.kind, media, content, options.field_validation)?;
    call.cx.time(Stage::Defaulting, || rules::default(&mut new));
    match_namespace(call.namespace(), &mut new)?;
    match_name(call, &new)?;
    dedup_owners(call, &mut new, false);
    let manager = call.field_manager(&options.field_manager);
    let uid = meta::of(&new).uid().to_owned();
    let change = Change {
        options: &options,
        uid: Some(uid.as_str()).filter(|uid| !uid.is_empty()),
        force_create: false,
        make: &|live| {
            let mut new = new.clone();
            let writer = Writer {
                manager: &manager,
                subresource: call.subresource(),
                now: api.env.now(),
            };
            track(call.kind, live, &mut new, writer);
            Ok(new)
        },
        prepare: Prepare::of(call.subresource()),
    };
    let written = run(api, call, &change).await?;
    let code = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    api.respond_written(call.cx, call.kind, accepted, code, &written)
}

/// Refuses an object whose name is not that of the path.
pub fn match_name(call: &Call<'_>, new: &Tree) -> Result<(), Status> {
    let (given, name) = (meta::of(new).name(), call.name());
    if given != name {
        let message = match given.is_empty() {
            true => format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            ),
            false => format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            ),
        };
        return Err(Status::bad_request(message));
    }
    Ok(())
}

/// Which part of an object an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// The object, without its status.
    Main,
    /// Its status.
    Status,
    /// A namespace's `spec.finalizers`.
    Finalize,
    /// A pod's ephemeral containers.
    EphemeralContainers,
    /// What a pod's containers may use.
    Resize,
    /// Whether a certificate is to be signed.
    Approval,
    /// A pod's node.
    Binding,
}

impl Prepare {
    /// The part that a subresource stands for.
    pub fn of(subresource: &str) -> Prepare {
        match subresource {
            "status" => Prepare::Status,
            "finalize" => Prepare::Finalize,
            "ephemeralcontainers" => Prepare::EphemeralContainers,
            "resize" => Prepare::Resize,
            "approval" => Prepare::Approval,
            _ => Prepare::Main,
        }
    }
}

/// How a new object is made of the current one (none: it is not there).
pub type Make<'a> = &'a (dyn Fn(Option<&Tree>) -> Result<Tree, Status> + Send + Sync);

/// A change of one object.
pub struct Change<'a> {
    /// The request's options.
    pub options: &'a UpdateOptions,
    /// The object must have this UID.
    pub uid: Option<&'a str>,
    /// The object is made if it is not there, whatever its kind: an apply.
    pub force_create: bool,
    /// Makes the new object of the current one. May run several times.
    pub make: Make<'a>,
    /// Which part it is about.
    pub prepare: Prepare,
}

/// Why one attempt did not come to an end.
enum Stop {
    /// Somebody else's write came first; the view must reach this revision.
    Again(Revision),
    /// The request is refused.
    Refused(Status),
    /// Nothing would change, if the view is up to date.
    Unchanged(Written),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Stop {
        Stop::Refused(status)
    }
}

/// Runs a change against the current object: again, if somebody else's write came between, with admission and all.
pub async fn run(api: &Api, call: &Call<'_>, change: &Change<'_>) -> Result<Written, Status> {
    let (cx, kind, key) = (call.cx, call.kind, call.key());
    let mut current = api.current(kind, &key);
    // The view shows all that this server acknowledged; what others did it may not show yet.
    let mut certain = false;
    let mut attempts = 0;
    loop {
        let verdict = match attempt(api, call, change, &key, current.as_ref()).await {
            Ok(written) => return Ok(written),
            Err(Stop::Again(head)) => {
                attempts += 1;
                if attempts > ATTEMPTS {
                    return Err(Status::modified(kind.qualified(), call.name()));
                }
                let _ = api.view.reach(head).await;
                current = api.current(kind, &key);
                continue;
            }
            Err(Stop::Refused(status)) if !worth_a_second_look(&status) => return Err(status),
            Err(Stop::Refused(status)) => Err(status),
            Err(Stop::Unchanged(written)) => Ok(written),
        };
        if certain {
            return verdict;
        }
        // Judged by what may be out of date.
        let fresh = api.fresh(cx, kind, &key).await?;
        if fresh.as_ref().map(|o| o.revision()) == current.as_ref().map(|o| o.revision()) {
            return verdict;
        }
        current = fresh;
        certain = true;
    }
}

fn worth_a_second_look(status: &Status) -> bool {
    matches!(status.code(), 404 | 409 | 422)
}

async fn attempt(
    api: &Api,
    call: &Call<'_>,
    change: &Change<'_>,
    key: &str,
    current: Option<&Arc<Object>>,
) -> Result<Written, Stop> {
    let (cx, kind) = (call.cx, call.kind);
    let Some(object) = current else {
        return Ok(create_on_update(api, call, change).await?);
    };
    let old = cx.time(Stage::Decode, || {
        let mut old = decode(&kind.codec, object)?;
        meta::of_mut(&mut old).set("resourceVersion", object.revision().to_string().as_str());
        Ok::<_, Status>(old)
    })?;
    if let Some(uid) = change.uid.filter(|uid| *uid != meta::of(&old).uid()) {
        return Err(uid_mismatch(call, key, uid, meta::of(&old).uid()).into());
    }
    let mut new = (change.make)(Some(&old))?;
    let namespace = if kind.is("", "namespaces") {
        call.name()
    } else {
        call.namespace()
    };
    let attributes = Attributes {
        cx,
        kind,
        subresource: call.subresource(),
        operation: Operation::Update,
        namespace,
        name: call.name(),
        dry_run: change.options.dry_run,
        delete: None,
    };
    cx.time_async(
        Stage::Admission,
        api.admission.mutate(&attributes, &mut new, Some(&old)),
    )
    .await?;
    dedup_owners(call, &mut new, true);
    check_version(call, object, &new)?;
    let companions = companion::update(api, call, &mut new, &old).await?;
    // An update of whatever is there is one of the current version from here on.
    meta::of_mut(&mut new).set("resourceVersion", object.revision().to_string().as_str());
    before_update(api, call, change.prepare, &mut new, &old)?;
    let subresource = call.subresource();
    cx.time(Stage::Validation, || {
        let now = api.env.now().as_second();
        rules::validate_update(kind, subresource, &new, &old, now)
    })?;
    rules::warn_update(cx, subresource, &new, &old);
    cx.time_async(
        Stage::Admission,
        api.admission.validate(&attributes, Some(&new), Some(&old)),
    )
    .await?;
    let charging = api.admission.charge(api, &attributes, &new, Some(&old));
    let mut charge = cx.time_async(Stage::Admission, charging).await?;

    if goes(kind, &new, &old) {
        // Its last finalizer is gone, and it was being deleted.
        if !change.options.dry_run {
            let op = Op::Delete {
                key: store_key(kind, key),
                expect: Expect::At(object.revision()),
            };
            let ops = std::iter::once(op)
                .chain(companion::delete(api, call, &old))
                .collect();
            append(api, call, ops).await?;
        }
        meta::of_mut(&mut new).set("resourceVersion", object.revision().to_string().as_str());
        return Ok(Written {
            tree: new,
            object: None,
            created: false,
        });
    }
    let value = cx
        .time(Stage::Encode, || encode(&kind.codec, &new))
        .map_err(Status::from)?;
    if change.options.dry_run {
        let version = object.revision().to_string();
        return Written::dry(cx, kind, key, &value, &version, false).map_err(Stop::from);
    }
    if value == *object.value() || same_but_times(&new, &old) {
        // Nothing changed: nothing is written.
        return Err(Stop::Unchanged(Written {
            tree: old,
            object: Some(Arc::clone(object)),
            created: false,
        }));
    }
    let op = Op::Put {
        key: store_key(kind, key),
        value,
        expect: Expect::At(object.revision()),
        ttl: kind.strategy.ttl,
    };
    let charges = std::mem::take(&mut charge.ops);
    let ops = std::iter::once(op)
        .chain(companions)
        .chain(charges)
        .collect();
    let revision = append(api, call, ops).await?;
    Ok(api.written(cx, kind, key, new, revision, false).await)
}

/// 409: the object is another than the one that is meant; in the words of upstream's storage.
fn uid_mismatch(call: &Call<'_>, key: &str, wanted: &str, uid: &str) -> Status {
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}{key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
         failed: UID in precondition: {wanted}, UID in object meta: {uid}",
        call.kind.prefix
    );
    Status::conflict(call.kind.qualified(), call.name(), why)
}

async fn append(api: &Api, call: &Call<'_>, ops: Vec<Op>) -> Result<Revision, Stop> {
    match api.append(call.cx, call.kind, "update", ops).await {
        Ok(revision) => Ok(revision),
        Err(Refused::Conflict(conflict)) => Err(Stop::Again(conflict.head)),
        Err(Refused::Failed(status)) => Err(Stop::Refused(status)),
    }
}

/// Refuses an update of another version than the current one.
fn check_version(call: &Call<'_>, object: &Object, new: &Tree) -> Result<(), Status> {
    let kind = call.kind;
    let given = meta::of(new).resource_version();
    let given: i64 = match given {
        "" => 0,
        // What is beyond all revisions is none of ours.
        text => i64::try_from(parse_uint(text)?).unwrap_or(i64::MAX),
    };
    match given {
        0 if kind.strategy.unconditional_update => Ok(()),
        0 => {
            let path = api::field::Path::new("metadata");
            let why = "must be specified for an update";
            let errors = [api::field::Error::invalid(
                &path.child("resourceVersion"),
                0_i64,
                why,
            )]
            .into_iter()
            .collect();
            Err(Status::invalid(kind.qualified(), call.name(), &errors))
        }
        given if given == object.revision().0 => Ok(()),
        _ => Err(Status::modified(kind.qualified(), call.name())),
    }
}

fn parse_uint(text: &str) -> Result<u64, Status> {
    text.parse::<u64>().map_err(|error| {
        let why = match error.kind() {
            std::num::IntErrorKind::PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let text = api::field::quote(text);
        let message = format!("strconv.ParseUint: parsing {text}: {why}");
        Status::new(500, Reason::Unknown, message, None)
    })
}

/// What a client may not change is put back (upstream: `rest.BeforeUpdate`).
fn before_update(
    api: &Api,
    call: &Call<'_>,
    prepare: Prepare,
    new: &mut Tree,
    old: &Tree,
) -> Result<(), Status> {
    let (kind, old_meta) = (call.kind, meta::of(old));
    match_namespace(call.namespace(), new)?;
    let now = api.env.now().as_second();
    match prepare {
        Prepare::Main => kind.strategy.prepare_update(new, old),
        Prepare::Status => kind.strategy.prepare_status(new, old, now),
        Prepare::Binding => meta::of_mut(new).set("generation", old_meta.generation()),
        Prepare::Finalize => super::strategy::keep(new, old, "status"),
        Prepare::Approval => super::strategy::prepare_approval(new, old, now),
        Prepare::EphemeralContainers => {
            super::strategy::prepare_ephemeral_containers(new, old);
            kind.strategy.count_generation(new, old);
        }
        Prepare::Resize => {
            super::strategy::prepare_resize(new, old);
            kind.strategy.count_generation(new, old);
        }
    }
    rules::drop_disabled(new, Some(old));
    let mut new_meta = meta::of_mut(new);
    new_meta.remove("selfLink");
    if let Some(created) = old_meta.created() {
        new_meta.set_time("creationTimestamp", created);
    }
    if let Some(deletion) = old_meta.deletion() {
        new_meta.set_time("deletionTimestamp", deletion);
    }
    let (no_uid, no_grace) = (
        meta::of(new).uid().is_empty(),
        meta::of(new).grace().is_none(),
    );
    let mut new_meta = meta::of_mut(new);
    if no_uid {
        new_meta.set("uid", old_meta.uid());
    }
    if let Some(grace) = old_meta.grace().filter(|_| no_grace) {
        new_meta.set("deletionGracePeriodSeconds", grace);
    }
    Ok(())
}

/// Whether an update lets an object that is being deleted go: nothing holds it any more.
fn goes(kind: &super::Kind, new: &Tree, old: &Tree) -> bool {
    let (new_meta, old_meta) = (meta::of(new), meta::of(old));
    new_meta.finalizers().next().is_none()
        && old_meta.deletion().is_some()
        && old_meta.grace().unwrap_or_default() == 0
        && kind.strategy.rules.may_go(new)
}

/// A PUT or an apply of an object that is not there.
async fn create_on_update(
    api: &Api,
    call: &Call<'_>,
    change: &Change<'_>,
) -> Result<Written, Status> {
    let kind = call.kind;
    let creates =
        call.subresource().is_empty() && (kind.strategy.create_on_update || change.force_create);
    if let (true, Some(uid)) = (creates, change.uid) {
        return Err(uid_mismatch(call, &call.key(), uid, ""));
    }
    if !creates {
        return Err(Status::not_found(kind.qualified(), call.name()));
    }
    let mut new = (change.make)(None)?;
    let namespace = if kind.is("", "namespaces") {
        call.name()
    } else {
        call.namespace()
    };
    let attributes = Attributes {
        cx: call.cx,
        kind,
        subresource: "",
        operation: Operation::Create,
        namespace,
        name: call.name(),
        dry_run: change.options.dry_run,
        delete: None,
    };
    call.cx
        .time_async(
            Stage::Admission,
            api.admission.mutate(&attributes, &mut new, None),
        )
        .await?;
    dedup_owners(call, &mut new, true);
    if !matches!(meta::of(&new).resource_version(), "" | "0") {
        return Err(Status::not_found(kind.qualified(), call.name()));
    }
    meta::of_mut(&mut new).remove("resourceVersion");
    meta::wipe_system_fields(&mut new);
    meta::fill_system_fields(&mut new, &api.env.uuid(), api.env.now());
    let info = &call.cx.info;
    let access = Access {
        is_resource: true,
        verb: "create",
        group: &info.group,
        version: &info.version,
        resource: &info.resource,
        namespace: &info.namespace,
        name: &info.name,
        ..Access::default()
    };
    place(api, call, &new, &attributes, || {
        api.authorizer
            .require(&call.cx.identity, &access)
            .map(|_| ())
    })
    .await
}
