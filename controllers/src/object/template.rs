//! Pod templates: when two are the same, and a short name for each.

use api::{codec::protobuf, core::v1::PodTemplateSpec, tree::Tree, view::View};
use sha2::{Digest as _, Sha256};

/// The label which tells the pods of a Deployment's ReplicaSets apart.
pub const HASH_LABEL: &str = "pod-template-hash";

/// The characters of upstream's generated names: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// What a template says, the hash label apart. Two templates are the same exactly if their digests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateDigest([u8; 32]);

impl TemplateDigest {
    /// The digest of a template: over its canonical bytes, which are the same for the same content.
    pub fn of(template: PodTemplateSpec<'_>) -> TemplateDigest {
        Self::digest(without_hash(template))
    }

    /// The digest of all that a template says, the hash label too: for kinds that do not set it.
    pub fn whole(template: PodTemplateSpec<'_>) -> TemplateDigest {
        Self::digest(template.node().map(Tree::copy_of))
    }

    fn digest(template: Option<Tree>) -> TemplateDigest {
        let mut bytes = Vec::new();
        if let Some(mut tree) = template {
            tree.compact();
            protobuf::encode(&tree, &mut bytes);
        }
        TemplateDigest(Sha256::digest(&bytes).into())
    }

    /// A name for the template, of ten characters. `collisions` makes another one where the first is taken by something else.
    pub fn hash(&self, collisions: i32) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        if collisions > 0 {
            hasher.update(collisions.to_le_bytes());
        }
        hasher
            .finalize()
            .iter()
            .take(10)
            .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]))
            .collect()
    }
}

/// The template as a tree of its own, without the hash label; `None` of an absent template.
pub fn without_hash(template: PodTemplateSpec<'_>) -> Option<Tree> {
    let mut tree = Tree::copy_of(template.node()?);
    let labels = tree.root().path("metadata.labels");
    if labels.is_some_and(|l| l.get(HASH_LABEL).is_some()) {
        let mut root = tree.root_mut();
        let mut metadata = root.get("metadata");
        let labels = metadata.as_mut().and_then(|m| m.get("labels"));
        if let Some(mut labels) = labels {
            labels.remove_key(HASH_LABEL);
            if labels.as_ref().is_empty()
                && let Some(mut metadata) = metadata
                && let Some(id) = metadata.as_ref().ty().and_then(|t| t.field("labels"))
            {
                metadata.remove(id);
            }
        }
    }
    Some(tree)
}
