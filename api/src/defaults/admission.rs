//! Webhooks and admission policies.

use super::{Rule, rules};
use crate::admissionregistration::v1::{
    MatchResources, MatchResourcesMut, MutatingAdmissionPolicySpec, MutatingAdmissionPolicySpecMut,
    MutatingWebhook, MutatingWebhookMut, NamedRuleWithOperations, NamedRuleWithOperationsMut,
    RuleWithOperations, RuleWithOperationsMut, ServiceReference, ServiceReferenceMut,
    ValidatingAdmissionPolicySpec, ValidatingAdmissionPolicySpecMut, ValidatingWebhook,
    ValidatingWebhookMut,
};

pub(super) const RULES: &[Rule] = rules![
    MatchResources => match_resources,
    MutatingAdmissionPolicySpec => |mut spec: MutatingAdmissionPolicySpecMut<'_>| spec.default_failure_policy(FAIL),
    MutatingWebhook => mutating,
    NamedRuleWithOperations => |mut rule: NamedRuleWithOperationsMut<'_>| rule.default_scope("*"),
    RuleWithOperations => |mut rule: RuleWithOperationsMut<'_>| rule.default_scope("*"),
    ServiceReference => |mut service: ServiceReferenceMut<'_>| service.default_port(443),
    ValidatingAdmissionPolicySpec => |mut spec: ValidatingAdmissionPolicySpecMut<'_>| spec.default_failure_policy(FAIL),
    ValidatingWebhook => validating,
];

const FAIL: &str = "Fail";
const EQUIVALENT: &str = "Equivalent";
const TIMEOUT_SECONDS: i32 = 10;

fn validating(mut webhook: ValidatingWebhookMut<'_>) {
    webhook.default_failure_policy(FAIL);
    webhook.default_match_policy(EQUIVALENT);
    webhook.namespace_selector_mut();
    webhook.object_selector_mut();
    webhook.default_timeout_seconds(TIMEOUT_SECONDS);
}

fn mutating(mut webhook: MutatingWebhookMut<'_>) {
    webhook.default_failure_policy(FAIL);
    webhook.default_match_policy(EQUIVALENT);
    webhook.namespace_selector_mut();
    webhook.object_selector_mut();
    webhook.default_timeout_seconds(TIMEOUT_SECONDS);
    webhook.default_reinvocation_policy("Never");
}

fn match_resources(mut resources: MatchResourcesMut<'_>) {
    resources.default_match_policy(EQUIVALENT);
    resources.namespace_selector_mut();
    resources.object_selector_mut();
}
