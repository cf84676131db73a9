//! Volumes, claims and classes of volumes' attributes that are in use do not go: a finalizer holds them until nobody uses them.
//! This module knows finalizers; what use is, each of the controllers knows.

pub mod claim;
pub mod class;
mod unused;
pub mod volume;

use api::meta::v1::ObjectMeta;
use runtime::{Client, Key, ReconcileError, Resource, client::WriteOptions};

/// What is kept of an object that can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    deleting: bool,
    held: bool,
}

/// What is to be done about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// It is held from now on: made before admission did that.
    Add,
    /// It may go, unless it is in use.
    Remove,
}

impl Hold {
    fn read(metadata: ObjectMeta<'_>, finalizer: &str) -> Hold {
        Hold {
            deleting: metadata.deletion_timestamp().is_some(),
            held: metadata.finalizers().iter().any(|f| f == finalizer),
        }
    }

    fn step(self) -> Step {
        match (self.deleting, self.held) {
            (true, true) => Step::Remove,
            (false, false) => Step::Add,
            _ => Step::Nothing,
        }
    }
}

/// Reads an object as it is now, changes its finalizers, and puts it back at its revision: the roles of these controllers
/// allow no patch.
async fn set_held(
    client: &Client,
    resource: &Resource,
    key: &Key,
    finalizer: &str,
    held: bool,
) -> Result<(), ReconcileError> {
    let mut object = match client.get(resource, key).await {
        Err(error) if error.is_not_found() => return Ok(()),
        object => object?,
    };
    let Some(mut metadata) = api::view::metadata_mut(&mut object) else {
        return Ok(());
    };
    let mut finalizers: Vec<String> = metadata
        .view()
        .finalizers()
        .iter()
        .filter(|f| *f != finalizer)
        .map(str::to_owned)
        .collect();
    if held {
        finalizers.push(finalizer.to_owned());
    }
    metadata.remove_finalizers();
    for finalizer in &finalizers {
        metadata.push_finalizers(finalizer);
    }
    let options = WriteOptions::default();
    match client.update(resource, &object, &options).await {
        Err(error) if error.is_not_found() => Ok(()),
        written => Ok(written.map(drop)?),
    }
}
