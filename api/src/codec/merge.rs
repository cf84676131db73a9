//! What happens when a field comes twice, and which values a message keeps.

use crate::schema::{Field, FieldId, Scalar, Schema, Shape};
use crate::tree::{Builder, Kind, Node, Owner, SIDE, empty};

/// How two lists become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// JSON: the second overwrites the first element by element, and gives the length.
    ByIndex,
    /// Protobuf: the second follows the first.
    Append,
}

/// Whether a message keeps this value: by-value fields leave their zero out. Empty lists and maps are kept, though JSON may not
/// show them: upstream's rules tell some from absent ones (`managedFields: []` lets go of all owners, `claims: []` is refused
/// where there may be none, `policies: []` is not filled in), and its messages quote them.
#[inline]
pub(crate) fn is_kept(
    field: &Field,
    node: &Node,
    is_zero_text: impl FnOnce(&Node) -> bool,
) -> bool {
    if node.kind == Kind::Null {
        return false;
    }
    if field.pointer {
        return true;
    }
    match field.shape {
        Shape::List(_) | Shape::Map(_) => true,
        Shape::Message(_) => node.len > 0,
        Shape::Scalar(Scalar::IntOrString) => node.kind == Kind::Str || node.value != 0,
        Shape::Scalar(Scalar::Json | Scalar::Bytes) => true,
        Shape::Scalar(_) => match node.kind {
            Kind::Str | Kind::Raw => node.len > 0,
            Kind::Quantity => !is_zero_text(node),
            Kind::Time => node.value as i64 != crate::time::ZERO_SECONDS,
            Kind::MicroTime => node.value as i64 != crate::time::ZERO_MICROS,
            Kind::Float => f64::from_bits(node.value) != 0.0,
            _ => node.value != 0,
        },
    }
}

/// What a null element of a list or value of a map becomes: the zero value. (Bytes that are nil to Go are empty to who reads
/// what was stored.)
pub(crate) fn null_element(shape: &Shape, owner: Owner) -> Node {
    match shape {
        Shape::Scalar(Scalar::Json) => Node::scalar(Kind::Null, 0),
        Shape::Scalar(Scalar::Quantity) => Node {
            kind: Kind::Quantity,
            ..empty(shape, owner)
        },
        _ => empty(shape, owner),
    }
}

/// Merges the values of a field that came twice. New values are verbatim: zeros and nulls are there.
pub(crate) struct Merger<'a> {
    pub schema: &'a Schema,
    pub builder: &'a mut Builder,
    pub text: &'a str,
    pub lists: Lists,
}

impl Merger<'_> {
    /// The merged value; with `verbatim` it keeps zeros and nulls, for it is itself a repeated one.
    fn field(
        &mut self,
        field: &Field,
        old: Option<Node>,
        new: Node,
        verbatim: bool,
    ) -> Option<Node> {
        if new.kind == Kind::Null {
            // Null empties what can be nil, and does nothing to a value.
            return if verbatim {
                old.filter(|_| field.is_value()).or(Some(new))
            } else {
                old.filter(|_| field.is_value())
            };
        }
        let merged = self.value(&field.shape, old, new, verbatim);
        let (text, side) = (self.text, self.builder.side.as_str());
        let is_zero = |node: &Node| {
            let at = node.value as usize;
            let buffer = if node.flags & SIDE == 0 { text } else { side };
            buffer.get(at..at + node.len as usize) == Some("0")
        };
        (verbatim || is_kept(field, &merged, is_zero)).then_some(merged)
    }

    /// Merges a field that comes again with what the open message, whose fields are pending from `mark` on, has of it.
    pub(crate) fn repeated(
        &mut self,
        mark: usize,
        id: FieldId,
        field: &Field,
        new: Node,
        verbatim: bool,
    ) {
        let at = self.builder.pending[mark..]
            .iter()
            .position(|node| node.field == id.0)
            .map(|at| mark + at);
        let old = at.map(|at| self.builder.pending[at]);
        let merged = self.field(field, old, new, verbatim);
        let pending = &mut self.builder.pending;
        match (at, merged) {
            (Some(at), Some(node)) => pending[at] = node.with_field(id),
            (None, Some(node)) => pending.push(node.with_field(id)),
            (Some(at), None) => _ = pending.remove(at),
            (None, None) => {}
        }
    }

    fn children(&self, node: &Node) -> Vec<Node> {
        self.builder.nodes[node.start()..node.start() + node.children()].to_vec()
    }

    fn value(&mut self, shape: &Shape, old: Option<Node>, new: Node, verbatim: bool) -> Node {
        match (shape, new.kind) {
            (Shape::Message(ty), Kind::Message) => {
                let def = self.schema.ty(*ty);
                let mut fields = old
                    .filter(|old| old.kind == Kind::Message)
                    .map_or_else(Vec::new, |old| self.children(&old));
                for child in self.children(&new) {
                    let id = FieldId(child.field);
                    let at = fields.binary_search_by_key(&child.field, |node| node.field);
                    let before = at.ok().map(|at| fields[at]);
                    let merged = self
                        .field(def.field_at(id), before, child, verbatim)
                        .map(|node| node.with_field(id));
                    match (at, merged) {
                        (Ok(at), Some(node)) => fields[at] = node,
                        (Ok(at), None) => _ = fields.remove(at),
                        (Err(at), Some(node)) => fields.insert(at, node),
                        (Err(_), None) => {}
                    }
                }
                let start = self.append(&fields);
                Node::message(*ty, start, fields.len() as u32)
            }
            (Shape::List(element), Kind::List) => {
                let olds = old
                    .filter(|old| old.kind == Kind::List)
                    .map_or_else(Vec::new, |old| self.children(&old));
                let owner = new.owner();
                let mut elements = if self.lists == Lists::Append {
                    olds.clone()
                } else {
                    Vec::new()
                };
                for (index, child) in self.children(&new).into_iter().enumerate() {
                    let before = if self.lists == Lists::Append {
                        None
                    } else {
                        olds.get(index).copied()
                    };
                    elements.push(match (child.kind, before) {
                        (Kind::Null, Some(before))
                            if matches!(**element, Shape::Message(_) | Shape::Scalar(_)) =>
                        {
                            before
                        }
                        (Kind::Null, _) => null_element(element, owner.deeper()),
                        _ => self.value(element, before, child, verbatim),
                    });
                }
                let start = self.append(&elements);
                Node::container(Kind::List, owner, start, elements.len() as u32)
            }
            (Shape::Map(_), Kind::Map) => {
                let mark = self.builder.pending.len();
                if let Some(old) = old.filter(|old| old.kind == Kind::Map) {
                    let entries = self.children(&old);
                    self.builder.pending.extend(entries);
                }
                let entries = self.children(&new);
                self.builder.pending.extend(entries);
                self.builder.close_map(new.owner(), mark, self.text)
            }
            _ => new,
        }
    }

    fn append(&mut self, nodes: &[Node]) -> u32 {
        let start = self.builder.nodes.len() as u32;
        self.builder.nodes.extend_from_slice(nodes);
        start
    }
}
