//! Where a field stands in an object.

use std::fmt::{self, Display, Write as _};

/// A field's place in an object: `spec.containers[0].name`, `metadata.labels[app]`.
///
/// Segments are borrowed, from the caller's stack: `path.child("spec")` lives as long as `path`. A child may name several
/// levels at once: `path.child("securityContext.runAsUser")`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Root,
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The path of the object itself, whose errors carry the empty path's text, `<nil>`.
    pub const fn root() -> Path<'static> {
        Path {
            parent: None,
            segment: Segment::Root,
        }
    }

    /// A path that starts at the field `name` of the object.
    pub const fn new(name: &'a str) -> Path<'a> {
        Path {
            parent: None,
            segment: Segment::Name(name),
        }
    }

    /// The field `name` of the message at this path.
    pub const fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            segment: Segment::Name(name),
        }
    }

    /// The element at `index` of the list at this path.
    pub const fn index(&self, index: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            segment: Segment::Index(index),
        }
    }

    /// The entry `key` of the map at this path.
    pub const fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            segment: Segment::Key(key),
        }
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        // Writing to a String cannot fail.
        let _ = match self.segment {
            Segment::Root => Ok(()),
            Segment::Name(name) if out.is_empty() => out.write_str(name),
            Segment::Name(name) => write!(out, ".{name}"),
            Segment::Index(index) => write!(out, "[{index}]"),
            Segment::Key(key) => write!(out, "[{key}]"),
        };
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(if out.is_empty() { "<nil>" } else { &out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_upstream_writes_them() {
        let spec = Path::new("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        assert_eq!(
            first.child("ports").index(2).child("name").to_string(),
            "spec.containers[0].ports[2].name"
        );
        assert_eq!(
            Path::new("metadata").child("labels").key("a/b").to_string(),
            "metadata.labels[a/b]"
        );
        assert_eq!(Path::root().to_string(), "<nil>");
        assert_eq!(Path::root().child("a").child("b").to_string(), "a.b");
    }
}
