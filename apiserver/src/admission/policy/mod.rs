//! Admission policies: what ValidatingAdmissionPolicies and MutatingAdmissionPolicies, with their bindings, ask in CEL of an object
//! that is written. <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>
//!
//! The way of a write: [`source`] gives the compiled policies, which are compiled anew only when policies or bindings have
//! changed; [`dispatch`] tells which of them match the write (`matching`), with which bindings and parameters (`params`);
//! [`validating`] judges, [`mutating`] changes. What is wrong with a policy itself is told when it is written, by
//! [`verification`].
//!
//! Knows the view, and nothing of the log or of how a request came. While there are no policies each of the two asks for two revisions a
//! write, and no more.

mod budget;
mod compiled;
mod decision;
mod dispatch;
mod environment;
mod expression;
mod inputs;
mod matching;
mod mutating;
mod mutations;
mod options;
mod params;
mod patch;
mod selector;
mod source;
mod subject;
mod validating;
mod validations;
mod verification;
mod versions;

pub use mutating::{MutatingPolicies, Rounds};
pub use validating::ValidatingPolicies;
pub use verification::verify;

use api::kinds::is_review;

use super::{Attributes, Operation};

/// The kinds of [`GROUP`] that no policy is asked about, beside reviews: policies themselves, which could not be mended otherwise.
const EXEMPT: &[&str] = &[
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];
const GROUP: &str = "admissionregistration.k8s.io";

/// Whether policies are asked about the write. A binding is one of a Binding; that the pod is updated by it is not told.
fn concerns(a: &Attributes<'_>) -> bool {
    let resource = &a.kind.resource;
    let (group, name) = (resource.group.as_str(), resource.name.as_str());
    let is_policy = group == GROUP && EXEMPT.contains(&name);
    let is_bound = a.subresource == "binding" && a.operation == Operation::Update;
    !is_policy && !is_review(group, name) && !is_bound
}
