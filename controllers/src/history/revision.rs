//! What is known of a ControllerRevision.

use api::{apps::v1::ControllerRevision, tree::Tree};
use jiff::Timestamp;
use runtime::{Object, Projection};

use super::data;
use crate::object::{
    Texts, owner::Owner, pod::ORPHANS, template::TemplateDigest, texts, timestamp,
};

/// The index of revisions by the uid of the owner that manages them; of those without one by `orphans/namespace`.
pub const BY_OWNER: &str = "owner";

/// A ControllerRevision, as controllers see it. What it holds is read anew where pods are made from it.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Labels.
    pub labels: Texts,
    /// The owner that manages it.
    pub controller: Option<Owner>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Deletion was asked for.
    pub deleting: bool,
    /// The higher, the newer.
    pub number: i64,
    /// What the template in it says; `None` if there is none.
    pub digest: Option<TemplateDigest>,
}

impl Projection for Revision {
    fn project(object: &Tree) -> Self {
        let revision = ControllerRevision::of(object);
        let metadata = revision.metadata();
        let template = revision.data().and_then(data::template);
        Revision {
            labels: texts(metadata.labels()),
            controller: Owner::controller_of(metadata),
            created: timestamp(metadata.creation_timestamp()),
            deleting: metadata.deletion_timestamp().is_some(),
            number: revision.revision(),
            digest: template.map(|t| TemplateDigest::whole(api::core::v1::PodTemplateSpec::of(&t))),
        }
    }
}

impl Revision {
    /// The values of the index [`BY_OWNER`].
    pub fn owner_values(revision: &Object<Revision>) -> Vec<String> {
        vec![match &revision.value.controller {
            Some(owner) => owner.uid.clone(),
            None => format!("{ORPHANS}{}", revision.key.namespace()),
        }]
    }
}
