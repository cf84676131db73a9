//! create: a new object.

use api::Tree;
use axum::body::Body;
use http::{Response, StatusCode};
use store::{Expect, Op, Revision};

use super::commit::{Refused, Written};
use super::managed::{Writer, track};
use super::{Api, Call, body, companion, meta, names, rules};
use crate::admission::{Attributes, Operation};
use crate::codec::accept::{accepted, sent};
use crate::codec::object::{decode, encode};
use crate::request::{CreateOptions, Stage};
use crate::status::{Reason, Status};

/// How often a generated name is tried: upstream's figure.
const NAME_ATTEMPTS: usize = 8;
/// How often something is allocated anew after somebody else took it.
const PLACE_ATTEMPTS: usize = 16;

/// Decodes a new object, and creates it.
pub async fn create(api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let media = sent(call.headers)?;
    let content = body::read(call.cx, raw).await?;
    let options = CreateOptions::parse(&call.cx.query)?;
    let mut new = body::object(call.cx, call.kind, media, content, options.field_validation)?;
    call.cx.time(Stage::Defaulting, || rules::default(&mut new));
    let written = create_object(api, call, new, &options).await?;
    api.respond_written(call.cx, call.kind, accepted, StatusCode::CREATED, &written)
}

/// Creates `new`, whose defaults are set.
pub async fn create_object(
    api: &Api,
    call: &Call<'_>,
    mut new: Tree,
    options: &CreateOptions,
) -> Result<Written, Status> {
    let kind = call.kind;
    meta::wipe_system_fields(&mut new);
    if kind.collection.is_none() {
        return Err(Status::method_not_supported(kind.qualified(), "create"));
    }
    match_namespace(call.namespace(), &mut new)?;
    // A dry run of upstream's does not get as far as its storage, which says this.
    if !meta::of(&new).resource_version().is_empty() && !options.dry_run {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Status::new(500, Reason::Unknown, message, None));
    }
    dedup_owners(call, &mut new, false);
    let manager = call.field_manager(&options.field_manager);
    let now = api.env.now();
    track(
        kind,
        None,
        &mut new,
        Writer {
            manager: &manager,
            subresource: "",
            now,
        },
    );

    let name = meta::of(&new).name().to_owned();
    let attributes = Attributes {
        cx: call.cx,
        kind,
        subresource: "",
        operation: Operation::Create,
        namespace: call.admission_namespace(&name),
        name: &name,
        dry_run: options.dry_run,
        delete: None,
    };
    call.cx
        .time_async(
            Stage::Admission,
            api.admission.mutate(&attributes, &mut new, None),
        )
        .await?;
    dedup_owners(call, &mut new, true);

    let generated = meta::of(&new).name().is_empty() && !meta::of(&new).generate_name().is_empty();
    let attempts = if generated { NAME_ATTEMPTS } else { 1 };
    let mut answer = Err(Status::internal("no attempt was made"));
    for _ in 0..attempts {
        answer = attempt(api, call, new.clone(), &attributes).await;
        match &answer {
            Err(status) if generated && status.reason() == Reason::AlreadyExists => {}
            _ => break,
        }
    }
    answer
}

async fn attempt(
    api: &Api,
    call: &Call<'_>,
    mut new: Tree,
    attributes: &Attributes<'_>,
) -> Result<Written, Status> {
    let now = api.env.now();
    meta::fill_system_fields(&mut new, &api.env.uuid(), now);
    let generate = meta::of(&new).generate_name().to_owned();
    if meta::of(&new).name().is_empty() {
        let name = match generate.as_str() {
            "" => Some(api.env.uuid()).filter(|_| call.kind.strategy.names_itself),
            prefix => Some(names::generate(prefix, &api.env)),
        };
        if let Some(name) = name {
            meta::of_mut(&mut new).set("name", name.as_str());
        }
    }
    place(api, call, &new, attributes, || Ok(())).await
}

/// Prepares and appends a new object: again, if somebody else took what was allocated to it. `may` is asked at last.
pub async fn place(
    api: &Api,
    call: &Call<'_>,
    new: &Tree,
    attributes: &Attributes<'_>,
    may: impl Fn() -> Result<(), Status> + Send,
) -> Result<Written, Status> {
    for _ in 0..PLACE_ATTEMPTS {
        let mut new = new.clone();
        let mut companions = companion::create(api, call, &mut new).await?;
        let name = prepare(api, call, &mut new, attributes).await?;
        may()?;
        let attributes = Attributes {
            name: &name,
            ..*attributes
        };
        let charging = api.admission.charge(api, &attributes, &new, None);
        let mut charge = call.cx.time_async(Stage::Admission, charging).await?;
        companions.append(&mut charge.ops);
        match insert(api, call, new, companions, attributes.dry_run).await? {
            Placed::Written(written) => return Ok(*written),
            Placed::Taken(head) => {
                let _ = call.cx.time_async(Stage::View, api.view.reach(head)).await;
            }
        }
    }
    Err(Status::server_timeout(call.kind.qualified(), "create", 1))
}

/// What became of an append.
enum Placed {
    Written(Box<Written>),
    /// What was allocated to the object was taken by others, at this revision or before.
    Taken(Revision),
}

/// What every new object goes through, whichever verb makes it: the kind's strategy, validation, validating admission. Returns
/// its name.
async fn prepare(
    api: &Api,
    call: &Call<'_>,
    new: &mut Tree,
    attributes: &Attributes<'_>,
) -> Result<String, Status> {
    let kind = call.kind;
    match_namespace(call.namespace(), new)?;
    let now = api.env.now().as_second();
    kind.strategy.prepare_create(new, now);
    rules::drop_disabled(new, None);
    // What the strategy has reset or made has defaults, too: upstream sets them whenever it reads what is stored.
    call.cx
        .time(Stage::Defaulting, || rules::default_at(new, now));
    call.cx
        .time(Stage::Validation, || rules::validate_create(kind, new))?;
    rules::warn_create(call.cx, new);
    let name = meta::of(new).name().to_owned();
    let attributes = Attributes {
        name: &name,
        ..*attributes
    };
    call.cx
        .time_async(
            Stage::Admission,
            api.admission.validate(&attributes, Some(new), None),
        )
        .await?;
    Ok(name)
}

/// Appends a new object and its companions to the log, unless one of its name is there.
async fn insert(
    api: &Api,
    call: &Call<'_>,
    new: Tree,
    companions: Vec<Op>,
    dry_run: bool,
) -> Result<Placed, Status> {
    let (kind, cx) = (call.kind, call.cx);
    let name = meta::of(&new).name().to_owned();
    let key = kind.key(call.namespace(), &name);
    if dry_run {
        let value = cx.time(Stage::Encode, || encode(&kind.codec, &new))?;
        return match api.fresh(cx, kind, &key).await? {
            Some(_) => Err(exists(api, call, &new, &key)),
            None => {
                let version = meta::of(&new);
                let version = version.resource_version();
                let written = Written::dry(cx, kind, &key, &value, version, true)?;
                Ok(Placed::Written(Box::new(written)))
            }
        };
    }
    let op = api.put(cx, kind, &key, &new, Expect::Absent)?;
    let ops = std::iter::once(op).chain(companions).collect();
    match api.append(cx, kind, "create", ops).await {
        Ok(revision) => Ok(Placed::Written(Box::new(
            api.written(cx, kind, &key, new, revision, true).await,
        ))),
        Err(Refused::Failed(status)) => Err(status),
        Err(Refused::Conflict(conflict)) if conflict.op > 0 => Ok(Placed::Taken(conflict.head)),
        Err(Refused::Conflict(conflict)) => {
            // For the message: whether the one that is there is on its way out.
            let _ = api.view.reach(conflict.head).await;
            Err(exists(api, call, &new, &key))
        }
    }
}

fn exists(api: &Api, call: &Call<'_>, new: &Tree, key: &str) -> Status {
    let kind = call.kind;
    let (meta, resource) = (meta::of(new), kind.qualified());
    let status = match meta.generate_name() {
        "" => Status::already_exists(resource, meta.name()),
        _ => Status::generate_name_conflict(resource, meta.name(), 1),
    };
    let current = api
        .current(kind, key)
        .and_then(|object| decode(&kind.codec, &object).ok());
    if current.is_some_and(|current| self::meta::of(&current).deletion().is_some()) {
        let message = format!("object is being deleted: {}", status.message());
        return Status::new(
            status.code(),
            status.reason(),
            message,
            status.details().cloned(),
        );
    }
    status
}

/// The object is put into the namespace of the request; refused, if it says that it is of another.
pub fn match_namespace(requested: &str, object: &mut Tree) -> Result<(), Status> {
    let own = meta::of(object).namespace();
    if own == requested {
        return Ok(());
    }
    match (own.is_empty(), requested.is_empty()) {
        (true, _) => meta::of_mut(object).set("namespace", requested),
        (_, true) => meta::of_mut(object).remove("namespace"),
        _ => {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(message));
        }
    }
    Ok(())
}

/// Owner references that repeat are dropped, with a warning.
pub fn dedup_owners(call: &Call<'_>, object: &mut Tree, admitted: bool) {
    let duplicates = meta::dedup_owner_references(object);
    if duplicates.is_empty() {
        return;
    }
    let when = if admitted {
        " after mutating admission happens"
    } else {
        ""
    };
    call.cx.warn(&format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        duplicates.join(", ")
    ));
}
