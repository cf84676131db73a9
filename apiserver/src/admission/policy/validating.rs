//! ValidatingAdmissionPolicy: policies that judge a write.

use std::collections::BTreeMap;

use api::Tree;
use async_trait::async_trait;
use serde_json::json;

use super::concerns;
use super::decision::{Judgement, Note, judge};
use super::dispatch::{Invocation, Misconfigured, invocations};
use super::inputs::Values;
use super::matching::Matched;
use super::source::Source;
use super::subject::{Write, namespace_of};
use super::validations::Validations;
use crate::admission::{Attributes, Lookup, Validate};
use crate::status::{Cause, Details, Reason, Status};

/// Under which name the audit log gets what policies found.
const FAILURES: &str = "validation.policy.admission.k8s.io/validation_failure";
/// How many findings of one write it gets at most.
const MAX_FAILURES: usize = 50;
/// How long a note for it may be, in bytes.
const MAX_NOTE: usize = 10 * 1024;

/// See the module.
pub struct ValidatingPolicies {
    lookup: Lookup,
    source: Source<Validations>,
}

/// Who refuses a write, and why.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: Reason,
}

/// What all policies together say of a write.
#[derive(Default)]
struct Verdict {
    denial: Option<Denial>,
    failures: Vec<serde_json::Value>,
    /// Notes for the audit log, by policy and key.
    notes: BTreeMap<(String, String), Vec<String>>,
}

impl ValidatingPolicies {
    /// A step that reads policies by `lookup`.
    pub fn new(lookup: Lookup) -> ValidatingPolicies {
        ValidatingPolicies {
            source: Source::new(lookup.clone()),
            lookup,
        }
    }
}

#[async_trait]
impl Validate for ValidatingPolicies {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        concerns(a) && !self.source.bound().is_empty()
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let bound = self.source.bound();
        let write = Write {
            attributes: a,
            new,
            old,
            namespace: namespace_of(&self.lookup, a).await,
        };
        let found = invocations(&bound, &write, &self.lookup).await;
        let mut verdict = Verdict::default();
        let mut shown: Vec<(Matched, Values)> = Vec::new();
        for one in &found {
            match one {
                Ok(invocation) => {
                    let judgement = judgement(invocation, &write, &mut shown);
                    verdict.add(a, invocation, judgement);
                }
                Err(misconfigured) => verdict.refuse(misconfigured),
            }
        }
        verdict.tell(a);
        verdict
            .denial
            .map_or(Ok(()), |denial| Err(denial.status(a, new)))
    }
}

/// What a policy says; objects are shown to all alike.
fn judgement(
    invocation: &Invocation<'_, Validations>,
    write: &Write<'_>,
    shown: &mut Vec<(Matched, Values)>,
) -> Judgement {
    let known = shown
        .iter()
        .find(|(matched, _)| matched.same(invocation.matched));
    let values = match known {
        Some((_, values)) => Ok(invocation.with_params(values)),
        None => invocation.values(write),
    };
    let values = match values {
        Ok(values) => values,
        Err(why) => return Judgement::failed(invocation.policy.ignores_failures, why),
    };
    if known.is_none() {
        shown.push((invocation.matched, values.clone()));
    }
    judge(invocation, write, &values)
}

impl Verdict {
    fn deny(&mut self, policy: &str, binding: Option<&str>, message: &str, reason: Reason) {
        self.denial.get_or_insert_with(|| Denial {
            policy: policy.to_owned(),
            binding: binding.map(str::to_owned),
            message: message.to_owned(),
            reason,
        });
    }

    fn refuse(&mut self, misconfigured: &Misconfigured<'_, Validations>) {
        let policy = misconfigured.policy;
        if !policy.ignores_failures {
            let binding = misconfigured.binding.map(|binding| binding.name.as_str());
            self.deny(
                &policy.name,
                binding,
                &misconfigured.message,
                Reason::Invalid,
            );
        }
    }

    fn add(
        &mut self,
        a: &Attributes<'_>,
        invocation: &Invocation<'_, Validations>,
        judgement: Judgement,
    ) {
        let (policy, binding) = (&invocation.policy.name, &invocation.binding.name);
        let actions = &invocation.binding.actions;
        for finding in judgement.findings {
            for action in actions {
                match action.as_str() {
                    "Deny" => self.deny(policy, Some(binding), &finding.message, finding.reason),
                    "Warn" => a.cx.warn(&format!(
                        "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {}",
                        finding.message
                    )),
                    "Audit" => self.failures.push(json!({
                        "message": finding.message,
                        "policy": policy,
                        "binding": binding,
                        "expressionIndex": finding.index,
                        "validationActions": actions,
                    })),
                    _ => {}
                }
            }
        }
        for note in judgement.notes {
            match note {
                Note::Publish { key, mut value } => {
                    let mut ends = (0..=MAX_NOTE.min(value.len())).rev();
                    let end = ends.find(|at| value.is_char_boundary(*at));
                    value.truncate(end.unwrap_or_default());
                    let values = self.notes.entry((policy.clone(), key)).or_default();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Note::Failed(why) => self.deny(policy, Some(binding), &why, Reason::Invalid),
            }
        }
    }

    /// Notes for the audit log what there is to be noted.
    fn tell(&mut self, a: &Attributes<'_>) {
        for ((policy, key), values) in &self.notes {
            a.cx.annotate(&format!("{policy}/{key}"), values.join(", "));
        }
        if !self.failures.is_empty() {
            self.failures.truncate(MAX_FAILURES);
            a.cx.annotate(FAILURES, json!(self.failures).to_string());
        }
    }
}

impl Denial {
    /// As upstream says it: a refusal like any other's, of another code.
    fn status(&self, a: &Attributes<'_>, new: Option<&Tree>) -> Status {
        let with = match &self.binding {
            Some(binding) => format!(" with binding '{binding}'"),
            None => String::new(),
        };
        let message = format!(
            "ValidatingAdmissionPolicy '{}'{with} denied request: {}",
            self.policy, self.message
        );
        let forbidden = a.forbidden(new, &message);
        let code = match self.reason {
            Reason::Forbidden => 403,
            Reason::Unauthorized => 401,
            Reason::RequestEntityTooLarge => 413,
            _ => 422,
        };
        let mut details = forbidden.details().cloned().unwrap_or_default();
        details.causes.push(Cause {
            message,
            ..Cause::default()
        });
        Status::new(
            code,
            self.reason,
            forbidden.message(),
            Some::<Details>(details),
        )
    }
}
