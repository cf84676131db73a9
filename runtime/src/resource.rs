//! Which resource a request, an informer or a key is about.

use std::sync::Arc;

use api::{kinds::Kinds, schema::TypeId};

/// A resource of the API: enough to make its paths, and to decode what comes back. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<Inner>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inner {
    group: String,
    version: String,
    plural: String,
    kind: String,
    namespaced: bool,
    form: Form,
}

/// In which form objects are asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Form {
    /// Whole, decoded by this type of the built-in schema.
    Whole(TypeId),
    /// Metadata alone (`PartialObjectMetadata`): of any kind that the server serves, known to us or not.
    Metadata,
}

impl Resource {
    /// A resource, described in full.
    pub fn new(
        group: &str,
        version: &str,
        plural: &str,
        kind: &str,
        namespaced: bool,
        form: Form,
    ) -> Self {
        Resource(Arc::new(Inner {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced,
            form,
        }))
    }

    /// The built-in resource whose objects are of this type: `Resource::of(Pod::TYPE)`.
    ///
    /// # Panics
    /// If no resource has it: a mistake in the program, which shows the first time that the line runs.
    pub fn of(ty: TypeId) -> Self {
        match Resource::find(|r| r.type_id == ty) {
            Some(resource) => resource,
            None => panic!("{ty:?} is not the type of a resource"),
        }
    }

    /// A built-in resource by its place in paths; `None` for what we do not know, such as custom resources.
    pub fn builtin(group: &str, version: &str, plural: &str) -> Option<Self> {
        Resource::find(|r| r.group == group && r.version == version && r.name == plural)
    }

    fn find(matches: impl Fn(&api::kinds::Resource) -> bool) -> Option<Self> {
        let r = Kinds::builtin().resources().iter().find(|r| matches(r))?;
        Some(Resource::new(
            &r.group,
            &r.version,
            &r.name,
            &r.kind,
            r.namespaced,
            Form::Whole(r.type_id),
        ))
    }

    /// The same resource, of which only metadata is asked for.
    pub fn metadata_only(&self) -> Self {
        Resource::new(
            &self.0.group,
            &self.0.version,
            &self.0.plural,
            &self.0.kind,
            self.0.namespaced,
            Form::Metadata,
        )
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// The version within the group.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The name in paths: `pods`.
    pub fn plural(&self) -> &str {
        &self.0.plural
    }

    /// The kind: `Pod`.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Whether its objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.0.namespaced
    }

    /// In which form objects are asked for.
    pub fn form(&self) -> Form {
        self.0.form
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.0.group.is_empty() {
            self.0.version.clone()
        } else {
            format!("{}/{}", self.0.group, self.0.version)
        }
    }

    /// The path of the collection: in one namespace, or, with an empty one, over all.
    pub fn collection_path(&self, namespace: &str) -> String {
        let Inner {
            group,
            version,
            plural,
            namespaced,
            ..
        } = &*self.0;
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        if *namespaced && !namespace.is_empty() {
            format!("{root}/namespaces/{namespace}/{plural}")
        } else {
            format!("{root}/{plural}")
        }
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Resource {
    /// `pods`, `deployments.apps`: as upstream names it in messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.plural)?;
        if !self.0.group.is_empty() {
            write!(f, ".{}", self.0.group)?;
        }
        Ok(())
    }
}
