//! The kinds: every resource that upstream serves by default, with all that discovery, routing, storage and clients must know.
//!
//! Read once from the checked-in tables `api/schema/kinds.txt` and `columns.txt`, which `hack/upstream/schema` asks from
//! upstream's own server.
//! Custom resources use the same [`Resource`]; where those are kept is not known here.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::schema::{GroupVersionKind, Schema, TypeId};

mod columns;
mod parse;
mod reviews;
mod verbs;

pub use columns::Column;
pub use parse::KindsError;
pub use reviews::is_review;
pub use verbs::{Verb, Verbs};

/// An API group with the versions that are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Name; empty for the core group.
    pub name: String,
    /// Versions in order of priority: the first is the preferred one.
    pub versions: Vec<String>,
}

/// A resource in one of its versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural name, as it stands in paths: `pods`.
    pub name: String,
    /// Singular name: `pod`.
    pub singular: String,
    /// Kind of its objects: `Pod`.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Short names for people: `po`.
    pub short_names: Vec<String>,
    /// Categories: `all`, `api-extensions`.
    pub categories: Vec<String>,
    /// What can be done with it.
    pub verbs: Verbs,
    /// How it is stored; `None` where objects are only answered (reviews, bindings).
    pub storage: Option<Storage>,
    /// Its subresources, by name.
    pub subresources: Vec<Subresource>,
    /// What its Table shows; empty where the resource cannot be listed.
    pub columns: Vec<Column>,
    /// Message type of one object.
    pub type_id: TypeId,
    /// Message type of a list; `None` where the resource cannot be listed.
    pub list_type_id: Option<TypeId>,
}

/// How and where objects of a resource are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Storage {
    /// Group which upstream writes by default: another one than the resource's for `events.k8s.io` alone.
    pub group: String,
    /// Version which upstream writes by default.
    pub version: String,
    /// Key prefix below `/registry/`, without slashes around it: `services/specs`.
    pub prefix: String,
    /// Message type of what is stored.
    pub type_id: TypeId,
}

/// A subresource: `status`, `scale`, `log`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subresource {
    /// Name, as it stands in paths.
    pub name: String,
    /// The kind that requests and answers carry.
    pub kind: GroupVersionKind,
    /// What can be done with it.
    pub verbs: Verbs,
    /// Message type of its kind.
    pub type_id: TypeId,
}

impl Resource {
    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// `apiVersion` of its objects: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// All resources of one origin, with lookup.
#[derive(Debug)]
pub struct Kinds {
    groups: Vec<Group>,
    resources: Vec<Resource>,
    by_resource: HashMap<String, usize>,
    by_kind: HashMap<String, usize>,
}

static BUILTIN: LazyLock<Kinds> = LazyLock::new(|| {
    let parsed = Kinds::parse(include_str!("../schema/kinds.txt"), Schema::builtin()).and_then(
        |mut kinds| {
            kinds.parse_columns(include_str!("../schema/columns.txt"))?;
            Ok(kinds)
        },
    );
    #[expect(
        clippy::expect_used,
        reason = "the tables are part of the program; a test parses them"
    )]
    parsed.expect("api/schema/kinds.txt and columns.txt are well-formed")
});

impl Kinds {
    /// The built-in resources.
    pub fn builtin() -> &'static Kinds {
        &BUILTIN
    }

    /// Groups in upstream's order of priority, the core group first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// A group by name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Every resource in every version, in the order of groups, versions and names.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resources of one group and version.
    pub fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Resource> {
        self.resources
            .iter()
            .filter(move |r| r.group == group && r.version == version)
    }

    /// A resource by its place in paths.
    pub fn by_resource(&self, group: &str, version: &str, resource: &str) -> Option<&Resource> {
        self.by_resource
            .get(&key(group, version, resource))
            .map(|index| &self.resources[*index])
    }

    /// A resource by the kind of its objects.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.by_kind
            .get(&key(group, version, kind))
            .map(|index| &self.resources[*index])
    }

    /// A resource in the version which its group prefers among those that have it.
    pub fn preferred(&self, group: &str, resource: &str) -> Option<&Resource> {
        self.group(group)?
            .versions
            .iter()
            .find_map(|version| self.by_resource(group, version, resource))
    }
}

fn key(group: &str, version: &str, name: &str) -> String {
    format!("{group}/{version}/{name}")
}
