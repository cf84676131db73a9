//! Owner references.

use api::meta::v1::{ObjectMeta, OwnerReference, OwnerReferenceMut};
use runtime::{Key, Object, Resource};
use serde_json::{Value, json};

/// One owner of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// `apps/v1`
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The name, in the same namespace or cluster-wide.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// It manages the object; one owner at most does.
    pub controller: bool,
    /// Foreground deletion of the owner waits for the object.
    pub blocks_deletion: bool,
}

impl Owner {
    fn read(reference: OwnerReference<'_>) -> Owner {
        Owner {
            api_version: reference.api_version().to_owned(),
            kind: reference.kind().to_owned(),
            name: reference.name().to_owned(),
            uid: reference.uid().to_owned(),
            controller: reference.controller() == Some(true),
            blocks_deletion: reference.block_owner_deletion() == Some(true),
        }
    }

    /// All owners of an object.
    pub fn all(metadata: ObjectMeta<'_>) -> Vec<Owner> {
        metadata
            .owner_references()
            .iter()
            .map(Owner::read)
            .collect()
    }

    /// The owner that manages an object.
    pub fn controller_of(metadata: ObjectMeta<'_>) -> Option<Owner> {
        metadata
            .owner_references()
            .iter()
            .find(|r| r.controller() == Some(true))
            .map(Owner::read)
    }

    /// The reference to an object as the one that manages others, as upstream's `NewControllerRef` makes it.
    pub fn controller<P>(resource: &Resource, object: &Object<P>) -> Owner {
        Owner {
            api_version: resource.api_version(),
            kind: resource.kind().to_owned(),
            name: object.key.name().to_owned(),
            uid: object.uid.to_string(),
            controller: true,
            blocks_deletion: true,
        }
    }

    /// Group of the kind; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// As it stands in `metadata.ownerReferences`.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid,
        });
        if self.controller {
            value["controller"] = json!(true);
        }
        if self.blocks_deletion {
            value["blockOwnerDeletion"] = json!(true);
        }
        value
    }

    /// Fills in a reference to this owner.
    pub fn write(&self, mut reference: OwnerReferenceMut<'_>) {
        reference.set_api_version(&self.api_version);
        reference.set_kind(&self.kind);
        reference.set_name(&self.name);
        reference.set_uid(&self.uid);
        if self.controller {
            reference.set_controller(true);
        }
        if self.blocks_deletion {
            reference.set_block_owner_deletion(true);
        }
    }

    /// The patch by which an orphan gets this owner. The uid in it makes sure that it is still the same object.
    pub fn adoption(&self, uid: &str) -> Value {
        json!({"metadata": {"uid": uid, "ownerReferences": [self.json()]}})
    }

    /// The strategic merge patch by which an object loses the owner with this uid.
    pub fn release(owner_uid: &str, uid: &str) -> Value {
        json!({"metadata": {"uid": uid, "ownerReferences": [{"$patch": "delete", "uid": owner_uid}]}})
    }

    /// The key of the owner of an object at `key`, where both live in one namespace.
    pub fn key_beside(&self, key: &Key) -> Key {
        Key::new(key.namespace(), &self.name)
    }
}
