//! MutatingWebhookConfigurations and ValidatingWebhookConfigurations (upstream: `pkg/apis/admissionregistration/validation`).
//!
//! The expressions of their match conditions are in a language that is not known here: who knows it asks [`expressions`].

mod client;
mod hook;

use std::collections::BTreeSet;

use self::client::client;
use self::hook::{Webhook, webhooks};
use super::check::{each, enumerated, required, same, selector_with, shown};
use super::format;
use super::match_resources::webhook_rule;
use super::policies::{Expressions, Purpose, Wrong};
use super::policy_parts::{self as parts, Checks};
use super::static_names;
use crate::field::{Error, ErrorList, Path};
use crate::tree::Tree;
use crate::view::{self, List};

const WEBHOOKS: Path<'static> = Path::new("webhooks");
const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
const REINVOCATION: &[&str] = &["IfNeeded", "Never"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
/// What may be asked about a dry run.
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
/// Versions of reviews that are spoken.
const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const TIMEOUT_MAX: i32 = 30;

/// What is asked of webhooks: less, where those that are there already were let in with less.
struct Wanted {
    conditions: bool,
    no_side_effects: bool,
    spoken_version: bool,
    unique_names: bool,
    selector_values: bool,
}

impl Wanted {
    const ALL: Wanted = Wanted {
        conditions: true,
        no_side_effects: true,
        spoken_version: true,
        unique_names: true,
        selector_values: true,
    };

    fn of_change(new: &[Webhook<'_>], old: &[Webhook<'_>]) -> Wanted {
        let spoken = |hook: &Webhook<'_>| hook.versions.is_empty() || speaks(hook.versions);
        let harmless = |hook: &Webhook<'_>| {
            let effects = hook.side_effects;
            effects.is_some_and(|effects| NO_SIDE_EFFECTS.contains(&effects))
        };
        let mut names = BTreeSet::new();
        Wanted {
            conditions: !same_conditions(new, old),
            no_side_effects: old.iter().all(harmless),
            spoken_version: old.iter().all(spoken),
            unique_names: old.iter().all(|hook| names.insert(hook.name)),
            selector_values: old.iter().all(|hook| {
                let mut errors = ErrorList::new();
                selectors(&mut errors, &Path::root(), hook, true);
                errors.is_empty()
            }),
        }
    }
}

fn speaks(versions: List<'_, str>) -> bool {
    versions.iter().any(|v| REVIEW_VERSIONS.contains(&v))
}

/// Whether the webhooks have, one by one, the conditions that they had.
fn same_conditions(new: &[Webhook<'_>], old: &[Webhook<'_>]) -> bool {
    let kept = |(new, old): (&Webhook<'_>, &Webhook<'_>)| {
        same(new.conditions.node(), old.conditions.node())
    };
    new.len() == old.len() && new.iter().zip(old).all(kept)
}

pub(super) fn create(errors: &mut ErrorList, tree: &Tree) {
    check(errors, &webhooks(tree), &Wanted::ALL);
    static_names::refuse(errors, view::metadata(tree).name());
}

pub(super) fn update(errors: &mut ErrorList, new: &Tree, old: &Tree) {
    let (new, old) = (webhooks(new), webhooks(old));
    check(errors, &new, &Wanted::of_change(&new, &old));
}

/// What is wrong with the expressions of a configuration of webhooks, beside what `errors` holds already; `old` is the one before,
/// if it is changed. Of other kinds nothing is said.
pub fn expressions(
    errors: &mut ErrorList,
    new: &Tree,
    old: Option<&Tree>,
    expressions: &mut dyn Expressions,
) {
    let (new, old) = (webhooks(new), old.map(webhooks));
    let before = old.as_deref();
    if before.is_some_and(|old| same_conditions(&new, old)) {
        return;
    }
    let known = before.unwrap_or_default().iter();
    let mut checks = Checks {
        expressions,
        known: known
            .flat_map(|hook| hook.conditions.iter())
            .map(|condition| condition.expression())
            .collect(),
    };
    for (at, hook) in new.iter().enumerate() {
        let path = WEBHOOKS.index(at);
        let list = path.child("matchConditions");
        for (at, condition) in hook.conditions.iter().enumerate() {
            let path = list.index(at);
            let (path, source) = (path.child("expression"), condition.expression().trim());
            if !source.is_empty() {
                checks.expression(errors, &path, (Purpose::MatchCondition, source, source));
            }
        }
    }
}

/// Takes every expression.
struct Unread;

impl Expressions for Unread {
    fn check(&mut self, _: Purpose<'_>, _: &str) -> Result<(), Wrong> {
        Ok(())
    }
}

fn check(errors: &mut ErrorList, hooks: &[Webhook<'_>], wanted: &Wanted) {
    for (at, hook) in hooks.iter().enumerate() {
        let path = WEBHOOKS.index(at);
        webhook(errors, &path, hook, wanted);
        let list = path.child("admissionReviewVersions");
        versions(errors, &list, hook.versions, wanted.spoken_version);
        let repeats = hooks[..at].iter().any(|before| before.name == hook.name);
        if wanted.unique_names && !hook.name.is_empty() && repeats {
            errors.push(Error::duplicate(&path.child("name"), hook.name));
        }
    }
}

fn webhook(errors: &mut ErrorList, path: &Path<'_>, hook: &Webhook<'_>, wanted: &Wanted) {
    full_name(errors, &path.child("name"), hook.name);
    let list = path.child("rules");
    for (at, rule) in hook.rules.iter().enumerate() {
        webhook_rule(errors, &list.index(at), rule);
    }
    for (field, given, known) in [
        ("failurePolicy", hook.failure_policy, FAILURE_POLICIES),
        ("matchPolicy", hook.match_policy, MATCH_POLICIES),
    ] {
        if let Some(given) = given {
            enumerated(errors, &path.child(field), given, known);
        }
    }
    let known = match wanted.no_side_effects {
        true => NO_SIDE_EFFECTS,
        false => SIDE_EFFECTS,
    };
    let place = path.child("sideEffects");
    match hook.side_effects {
        Some(given) => enumerated(errors, &place, given, known),
        None => {
            let why = format!("must specify one of {}", known.join(", "));
            errors.push(Error::required(&place, why));
        }
    }
    if let Some(seconds) = hook.timeout
        && !(1..=TIMEOUT_MAX).contains(&seconds)
    {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(Error::invalid(&path.child("timeoutSeconds"), seconds, why));
    }
    selectors(errors, path, hook, wanted.selector_values);
    if let Some(given) = hook.reinvocation {
        enumerated(
            errors,
            &path.child("reinvocationPolicy"),
            given,
            REINVOCATION,
        );
    }
    client(errors, &path.child("clientConfig"), hook.client);
    if wanted.conditions {
        let mut checks = Checks {
            expressions: &mut Unread,
            known: BTreeSet::new(),
        };
        let list = path.child("matchConditions");
        parts::match_conditions(errors, &list, hook.conditions, &mut checks);
    }
}

fn selectors(errors: &mut ErrorList, path: &Path<'_>, hook: &Webhook<'_>, values: bool) {
    for (field, selector) in hook.selectors {
        if let Some(selector) = selector {
            selector_with(errors, &path.child(field), selector, values);
        }
    }
}

/// A domain of at least three segments.
fn full_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !required(errors, path, name) {
        return;
    }
    let messages = format::dns_subdomain(name);
    if !messages.is_empty() {
        errors.push(Error::invalid(path, name, messages.join(",")));
    } else if name.split('.').count() < 3 {
        let why = "should be a domain with at least three segments separated by dots";
        errors.push(Error::invalid(path, name, why));
    }
}

fn versions(errors: &mut ErrorList, path: &Path<'_>, versions: List<'_, str>, spoken: bool) {
    if versions.is_empty() {
        let why = format!("must specify one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(Error::required(path, why));
        return;
    }
    for (at, version) in versions.iter().enumerate() {
        let place = path.index(at);
        if versions.iter().take(at).any(|before| before == version) {
            errors.push(Error::invalid(&place, version, "duplicate version"));
        } else {
            each(errors, &place, version, format::dns_1035_label(version));
        }
    }
    if spoken && !speaks(versions) {
        let known = REVIEW_VERSIONS.join(", ");
        let why = format!("must include at least one of {known}");
        errors.push(Error::invalid(path, shown(versions.node()), why));
    }
}
