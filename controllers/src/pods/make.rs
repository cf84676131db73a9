//! A pod from a template.

use api::{
    core::v1::{self as core, PodMut, PodTemplateSpec},
    tree::Tree,
};

use crate::object::owner::Owner;

/// A pod from the template: a copy of it, so that nothing is lost that we do not know.
pub fn from_template(
    template: PodTemplateSpec<'_>,
    namespace: &str,
    prefix: &str,
    name: &str,
    owner: &Owner,
) -> Tree {
    let mut tree = Tree::new(core::Pod::TYPE);
    let mut pod = PodMut::of(&mut tree);
    pod.set_spec(template.spec());
    let mut metadata = pod.metadata_mut();
    metadata.set_name(name);
    metadata.set_generate_name(prefix);
    metadata.set_namespace(namespace);
    for (key, value) in template.metadata().labels().iter() {
        metadata.labels_mut().insert(key, value);
    }
    for (key, value) in template.metadata().annotations().iter() {
        metadata.annotations_mut().insert(key, value);
    }
    for finalizer in template.metadata().finalizers().iter() {
        metadata.push_finalizers(finalizer);
    }
    owner.write(metadata.push_owner_references());
    tree
}

/// `name-`, cut so that five more characters make a valid name: the server cuts generated names at 58 for labels' sake.
pub fn prefix(name: &str) -> String {
    let mut prefix = format!("{name}-");
    prefix.truncate(58);
    prefix
}
