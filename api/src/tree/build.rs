//! What decoders write into.

use std::sync::Arc;

use crate::schema::{SchemaRef, TypeId};

use super::{BLOB, Kind, Node, Owner, SIDE, Store, Tree};

/// A tree under construction: open containers' children wait on a stack and move to the arena when their container closes.
pub(crate) struct Builder {
    pub nodes: Vec<Node>,
    pub pending: Vec<Node>,
    pub side: String,
    pub blobs: Vec<u8>,
}

impl Builder {
    pub(crate) fn with_capacity(nodes: usize) -> Builder {
        Builder {
            nodes: Vec::with_capacity(nodes),
            pending: Vec::with_capacity(64),
            side: String::new(),
            blobs: Vec::new(),
        }
    }

    /// Moves the children above `mark` into the arena and returns where they begin.
    #[inline]
    pub(crate) fn close(&mut self, mark: usize) -> u32 {
        let start = self.nodes.len() as u32;
        self.nodes.extend_from_slice(&self.pending[mark..]);
        self.pending.truncate(mark);
        start
    }

    /// Closes a message, whose fields may have come in any order, each once.
    #[inline]
    pub(crate) fn close_message(&mut self, ty: TypeId, mark: usize) -> Node {
        let fields = &mut self.pending[mark..];
        if !fields.is_sorted_by_key(|node| node.field) {
            fields.sort_unstable_by_key(|node| node.field);
        }
        let len = fields.len() as u32;
        Node::message(ty, self.close(mark), len)
    }

    #[inline]
    pub(crate) fn close_list(&mut self, owner: Owner, mark: usize) -> Node {
        let len = (self.pending.len() - mark) as u32;
        Node::container(Kind::List, owner, self.close(mark), len)
    }

    /// Closes a map: sorts its entries by key; of equal keys the last wins.
    pub(crate) fn close_map(&mut self, owner: Owner, mark: usize, text: &str) -> Node {
        let side = &self.side;
        let key = |node: &Node| -> &str {
            let at = node.value as usize;
            let buffer = if node.flags & SIDE == 0 {
                text
            } else {
                side.as_str()
            };
            buffer.get(at..at + node.len as usize).unwrap_or_default()
        };
        let entries = &self.pending[mark..];
        let sorted = entries
            .chunks_exact(2)
            .map(|entry| key(&entry[0]))
            .is_sorted_by(|a, b| a < b);
        if !sorted {
            let mut pairs: Vec<[Node; 2]> = entries
                .chunks_exact(2)
                .map(|entry| [entry[0], entry[1]])
                .collect();
            pairs.sort_by(|a, b| key(&a[0]).cmp(key(&b[0])));
            let mut unique: Vec<[Node; 2]> = Vec::with_capacity(pairs.len());
            for pair in pairs {
                match unique.last_mut() {
                    Some(last) if key(&last[0]) == key(&pair[0]) => *last = pair,
                    _ => unique.push(pair),
                }
            }
            self.pending.truncate(mark);
            self.pending.extend(unique.iter().flatten());
        }
        self.close_sorted_map(owner, mark)
    }

    /// Closes a map whose keys are known to ascend.
    #[inline]
    pub(crate) fn close_sorted_map(&mut self, owner: Owner, mark: usize) -> Node {
        let len = ((self.pending.len() - mark) / 2) as u32;
        Node::container(Kind::Map, owner, self.close(mark), len)
    }

    #[inline]
    pub(crate) fn side_text(&mut self, kind: Kind, text: &str) -> Node {
        let at = self.side.len() as u64;
        self.side.push_str(text);
        Node {
            kind,
            flags: SIDE,
            field: 0,
            len: text.len() as u32,
            value: at,
        }
    }

    pub(crate) fn blob(&mut self, kind: Kind, bytes: &[u8]) -> Node {
        let at = self.blobs.len() as u64;
        self.blobs.extend_from_slice(bytes);
        Node {
            kind,
            flags: BLOB,
            field: 0,
            len: bytes.len() as u32,
            value: at,
        }
    }

    /// The finished tree; `text` is what nodes without the side flag point into.
    pub(crate) fn finish(mut self, schema: SchemaRef, root: Node, text: Arc<String>) -> Tree {
        let index = self.nodes.len() as u32;
        self.nodes.push(root);
        Tree::from_store(Store {
            schema,
            nodes: self.nodes,
            text,
            side: self.side,
            blobs: self.blobs,
            root: index,
            garbage: 0,
        })
    }

    /// A store over what is built so far, for merging; [`Builder::resume`] takes it back.
    pub(crate) fn suspend(&mut self, schema: SchemaRef, text: Arc<String>) -> Store {
        Store {
            schema,
            nodes: std::mem::take(&mut self.nodes),
            text,
            side: std::mem::take(&mut self.side),
            blobs: std::mem::take(&mut self.blobs),
            root: 0,
            garbage: 0,
        }
    }

    pub(crate) fn resume(&mut self, store: Store) {
        self.nodes = store.nodes;
        self.side = store.side;
        self.blobs = store.blobs;
    }
}
