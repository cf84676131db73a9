//! managedFields: where the pipeline meets the api crate's tracking of field owners.

use api::apply::{self, ApplyError, FieldSet};
use api::codec::json;
use api::{Time, Tree};

use super::{Kind, meta};
use crate::status::{Cause, Reason, Status};

/// Who writes, and through what.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// The present time.
    pub now: jiff::Timestamp,
}

/// The fields that a request cannot write, and so cannot own: by endpoint.
#[derive(Clone, Debug, Default)]
pub struct Unwritable {
    main: FieldSet,
    status: FieldSet,
    /// Of endpoints that put back what they do not write, and let it be owned all the same, as upstream's do.
    none: FieldSet,
}

impl Unwritable {
    /// Of a kind.
    pub fn of(
        group: &str,
        resource: &str,
        guards_status: bool,
        status_keeps_metadata: bool,
    ) -> Unwritable {
        let mut main = match guards_status {
            true => FieldSet::of_paths(&[&["status"]]),
            false => FieldSet::default(),
        };
        if (group, resource) == ("certificates.k8s.io", "certificatesigningrequests") {
            main.extend(&FieldSet::of_paths(&[&["spec"]]));
        }
        let mut status = FieldSet::of_paths(&[&["spec"]]);
        match (group, resource) {
            ("", "pods") => status.extend(&FieldSet::of_paths(&[
                &["metadata", "deletionTimestamp"],
                &["metadata", "ownerReferences"],
            ])),
            ("apps", "deployments") => {
                status.extend(&FieldSet::of_paths(&[&["metadata", "labels"]]))
            }
            _ if status_keeps_metadata => status.extend(&FieldSet::of_paths(&[&["metadata"]])),
            _ => {}
        }
        Unwritable {
            main,
            status,
            none: FieldSet::default(),
        }
    }

    fn by(&self, subresource: &str) -> &FieldSet {
        match subresource {
            "status" => &self.status,
            "ephemeralcontainers" | "resize" => &self.none,
            _ => &self.main,
        }
    }
}

fn writer<'a>(kind: &'a Kind, writer: Writer<'a>) -> apply::Writer<'a> {
    apply::Writer {
        manager: writer.manager,
        api_version: &kind.codec.api_version,
        subresource: writer.subresource,
        ignored: kind.unwritable.by(writer.subresource),
        now: Time::from(writer.now),
    }
}

/// Notes in `new` who owns what after a create (`live` none), update or patch.
pub fn track(kind: &Kind, live: Option<&Tree>, new: &mut Tree, by: Writer<'_>) {
    apply::update(live, new, &writer(kind, by));
}

/// Applies a configuration (JSON) to `live`; an empty object, if it is to be made.
///
/// # Errors
/// 409 with a cause for each field of others, unless `force`; 400 and 500 as upstream.
pub fn merge(
    kind: &Kind,
    live: &Tree,
    config: &[u8],
    by: Writer<'_>,
    force: bool,
) -> Result<Tree, Status> {
    let meta = json::type_meta(config).map_err(|e| Status::bad_request(e.to_string()))?;
    if meta.kind.is_empty() || meta.api_version.is_empty() {
        let (group, version) = meta
            .api_version
            .split_once('/')
            .unwrap_or(("", &meta.api_version));
        return Err(Status::bad_request(format!(
            "invalid object type: {group}/{version}, Kind={}",
            meta.kind
        )));
    }
    apply::apply(live, config, &writer(kind, by), force).map_err(|error| match error {
        ApplyError::Conflicts(ref conflicts) => {
            let cause = |conflict: &apply::Conflict| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: conflict.message(),
                field: conflict.field.clone(),
            };
            Status::apply_conflict(conflicts.iter().map(cause).collect(), error.to_string())
        }
        ApplyError::BadRequest(why) => Status::bad_request(why),
        ApplyError::Config(why) => Status::new(500, Reason::Unknown, why, None),
        ApplyError::Decode(why) => Status::bad_request(why.to_string()),
    })
}

/// Whether two versions of an object differ in nothing but the times at which managers last wrote: then nothing is written.
pub fn same_but_times(new: &Tree, old: &Tree) -> bool {
    // Cheap, and nearly always decides.
    let rest = |tree: &Tree, name: &str| tree.root().get(name).map(Tree::copy_of);
    let Some(ty) = new.root().ty() else {
        return false;
    };
    let other = ty
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| *name != "metadata");
    for name in other {
        let same = match (new.root().get(name), old.root().get(name)) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            _ => false,
        };
        if !same {
            return false;
        }
    }
    let timeless = |tree: &Tree| {
        let mut tree = tree.clone();
        let mut metadata = meta::of_mut(&mut tree);
        metadata.remove("resourceVersion");
        if let Some(mut list) = metadata.list("managedFields") {
            for index in 0..list.as_ref().len() {
                if let Some(mut entry) = list.item(index) {
                    meta::remove(&mut entry, "time");
                }
            }
        }
        rest(&tree, "metadata")
    };
    timeless(new) == timeless(old)
}
