//! The write that policies are asked about, and what their expressions see of it.

use std::borrow::Cow;

use api::codec::json;
use api::convert::convert;
use api::core::v1::Namespace;
use api::kinds::Resource;
use api::schema::GroupVersionKind;
use api::{Schema, Tree};
use serde_json::{Map, Value as Json, json};

use super::matching::{Matched, operation};
use super::options;
use crate::admission::{Attributes, Lookup};
use crate::cel::{Value, from_json};
use crate::registry::subresource::scale_of;

/// A write.
pub struct Write<'a> {
    /// What is known of it.
    pub attributes: &'a Attributes<'a>,
    /// The new object; none for a deletion.
    pub new: Option<&'a Tree>,
    /// The object before; none for a creation.
    pub old: Option<&'a Tree>,
    /// The namespace that the object is in; of a namespace, itself as it is.
    pub namespace: Option<Tree>,
}

/// The namespace of a write, for selectors and expressions.
pub async fn namespace_of(lookup: &Lookup, a: &Attributes<'_>) -> Option<Tree> {
    match a.namespace {
        "" => None,
        name => lookup.get_fresh("namespaces/", name, Namespace::TYPE).await,
    }
}

/// What the body of a request to a subresource is, where that is not the object: a Scale, in place of what is scaled.
pub fn body<'t>(a: &Attributes<'_>, object: &'t Tree) -> Result<Cow<'t, Tree>, String> {
    match a.subresource {
        "scale" => scale_of(object)
            .map(Cow::Owned)
            .map_err(|status| status.message().to_owned()),
        _ => Ok(Cow::Borrowed(object)),
    }
}

/// An object in the version in which its write matched.
pub fn in_version<'t>(
    a: &Attributes<'_>,
    object: &'t Tree,
    matched: Matched,
) -> Result<Cow<'t, Tree>, String> {
    match matched {
        Matched::Other(resource) if object.type_id() == a.kind.codec.type_id => {
            let schema = Schema::builtin().into();
            convert(object, &schema, resource.type_id, &resource.api_version())
                .map(Cow::Owned)
                .map_err(|error| format!("failed to convert object version: {error}"))
        }
        _ => Ok(Cow::Borrowed(object)),
    }
}

/// An object as JSON.
pub fn as_json(object: &Tree) -> Result<Json, String> {
    serde_json::from_slice(&json::to_vec(object)).map_err(|error| error.to_string())
}

/// An object as expressions see it.
pub fn as_value(object: &Tree) -> Result<Value, String> {
    from_json(&as_json(object)?).map_err(|error| error.to_string())
}

/// The namespace as expressions see it: without what is none of their business.
pub fn namespace_value(write: &Write<'_>) -> Result<Value, String> {
    let Some(namespace) = write.namespace.as_ref().filter(|_| !is_namespace(write)) else {
        return Ok(Value::Null);
    };
    let mut shown = as_json(namespace)?;
    for hidden in ["kind", "apiVersion"] {
        if let Some(fields) = shown.as_object_mut() {
            fields.shift_remove(hidden);
        }
    }
    if let Some(metadata) = shown["metadata"].as_object_mut() {
        metadata.retain(|field, _| {
            !matches!(&**field, "managedFields" | "ownerReferences" | "selfLink")
        });
    }
    from_json(&shown).map_err(|error| error.to_string())
}

fn is_namespace(write: &Write<'_>) -> bool {
    write.attributes.kind.is("", "namespaces")
}

/// The kind of what a request to a resource carries.
fn kind_of(resource: &Resource, subresource: &str) -> GroupVersionKind {
    match resource.subresource(subresource) {
        Some(sub) => sub.kind.clone(),
        None => GroupVersionKind {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: resource.kind.clone(),
        },
    }
}

/// What is asked for, as expressions see it. The resource is that of `matched`, for match conditions that of the request.
pub fn request_value(write: &Write<'_>, kind: Matched, resource: Matched) -> Result<Value, String> {
    let a = write.attributes;
    let own = &*a.kind.resource;
    let of = |matched| match matched {
        Matched::Own => own,
        Matched::Other(other) => other,
    };
    let show_kind = |resource: &Resource| {
        let kind = kind_of(resource, a.subresource);
        json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
    };
    let show_resource = |resource: &Resource| json!({"group": resource.group, "version": resource.version, "resource": resource.name});
    let mut request = Map::new();
    request.insert("kind".to_owned(), show_kind(of(kind)));
    request.insert("resource".to_owned(), show_resource(of(resource)));
    request.insert("requestKind".to_owned(), show_kind(own));
    request.insert("requestResource".to_owned(), show_resource(own));
    // What is empty is not there.
    let texts = [
        ("subResource", a.subresource),
        ("requestSubResource", a.subresource),
        ("name", a.name),
        ("namespace", a.namespace),
    ];
    for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        request.insert(field.to_owned(), text.into());
    }
    request.insert("operation".to_owned(), operation(a.operation).into());
    request.insert("userInfo".to_owned(), user(a));
    request.insert("dryRun".to_owned(), a.dry_run.into());
    request.insert("options".to_owned(), options::shown(a));
    from_json(&request.into()).map_err(|error| error.to_string())
}

fn user(a: &Attributes<'_>) -> Json {
    let identity = &a.cx.identity;
    let mut user = Map::new();
    for (field, text) in [("username", &identity.name), ("uid", &identity.uid)] {
        if !text.is_empty() {
            user.insert(field.to_owned(), text.as_str().into());
        }
    }
    if !identity.groups.is_empty() {
        user.insert("groups".to_owned(), identity.groups.clone().into());
    }
    if !identity.extra.is_empty() {
        user.insert("extra".to_owned(), json!(identity.extra));
    }
    user.into()
}
