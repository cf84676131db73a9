//! MutatingAdmissionPolicy: policies that change what is written.

use std::collections::BTreeSet;

use api::Tree;

use super::budget::{EXPRESSIONS, Left};
use super::concerns;
use super::dispatch::{Invocation, Misconfigured, invocations};
use super::inputs::Inputs;
use super::mutations::{Mutation, Mutations};
use super::patch::{Failure, applied, patched};
use super::source::Source;
use super::subject::{Write, namespace_of};
use super::versions::Versions;
use crate::admission::{Attributes, Lookup};
use crate::registry::rules;
use crate::status::{Cause, Reason, Status};

/// See the module. It stands beside the chain, since the other steps run again after it has changed something.
pub struct MutatingPolicies {
    lookup: Lookup,
    source: Source<Mutations>,
}

/// What was asked in the rounds of one write.
#[derive(Default)]
pub struct Rounds {
    /// What may be asked again, and was asked before the last change.
    asked: BTreeSet<Asked>,
    /// What is to be asked again.
    again: BTreeSet<Asked>,
    /// The object after the first round.
    last: Option<Tree>,
}

/// A policy, a binding, a parameter's namespace and name.
type Asked = (String, String, String, String);

/// One failure that matters.
struct Refusal {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: Reason,
}

impl Rounds {
    /// Something has changed: those that were asked before are to be asked again.
    fn changed(&mut self) {
        self.again.append(&mut self.asked);
    }
}

impl MutatingPolicies {
    /// A step that reads policies by `lookup`.
    pub fn new(lookup: Lookup) -> MutatingPolicies {
        MutatingPolicies {
            source: Source::new(lookup.clone()),
            lookup,
        }
    }

    /// Whether the step has anything to do with a write: asked before it is run.
    pub fn handles(&self, a: &Attributes<'_>) -> bool {
        concerns(a) && !self.source.bound().is_empty()
    }

    /// Asks the policies; whether one has patched the object, whereupon the other steps are to run again, and then the policies.
    ///
    /// # Errors
    /// What goes wrong with a policy that does not let it pass.
    pub async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
        rounds: &mut Rounds,
    ) -> Result<bool, Status> {
        let bound = self.source.bound();
        let namespace = namespace_of(&self.lookup, a).await;
        let before = new.clone();
        let write = Write {
            attributes: a,
            new: Some(&before),
            old,
            namespace,
        };
        let found = invocations(&bound, &write, &self.lookup).await;
        let is_second = rounds.last.is_some();
        if rounds.last.as_ref().is_some_and(|last| *last != *new) {
            rounds.changed();
        }
        let (mut refusals, mut patched) = (Vec::new(), false);
        let namespace = write.namespace.clone();
        for one in &found {
            let invocation = match one {
                Ok(invocation) => invocation,
                Err(misconfigured) => {
                    refusals.extend(refusal_of(misconfigured));
                    continue;
                }
            };
            let now = new.clone();
            let write = Write {
                attributes: a,
                new: Some(&now),
                old,
                namespace: namespace.clone(),
            };
            let key = invocation.key();
            match invocation.applies_to(&write) {
                Ok(true) if is_second && !rounds.again.contains(&key) => continue,
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    refusals.extend(invocation.refusal(why));
                    continue;
                }
            }
            patched |= invocation.run(&write, new, &mut refusals)?;
            if *new != now {
                rounds.changed();
            }
            if invocation.policy.rules.again {
                rounds.asked.insert(key);
            }
        }
        if patched {
            rounds.changed();
        }
        rounds.last = Some(new.clone());
        match status(a, &before, refusals) {
            Some(status) => Err(status),
            None => Ok(patched),
        }
    }
}

impl Invocation<'_, Mutations> {
    fn key(&self) -> Asked {
        let (namespace, name) = match &self.param {
            Some(param) => (param.namespace.clone(), param.name.clone()),
            None => Default::default(),
        };
        (
            self.policy.name.clone(),
            self.binding.name.clone(),
            namespace,
            name,
        )
    }

    fn refusal(&self, message: String) -> Option<Refusal> {
        (!self.policy.ignores_failures).then(|| Refusal {
            policy: self.policy.name.clone(),
            binding: Some(self.binding.name.clone()),
            message,
            reason: Reason::Invalid,
        })
    }

    fn applies_to(&self, write: &Write<'_>) -> Result<bool, String> {
        if self.policy.conditions.is_empty() {
            return Ok(true);
        }
        let values = self.values(write)?;
        self.policy.applies(&self.condition_values(write, &values)?)
    }

    /// Does the policy's changes, each on what the one before it made; whether there was one.
    fn run(
        &self,
        write: &Write<'_>,
        new: &mut Tree,
        refusals: &mut Vec<Refusal>,
    ) -> Result<bool, Status> {
        let mut patched = false;
        for mutation in &self.policy.rules.mutations {
            let now = new.clone();
            let write = Write {
                new: Some(&now),
                namespace: write.namespace.clone(),
                ..*write
            };
            match self.changed(&write, &now, mutation) {
                Ok(changed) => {
                    *new = changed;
                    patched = true;
                }
                Err(Failure::Policy(why)) => refusals.extend(self.refusal(why)),
                Err(Failure::Request(status)) => return Err(status),
            }
        }
        Ok(patched)
    }

    /// The object as one change makes it, with its defaults.
    fn changed(&self, write: &Write<'_>, now: &Tree, mutation: &Mutation) -> Result<Tree, Failure> {
        let values = self.values(write)?;
        let inputs = Inputs::new(&values, &self.policy.variables);
        let mut left = Left(EXPRESSIONS);
        let (Mutation::Apply(expression) | Mutation::Patch(expression)) = mutation;
        // What does not compile is told as it is.
        expression.program().map_err(str::to_owned)?;
        let made = expression.evaluate(&inputs, &mut left);
        let made = made.map_err(|error| error.to_string())??;
        let versions = Versions::new(write.attributes, self.matched);
        let object = versions.shown(now)?;
        let mut changed = match mutation {
            Mutation::Apply(_) => applied(&object, &made)?,
            Mutation::Patch(_) => patched(&object, &made)?,
        };
        rules::default(&mut changed);
        Ok(versions.kept(now, changed)?)
    }
}

fn refusal_of(misconfigured: &Misconfigured<'_, Mutations>) -> Option<Refusal> {
    let policy = misconfigured.policy;
    (!policy.ignores_failures).then(|| Refusal {
        policy: policy.name.clone(),
        binding: misconfigured.binding.map(|binding| binding.name.clone()),
        message: misconfigured.message.clone(),
        reason: Reason::Forbidden,
    })
}

impl Refusal {
    fn show(&self) -> String {
        match &self.binding {
            Some(binding) => format!(
                "policy '{}' with binding '{binding}' denied request: {}",
                self.policy, self.message
            ),
            None => format!(
                "policy \"{}\" denied request: {}",
                self.policy, self.message
            ),
        }
    }
}

/// The first refusal, with a cause for each. The code is that of any refusal, whatever the reason: so upstream.
fn status(a: &Attributes<'_>, new: &Tree, refusals: Vec<Refusal>) -> Option<Status> {
    let first = refusals.first()?;
    let forbidden = a.forbidden(Some(new), "admission request denied by policy");
    let mut details = forbidden.details().cloned().unwrap_or_default();
    details.causes.extend(refusals.iter().map(|refusal| Cause {
        message: refusal.show(),
        ..Cause::default()
    }));
    Some(Status::new(403, first.reason, first.show(), Some(details)))
}
