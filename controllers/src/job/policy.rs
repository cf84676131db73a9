//! What a failed pod means (`spec.podFailurePolicy`), and when enough has succeeded (`spec.successPolicy`). Pure.

use runtime::Object;

use super::indexes::Indexes;
use crate::object::{
    job::{Action, FailureRule, Job, Requirement, SuccessRule},
    pod::{Phase, Pod},
    work::Work,
};

/// What the failure policy says of a failed pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It counts towards the limits.
    pub counts: bool,
    /// Its index is lost.
    pub fails_index: bool,
    /// The Job is lost, for this reason.
    pub fails_job: Option<String>,
}

/// What a failed pod means: the first rule that matches decides; without one it counts.
pub(super) fn judge(job: &Job, pod: &Object<Pod>) -> Verdict {
    let counts = Verdict {
        counts: true,
        fails_index: false,
        fails_job: None,
    };
    let rules = job.failure_policy.iter().flatten().enumerate();
    for (at, rule) in rules {
        let Some(found) = matched(rule, pod) else {
            continue;
        };
        match rule.action {
            Action::Ignore => {
                return Verdict {
                    counts: false,
                    ..counts
                };
            }
            Action::FailIndex => {
                return Verdict {
                    fails_index: true,
                    ..counts
                };
            }
            Action::Count => return counts,
            Action::FailJob => {
                return Verdict {
                    fails_job: Some(format!("{found} matching FailJob rule at index {at}")),
                    ..counts
                };
            }
            Action::Other => {}
        }
    }
    counts
}

/// What of the pod a rule matches, in words.
fn matched(rule: &FailureRule, pod: &Object<Pod>) -> Option<String> {
    let work = pod.value.work.as_deref()?;
    match &rule.matches {
        Requirement::ExitCodes {
            container,
            within,
            values,
        } => work
            .failures
            .iter()
            .filter(|(name, _)| container.as_ref().is_none_or(|wanted| wanted == name))
            .find(|(_, code)| values.contains(code) == *within)
            .map(|(name, code)| {
                format!(
                    "Container {name} for pod {} failed with exit code {code}",
                    pod.key
                )
            }),
        Requirement::Conditions(patterns) => work
            .conditions
            .iter()
            .find(|condition| patterns.contains(condition))
            .map(|(r#type, _)| format!("Pod {} has condition {type}", pod.key)),
        Requirement::Nothing => None,
    }
}

/// Which rule of the success policy is met, in words.
pub(super) fn enough(job: &Job, succeeded: &Indexes) -> Option<String> {
    let completions = job.completions.unwrap_or(0);
    let rules = job.success_policy.as_ref()?;
    if succeeded.is_empty() {
        return None;
    }
    let at = rules
        .iter()
        .position(|rule| is_met(rule, completions, succeeded))?;
    Some(format!("Matched rules at index {at}"))
}

fn is_met(rule: &SuccessRule, completions: i32, succeeded: &Indexes) -> bool {
    match &rule.indexes {
        Some(text) => {
            let wanted = Indexes::parse(text, completions);
            let there = wanted.common(succeeded);
            !wanted.is_empty()
                && (there == wanted.len() || rule.count.is_some_and(|count| there >= count))
        }
        None => rule.count.is_some_and(|count| succeeded.len() >= count),
    }
}

/// A pod has failed. One that terminates counts as failed, too, since it may never get so far as to say so, unless the Job
/// replaces pods only once they have failed.
pub(super) fn has_failed(job: &Job, pod: &Pod) -> bool {
    pod.phase == Phase::Failed
        || (!job.replaces_only_failed && pod.deletion.is_some() && pod.phase != Phase::Succeeded)
}

/// What the Job controller keeps of a pod; nothing of one that is not a Job's.
pub(super) fn work(pod: &Pod) -> &Work {
    static NOTHING: Work = Work::NOTHING;
    pod.work.as_deref().unwrap_or(&NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::{job, pod};

    fn rule(action: Action, matches: Requirement) -> FailureRule {
        FailureRule { action, matches }
    }

    fn codes(container: Option<&str>, within: bool, values: &[i32]) -> Requirement {
        Requirement::ExitCodes {
            container: container.map(str::to_owned),
            within,
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let failed = pod("p", |p| {
            let work = p.work.as_mut().expect("a job's");
            work.failures = vec![("main".into(), 3), ("init".into(), 42)];
            work.conditions = vec![("DisruptionTarget".into(), "True".into())];
        });
        let verdict =
            |rules: Vec<FailureRule>| judge(&job(|j| j.failure_policy = Some(rules)), &failed);
        let disrupted =
            || Requirement::Conditions(vec![("DisruptionTarget".into(), "True".into())]);
        assert!(verdict(vec![]).counts);
        assert!(!verdict(vec![rule(Action::Ignore, disrupted())]).counts);
        assert!(
            verdict(vec![
                rule(Action::Count, codes(None, true, &[3])),
                rule(Action::Ignore, disrupted()),
            ])
            .counts
        );
        assert!(
            verdict(vec![rule(
                Action::FailIndex,
                codes(Some("init"), true, &[42])
            )])
            .fails_index
        );
        assert_eq!(
            verdict(vec![
                rule(Action::Ignore, codes(Some("main"), true, &[42])),
                rule(Action::FailJob, codes(None, false, &[3])),
            ])
            .fails_job
            .as_deref(),
            Some(
                "Container init for pod ns/p failed with exit code 42 matching FailJob rule at index 1"
            )
        );
        assert_eq!(
            verdict(vec![rule(Action::FailJob, disrupted())])
                .fails_job
                .as_deref(),
            Some("Pod ns/p has condition DisruptionTarget matching FailJob rule at index 0")
        );
        let other = Requirement::Conditions(vec![("DisruptionTarget".into(), "False".into())]);
        let counted = verdict(vec![
            rule(Action::Ignore, other),
            rule(Action::Ignore, Requirement::Nothing),
            rule(Action::Other, disrupted()),
        ]);
        assert!(counted.counts && counted.fails_job.is_none());
    }

    #[test]
    fn enough_has_succeeded_by_the_first_rule_that_is_met() {
        let met = |rules: &[(Option<&str>, Option<i32>)], succeeded: &str| {
            let rules = rules.iter().map(|(indexes, count)| SuccessRule {
                indexes: indexes.map(str::to_owned),
                count: *count,
            });
            let job = job(|j| {
                j.completions = Some(10);
                j.success_policy = Some(rules.collect());
            });
            enough(&job, &Indexes::parse(succeeded, 10))
        };
        let first = Some("Matched rules at index 0".to_owned());
        assert_eq!(met(&[(Some("0,2"), None)], "0,2"), first);
        assert_eq!(met(&[(Some("0,2"), None)], "0,1"), None);
        assert_eq!(met(&[(Some("0-5"), Some(2))], "1,4,9"), first);
        assert_eq!(met(&[(Some("0-5"), Some(2))], "1,8,9"), None);
        assert_eq!(met(&[(None, Some(2))], "8,9"), first);
        assert_eq!(
            met(&[(None, Some(0))], ""),
            None,
            "nothing has succeeded yet"
        );
        assert_eq!(
            met(&[(Some("x"), Some(0))], "1"),
            None,
            "a rule that cannot be read"
        );
        assert_eq!(
            met(&[(None, Some(5)), (Some("1"), None)], "1"),
            Some("Matched rules at index 1".to_owned())
        );
    }

    #[test]
    fn a_terminating_pod_has_failed_unless_only_failed_ones_are_replaced() {
        let going = pod("p", |p| p.deletion = p.created);
        assert!(has_failed(&job(|_| ()), &going.value));
        assert!(!has_failed(
            &job(|j| j.replaces_only_failed = true),
            &going.value
        ));
    }
}
