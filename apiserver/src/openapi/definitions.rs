//! From the schema table to the types of a document.

use std::collections::BTreeSet;

use api::schema::{Field, GroupVersionKind, ListKind, Scalar, Shape, Type};

use super::describe::describe;
use super::facts;
use super::model::{Dialect, Extension, Leaf, Named, Schema};
use super::names::Names;

/// Makes the types of a document.
pub struct Definitions<'a> {
    schema: &'a api::Schema,
    names: &'a Names,
    dialect: Dialect,
    /// The versions for which the common option types stand: the core version, then what the document is about.
    versions: Vec<(&'a str, &'a str)>,
}

impl<'a> Definitions<'a> {
    /// Types in one version of OpenAPI; `about` is the group and version of the document, if it is about one alone.
    pub fn new(
        schema: &'a api::Schema,
        names: &'a Names,
        dialect: Dialect,
        about: Option<(&'a str, &'a str)>,
    ) -> Definitions<'a> {
        let versions = match about {
            None => registered_versions(schema),
            Some(("", _)) => vec![("", "v1")],
            Some(version) => vec![("", "v1"), version],
        };
        Definitions {
            schema,
            names,
            dialect,
            versions,
        }
    }

    /// These types and all that they refer to, sorted by their names.
    pub fn reachable(&self, roots: impl IntoIterator<Item = Named>) -> Vec<(&'a str, Schema<'a>)> {
        let mut waiting: Vec<Named> = roots.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut types = Vec::new();
        while let Some(named) = waiting.pop() {
            if seen.insert(named) {
                let schema = self.definition(named);
                references(&schema, &mut waiting);
                types.push((self.names.get(named), schema));
            }
        }
        types.sort_by_key(|(name, _)| *name);
        types
    }

    fn definition(&self, named: Named) -> Schema<'a> {
        match named {
            Named::Leaf(leaf) => self.leaf(leaf),
            Named::Message(id) => self.message(self.schema.ty(id)),
        }
    }

    fn leaf(&self, leaf: Leaf) -> Schema<'a> {
        let typed = |kind, format| Schema {
            kind,
            format,
            ..Schema::default()
        };
        let description = describe(leaf.name(), "");
        let schema = match (leaf, self.dialect) {
            (Leaf::Time | Leaf::MicroTime, _) => typed("string", "date-time"),
            (Leaf::Duration, _) | (Leaf::Quantity, Dialect::V2) => typed("string", ""),
            (Leaf::IntOrString, Dialect::V2) => typed("string", "int-or-string"),
            (Leaf::Quantity, Dialect::V3) => Schema {
                one_of: &["string", "number"],
                ..Schema::default()
            },
            (Leaf::IntOrString, Dialect::V3) => Schema {
                one_of: &["integer", "string"],
                format: "int-or-string",
                ..Schema::default()
            },
            (Leaf::FieldsV1 | Leaf::Patch | Leaf::RawExtension, _) => typed("object", ""),
            (Leaf::Json, _) => Schema::default(),
            (Leaf::VersionInfo, _) => Schema {
                required: facts::VERSION_INFO_REQUIRED.to_vec(),
                properties: facts::VERSION_INFO
                    .iter()
                    .map(|(name, required)| {
                        let default = self.with_defaults().then_some("\"\"").filter(|_| *required);
                        (
                            *name,
                            Schema {
                                default,
                                ..typed("string", "")
                            },
                        )
                    })
                    .collect(),
                ..typed("object", "")
            },
        };
        Schema {
            description,
            ..schema
        }
    }

    fn with_defaults(&self) -> bool {
        self.dialect == Dialect::V3
    }

    fn message(&self, ty: &'a Type) -> Schema<'a> {
        let description = describe(&ty.name, "");
        if ty.union {
            return Schema {
                description,
                ..Schema::default()
            };
        }
        let mut properties: Vec<_> = ty
            .fields
            .iter()
            .map(|f| (f.name.as_str(), self.property(ty, f)))
            .collect();
        properties.sort_by_key(|(name, _)| *name);
        let mut extensions = Vec::new();
        if let Some(kinds) = self.kinds(ty) {
            extensions.push(("x-kubernetes-group-version-kind", Extension::Kinds(kinds)));
        }
        if ty.atomic {
            extensions.push(("x-kubernetes-map-type", Extension::Text("atomic")));
        }
        if let Some(union) = facts::union(&ty.name) {
            extensions.push(("x-kubernetes-unions", Extension::Union(union)));
        }
        Schema {
            kind: "object",
            description,
            properties,
            required: ty
                .fields
                .iter()
                .filter(|f| f.required)
                .map(|f| f.name.as_str())
                .collect(),
            extensions,
            ..Schema::default()
        }
    }

    /// The kinds that a type stands for: the common option types stand for one in every version.
    fn kinds(&self, ty: &Type) -> Option<Vec<GroupVersionKind>> {
        let own = ty.kind.as_ref()?;
        if !matches!(
            ty.name.as_str(),
            "meta/v1.DeleteOptions" | "meta/v1.WatchEvent"
        ) {
            return Some(vec![own.clone()]);
        }
        let of = |(group, version): &(&str, &str)| GroupVersionKind {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            kind: own.kind.clone(),
        };
        Some(self.versions.iter().map(of).collect())
    }

    fn property(&self, ty: &'a Type, field: &'a Field) -> Schema<'a> {
        let mut schema = shape(&field.shape, field);
        let choices = match facts::choices(&ty.name, &field.name) {
            [] => &field.enumeration,
            choices => choices,
        };
        let narrowed = match &mut schema {
            Schema {
                items: Some(items), ..
            } => items,
            Schema {
                values: Some(values),
                ..
            } => values,
            schema => schema,
        };
        narrowed.choices = choices;
        schema.description = describe(&ty.name, &field.name);
        schema.default = self.with_defaults().then(|| default(field)).flatten();
        schema.extensions = extensions(ty, field);
        schema
    }
}

/// The default that OpenAPI shows: one that is declared, else what an absent value means in Go.
fn default(field: &Field) -> Option<&str> {
    if field.default.is_some() {
        return field.default.as_deref();
    }
    match &field.shape {
        _ if field.pointer => None,
        Shape::Message(_) => Some("{}"),
        _ if field.omit_empty => None,
        Shape::Scalar(Scalar::String) => Some("\"\""),
        Shape::Scalar(Scalar::Bool) => Some("false"),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => Some("0"),
        _ => None,
    }
}

fn extensions<'a>(ty: &'a Type, field: &'a Field) -> Vec<(&'static str, Extension<'a>)> {
    let mut found = Vec::new();
    if matches!(field.shape, Shape::List(_)) {
        match &field.list {
            ListKind::Map(keys) => {
                let keys = keys.iter().map(String::as_str).collect();
                found.push(("x-kubernetes-list-map-keys", Extension::Texts(keys)));
                found.push(("x-kubernetes-list-type", Extension::Text("map")));
            }
            ListKind::Set => found.push(("x-kubernetes-list-type", Extension::Text("set"))),
            ListKind::Atomic
                if is_items(ty, field) || facts::is_plain_list(&ty.name, &field.name) => {}
            ListKind::Atomic => found.push(("x-kubernetes-list-type", Extension::Text("atomic"))),
        }
    } else if field.atomic {
        found.push(("x-kubernetes-map-type", Extension::Text("atomic")));
    } else if field.granular {
        found.push(("x-kubernetes-map-type", Extension::Text("granular")));
    }
    if let Some(key) = &field.patch_key {
        found.push(("x-kubernetes-patch-merge-key", Extension::Text(key)));
    }
    match (field.patch_merge, field.patch_retain_keys) {
        (true, true) => found.push((
            "x-kubernetes-patch-strategy",
            Extension::Text("merge,retainKeys"),
        )),
        (true, false) => found.push(("x-kubernetes-patch-strategy", Extension::Text("merge"))),
        (false, true) => found.push(("x-kubernetes-patch-strategy", Extension::Text("retainKeys"))),
        (false, false) => {}
    }
    if let Some((name, value)) = facts::extension(&ty.name, &field.name) {
        found.push((name, Extension::Text(value)));
    }
    found
}

/// The items of a list kind.
fn is_items(ty: &Type, field: &Field) -> bool {
    field.name == "items"
        && ty
            .kind
            .as_ref()
            .is_some_and(|gvk| gvk.kind.ends_with("List"))
}

fn shape<'a>(shape_of: &Shape, field: &Field) -> Schema<'a> {
    match shape_of {
        Shape::Scalar(leaf) => scalar(*leaf, field),
        Shape::Message(id) => Schema {
            reference: Some(Named::Message(*id)),
            ..Schema::default()
        },
        Shape::List(element) => Schema {
            kind: "array",
            items: Some(Box::new(shape(element, field))),
            ..Schema::default()
        },
        Shape::Map(value) => Schema {
            kind: "object",
            values: Some(Box::new(shape(value, field))),
            ..Schema::default()
        },
    }
}

fn scalar<'a>(leaf: Scalar, field: &Field) -> Schema<'a> {
    let typed = |kind, format| Schema {
        kind,
        format,
        ..Schema::default()
    };
    let named = |leaf| Schema {
        reference: Some(Named::Leaf(leaf)),
        ..Schema::default()
    };
    match leaf {
        Scalar::String => typed("string", ""),
        Scalar::Bool => typed("boolean", ""),
        Scalar::Int32 => typed("integer", "int32"),
        Scalar::Int64 => typed("integer", "int64"),
        Scalar::Double => typed("number", "double"),
        Scalar::Bytes => typed("string", "byte"),
        Scalar::Quantity => named(Leaf::Quantity),
        Scalar::IntOrString => named(Leaf::IntOrString),
        Scalar::Time => named(Leaf::Time),
        Scalar::MicroTime => named(Leaf::MicroTime),
        Scalar::Duration => named(Leaf::Duration),
        Scalar::FieldsV1 => named(Leaf::FieldsV1),
        // apiextensions' JSON travels as raw bytes too.
        Scalar::RawExtension
            if field
                .go_type
                .as_deref()
                .is_some_and(|go| go.ends_with(".JSON")) =>
        {
            named(Leaf::Json)
        }
        Scalar::RawExtension => named(Leaf::RawExtension),
        Scalar::Json => named(Leaf::Json),
    }
}

fn references(schema: &Schema<'_>, found: &mut Vec<Named>) {
    found.extend(schema.reference);
    for inner in [&schema.items, &schema.values].into_iter().flatten() {
        references(inner, found);
    }
    for (_, property) in &schema.properties {
        references(property, found);
    }
}

/// Every group and version that has kinds, served or not.
fn registered_versions(schema: &api::Schema) -> Vec<(&str, &str)> {
    let kinds = schema.types().filter_map(|(_, ty)| ty.kind.as_ref());
    let mut versions: BTreeSet<(&str, &str)> = kinds
        .map(|gvk| (gvk.group.as_str(), gvk.version.as_str()))
        .collect();
    versions.retain(|(group, _)| !facts::UNREGISTERED_GROUPS.contains(group));
    versions.extend(facts::BARE_VERSIONS);
    versions.into_iter().collect()
}
