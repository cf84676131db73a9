//! Values of another type than the schema's, in the words of Go's decoder, and where in the object they stand.

use super::{Decoder, Step, Stop};
use crate::codec::json::error::DecodeError;
use crate::codec::json::type_meta::value_name;
use crate::schema::{Field, Scalar, Schema, Shape};

impl Decoder<'_> {
    /// A value of another type than the shape's: null is none, all else is an error, kept for later.
    #[cold]
    pub(super) fn mismatch(&mut self, shape: &Shape, field: Option<&Field>) -> Result<bool, Stop> {
        let first = self.peek();
        self.skip()?;
        if first != Some(b'n') {
            self.save(value_name(first).to_owned(), self.expected(shape, field));
        }
        Ok(false)
    }

    #[cold]
    pub(super) fn save(&mut self, value: String, expected: String) {
        if self.saved.is_none() {
            self.saved = Some(self.type_error(value, expected));
        }
    }

    /// The Go type of the value that is being read.
    #[cold]
    pub(super) fn expected(&self, shape: &Shape, field: Option<&Field>) -> String {
        let within = match (field, self.path.as_slice()) {
            (Some(field), _) => field.go_type.as_deref(),
            (None, [.., Step::Field(ty, id), Step::Index(_) | Step::Key(_)]) => {
                let container = self.schema.ty(*ty).field_at(*id).go_type.as_deref();
                container.and_then(|name| Some(name.split_once(']')?.1))
            }
            _ => None,
        };
        within.map_or_else(|| type_name(self.schema, shape), str::to_owned)
    }

    /// An error with the struct and the names of the fields above, list indices and map keys left out.
    pub(super) fn type_error(&self, value: String, expected: String) -> DecodeError {
        let mut names: Vec<&str> = Vec::new();
        let mut owner = None;
        for step in &self.path {
            if let Step::Field(ty, id) = step {
                let ty = self.schema.ty(*ty);
                let field = ty.field_at(*id);
                names.extend(field.embedded_in.as_deref());
                names.push(&field.name);
                owner = Some(ty.go_name());
            }
        }
        let place = match owner {
            Some(owner) => format!("struct field {owner}.{}", names.join(".")),
            None => "value".to_owned(),
        };
        DecodeError::Type {
            value,
            place,
            expected,
        }
    }

    /// The path of a field of the value that is being read.
    #[cold]
    pub(super) fn path_to(&self, name: &str) -> String {
        use std::fmt::Write;
        let mut path = String::new();
        for step in &self.path {
            let name = match step {
                Step::Field(ty, id) => self.schema.ty(*ty).field_at(*id).name.as_str(),
                Step::Key(index) => self
                    .builder
                    .pending
                    .get(*index as usize)
                    .map_or("", |key| self.text_of(key)),
                Step::Index(index) => {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "[{index}]");
                    continue;
                }
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        path
    }
}

/// A Go type as reflection prints it.
fn type_name(schema: &Schema, shape: &Shape) -> String {
    match shape {
        Shape::Message(ty) => schema.ty(*ty).reflect_name().to_owned(),
        Shape::List(element) => format!("[]{}", type_name(schema, element)),
        Shape::Map(element) => format!("map[string]{}", type_name(schema, element)),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => "string",
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Double => "float64",
            Scalar::Bytes => "[]uint8",
            Scalar::Quantity => "resource.Quantity",
            Scalar::IntOrString => "intstr.IntOrString",
            Scalar::Time => "v1.Time",
            Scalar::MicroTime => "v1.MicroTime",
            Scalar::Duration => "v1.Duration",
            Scalar::RawExtension => "runtime.RawExtension",
            Scalar::FieldsV1 => "v1.FieldsV1",
            Scalar::Json => "v1.JSON",
        }
        .to_owned(),
    }
}
