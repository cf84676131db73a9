//! What both versions of OpenAPI say, before either is written: types, paths, operations.

use api::TypeId;
use api::schema::GroupVersionKind;

/// Which version of OpenAPI is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// OpenAPI 2.0, once called Swagger.
    V2,
    /// OpenAPI 3.0.
    V3,
}

/// A type that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// A message type of the schema.
    Message(TypeId),
    /// A type that is no message in JSON.
    Leaf(Leaf),
}

/// Published types that the schema knows as leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leaf {
    /// `metav1.Time`.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    /// `metav1.Duration`.
    Duration,
    /// `metav1.FieldsV1`.
    FieldsV1,
    /// `metav1.Patch`: the body of every patch.
    Patch,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `runtime.RawExtension`.
    RawExtension,
    /// apiextensions' `JSON`: any value.
    Json,
    /// What `/version` answers.
    VersionInfo,
}

impl Leaf {
    /// Its published name.
    pub const fn name(self) -> &'static str {
        match self {
            Leaf::Time => "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
            Leaf::MicroTime => "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
            Leaf::Duration => "io.k8s.apimachinery.pkg.apis.meta.v1.Duration",
            Leaf::FieldsV1 => "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
            Leaf::Patch => "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
            Leaf::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity",
            Leaf::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
            Leaf::RawExtension => "io.k8s.apimachinery.pkg.runtime.RawExtension",
            Leaf::Json => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
            Leaf::VersionInfo => "io.k8s.apimachinery.pkg.version.Info",
        }
    }
}

/// The schema of a type, or of a field.
#[derive(Clone, Debug, Default)]
pub struct Schema<'a> {
    /// It is that type.
    pub reference: Option<Named>,
    /// What it is for; mostly empty.
    pub description: &'a str,
    /// `object`, `string` …; empty where anything is allowed.
    pub kind: &'static str,
    /// `int32`, `date-time` …
    pub format: &'static str,
    /// The default, as JSON.
    pub default: Option<&'a str>,
    /// The values that are allowed.
    pub choices: &'a [String],
    /// The schema of a list's elements.
    pub items: Option<Box<Schema<'a>>>,
    /// The schema of a map's values.
    pub values: Option<Box<Schema<'a>>>,
    /// The fields, sorted by name.
    pub properties: Vec<(&'a str, Schema<'a>)>,
    /// The fields which must be there.
    pub required: Vec<&'a str>,
    /// One of these types.
    pub one_of: &'static [&'static str],
    /// `x-kubernetes-…`, sorted by name.
    pub extensions: Vec<(&'static str, Extension<'a>)>,
}

/// The value of an `x-kubernetes-…` property.
#[derive(Clone, Debug)]
pub enum Extension<'a> {
    /// A string.
    Text(&'a str),
    /// A list of strings.
    Texts(Vec<&'a str>),
    /// The kind of an operation's objects.
    Kind(&'a GroupVersionKind),
    /// The kinds that a type stands for.
    Kinds(Vec<GroupVersionKind>),
    /// A type of whose fields one at most is set.
    Union(&'static Union),
}

/// A union: which field tells which others may be set.
#[derive(Debug, PartialEq, Eq)]
pub struct Union {
    /// The field that tells; empty if none does.
    pub discriminator: &'static str,
    /// Fields, with the discriminator's value for each.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Everything below one path.
#[derive(Clone, Debug)]
pub struct PathItem {
    /// The path, with `{name}` for what varies.
    pub path: String,
    /// Parameters of all its operations.
    pub parameters: Vec<Parameter>,
    /// Its operations, in the order of [`Method`].
    pub operations: Vec<Operation>,
}

/// HTTP methods, in the order in which documents show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
    Options,
    Head,
    Patch,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Put,
        Method::Post,
        Method::Delete,
        Method::Options,
        Method::Head,
        Method::Patch,
    ];

    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "get",
            Method::Put => "put",
            Method::Post => "post",
            Method::Delete => "delete",
            Method::Options => "options",
            Method::Head => "head",
            Method::Patch => "patch",
        }
    }
}

/// What one method does.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// Its unique name.
    pub id: String,
    /// The group and version that it belongs to: `apps_v1`.
    pub tag: String,
    /// `list`, `post` …; empty for what is no resource.
    pub action: &'static str,
    /// The kind of its objects.
    pub kind: Option<GroupVersionKind>,
    /// Its query parameters, sorted by name.
    pub parameters: Vec<Parameter>,
    /// What it takes, and whether it must.
    pub body: Option<(Named, bool)>,
    /// What it answers, by code; 401 is added to all.
    pub responses: Vec<(u16, Content)>,
    /// Media types that it takes; `None` where upstream leaves them out.
    pub consumes: &'static [&'static str],
    /// Media types that it answers.
    pub produces: &'static [&'static str],
}

/// The body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, or a stream.
    Text,
    /// That type.
    Type(Named),
}

/// A parameter of the path or of the query; those of the path are required.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether it stands in the path.
    pub in_path: bool,
    /// `string`, `boolean`, `integer`.
    pub kind: &'static str,
}

impl Parameter {
    /// `path` or `query`.
    pub const fn place(&self) -> &'static str {
        if self.in_path { "path" } else { "query" }
    }
}

/// A document, ready to be written.
#[derive(Debug)]
pub struct Document<'a> {
    /// Which version of OpenAPI.
    pub dialect: Dialect,
    /// Paths, sorted.
    pub paths: Vec<PathItem>,
    /// Types that are named, sorted by their published names.
    pub types: Vec<(&'a str, Schema<'a>)>,
}

/// The words that every document says.
pub mod words {
    /// The API's title.
    pub const TITLE: &str = "Kubernetes";
    /// The API's version.
    pub const VERSION: &str = "1.37";
    /// How one says who one is.
    pub const SECURITY: &str = "BearerToken";
    /// What that is.
    pub const SECURITY_DESCRIPTION: &str = "Bearer Token authentication";

    /// What a code means.
    pub const fn code(code: u16) -> &'static str {
        match code {
            201 => "Created",
            202 => "Accepted",
            401 => "Unauthorized",
            _ => "OK",
        }
    }
}
