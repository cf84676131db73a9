//! The schema: for every message type its fields, with what the codecs, patches and server-side apply need of them.
//!
//! One [`Schema`] is built in, parsed once from the checked-in table `api/schema/types.txt` (made by `hack/upstream/schema`
//! from published facts). A custom resource's OpenAPI schema becomes another [`Schema`] at run time: the codecs know no
//! difference. This module knows nothing of values.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

mod index;
mod parse;
pub(crate) mod plan;

pub use index::NameIndex;
pub use parse::ParseError;
pub(crate) use plan::{Plan, Slot, WireEntry};

/// A message type's index in its [`Schema`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u16);

impl TypeId {
    /// No message type: the root (or any part) is a JSON value without a schema, as a custom resource whose schema is not applied.
    pub const UNTYPED: TypeId = TypeId(u16::MAX);
}

/// A field's index in its message type, in the order in which upstream writes it as JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldId(pub u16);

/// All message types of one origin.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
    by_name: HashMap<String, TypeId>,
    /// Top-level kinds, sorted by group, version and kind.
    by_kind: Vec<TypeId>,
}

/// A schema that values can hold on to: the built-in one, or one made at run time.
#[derive(Clone, Debug)]
pub enum SchemaRef {
    /// Lives as long as the process.
    Static(&'static Schema),
    /// Made at run time (custom resources, tests).
    Shared(Arc<Schema>),
}

impl Deref for SchemaRef {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            SchemaRef::Static(schema) => schema,
            SchemaRef::Shared(schema) => schema,
        }
    }
}

impl SchemaRef {
    /// Whether both are one and the same schema, so that type ids of one are valid in the other.
    pub fn same(&self, other: &SchemaRef) -> bool {
        std::ptr::eq::<Schema>(&**self, &**other)
    }
}

impl From<&'static Schema> for SchemaRef {
    fn from(schema: &'static Schema) -> SchemaRef {
        SchemaRef::Static(schema)
    }
}

impl From<Arc<Schema>> for SchemaRef {
    fn from(schema: Arc<Schema>) -> SchemaRef {
        SchemaRef::Shared(schema)
    }
}

impl From<&SchemaRef> for SchemaRef {
    fn from(schema: &SchemaRef) -> SchemaRef {
        schema.clone()
    }
}

static BUILTIN: LazyLock<Schema> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the table is part of the program; a test parses it"
    )]
    Schema::parse(include_str!("../../schema/types.txt"))
        .expect("api/schema/types.txt is well-formed")
});

impl Schema {
    /// The schema of every built-in kind.
    pub fn builtin() -> &'static Schema {
        &BUILTIN
    }

    /// Builds the lookup tables of a list of message types; [`Shape::Message`] ids are indices into the list.
    ///
    /// # Errors
    /// When there are too many types, an id is dangling, or messages contain themselves by value.
    pub fn new(types: Vec<Type>) -> Result<Schema, ParseError> {
        plan::finish(types)
    }

    /// The message type behind an id of this schema.
    ///
    /// # Panics
    /// When the id belongs to another schema.
    #[inline]
    pub fn ty(&self, id: TypeId) -> &Type {
        &self.types[usize::from(id.0)]
    }

    /// Every message type with its id.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.types
            .iter()
            .enumerate()
            .map(|(index, ty)| (TypeId(index as u16), ty))
    }

    /// A message type by its name (`core/v1.Pod`).
    pub fn type_by_name(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The message type of a top-level kind; the core group is "".
    pub fn type_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        self.by_kind
            .binary_search_by(|id| match &self.ty(*id).kind {
                Some(gvk) => (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str())
                    .cmp(&(group, version, kind)),
                None => std::cmp::Ordering::Less,
            })
            .ok()
            .map(|index| self.by_kind[index])
    }
}

/// One message type.
#[derive(Debug, Default)]
pub struct Type {
    /// Group, version and Go name: `core/v1.Pod`, `meta/v1.ObjectMeta`, `apps/v1.DeploymentSpec`.
    pub name: String,
    /// Group, version and kind as clients write them, where the type is a top-level kind (`Pod` in `v1`).
    pub kind: Option<GroupVersionKind>,
    /// Fields in JSON order; embedded structs are flattened into the place where they stand.
    pub fields: Vec<Field>,
    /// Field ids in protobuf's order (ascending number; flattened fields together, under their [`Field::via`]).
    pub wire_order: Vec<FieldId>,
    /// Fields which JSON output shows even when they are unset, with their zero value or null: those without `omitempty`.
    pub always: Vec<FieldId>,
    /// JSON name → field.
    index: NameIndex,
    /// Server-side apply treats the whole message as one value (`+structType=atomic`).
    pub atomic: bool,
    /// In JSON this message is the value of one of its fields, told by its token: an object is the message field, a list the list
    /// field, a boolean the boolean one (apiextensions' `JSONSchemaPropsOrArray` and its like).
    pub union: bool,
    /// What the codecs precompute.
    pub(crate) plan: Plan,
}

impl Type {
    /// A message type with these fields, to be given to [`Schema::new`], which fills in the rest.
    pub fn new(
        name: impl Into<String>,
        kind: Option<GroupVersionKind>,
        fields: Vec<Field>,
    ) -> Type {
        Type {
            name: name.into(),
            kind,
            fields,
            ..Type::default()
        }
    }

    /// A field's id by its JSON name.
    #[inline]
    pub fn field(&self, name: &str) -> Option<FieldId> {
        self.index.get(name, &self.fields)
    }

    /// The field behind an id of this type.
    ///
    /// # Panics
    /// When the id belongs to another type.
    #[inline]
    pub fn field_at(&self, id: FieldId) -> &Field {
        &self.fields[usize::from(id.0)]
    }

    /// The type's name in Go, without its package: `Pod`.
    pub fn go_name(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or(self.name.as_str(), |(_, name)| name)
    }

    /// The type's name as Go's reflection prints it: `v1.Pod`.
    pub fn reflect_name(&self) -> &str {
        self.name
            .rsplit_once('/')
            .map_or(self.name.as_str(), |(_, name)| name)
    }
}

/// A top-level kind's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// One field of a message type.
#[derive(Debug, Default)]
pub struct Field {
    /// Name in JSON.
    pub name: String,
    /// Number in protobuf; 0 where protobuf does not carry the field (`apiVersion` and `kind` of top-level kinds).
    pub number: u32,
    /// Numbers of the embedded messages through which protobuf carries this flattened field, outermost first.
    pub via: Vec<u32>,
    /// Protobuf carries this list in a message of its own, as its repeated field 1 (Go types like `ExtraValue` and `Verbs`).
    /// Lists that are values of a map are always carried so.
    pub wrapped: bool,
    /// Its type.
    pub shape: Shape,
    /// The Go field is a pointer: zero and absent differ.
    pub pointer: bool,
    /// JSON output leaves the field out when it is empty (`omitempty` or `omitzero`).
    pub omit_empty: bool,
    /// Upstream's OpenAPI lists it as required.
    pub required: bool,
    /// How server-side apply merges a list.
    pub list: ListKind,
    /// Server-side apply replaces this map or message whole (`+mapType=atomic`, `+structType=atomic` on the field).
    pub atomic: bool,
    /// Server-side apply goes into this map or message, even if its type is atomic (`+structType=granular` on the field).
    pub granular: bool,
    /// Strategic merge patch: merge (with [`Field::patch_key`]), replace (default), retainKeys.
    pub patch_merge: bool,
    /// Strategic merge patch: strategy `retainKeys`.
    pub patch_retain_keys: bool,
    /// Strategic merge patch: the key by which list elements are matched.
    pub patch_key: Option<String>,
    /// Default in JSON where OpenAPI publishes one (`+default=`).
    pub default: Option<String>,
    /// Allowed values where upstream publishes an enum.
    pub enumeration: Vec<String>,
    /// The Go type as reflection prints it, where it is not the plain one of the shape; only for the words of errors.
    pub go_type: Option<String>,
    /// The Go name of the embedded struct which a flattened field comes from; only for the words of errors.
    pub embedded_in: Option<String>,
}

impl Field {
    /// Whether absent and zero are the same: neither a pointer, nor a list, map or `[]byte`.
    #[inline]
    pub fn is_value(&self) -> bool {
        !self.pointer
            && !matches!(
                self.shape,
                Shape::List(_) | Shape::Map(_) | Shape::Scalar(Scalar::Bytes)
            )
    }
}

/// How server-side apply sees a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ListKind {
    /// Replaced whole; the default.
    #[default]
    Atomic,
    /// Scalars, each owned by itself.
    Set,
    /// Messages identified by these JSON names of key fields.
    Map(Vec<String>),
}

impl Default for Shape {
    fn default() -> Shape {
        Shape::Scalar(Scalar::String)
    }
}

/// A field's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A leaf.
    Scalar(Scalar),
    /// A nested message.
    Message(TypeId),
    /// A list.
    List(Box<Shape>),
    /// A map with string keys.
    Map(Box<Shape>),
}

/// Leaf types: what JSON and protobuf carry for each is said at the codecs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    /// UTF-8 text.
    String,
    /// true or false.
    Bool,
    /// 32 bit integer; out of range is refused.
    Int32,
    /// 64 bit integer.
    Int64,
    /// 64 bit float.
    Double,
    /// Base64 in JSON.
    Bytes,
    /// `resource.Quantity`: canonicalised text; protobuf message with string field 1.
    Quantity,
    /// `intstr.IntOrString`: protobuf message {type 1, intVal 2, strVal 3}.
    IntOrString,
    /// `metav1.Time`: RFC 3339 seconds, UTC; protobuf message {seconds 1, nanos 2}.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with six fractional digits.
    MicroTime,
    /// `metav1.Duration`: Go duration text in JSON, int64 nanoseconds in protobuf message field 1.
    Duration,
    /// `runtime.RawExtension`: any JSON object, kept as its bytes; protobuf message with bytes field 1.
    RawExtension,
    /// `metav1.FieldsV1`: raw JSON bytes; protobuf message with bytes field 1.
    FieldsV1,
    /// Any JSON value, decoded into untyped nodes (apiextensions `JSON`, custom resources' unknown content);
    /// protobuf message with bytes field 1.
    Json,
}
