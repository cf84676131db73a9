//! Messages: objects whose fields the schema knows.

use super::{Decoder, Step, Stop};
use crate::codec::json::error::{DecodeError, StrictKind};
use crate::codec::merge::{self, Lists};
use crate::codec::seen::Seen;
use crate::schema::{Field, FieldId, Scalar, Shape, TypeId};
use crate::tree::{Kind, Node, Owner};

impl Decoder<'_> {
    pub(super) fn message(&mut self, ty: TypeId) -> Result<bool, Stop> {
        self.descend()?;
        let schema = self.schema;
        let def = schema.ty(ty);
        let mark = self.builder.pending.len();
        let mut seen = Seen::new(def.plan.words);
        self.at += 1;
        let mut first = true;
        while self.key(first)? {
            first = false;
            let name = self.text_of(&self.key);
            let Some(id) = def.field(name) else {
                let path = self.path_to(name);
                self.strict.add(StrictKind::Unknown, path);
                self.skip()?;
                continue;
            };
            let field = def.field_at(id);
            self.path.push(Step::Field(ty, id));
            if !seen.insert(id) {
                self.repeated(ty, id, field, mark)?;
            } else if self.value(&field.shape, Owner::field(ty, id), Some(field))? {
                let at = self.builder.pending.len() - 1;
                self.builder.pending[at].field = id.0;
                let node = &self.builder.pending[at];
                let is_zero = |node: &Node| self.text_of(node) == "0";
                if !self.verbatim && !merge::is_kept(field, node, is_zero) {
                    self.builder.pending.truncate(at);
                }
            } else if self.verbatim {
                self.put(Node::scalar(Kind::Null, 0).with_field(id))?;
            }
            self.path.pop();
        }
        self.depth -= 1;
        let node = self.builder.close_message(ty, mark);
        self.put(node)
    }

    /// A message that is, in JSON, the value of one of its fields.
    pub(super) fn union(&mut self, ty: TypeId, first: Option<u8>) -> Result<bool, Stop> {
        let schema = self.schema;
        let fields = &schema.ty(ty).fields;
        let find =
            |wanted: fn(&Shape) -> bool| fields.iter().position(|field| wanted(&field.shape));
        let boolean = find(|shape| *shape == Shape::Scalar(Scalar::Bool));
        let chosen = match first {
            Some(b'{') => find(|shape| matches!(shape, Shape::Message(_))),
            Some(b'[') => find(|shape| matches!(shape, Shape::List(_))),
            Some(b't' | b'f') => boolean,
            _ => None,
        };
        let Some(index) = chosen else {
            self.skip()?;
            let refuses = boolean.is_some() && first != Some(b'n');
            return match refuses {
                true => Err(Stop::error(DecodeError::Leaf(
                    "boolean or JSON schema expected".to_owned(),
                ))),
                false => Ok(false),
            };
        };
        let id = FieldId(index as u16);
        let mark = self.builder.pending.len();
        // A schema where a boolean could stand allows as well.
        if let (Some(b'{'), Some(boolean)) = (first, boolean) {
            self.builder
                .pending
                .push(Node::scalar(Kind::Bool, 1).with_field(FieldId(boolean as u16)));
        }
        self.descend()?;
        let field = &fields[index];
        if self.value(&field.shape, Owner::field(ty, id), Some(field))? {
            let at = self.builder.pending.len() - 1;
            let node = &mut self.builder.pending[at];
            node.field = id.0;
            if node.kind == Kind::Bool && node.value == 0 {
                self.builder.pending.truncate(at);
            }
        }
        self.depth -= 1;
        let node = self.builder.close_message(ty, mark);
        self.put(node)
    }

    /// A field that stood in this message before: its values merge.
    #[cold]
    fn repeated(
        &mut self,
        ty: TypeId,
        id: FieldId,
        field: &Field,
        mark: usize,
    ) -> Result<(), Stop> {
        let last = self.path.pop();
        let path = self.path_to(&field.name);
        self.path.extend(last);
        self.strict.add(StrictKind::Duplicate, path);
        let outer = std::mem::replace(&mut self.verbatim, true);
        let new = self
            .value(&field.shape, Owner::field(ty, id), Some(field))?
            .then(|| self.builder.pending.pop())
            .flatten()
            .unwrap_or(Node::scalar(Kind::Null, 0));
        self.verbatim = outer;
        let mut merger = merge::Merger {
            schema: self.schema,
            builder: &mut self.builder,
            text: self.text,
            lists: Lists::ByIndex,
        };
        merger.repeated(mark, id, field, new, outer);
        Ok(())
    }
}
