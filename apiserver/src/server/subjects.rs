//! What service account tokens are bound to, out of the view.

use std::sync::Arc;

use api::codec::protobuf;
use jiff::Timestamp;

use crate::authn::{ObjectState, TokenSubjects};
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
        let schema = api::Schema::builtin();
        // Metadata is all that is read, and stands at the same place in every kind.
        let ty = schema.type_of_kind("meta.k8s.io", "v1", "PartialObjectMetadata")?;
        let unknown = protobuf::unwrap_unknown(object.value()).ok()?;
        let tree = protobuf::decode(schema, ty, object.value().slice(unknown.raw)).ok()?;
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
