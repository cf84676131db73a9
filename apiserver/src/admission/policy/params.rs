//! Parameters: the objects that a binding gives to a policy.

use api::admissionregistration::v1::{ParamKind as GivenKind, ParamRef as GivenRef};
use api::convert::convert;
use api::kinds::{Kinds, Resource, Storage};
use api::selector::label::LabelSelector;
use api::{Schema, Tree, view};

use super::selector::{selector, selects};
use super::subject::as_value;
use crate::admission::Lookup;
use crate::cel::Value;
use crate::codec::object::set_kind_named;

/// The kind of a policy's parameters.
#[derive(Debug)]
pub struct ParamKind {
    /// As messages show it.
    shown: String,
    resource: Option<(&'static Resource, &'static Storage)>,
}

/// Which of them a binding gives.
#[derive(Debug)]
pub struct ParamRef {
    name: String,
    namespace: String,
    selector: Option<Result<LabelSelector, String>>,
    /// Without any the write is refused.
    denies: bool,
}

/// One parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its namespace; empty if it is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object, as expressions see it.
    pub value: Value,
}

impl ParamKind {
    /// Out of a policy.
    pub fn new(given: GivenKind<'_>) -> ParamKind {
        let api_version = given.api_version();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = Kinds::builtin().by_kind(group, version, given.kind());
        ParamKind {
            shown: format!("{group}/{version}, Kind={}", given.kind()),
            resource: resource.and_then(|r| Some((r, r.storage.as_ref()?))),
        }
    }

    /// The resource of the kind.
    ///
    /// # Errors
    /// If there is none.
    pub fn resource(&self) -> Result<(&'static Resource, &'static Storage), String> {
        let unknown = || {
            format!(
                "failed to find resource referenced by paramKind: '{}'",
                self.shown
            )
        };
        self.resource.ok_or_else(unknown)
    }
}

impl ParamRef {
    /// Out of a binding.
    pub fn new(given: GivenRef<'_>) -> ParamRef {
        ParamRef {
            name: given.name().to_owned(),
            namespace: given.namespace().to_owned(),
            selector: given.selector().map(|given| selector(Some(given))),
            denies: given.parameter_not_found_action() == Some("Deny"),
        }
    }
}

/// The parameters with which a policy is asked for a binding: one that is none, where none are meant. Without any element the
/// policy is not asked.
///
/// # Errors
/// If they cannot be found as the binding says.
pub async fn collect(
    lookup: &Lookup,
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
    namespace: &str,
) -> Result<Vec<Option<Param>>, String> {
    let (Some(kind), Some(reference)) = (kind, reference) else {
        return Ok(vec![None]);
    };
    let (resource, storage) = kind.resource()?;
    let namespace = match (resource.namespaced, reference.namespace.as_str(), namespace) {
        (false, "", _) => "",
        (false, ..) => {
            return Err(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                    .to_owned(),
            );
        }
        (true, "", "") => {
            let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            return Err(why.to_owned());
        }
        (true, "", own) => own,
        (true, given, _) => given,
    };
    let prefix = format!("{}/", storage.prefix);
    let found = match &reference.selector {
        _ if !reference.name.is_empty() => {
            let key = match namespace {
                "" => reference.name.clone(),
                namespace => format!("{namespace}/{}", reference.name),
            };
            let found = lookup.get_fresh(&prefix, &key, storage.type_id).await;
            found.into_iter().collect()
        }
        Some(Err(why)) => return Err(why.clone()),
        Some(Ok(selector)) => {
            let mut all = match namespace {
                "" => lookup.all(&prefix, storage.type_id),
                namespace => lookup.in_namespace(&prefix, namespace, storage.type_id),
            };
            all.retain(|object| selects(selector, object));
            all
        }
        None => return Err("one of name or selector must be provided".to_owned()),
    };
    if found.is_empty() && reference.denies {
        return Err(
            "no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
        );
    }
    let params = found
        .into_iter()
        .map(|object| param(resource, object).map(Some));
    params.collect()
}

fn param(resource: &Resource, object: Tree) -> Result<Param, String> {
    let api_version = resource.api_version();
    let mut object = match object.type_id() == resource.type_id {
        true => object,
        false => {
            let schema = Schema::builtin().into();
            let converted = convert(&object, &schema, resource.type_id, &api_version);
            converted.map_err(|error| error.to_string())?
        }
    };
    set_kind_named(&mut object, &api_version, &resource.kind);
    let metadata = view::metadata(&object);
    Ok(Param {
        namespace: metadata.namespace().to_owned(),
        name: metadata.name().to_owned(),
        value: as_value(&object)?,
    })
}
