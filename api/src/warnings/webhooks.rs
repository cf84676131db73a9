//! Webhooks whose rules name what no webhook is asked about.

use super::Warnings;
use crate::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration,
};
use crate::field::Path;
use crate::kinds::is_review;
use crate::view::List;

const WEBHOOKS: Path<'static> = Path::new("webhooks");

pub(super) fn validating(out: &mut Warnings, of: ValidatingWebhookConfiguration<'_>) {
    for (at, hook) in of.webhooks().iter().enumerate() {
        rules(out, &WEBHOOKS.index(at), hook.rules());
    }
}

pub(super) fn mutating(out: &mut Warnings, of: MutatingWebhookConfiguration<'_>) {
    for (at, hook) in of.webhooks().iter().enumerate() {
        rules(out, &WEBHOOKS.index(at), hook.rules());
    }
}

/// A rule for everything may mean anything: it is not spoken of.
fn rules(out: &mut Warnings, hook: &Path<'_>, rules: List<'_, RuleWithOperations<'_>>) {
    let path = hook.child("rules");
    for (at, rule) in rules.iter().enumerate() {
        let (groups, resources) = (rule.api_groups(), rule.resources());
        if groups.iter().chain(resources.iter()).any(|it| it == "*") {
            continue;
        }
        let mut told = Vec::new();
        for group in groups.iter() {
            for resource in resources.iter() {
                if is_review(group, resource) && !told.contains(&(group, resource)) {
                    told.push((group, resource));
                }
            }
        }
        for (group, resource) in told {
            out.push(format!(
                "{}: {resource}.{group} is excluded from admission webhooks; this rule will have no effect",
                path.index(at)
            ));
        }
    }
}
