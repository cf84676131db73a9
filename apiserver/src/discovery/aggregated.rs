//! The aggregated document (KEP-3352): all groups, versions and resources in one answer.

use api::Tree;
use api::apidiscovery::v2::{
    APIGroupDiscoveryList, APIGroupDiscoveryListMut, APIResourceDiscoveryMut,
    APISubresourceDiscoveryMut,
};
use api::kinds::{Resource, Subresource};
use api::schema::GroupVersionKind;
use sha2::{Digest, Sha512};

use super::groups::Group;

/// What `/api` (the core group) or `/apis` (the others) answers.
pub fn document<'a>(groups: impl IntoIterator<Item = &'a Group>) -> Tree {
    let mut tree = Tree::new(APIGroupDiscoveryList::TYPE);
    let mut document = APIGroupDiscoveryListMut::of(&mut tree);
    document.set_kind("APIGroupDiscoveryList");
    document.set_api_version("apidiscovery.k8s.io/v2");
    for group in groups {
        let mut entry = document.push_items();
        if !group.name.is_empty() {
            entry.metadata_mut().set_name(&group.name);
        }
        for version in &group.versions {
            let mut listed = entry.push_versions();
            listed.set_version(&version.name);
            for resource in &version.resources {
                fill_resource(resource, &mut listed.push_resources());
            }
            listed.set_freshness(version.freshness.as_str());
        }
    }
    tree
}

/// The entity tag of a document in JSON: upstream hashes it before kind and apiVersion are put in.
pub fn entity_tag(json: &[u8]) -> String {
    const NAMES: &[u8] =
        b"{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",";
    let json = json.strip_suffix(b"\n").unwrap_or(json);
    match json.strip_prefix(NAMES) {
        Some(rest) => format!("\"{}\"", hash(&[b"{", rest].concat())),
        None => format!("\"{}\"", hash(json)),
    }
}

/// SHA-512 in upper-case hexadecimal digits.
pub fn hash(content: &[u8]) -> String {
    Sha512::digest(content)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

fn fill_resource(resource: &Resource, entry: &mut APIResourceDiscoveryMut<'_>) {
    entry.set_resource(&resource.name);
    entry.response_kind_mut().set_kind(&resource.kind);
    entry.set_scope(if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    });
    entry.set_singular_resource(&resource.singular);
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
    for sub in &resource.subresources {
        fill_subresource(resource, sub, &mut entry.push_subresources());
    }
}

fn fill_subresource(
    resource: &Resource,
    sub: &Subresource,
    entry: &mut APISubresourceDiscoveryMut<'_>,
) {
    entry.set_subresource(&sub.name);
    let GroupVersionKind {
        group,
        version,
        kind,
    } = &sub.kind;
    let mut answered = entry.response_kind_mut();
    // Group and version are said where they are not the resource's own.
    if (group, version) != (&resource.group, &resource.version) {
        answered.set_group(group);
        answered.set_version(version);
    }
    answered.set_kind(kind);
    sub.verbs
        .iter()
        .for_each(|verb| entry.push_verbs(verb.as_str()));
}
