//! Writing to the log, and showing what was written.

use std::sync::Arc;

use api::Tree;
use bytes::Bytes;
use store::{AppendError, Conflict, Error, Expect, Op, Revision};

use super::{Api, Kind, meta};
use crate::codec::object::{decode_value, encode};
use crate::request::{RequestContext, Stage};
use crate::status::{Qualified, Reason, Status};
use crate::view::Object;

/// What a write wrote.
pub struct Written {
    /// The object, with its resourceVersion.
    pub tree: Tree,
    /// The version in the view, whose renderings others share; `None` after a dry run, or when it was overwritten since.
    pub object: Option<Arc<Object>>,
    /// It was not there before.
    pub created: bool,
}

impl Written {
    /// What a dry run answers: the object as it would be read again, which for one thing has no empty lists (as upstream's
    /// `DryRunnableStorage`), with the resourceVersion that is given.
    ///
    /// # Errors
    /// If what was encoded cannot be decoded.
    pub fn dry(
        cx: &RequestContext,
        kind: &Kind,
        key: &str,
        value: &Bytes,
        resource_version: &str,
        created: bool,
    ) -> Result<Written, Status> {
        let mut tree = cx.time(Stage::Decode, || decode_value(&kind.codec, key, value))?;
        if !resource_version.is_empty() {
            meta::of_mut(&mut tree).set("resourceVersion", resource_version);
        }
        Ok(Written {
            tree,
            object: None,
            created,
        })
    }
}

/// Why an append did not take effect.
pub enum Refused {
    /// Somebody else's came first.
    Conflict(Box<Conflict>),
    /// Anything else.
    Failed(Status),
}

/// What the log's failure is to a client.
pub fn status_of(error: &Error, resource: Qualified<'_>, verb: &str) -> Status {
    match error {
        Error::TooLarge { .. } => Status::request_entity_too_large(error),
        // Nothing was applied: to be tried again.
        Error::Unavailable(why) => unavailable(resource, verb, why),
        Error::NoSpace(why) => unavailable(
            resource,
            verb,
            &format!("the store has no space left: {why}"),
        ),
        // It may have been applied.
        Error::Unknown(_) => Status::timeout(
            format!("the {verb} of {resource} may or may not have taken effect: {error}"),
            1,
        ),
        _ => Status::internal(error),
    }
}

fn unavailable(resource: Qualified<'_>, verb: &str, why: &str) -> Status {
    let details = crate::status::Details {
        retry_after_seconds: 1,
        ..Default::default()
    };
    let message = format!(
        "the {verb} of {resource} could not be completed at this time, please try again: {why}"
    );
    Status::new(503, Reason::ServiceUnavailable, message, Some(details))
}

impl Api {
    /// Appends to the log. Not cancelled by the caller going away, once it was handed over.
    pub async fn append(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        verb: &str,
        ops: Vec<Op>,
    ) -> Result<Revision, Refused> {
        match cx.time_async(Stage::Log, self.log.append(ops)).await {
            Ok(appended) => Ok(appended.revision),
            Err(AppendError::Conflict(conflict)) => Err(Refused::Conflict(conflict)),
            Err(AppendError::Failed(error)) => {
                Err(Refused::Failed(status_of(&error, kind.qualified(), verb)))
            }
        }
    }

    /// Appends what no client asked for, and waits for the view; whether it took effect: no, if others changed something of it.
    ///
    /// # Errors
    /// What the log's failure is to a client.
    pub async fn repair(&self, kind: &Kind, ops: Vec<Op>) -> Result<bool, Status> {
        match self.log.append(ops).await {
            Ok(appended) => {
                let _ = self.view.reach(appended.revision).await;
                Ok(true)
            }
            Err(AppendError::Conflict(_)) => Ok(false),
            Err(AppendError::Failed(error)) => Err(status_of(&error, kind.qualified(), "update")),
        }
    }

    /// The operation that writes `tree`.
    pub fn put(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        key: &str,
        tree: &Tree,
        expect: Expect,
    ) -> Result<Op, Status> {
        let value = cx.time(Stage::Encode, || encode(&kind.codec, tree))?;
        Ok(Op::Put {
            key: store_key(kind, key),
            value,
            expect,
            ttl: kind.strategy.ttl,
        })
    }

    /// Waits until the view shows what was appended, and takes the version from there, for its renderings to be shared.
    pub async fn written(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        key: &str,
        mut tree: Tree,
        revision: Revision,
        created: bool,
    ) -> Written {
        // If the view is late the answer does not wait for it: the write is durable.
        let _ = cx.time_async(Stage::View, self.view.reach(revision)).await;
        let object = kind
            .collection
            .as_ref()
            .and_then(|c| c.get(key))
            .filter(|o| o.revision() == revision);
        meta::of_mut(&mut tree).set("resourceVersion", revision.to_string().as_str());
        Written {
            tree,
            object,
            created,
        }
    }

    /// The object at `key`: from the view as it stands, which shows everything that this server has acknowledged unless it is late.
    pub fn current(&self, kind: &Kind, key: &str) -> Option<Arc<Object>> {
        kind.collection.as_ref()?.get(key)
    }

    /// The object at `key`, not older than any write acknowledged by whichever server before the call.
    pub async fn fresh(
        &self,
        cx: &RequestContext,
        kind: &Kind,
        key: &str,
    ) -> Result<Option<Arc<Object>>, Status> {
        cx.time_async(Stage::View, self.view.fresh())
            .await
            .map_err(|e| read_error(&e, kind.qualified(), "get"))?;
        Ok(self.current(kind, key))
    }
}

/// What a read that cannot be served is to a client.
pub fn read_error(error: &crate::view::ReadError, resource: Qualified<'_>, verb: &str) -> Status {
    use crate::view::ReadError;
    match error {
        ReadError::Log(error) => status_of(error, resource, verb),
        ReadError::Ahead { .. } => {
            let cause = crate::status::Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            };
            let details = crate::status::Details {
                causes: vec![cause],
                retry_after_seconds: 1,
                ..Default::default()
            };
            Status::new(
                504,
                Reason::Timeout,
                format!("Timeout: {error}"),
                Some(details),
            )
        }
    }
}

/// The whole key in the log.
pub fn store_key(kind: &Kind, key: &str) -> Bytes {
    Bytes::from(format!("{}{key}", kind.prefix))
}
