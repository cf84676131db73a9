//! What a write costs each quota of its namespace, and whether they can bear it.

use std::collections::BTreeSet;

use api::aggregate::Amounts;
use api::core::v1::{Pod, ResourceQuota};
use api::quota::{self, Evaluator, Selector};
use api::{Time, Tree};

use crate::admission::Attributes;
use crate::status::{Reason, Status};

/// A write that may use something up.
pub(super) struct Write<'a> {
    pub attributes: &'a Attributes<'a>,
    pub evaluator: &'a Evaluator,
    pub new: &'a Tree,
    pub old: Option<&'a Tree>,
    pub now: Time,
}

/// Whether a pod may run for so many seconds at most.
pub(super) fn is_bounded(pod: &Tree) -> bool {
    quota::is_terminating(Pod::of(pod))
}

fn joined<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// `a=1,b=2`, of those that are named.
fn shown(amounts: &Amounts, names: &[&str]) -> String {
    let shown: Vec<String> = amounts
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, amount)| format!("{name}={amount}"))
        .collect();
    shown.join(",")
}

impl Write<'_> {
    fn forbidden(&self, why: String) -> Status {
        self.attributes.forbidden(Some(self.new), why)
    }

    /// What each quota that bears something is to say is used: the whole of it, by the place of the quota.
    ///
    /// # Errors
    /// As upstream refuses: a quota is not known well enough, the object says too little, or it asks too much.
    pub(super) fn charges(
        &self,
        quotas: &[ResourceQuota<'_>],
    ) -> Result<Vec<(usize, Amounts)>, Status> {
        let mut concerned = Vec::new();
        for (at, quota) in quotas.iter().enumerate() {
            if self.concerns(*quota, self.new)? {
                self.complete(*quota)?;
                concerned.push(at);
            }
        }
        let usage = self.evaluator.usage(self.new, self.now);
        let negative = quota::negative(&usage);
        if !negative.is_empty() {
            return Err(self.forbidden(format!(
                "quota usage is negative for resource(s): {}",
                joined(negative)
            )));
        }
        let mut charges = Vec::new();
        for at in concerned {
            let more = match self.old {
                // Of what a quota counted before, only what is more than that.
                Some(old) if self.concerns(quotas[at], old)? => {
                    let before = self.evaluator.usage(old, self.now);
                    quota::at_least_zero_difference(&usage, &before)
                }
                _ => usage.clone(),
            };
            if let Some(used) = self.charge(quotas[at], &more)? {
                charges.push((at, used));
            }
        }
        Ok(charges)
    }

    /// Whether a quota is about the object.
    fn concerns(&self, quota: ResourceQuota<'_>, object: &Tree) -> Result<bool, Status> {
        if !quota
            .status()
            .hard()
            .keys()
            .any(|name| self.evaluator.counts(name))
        {
            return Ok(false);
        }
        let scopes = Selector::all(quota.spec());
        self.evaluator.is_within(&scopes, object).map_err(|error| {
            let name = quota.metadata().name();
            let why = format!("error matching scopes of quota {name}, err: {error}");
            Status::new(500, Reason::Unknown, why, None)
        })
    }

    /// Whether enough is known: of the object, and of what is used already.
    fn complete(&self, quota: ResourceQuota<'_>) -> Result<(), Status> {
        let (name, status) = (quota.metadata().name(), quota.status());
        let counted = || status.hard().keys().filter(|n| self.evaluator.counts(n));
        if let Some(missing) = self.evaluator.missing(counted(), self.new) {
            return Err(self.forbidden(format!("failed quota: {name}: {missing}")));
        }
        if counted().any(|resource| !status.used().contains_key(resource)) {
            return Err(self.forbidden(format!(
                "status unknown for quota: {name}, resources: {}",
                joined(counted())
            )));
        }
        Ok(())
    }

    /// What is used of a quota with `more`; none if nothing of it counts.
    fn charge(&self, quota: ResourceQuota<'_>, more: &Amounts) -> Result<Option<Amounts>, Status> {
        let hard = quota::read(quota.status().hard());
        let mut requested = quota::masked(more, |name| hard.contains_key(name));
        requested.retain(|_, amount| !amount.is_zero());
        if requested.is_empty() {
            return Ok(None);
        }
        let before = quota::read(quota.status().used());
        let used = quota::total(&before, &requested);
        // What a controller reports has happened.
        if self.attributes.subresource != "status" {
            let touched = quota::masked(&used, |name| requested.contains_key(name));
            let exceeded = quota::exceeding(&touched, &hard);
            if !exceeded.is_empty() {
                return Err(self.forbidden(format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.metadata().name(),
                    shown(&requested, &exceeded),
                    shown(&before, &exceeded),
                    shown(&hard, &exceeded)
                )));
            }
        }
        Ok(Some(used))
    }
}
