//! Lists, and maps whose keys the schema does not know.

use super::{Decoder, Step, Stop};
use crate::codec::json::error::StrictKind;
use crate::codec::merge;
use crate::schema::Shape;
use crate::tree::{Kind, Node, Owner};

impl Decoder<'_> {
    pub(super) fn list(&mut self, element: &Shape, owner: Owner) -> Result<bool, Stop> {
        self.elements(owner, |decoder| {
            if !decoder.value(element, owner.deeper(), None)? {
                decoder.put(match decoder.verbatim {
                    true => Node::scalar(Kind::Null, 0),
                    false => merge::null_element(element, owner.deeper()),
                })?;
            }
            Ok(())
        })
    }

    pub(super) fn map(&mut self, element: &Shape, owner: Owner) -> Result<bool, Stop> {
        self.entries(owner, |decoder| {
            // A value that replaces another starts from nothing.
            let outer = std::mem::replace(&mut decoder.verbatim, false);
            if !decoder.value(element, owner.deeper(), None)? {
                decoder.put(merge::null_element(element, owner.deeper()))?;
            }
            decoder.verbatim = outer;
            Ok(())
        })
    }

    /// A list, each of whose elements `read` puts.
    #[inline]
    pub(super) fn elements(
        &mut self,
        owner: Owner,
        mut read: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        self.descend()?;
        let mark = self.builder.pending.len();
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            let mut index = 0;
            loop {
                self.path.push(Step::Index(index));
                index += 1;
                read(self)?;
                self.path.pop();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return Err(Stop::Syntax),
                }
            }
        }
        self.depth -= 1;
        let node = self.builder.close_list(owner, mark);
        self.put(node)
    }

    /// A map, each of whose values `read` puts.
    #[inline]
    pub(super) fn entries(
        &mut self,
        owner: Owner,
        mut read: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        self.descend()?;
        let mark = self.builder.pending.len();
        self.at += 1;
        let mut first = true;
        while self.key(first)? {
            first = false;
            self.path.push(Step::Key(self.builder.pending.len() as u32));
            self.builder.pending.push(self.key);
            read(self)?;
            self.path.pop();
        }
        self.depth -= 1;
        let node = self.close_map(owner, mark);
        self.put(node)
    }

    fn close_map(&mut self, owner: Owner, mark: usize) -> Node {
        let entries = self.builder.pending[mark..].chunks_exact(2);
        if entries
            .map(|entry| self.text_of(&entry[0]))
            .is_sorted_by(|a, b| a < b)
        {
            return self.builder.close_sorted_map(owner, mark);
        }
        let before = (self.builder.pending.len() - mark) / 2;
        let entries: Vec<Node> = self.builder.pending[mark..]
            .iter()
            .step_by(2)
            .copied()
            .collect();
        let node = self.builder.close_map(owner, mark, self.text);
        if node.len as usize != before {
            let mut seen = std::collections::BTreeSet::new();
            for key in &entries {
                let name = self.text_of(key).to_owned();
                if !seen.insert(name.clone()) {
                    let path = self.path_to(&name);
                    self.strict.add(StrictKind::Duplicate, path);
                }
            }
        }
        node
    }
}
