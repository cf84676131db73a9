//! What service account tokens are bound to, out of the view.

use std::sync::Arc;

use api::meta::v1::PartialObjectMetadata;
use jiff::Timestamp;

use crate::authn::{ObjectState, TokenSubjects};
use crate::codec::object::decode_as;
use crate::registry::meta;
use crate::view::View;

/// Answers from the view.
pub struct ViewSubjects {
    view: Arc<View>,
}

impl ViewSubjects {
    /// Answers from `view`.
    pub fn new(view: Arc<View>) -> ViewSubjects {
        ViewSubjects { view }
    }

    fn state(&self, prefix: &str, key: &str) -> Option<ObjectState> {
        let object = self.view.collection(prefix)?.get(key)?;
        // Metadata is all that is read, and stands at the same place in every kind.
        let tree = decode_as(object.value(), PartialObjectMetadata::TYPE)?;
        let meta = meta::of(&tree);
        let deletion = meta
            .deletion()
            .and_then(|at| Timestamp::from_second(at).ok());
        Some(ObjectState {
            uid: meta.uid().to_owned(),
            deletion,
        })
    }
}

impl TokenSubjects for ViewSubjects {
    fn service_account(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.state("serviceaccounts/", &format!("{namespace}/{name}"))
    }

    fn pod(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.state("pods/", &format!("{namespace}/{name}"))
    }

    fn secret(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.state("secrets/", &format!("{namespace}/{name}"))
    }

    fn node(&self, name: &str) -> Option<ObjectState> {
        self.state("minions/", name)
    }
}
