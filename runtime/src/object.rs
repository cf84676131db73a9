//! What every object has, whatever its kind: read without knowing the kind.

use api::tree::Tree;

use crate::key::Key;

/// An object's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta<'a> {
    /// Empty for a cluster-wide object.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// Tells it from others of the same name; empty before it is stored.
    pub uid: &'a str,
    /// Its revision; empty before it is stored.
    pub resource_version: &'a str,
}

impl<'a> Meta<'a> {
    /// Reads the identity of any object.
    pub fn of(object: &'a Tree) -> Meta<'a> {
        let metadata = api::view::metadata(object);
        Meta {
            namespace: metadata.namespace(),
            name: metadata.name(),
            uid: metadata.uid(),
            resource_version: metadata.resource_version(),
        }
    }

    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key::new(self.namespace, self.name)
    }
}
