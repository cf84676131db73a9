//! The key of an object within its kind.

use std::{fmt, ops::Range, sync::Arc};

/// Namespace and name in one allocation. Ordered by the text `namespace/name`, so that a namespace's objects are
/// neighbours in a map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    text: Arc<str>,
}

impl Key {
    /// The key of an object in a namespace; of a cluster-wide one when `namespace` is empty.
    pub fn new(namespace: &str, name: &str) -> Key {
        if namespace.is_empty() {
            Key { text: name.into() }
        } else {
            Key {
                text: format!("{namespace}/{name}").into(),
            }
        }
    }

    /// The key of a cluster-wide object, or of anything that a controller counts by one word.
    pub fn cluster(name: &str) -> Key {
        Key { text: name.into() }
    }

    /// The namespace; empty for a cluster-wide object.
    pub fn namespace(&self) -> &str {
        self.text
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.text
            .split_once('/')
            .map_or(&*self.text, |(_, name)| name)
    }

    /// `namespace/name`, or the bare name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The keys of one namespace, as a range of an ordered map.
    pub fn in_namespace(namespace: &str) -> Range<Key> {
        // '0' follows '/' in ASCII, so this covers exactly the texts that begin with "namespace/".
        Key {
            text: format!("{namespace}/").into(),
        }..Key {
            text: format!("{namespace}0").into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parts_come_back_as_they_went_in() {
        let key = Key::new("shop", "web");
        assert_eq!(
            (key.namespace(), key.name(), key.as_str()),
            ("shop", "web", "shop/web")
        );
        let node = Key::new("", "n1");
        assert_eq!((node.namespace(), node.name()), ("", "n1"));
        assert_eq!(node, Key::cluster("n1"));
    }

    #[test]
    fn a_namespace_is_a_range_even_beside_namespaces_that_share_its_prefix() {
        let keys: BTreeSet<Key> = ["a/x", "a-b/x", "a.b/x", "a0/x", "ab/x", "a/y"]
            .iter()
            .map(|t| Key { text: (*t).into() })
            .collect();
        let found: Vec<_> = keys
            .range(Key::in_namespace("a"))
            .map(Key::as_str)
            .collect();
        assert_eq!(found, ["a/x", "a/y"]);
    }
}
