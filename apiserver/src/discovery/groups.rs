//! What is served, as discovery sees it: groups in their order, their versions, the resources of each.

use std::sync::Arc;

use api::kinds::{Kinds, Resource};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A served group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name; empty for the core group.
    pub name: String,
    /// Its versions, the preferred one first.
    pub versions: Vec<Version>,
}

/// A served version of a group.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// Its resources, sorted by name.
    pub resources: Vec<Arc<Resource>>,
    /// Whether what is said of it is known to be true now.
    pub freshness: Freshness,
}

/// How sure discovery is of a version: only what another server serves can be stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As it is now.
    Current,
    /// As it was when the other server last answered.
    Stale,
}

impl Freshness {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Freshness::Current => "Current",
            Freshness::Stale => "Stale",
        }
    }
}

impl Group {
    /// The groups of a table of kinds.
    pub fn of_kinds(kinds: &Kinds) -> Vec<Group> {
        let version = |group: &str, name: &String| Version {
            name: name.clone(),
            resources: kinds
                .of_version(group, name)
                .cloned()
                .map(Arc::new)
                .collect(),
            freshness: Freshness::Current,
        };
        let group = |group: &api::kinds::Group| Group {
            name: group.name.clone(),
            versions: group
                .versions
                .iter()
                .map(|name| version(&group.name, name))
                .collect(),
        };
        kinds.groups().iter().map(group).collect()
    }

    /// A version by name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }
}

/// `apps/v1`; the core group's versions stand alone.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// What tells clients that the stored form of a resource has changed: eight bytes of a hash over group, version and kind.
pub fn storage_version_hash(resource: &Resource) -> Option<String> {
    let storage = resource.storage.as_ref()?;
    let hash = Sha256::digest(format!(
        "{}/{}/{}",
        storage.group, storage.version, resource.kind
    ));
    Some(STANDARD.encode(&hash[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_versions_have_upstreams_hashes() {
        let hash = |group, version, name| {
            storage_version_hash(Kinds::builtin().by_resource(group, version, name).unwrap())
        };
        assert_eq!(
            hash("apps", "v1", "deployments").as_deref(),
            Some("8aSe+NMegvE=")
        );
        assert_eq!(
            hash("apps", "v1", "controllerrevisions").as_deref(),
            Some("85nkx63pcBU=")
        );
        assert_eq!(hash("", "v1", "bindings"), None);
    }
}
