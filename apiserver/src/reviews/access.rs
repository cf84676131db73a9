//! The access reviews: may somebody, may somebody in this namespace, may the caller?

use api::Tree;
use api::authorization::v1::{
    LocalSubjectAccessReview, SelfSubjectAccessReview, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatusMut,
};
use api::codec::json;
use api::field::{BadValue, Error, ErrorList, Path};

use super::Review;
use super::attributes::{Asked, validate};
use crate::identity::Identity;
use crate::registry::{Api, Call, meta};
use crate::status::{Qualified, Status};

pub(super) struct SubjectAccessReviews;
pub(super) struct LocalSubjectAccessReviews;
pub(super) struct SelfSubjectAccessReviews;

impl Review for SubjectAccessReviews {
    fn answer(&self, api: &Api, _: &Call<'_>, review: Tree) -> Result<Tree, Status> {
        let spec = SubjectAccessReview::of(&review).spec();
        let mut errors = of_spec(spec);
        if let Some(error) = metadata(&review, &["managedFields"], "must be empty") {
            errors.push(error);
        }
        refuse(&errors)?;
        decide(
            api,
            &subject(spec),
            &Asked::of(spec.resource_attributes(), spec.non_resource_attributes()),
            &review,
        )
    }
}

impl Review for LocalSubjectAccessReviews {
    fn answer(&self, api: &Api, _: &Call<'_>, review: Tree) -> Result<Tree, Status> {
        let spec = LocalSubjectAccessReview::of(&review).spec();
        let mut errors = of_spec(spec);
        if let Some(error) = metadata(
            &review,
            &["managedFields", "namespace"],
            "must be empty except for namespace",
        ) {
            errors.push(error);
        }
        let namespace = meta::of(&review).namespace();
        let path = Path::new("spec");
        if let Some(resource) = spec
            .resource_attributes()
            .filter(|r| r.namespace() != namespace)
        {
            let path = path.child("resourceAttributes");
            errors.push(Error::invalid(
                &path.child("namespace"),
                resource.namespace(),
                "must match metadata.namespace",
            ));
        }
        if let Some(path_attributes) = spec.non_resource_attributes() {
            let value = shown(path_attributes.path(), path_attributes.verb());
            errors.push(Error::invalid(
                &path.child("nonResourceAttributes"),
                value,
                "disallowed on this kind of request",
            ));
        }
        refuse(&errors)?;
        decide(
            api,
            &subject(spec),
            &Asked::of(spec.resource_attributes(), spec.non_resource_attributes()),
            &review,
        )
    }
}

impl Review for SelfSubjectAccessReviews {
    fn answer(&self, api: &Api, call: &Call<'_>, review: Tree) -> Result<Tree, Status> {
        let spec = SelfSubjectAccessReview::of(&review).spec();
        let (resource, path) = (spec.resource_attributes(), spec.non_resource_attributes());
        let mut errors = ErrorList::new();
        one_of(
            resource.is_some(),
            path.map(|p| shown(p.path(), p.verb())),
            &mut errors,
        );
        validate(resource, &mut errors);
        if let Some(error) = metadata(&review, &["managedFields"], "must be empty") {
            errors.push(error);
        }
        refuse(&errors)?;
        decide(api, &call.cx.identity, &Asked::of(resource, path), &review)
    }
}

fn of_spec(spec: SubjectAccessReviewSpec<'_>) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = spec
        .non_resource_attributes()
        .map(|p| shown(p.path(), p.verb()));
    one_of(spec.resource_attributes().is_some(), path, &mut errors);
    if spec.user().is_empty() && spec.groups().is_empty() {
        let why = "at least one of user or group must be specified";
        errors.push(Error::invalid(
            &Path::new("spec").child("user"),
            spec.user(),
            why,
        ));
    }
    validate(spec.resource_attributes(), &mut errors);
    errors
}

/// Either a resource or a path is asked about.
fn one_of(resource: bool, path: Option<BadValue>, errors: &mut ErrorList) {
    if resource == path.is_some() {
        let value = path.unwrap_or_else(|| BadValue::Json("null".to_owned()));
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(Error::invalid(&Path::new("spec"), value, why));
    }
}

/// A path and verb as upstream's messages show them.
fn shown(path: &str, verb: &str) -> BadValue {
    BadValue::Json(serde_json::json!({ "Path": path, "Verb": verb }).to_string())
}

/// Metadata is empty but for what is `allowed`.
fn metadata(review: &Tree, allowed: &[&str], why: &str) -> Option<Error> {
    let metadata = review.root().get("metadata")?;
    let names = metadata.ty()?;
    let other = metadata.fields().any(|(id, value)| {
        !value.is_zero() && !allowed.contains(&names.field_at(id).name.as_str())
    });
    let shown = || String::from_utf8_lossy(&json::to_vec(&Tree::copy_of(metadata))).into_owned();
    other.then(|| Error::invalid(&Path::new("metadata"), BadValue::Json(shown()), why))
}

/// Upstream leaves the kind out of these refusals.
fn refuse(errors: &ErrorList) -> Result<(), Status> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(
            Qualified::new("authorization.k8s.io", ""),
            "",
            errors,
        )),
    }
}

fn subject(spec: SubjectAccessReviewSpec<'_>) -> Identity {
    Identity {
        name: spec.user().to_owned(),
        uid: spec.uid().to_owned(),
        groups: spec.groups().iter().map(str::to_owned).collect(),
        extra: spec
            .extra()
            .iter()
            .map(|(key, values)| (key.to_owned(), values.iter().map(str::to_owned).collect()))
            .collect(),
    }
}

fn decide(api: &Api, subject: &Identity, asked: &Asked<'_>, review: &Tree) -> Result<Tree, Status> {
    let verdict = api.authorizer.review(subject, &asked.attributes());
    let mut answer = review.clone();
    meta::remove(&mut answer.root_mut(), "status");
    meta::ensure(&mut answer.root_mut(), "status", |status| {
        let mut status = SubjectAccessReviewStatusMut::from(status.reborrow());
        status.set_allowed(verdict.allowed);
        if !verdict.reason.is_empty() {
            status.set_reason(&verdict.reason);
        }
        if let Some(why) = asked.problems() {
            status.set_evaluation_error(&why);
        }
    });
    Ok(answer)
}
