//! The schemas that every server has (upstream: `pkg/apis/flowcontrol/internalbootstrap`).

use super::{EXEMPT, PRECEDENCE_MAX};
use crate::flowcontrol::v1::{FlowSchemaSpec, PolicyRulesWithSubjects, Subject};
use crate::view::List;

const CATCH_ALL: &str = "catch-all";

/// Whether a schema that every server has says what it says everywhere; others say what they like.
pub(super) fn is_as_fixed(name: &str, spec: FlowSchemaSpec<'_>) -> bool {
    let (precedence, method, groups): (_, _, &[&str]) = match name {
        EXEMPT => (1, None, &["system:masters"]),
        CATCH_ALL => (
            PRECEDENCE_MAX,
            Some("ByUser"),
            &["system:unauthenticated", "system:authenticated"],
        ),
        _ => return true,
    };
    let given = spec.distinguisher_method().map(|method| method.type_());
    let level = spec.priority_level_configuration().name();
    let rules = spec.rules();
    (spec.matching_precedence(), given, level, rules.len()) == (precedence, method, name, 1)
        && rules.iter().all(|rules| is_everything_of(rules, groups))
}

fn is_everything_of(rules: PolicyRulesWithSubjects<'_>, groups: &[&str]) -> bool {
    let all = |list: List<'_, str>| list.len() == 1 && list.contains("*");
    let is_of = |subject: Subject<'_>, group: &str| {
        subject.kind() == "Group"
            && subject.group().is_some_and(|given| given.name() == group)
            && subject.user().is_none()
            && subject.service_account().is_none()
    };
    let (subjects, resources, others) = (
        rules.subjects(),
        rules.resource_rules(),
        rules.non_resource_rules(),
    );
    (subjects.len(), resources.len(), others.len()) == (groups.len(), 1, 1)
        && subjects
            .iter()
            .zip(groups)
            .all(|(s, group)| is_of(s, group))
        && resources.iter().all(|rule| {
            rule.cluster_scope()
                && all(rule.verbs())
                && all(rule.api_groups())
                && all(rule.resources())
                && all(rule.namespaces())
        })
        && others
            .iter()
            .all(|rule| all(rule.verbs()) && all(rule.non_resource_urls()))
}
