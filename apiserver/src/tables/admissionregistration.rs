//! Webhooks and policies.

use api::Tree;
use api::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
    ParamKind, ParamRef, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use api::meta::v1::LabelSelector;
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::{UNSET, separated};

pub fn mutating_webhook(object: &Tree, now: Now) -> Vec<Value> {
    let configuration = MutatingWebhookConfiguration::of(object);
    let meta = configuration.metadata();
    cells![
        meta.name(),
        configuration.webhooks().len(),
        now.since(meta.creation_timestamp())
    ]
}

pub fn validating_webhook(object: &Tree, now: Now) -> Vec<Value> {
    let configuration = ValidatingWebhookConfiguration::of(object);
    let meta = configuration.metadata();
    cells![
        meta.name(),
        configuration.webhooks().len(),
        now.since(meta.creation_timestamp())
    ]
}

pub fn mutating_policy(object: &Tree, now: Now) -> Vec<Value> {
    let policy = MutatingAdmissionPolicy::of(object);
    let (meta, spec) = (policy.metadata(), policy.spec());
    cells![
        meta.name(),
        spec.mutations().len(),
        param_kind(spec.param_kind()),
        now.since(meta.creation_timestamp())
    ]
}

pub fn validating_policy(object: &Tree, now: Now) -> Vec<Value> {
    let policy = ValidatingAdmissionPolicy::of(object);
    let (meta, spec) = (policy.metadata(), policy.spec());
    cells![
        meta.name(),
        spec.validations().len(),
        param_kind(spec.param_kind()),
        now.since(meta.creation_timestamp())
    ]
}

pub fn mutating_policy_binding(object: &Tree, now: Now) -> Vec<Value> {
    let binding = MutatingAdmissionPolicyBinding::of(object);
    let (meta, spec) = (binding.metadata(), binding.spec());
    cells![
        meta.name(),
        spec.policy_name(),
        param_ref(spec.param_ref()),
        now.since(meta.creation_timestamp())
    ]
}

pub fn validating_policy_binding(object: &Tree, now: Now) -> Vec<Value> {
    let binding = ValidatingAdmissionPolicyBinding::of(object);
    let (meta, spec) = (binding.metadata(), binding.spec());
    cells![
        meta.name(),
        spec.policy_name(),
        param_ref(spec.param_ref()),
        now.since(meta.creation_timestamp())
    ]
}

fn param_kind(kind: Option<ParamKind<'_>>) -> String {
    kind.map_or_else(
        || UNSET.to_owned(),
        |kind| format!("{}/{}", kind.api_version(), kind.kind()),
    )
}

fn param_ref(reference: Option<ParamRef<'_>>) -> String {
    let Some(reference) = reference else {
        return UNSET.to_owned();
    };
    match (reference.namespace(), reference.name()) {
        (_, "") => reference
            .selector()
            .map_or_else(|| UNSET.to_owned(), go_syntax),
        // Whether the parameter lives in a namespace cannot be told here.
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// The selector as Go prints the struct: that is what upstream shows.
fn go_syntax(selector: LabelSelector<'_>) -> String {
    let labels: String = selector
        .match_labels()
        .iter()
        .map(|(key, value)| format!("{key}: {value},"))
        .collect();
    let expression = |e: api::meta::v1::LabelSelectorRequirement<'_>| {
        let values = separated(e.values().iter(), " ");
        format!(
            "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},",
            e.key(),
            e.operator()
        )
    };
    let expressions: String = selector
        .match_expressions()
        .iter()
        .map(expression)
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}
