//! The served kinds: what the pipeline knows of each, in each version.

use std::collections::HashMap;
use std::sync::Arc;

use api::kinds::{Kinds, Resource};
use api::schema::{Scalar, Schema, Shape};

use super::fields::{self, SelectableField};
use super::managed::Unwritable;
use super::strategy::{self, Strategy};
use crate::codec::kind::KindCodec;
use crate::codec::table::{DefaultColumns, TableRenderer};
use crate::status::Qualified;
use crate::view::project::{FieldPath, Form, Stored};
use crate::view::{self, Collection, View};

/// A resource in one version, as it is served.
pub struct Kind {
    /// Names, scope, verbs and subresources.
    pub resource: Arc<Resource>,
    /// What the codecs know.
    pub codec: Arc<KindCodec>,
    /// What is particular to the kind.
    pub strategy: Strategy,
    /// The fields that requests cannot write, by endpoint.
    pub unwritable: Unwritable,
    /// The fields that selectors may name, besides name and namespace.
    pub fields: Arc<[SelectableField]>,
    /// Where its objects stand in the log, with a slash at the end; empty where nothing is stored.
    pub prefix: Arc<str>,
    /// The part of the view that holds them.
    pub collection: Option<Arc<Collection>>,
    /// How tables show them.
    pub table: Arc<dyn TableRenderer>,
}

impl Kind {
    /// The group by which messages call the kind: upstream serves both groups' Events from one store, the core group's.
    fn group_in_messages(&self) -> &str {
        match self.resource.group.as_str() {
            "events.k8s.io" => "",
            group => group,
        }
    }

    /// The resource with its group, for messages.
    pub fn qualified(&self) -> Qualified<'_> {
        Qualified::new(self.group_in_messages(), &self.resource.name)
    }

    /// The kind with its group, for messages.
    pub fn qualified_kind(&self) -> Qualified<'_> {
        Qualified::new(self.group_in_messages(), &self.resource.kind)
    }

    /// The kind's type in upstream's program, for messages that show it: `*core.Pod`.
    pub fn go_type(&self, suffix: &str) -> String {
        let package = match self.group_in_messages() {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        };
        format!("*{package}.{}{suffix}", self.resource.kind)
    }

    /// Since when upstream advises against the kind, and for which other.
    pub fn deprecated(&self) -> Option<(&'static str, Option<&'static str>)> {
        match (self.resource.group.as_str(), self.resource.name.as_str()) {
            ("", "componentstatuses") => Some(("v1.19", None)),
            ("", "endpoints") => Some(("v1.33", Some("discovery.k8s.io/v1 EndpointSlice"))),
            _ => None,
        }
    }

    /// Whether it is the resource of that group.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.resource.group == group && self.resource.name == resource
    }

    /// The key of an object below the prefix.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        match namespace {
            "" => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        }
    }
}

/// All served kinds.
#[derive(Default, Clone)]
pub struct KindTable {
    by_resource: HashMap<String, Arc<Kind>>,
}

impl KindTable {
    /// The kind of a resource in a version.
    pub fn get(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Kind>> {
        self.by_resource
            .get(&format!("{group}/{version}/{resource}"))
    }

    /// Adds a kind, or replaces it.
    pub fn insert(&mut self, kind: Kind) {
        let r = &kind.resource;
        self.by_resource.insert(
            format!("{}/{}/{}", r.group, r.version, r.name),
            Arc::new(kind),
        );
    }

    /// All kinds, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.by_resource.values()
    }
}

/// The `apiVersion` of a group and version.
pub fn api_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

/// In which version a built-in resource is stored: upstream's, where that is served; else the preferred one, which upstream
/// reads as well.
fn stored<'a>(kinds: &'a Kinds, resource: &'a Resource) -> Option<(&'a str, &'a str)> {
    let storage = resource.storage.as_ref()?;
    let served = |group: &str, version: &str| {
        kinds
            .resources()
            .iter()
            .any(|r| r.group == group && r.version == version && r.name == resource.name)
    };
    if served(&storage.group, &storage.version) {
        return Some((&storage.group, &storage.version));
    }
    let preferred = kinds.preferred(&resource.group, &resource.name)?;
    Some((&preferred.group, &preferred.version))
}

/// What the view must know of the built-in resources.
pub fn builtin_resources() -> Vec<view::Resource> {
    let (kinds, schema) = (Kinds::builtin(), Schema::builtin());
    let mut resources: Vec<view::Resource> = Vec::new();
    for resource in kinds.resources() {
        let (Some(storage), Some((group, version))) = (&resource.storage, stored(kinds, resource))
        else {
            continue;
        };
        let prefix = format!("{}/", storage.prefix);
        if resources.iter().any(|r| *r.prefix == *prefix) {
            continue;
        }
        let selectable = fields::of(group, &resource.name);
        let paths = schema
            .type_of_kind(group, version, &resource.kind)
            .map_or_else(Vec::new, |ty| {
                selectable
                    .iter()
                    .map(|field| field_path(schema, ty, field))
                    .collect()
            });
        let indexed = selectable
            .iter()
            .enumerate()
            .filter(|(_, f)| f.indexed)
            .map(|(index, _)| index)
            .collect();
        resources.push(view::Resource {
            prefix: prefix.into(),
            projector: Arc::new(Stored { fields: paths }),
            indexed,
        });
    }
    resources.push(crate::services::view_resource());
    resources
}

/// The way to a selectable field.
fn field_path(schema: &Schema, ty: api::TypeId, selectable: &SelectableField) -> FieldPath {
    let or = selectable.or.map(|path| Box::new(way(schema, ty, path)));
    FieldPath {
        or,
        ..way(schema, ty, selectable.path)
    }
}

fn way(schema: &Schema, mut ty: api::TypeId, names: &'static str) -> FieldPath {
    let mut path = FieldPath {
        names,
        numbers: Vec::new(),
        form: Form::Text,
        default: "",
        or: None,
    };
    for name in names.split('.') {
        let message = schema.ty(ty);
        let Some(id) = message.field(name) else {
            continue;
        };
        let field = message.field_at(id);
        path.numbers.extend(via(field));
        path.numbers.push(field.number);
        match &field.shape {
            Shape::Message(inner) => ty = *inner,
            Shape::List(_) => path.form = Form::TextList,
            Shape::Scalar(Scalar::Bool) => (path.form, path.default) = (Form::Bool, "false"),
            Shape::Scalar(Scalar::Int32 | Scalar::Int64) => {
                (path.form, path.default) = (Form::Integer, "0")
            }
            _ => {}
        }
    }
    path
}

fn via(field: &api::schema::Field) -> impl Iterator<Item = u32> {
    field.via.iter().copied()
}

/// The built-in kinds over a view.
pub fn builtin(
    view: &View,
    tables: impl Fn(&Resource) -> Option<Arc<dyn TableRenderer>>,
) -> KindTable {
    let (kinds, schema) = (Kinds::builtin(), Schema::builtin());
    let mut table = KindTable::default();
    for (id, resource) in kinds.resources().iter().enumerate() {
        let own = api_version(&resource.group, &resource.version);
        let storage = stored(kinds, resource);
        let (stored_as, stored_type) = match storage {
            Some((group, version)) => {
                let ty = schema
                    .type_of_kind(group, version, &resource.kind)
                    .unwrap_or(resource.type_id);
                (api_version(group, version), ty)
            }
            None => (own.clone(), resource.type_id),
        };
        let prefix: Arc<str> = resource
            .storage
            .as_ref()
            .map_or_else(|| "".into(), |s| format!("{}/", s.prefix).into());
        let codec = KindCodec::builtin(
            id as u32,
            own,
            resource.kind.clone(),
            resource.type_id,
            (stored_as, stored_type),
        );
        let strategy = strategy::of(
            &resource.group,
            &resource.name,
            resource.subresource("status").is_some(),
        );
        table.insert(Kind {
            unwritable: Unwritable::of(
                &resource.group,
                &resource.name,
                strategy.guards_status,
                strategy.status_keeps_metadata,
            ),
            strategy,
            fields: fields::of(&resource.group, &resource.name).into(),
            collection: view.collection(&prefix),
            prefix,
            codec: Arc::new(codec),
            table: tables(resource).unwrap_or_else(|| Arc::new(DefaultColumns)),
            resource: Arc::new(resource.clone()),
        });
    }
    table
}
