//! What webhooks of both kinds have in common.

use crate::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use crate::meta::v1::LabelSelector;
use crate::tree::Tree;
use crate::view::List;

/// A webhook of either kind.
pub(super) struct Webhook<'a> {
    pub(super) name: &'a str,
    pub(super) client: WebhookClientConfig<'a>,
    pub(super) rules: List<'a, RuleWithOperations<'a>>,
    pub(super) failure_policy: Option<&'a str>,
    pub(super) match_policy: Option<&'a str>,
    pub(super) selectors: [(&'static str, Option<LabelSelector<'a>>); 2],
    pub(super) side_effects: Option<&'a str>,
    pub(super) timeout: Option<i32>,
    pub(super) versions: List<'a, str>,
    /// A validating one has none.
    pub(super) reinvocation: Option<&'a str>,
    pub(super) conditions: List<'a, MatchCondition<'a>>,
}

impl<'a> From<MutatingWebhook<'a>> for Webhook<'a> {
    fn from(hook: MutatingWebhook<'a>) -> Webhook<'a> {
        Webhook {
            name: hook.name(),
            client: hook.client_config(),
            rules: hook.rules(),
            failure_policy: hook.failure_policy(),
            match_policy: hook.match_policy(),
            selectors: [
                ("namespaceSelector", hook.namespace_selector()),
                ("objectSelector", hook.object_selector()),
            ],
            side_effects: hook.side_effects(),
            timeout: hook.timeout_seconds(),
            versions: hook.admission_review_versions(),
            reinvocation: hook.reinvocation_policy(),
            conditions: hook.match_conditions(),
        }
    }
}

impl<'a> From<ValidatingWebhook<'a>> for Webhook<'a> {
    fn from(hook: ValidatingWebhook<'a>) -> Webhook<'a> {
        Webhook {
            name: hook.name(),
            client: hook.client_config(),
            rules: hook.rules(),
            failure_policy: hook.failure_policy(),
            match_policy: hook.match_policy(),
            selectors: [
                ("namespaceSelector", hook.namespace_selector()),
                ("objectSelector", hook.object_selector()),
            ],
            side_effects: hook.side_effects(),
            timeout: hook.timeout_seconds(),
            versions: hook.admission_review_versions(),
            reinvocation: None,
            conditions: hook.match_conditions(),
        }
    }
}

/// The webhooks of a configuration; of another kind there are none.
pub(super) fn webhooks(tree: &Tree) -> Vec<Webhook<'_>> {
    if tree.type_id() == MutatingWebhookConfiguration::TYPE {
        let hooks = MutatingWebhookConfiguration::of(tree).webhooks();
        return hooks.iter().map(Webhook::from).collect();
    }
    if tree.type_id() == ValidatingWebhookConfiguration::TYPE {
        let hooks = ValidatingWebhookConfiguration::of(tree).webhooks();
        return hooks.iter().map(Webhook::from).collect();
    }
    Vec::new()
}
