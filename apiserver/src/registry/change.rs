//! A change of one object: what update, patch, apply and the subresources share.

use std::sync::Arc;

use api::Tree;
use store::{Expect, Op};

use super::attempts::{Attempts, Stop, append};
use super::commit::{Written, store_key};
use super::create::{dedup_owners, place};
use super::managed::same_but_times;
use super::prepare::{Prepare, before_update};
use super::{Api, Call, companion, meta, rules};
use crate::admission::{Attributes, Operation};
use crate::authz::Attributes as Access;
use crate::codec::object::{decode, encode};
use crate::request::{Stage, UpdateOptions};
use crate::status::{Reason, Status};
use crate::view::Object;

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

/// Runs a change against the current object: again, if somebody else's write came between, with admission and all.
pub async fn run(api: &Api, call: &Call<'_>, change: &Change<'_>) -> Result<Written, Status> {
    let key = call.key();
    let mut attempts = Attempts::new(api, call, call.name(), &key);
    loop {
        match attempt(api, call, change, &key, attempts.current()).await {
            Ok(written) => return Ok(written),
            Err(stop) => {
                if let Some(written) = attempts.after(stop).await? {
                    return Ok(written);
                }
            }
        }
    }
}

async fn attempt(
    api: &Api,
    call: &Call<'_>,
    change: &Change<'_>,
    key: &str,
    current: Option<&Arc<Object>>,
) -> Result<Written, Stop<Written>> {
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
    let attributes = Attributes {
        cx,
        kind,
        subresource: call.subresource(),
        operation: Operation::Update,
        namespace: call.admission_namespace(call.name()),
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
            append(api, call, "update", ops).await?;
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
    let revision = append(api, call, "update", ops).await?;
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
    let attributes = Attributes {
        cx: call.cx,
        kind,
        subresource: "",
        operation: Operation::Create,
        namespace: call.admission_namespace(call.name()),
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
