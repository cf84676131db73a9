//! The documents one by one: `/api`, `/apis`, `/apis/GROUP`, `/api/VERSION`, `/apis/GROUP/VERSION`.

use api::Tree;
use api::kinds::{Resource, Subresource};
use api::meta::v1::{
    APIGroup, APIGroupList, APIGroupListMut, APIGroupMut, APIResourceList, APIResourceListMut,
    APIResourceMut, APIVersions, APIVersionsMut,
};

use super::groups::{Group, Version, group_version, storage_version_hash};

/// `/api`: the versions of the core group, and where the server can be reached.
pub fn versions(core: &Group, server_address: Option<&str>) -> Tree {
    let mut tree = Tree::new(APIVersions::TYPE);
    let mut document = APIVersionsMut::of(&mut tree);
    document.set_kind("APIVersions");
    for version in &core.versions {
        document.push_versions(&version.name);
    }
    if let Some(address) = server_address {
        let mut server = document.push_server_address_by_client_cidrs();
        server.set_client_cidr("0.0.0.0/0");
        server.set_server_address(address);
    }
    tree
}

/// `/apis`: all groups but the core one.
pub fn groups<'a>(all: impl IntoIterator<Item = &'a Group>) -> Tree {
    let mut tree = Tree::new(APIGroupList::TYPE);
    let mut document = APIGroupListMut::of(&mut tree);
    document.set_kind("APIGroupList");
    document.set_api_version("v1");
    for group in all {
        fill_group(group, &mut document.push_groups());
    }
    tree
}

/// `/apis/GROUP`.
pub fn group(group: &Group) -> Tree {
    let mut tree = Tree::new(APIGroup::TYPE);
    let mut document = APIGroupMut::of(&mut tree);
    document.set_kind("APIGroup");
    document.set_api_version("v1");
    fill_group(group, &mut document);
    tree
}

fn fill_group(group: &Group, document: &mut APIGroupMut<'_>) {
    document.set_name(&group.name);
    for version in &group.versions {
        let mut entry = document.push_versions();
        entry.set_group_version(&group_version(&group.name, &version.name));
        entry.set_version(&version.name);
    }
    if let Some(preferred) = group.versions.first() {
        let mut entry = document.preferred_version_mut();
        entry.set_group_version(&group_version(&group.name, &preferred.name));
        entry.set_version(&preferred.name);
    }
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`: resources, each followed by its subresources.
pub fn resources(group: &Group, version: &Version) -> Tree {
    let mut tree = Tree::new(APIResourceList::TYPE);
    let mut document = APIResourceListMut::of(&mut tree);
    document.set_kind("APIResourceList");
    // The core group's document is older than this field.
    if !group.name.is_empty() {
        document.set_api_version("v1");
    }
    document.set_group_version(&group_version(&group.name, &version.name));
    for resource in &version.resources {
        fill_resource(resource, &mut document.push_resources());
        for sub in &resource.subresources {
            fill_subresource(resource, sub, &mut document.push_resources());
        }
    }
    tree
}

fn fill_resource(resource: &Resource, entry: &mut APIResourceMut<'_>) {
    entry.set_name(&resource.name);
    entry.set_singular_name(&resource.singular);
    entry.set_namespaced(resource.namespaced);
    entry.set_kind(&resource.kind);
    resource
        .verbs
        .iter()
        .for_each(|verb| entry.push_verbs(verb.as_str()));
    resource
        .short_names
        .iter()
        .for_each(|name| entry.push_short_names(name));
    resource
        .categories
        .iter()
        .for_each(|name| entry.push_categories(name));
    if let Some(hash) = storage_version_hash(resource) {
        entry.set_storage_version_hash(&hash);
    }
}

fn fill_subresource(resource: &Resource, sub: &Subresource, entry: &mut APIResourceMut<'_>) {
    entry.set_name(&format!("{}/{}", resource.name, sub.name));
    entry.set_namespaced(resource.namespaced);
    if (&sub.kind.group, &sub.kind.version) != (&resource.group, &resource.version) {
        entry.set_group(&sub.kind.group);
        entry.set_version(&sub.kind.version);
    }
    entry.set_kind(&sub.kind.kind);
    sub.verbs
        .iter()
        .for_each(|verb| entry.push_verbs(verb.as_str()));
}
