//! The text form of a schema: one line per type, then one per field.
//!
//! ```text
//! type <name> [kind=<group>/<version>/<Kind>] [atomic] [union]
//! <json name> TAB <number>[/<via>[.<via>]] TAB <shape> TAB <flags separated by spaces>
//! ```
//!
//! A shape is a leaf's name, a type's name, `[]<shape>`, `{}<shape>`, or `[*]<shape>` for a list that protobuf wraps. Spaces and
//! percent signs in flags are written `%20` and `%25`. Types may be named before they are defined. Lines starting with `#` and blank lines mean nothing.

use std::collections::HashMap;

use super::{Field, GroupVersionKind, ListKind, Scalar, Schema, Shape, Type, TypeId};

/// Why a schema is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line that is neither a type nor a field.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A shape names a type that is not defined.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    /// A type is defined twice.
    #[error("type {0:?} is defined twice")]
    DuplicateType(String),
    /// Two fields of a type share a protobuf number.
    #[error("number {number} stands twice in {ty}")]
    DuplicateNumber {
        /// The type.
        ty: String,
        /// The number.
        number: u32,
    },
    /// A message contains itself by value.
    #[error("type {0:?} contains itself by value")]
    Recursive(String),
    /// Type ids have 16 bits.
    #[error("too many types")]
    TooManyTypes,
    /// Field ids have 16 bits.
    #[error("too many fields in {0:?}")]
    TooManyFields(String),
}

impl Schema {
    /// Parses the text form.
    ///
    /// # Errors
    /// Names the line that is wrong, or the type that is missing.
    pub fn parse(text: &str) -> Result<Schema, ParseError> {
        let mut names: HashMap<&str, TypeId> = HashMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("type ") {
                let id = u16::try_from(names.len()).map_err(|_| ParseError::TooManyTypes)?;
                let name = rest.split_whitespace().next().unwrap_or_default();
                if names.insert(name, TypeId(id)).is_some() {
                    return Err(ParseError::DuplicateType(name.to_owned()));
                }
            }
        }
        let mut types: Vec<Type> = Vec::with_capacity(names.len());
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: String| ParseError::Line {
                line: number + 1,
                what,
            };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(rest) = line.strip_prefix("type ") {
                types.push(parse_type(rest).map_err(wrong)?);
                continue;
            }
            let field = parse_field(line, &names).map_err(wrong)?;
            types
                .last_mut()
                .ok_or_else(|| wrong("a field before any type".to_owned()))?
                .fields
                .push(field);
        }
        Schema::new(types)
    }
}

fn parse_type(rest: &str) -> Result<Type, String> {
    let mut words = rest.split_whitespace();
    let name = words.next().ok_or("a type without a name")?;
    let mut ty = Type::new(name, None, Vec::new());
    for word in words {
        match word.split_once('=') {
            Some(("kind", value)) => {
                let mut parts = value.splitn(3, '/');
                let (Some(group), Some(version), Some(kind)) =
                    (parts.next(), parts.next(), parts.next())
                else {
                    return Err(format!("kind {value:?} is not <group>/<version>/<kind>"));
                };
                ty.kind = Some(GroupVersionKind {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: kind.to_owned(),
                });
            }
            None if word == "atomic" => ty.atomic = true,
            None if word == "union" => ty.union = true,
            _ => return Err(format!("unknown flag {word:?}")),
        }
    }
    Ok(ty)
}

fn parse_field(line: &str, names: &HashMap<&str, TypeId>) -> Result<Field, String> {
    let mut columns = line.split('\t');
    let (Some(name), Some(number), Some(shape)) = (columns.next(), columns.next(), columns.next())
    else {
        return Err("a field needs a name, a number and a shape, separated by tabs".to_owned());
    };
    let parse = |text: &str| {
        text.parse::<u32>()
            .map_err(|error| format!("number {text:?}: {error}"))
    };
    let (number, via) = match number.split_once('/') {
        Some((number, via)) => (number, via.split('.').map(parse).collect::<Result<_, _>>()?),
        None => (number, Vec::new()),
    };
    let mut field = Field {
        name: name.to_owned(),
        number: parse(number)?,
        via,
        wrapped: shape.starts_with("[*]"),
        shape: parse_shape(shape, names)?,
        ..Field::default()
    };
    for flag in columns.next().unwrap_or_default().split_whitespace() {
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        let value = value.replace("%20", " ").replace("%25", "%");
        let value = value.as_str();
        match key {
            "ptr" => field.pointer = true,
            "omit" => field.omit_empty = true,
            "req" => field.required = true,
            "atomic" => field.atomic = true,
            "granular" => field.granular = true,
            "list" if value == "set" => field.list = ListKind::Set,
            "list" if value == "atomic" => field.list = ListKind::Atomic,
            "list" => match value.strip_prefix("map:") {
                Some(keys) => {
                    field.list = ListKind::Map(keys.split(',').map(str::to_owned).collect())
                }
                None => return Err(format!("unknown list kind {value:?}")),
            },
            "merge" => {
                field.patch_merge = true;
                field.patch_key = (!value.is_empty()).then(|| value.to_owned());
            }
            "retainKeys" => field.patch_retain_keys = true,
            "default" => field.default = Some(value.to_owned()),
            "enum" => field.enumeration = value.split('|').map(str::to_owned).collect(),
            "go" => field.go_type = Some(value.to_owned()),
            "in" => field.embedded_in = Some(value.to_owned()),
            _ => return Err(format!("unknown flag {flag:?}")),
        }
    }
    Ok(field)
}

fn parse_shape(text: &str, names: &HashMap<&str, TypeId>) -> Result<Shape, String> {
    if let Some(element) = text.strip_prefix("[]").or_else(|| text.strip_prefix("[*]")) {
        return Ok(Shape::List(Box::new(parse_shape(element, names)?)));
    }
    if let Some(element) = text.strip_prefix("{}") {
        return Ok(Shape::Map(Box::new(parse_shape(element, names)?)));
    }
    Ok(Shape::Scalar(match text {
        "string" => Scalar::String,
        "bool" => Scalar::Bool,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "double" => Scalar::Double,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "intorstring" => Scalar::IntOrString,
        "time" => Scalar::Time,
        "microtime" => Scalar::MicroTime,
        "duration" => Scalar::Duration,
        "raw" => Scalar::RawExtension,
        "fieldsv1" => Scalar::FieldsV1,
        "json" => Scalar::Json,
        name => {
            let id = names
                .get(name)
                .ok_or_else(|| format!("unknown type {name:?}"))?;
            return Ok(Shape::Message(*id));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# a comment
type core/v1.Thing kind=/v1/Thing
kind\t0\tstring\tomit in=TypeMeta
spec\t2\tcore/v1.ThingSpec\t
list\t3\t[]core/v1.ThingSpec\tomit list=map:a,b merge=a
note\t4\tstring\tomit default=\"100%25%20b\" enum=|y

type core/v1.ThingSpec atomic
late\t7/9\tint32\tptr omit
early\t1/9.3\tstring\t
first\t2\tstring\tomit
";

    #[test]
    fn types_may_be_named_before_they_are_defined() {
        let schema = Schema::parse(TABLE).unwrap();
        let thing = schema.type_of_kind("", "v1", "Thing").unwrap();
        let spec = schema.type_by_name("core/v1.ThingSpec").unwrap();
        let field = schema.ty(thing).field("spec").unwrap();
        assert_eq!(schema.ty(thing).field_at(field).shape, Shape::Message(spec));
        assert_eq!(schema.ty(thing).reflect_name(), "v1.Thing");
        assert_eq!(
            schema.ty(thing).fields[2].list,
            ListKind::Map(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            schema.ty(thing).fields[3].default.as_deref(),
            Some("\"100% b\"")
        );
        assert_eq!(schema.ty(thing).fields[3].enumeration, ["", "y"]);
        assert!(schema.ty(spec).atomic);
    }

    #[test]
    fn flattened_fields_stand_under_their_embedded_message() {
        let schema = Schema::parse(TABLE).unwrap();
        let spec = schema.ty(schema.type_by_name("core/v1.ThingSpec").unwrap());
        assert_eq!(
            spec.wire_order,
            [FieldId(2), FieldId(1), FieldId(0)].to_vec()
        );
        assert_eq!(spec.always, [FieldId(1)].to_vec());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("x\t1\tstring\t", "line 1: a field before any type"),
            ("type a\nx\t1\tnope\t", "line 2: unknown type \"nope\""),
            (
                "type a\nx\t1\tstring\thuge",
                "line 2: unknown flag \"huge\"",
            ),
            (
                "type a\nx 1",
                "line 2: a field needs a name, a number and a shape, separated by tabs",
            ),
            ("type a\ntype a", "type \"a\" is defined twice"),
            (
                "type a\nx\t1\tstring\t\ny\t1\tstring\t",
                "number 1 stands twice in a",
            ),
            ("type a\nx\t1\ta\t", "type \"a\" contains itself by value"),
        ] {
            assert_eq!(
                Schema::parse(text).unwrap_err().to_string(),
                message,
                "{text:?}"
            );
        }
    }

    use super::super::FieldId;
}
