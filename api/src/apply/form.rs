//! How server-side apply sees a place of the schema: as one value, or as something whose parts are owned one by one.

use crate::schema::{Field, ListKind, Schema, Shape, Type};

/// A place of the schema.
#[derive(Clone, Copy)]
pub(super) struct Place<'s> {
    pub(super) schema: &'s Schema,
    pub(super) shape: &'s Shape,
    /// The field whose whole value this is; its markers say how lists and maps merge. Elements have none, and are atomic.
    pub(super) field: Option<&'s Field>,
}

/// What is owned there.
pub(super) enum Form<'s> {
    /// The value whole.
    Leaf,
    /// Its fields.
    Message(&'s Type),
    /// Its entries.
    Map,
    /// Its elements, each by its value.
    Set,
    /// Its elements, each by these keys.
    Keyed(&'s [String], &'s Type),
}

impl<'s> Place<'s> {
    /// A field of a message.
    pub(super) fn field(self, field: &'s Field) -> Self {
        Self {
            schema: self.schema,
            shape: &field.shape,
            field: Some(field),
        }
    }

    /// The elements of a list or the values of a map.
    pub(super) fn element(self) -> Self {
        let shape = match self.shape {
            Shape::List(inner) | Shape::Map(inner) => inner,
            other => other,
        };
        Self {
            schema: self.schema,
            shape,
            field: None,
        }
    }

    pub(super) fn form(self) -> Form<'s> {
        let atomic = self.field.is_some_and(|field| field.atomic);
        match self.shape {
            _ if atomic => Form::Leaf,
            Shape::Scalar(_) => Form::Leaf,
            Shape::Message(id) => {
                let ty = self.schema.ty(*id);
                // A union stands in JSON for one of several shapes, which no field path can name.
                let granular = self.field.is_some_and(|field| field.granular);
                if (ty.atomic && !granular) || ty.union {
                    Form::Leaf
                } else {
                    Form::Message(ty)
                }
            }
            Shape::Map(_) => Form::Map,
            Shape::List(element) => match self.field.map(|field| &field.list) {
                None | Some(ListKind::Atomic) => Form::Leaf,
                Some(ListKind::Set) => Form::Set,
                Some(ListKind::Map(keys)) => match &**element {
                    Shape::Message(id) => Form::Keyed(keys, self.schema.ty(*id)),
                    _ => Form::Leaf,
                },
            },
        }
    }
}

/// What a key field is when an element leaves it out: its default as JSON, or the zero value that upstream publishes as one.
pub(super) fn key_default(ty: &Type, key: &str) -> Option<serde_json::Value> {
    let field = ty.field_at(ty.field(key)?);
    if let Some(default) = &field.default {
        return serde_json::from_str(default).ok();
    }
    if field.omit_empty || field.pointer {
        return None;
    }
    match field.shape {
        Shape::Scalar(crate::schema::Scalar::String) => Some("".into()),
        Shape::Scalar(crate::schema::Scalar::Int32 | crate::schema::Scalar::Int64) => {
            Some(0.into())
        }
        Shape::Scalar(crate::schema::Scalar::Bool) => Some(false.into()),
        _ => None,
    }
}
