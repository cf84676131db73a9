//! CertificateSigningRequests: approval changes conditions only, and conditions have their times.

use api::Time;
use api::Tree;
use api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestMut};

use super::{Rules, keep};
use crate::registry::meta;

/// See the module.
pub struct Requests;

impl Rules for Requests {
    /// What was asked for stays as it was judged: an approval is of that.
    fn prepare_update(&self, new: &mut Tree, old: &Tree) {
        keep(new, old, "spec");
    }

    fn prepare_status(&self, new: &mut Tree, old: &Tree, now: i64) {
        keep_decisions(new, old);
        set_times(new, old, now);
    }
}

/// An update of `approval`: the conditions are taken over, nothing else.
pub fn prepare_approval(new: &mut Tree, old: &Tree, now: i64) {
    set_times(new, old, now);
    keep(new, old, "spec");
    let conditions = new.root().path("status.conditions").map(Tree::copy_of);
    keep(new, old, "status");
    meta::ensure(&mut new.root_mut(), "status", |status| {
        meta::copy(status, "conditions", conditions.as_ref().map(Tree::root));
    });
}

/// Approvals and denials are not changed through `status`: those that are there stay as they were. (That none comes or goes is
/// validation's.)
fn keep_decisions(new: &mut Tree, old: &Tree) {
    for kind in ["Approved", "Denied"] {
        let places = |tree: &Tree| -> Vec<usize> {
            let conditions = CertificateSigningRequest::of(tree).status().conditions();
            conditions
                .iter()
                .enumerate()
                .filter(|(_, c)| c.type_() == kind)
                .map(|(index, _)| index)
                .collect()
        };
        let (before, now) = (places(old), places(new));
        if before.len() != now.len() {
            continue;
        }
        for (from, to) in before.into_iter().zip(now) {
            let Some(kept) = old
                .root()
                .path("status.conditions")
                .and_then(|list| list.item(from))
            else {
                continue;
            };
            meta::ensure(&mut new.root_mut(), "status", |status| {
                meta::ensure(status, "conditions", |list| {
                    if let Some(mut item) = list.item(to) {
                        item.replace_copy(kept);
                    }
                });
            });
        }
    }
}

fn set_times(new: &mut Tree, old: &Tree, now: i64) {
    let Some(now) = Time::from_seconds(now) else {
        return;
    };
    let before = CertificateSigningRequest::of(old).status().conditions();
    for index in 0..CertificateSigningRequest::of(new)
        .status()
        .conditions()
        .len()
    {
        let conditions = CertificateSigningRequest::of(new).status().conditions();
        let Some(condition) = conditions.iter().nth(index) else {
            continue;
        };
        let same = before
            .iter()
            .find(|c| (c.type_(), c.status()) == (condition.type_(), condition.status()));
        let changed = same.and_then(|c| c.last_transition_time()).unwrap_or(now);
        let (no_update, no_change) = (
            condition.last_update_time().is_none(),
            condition.last_transition_time().is_none(),
        );
        let mut view = CertificateSigningRequestMut::of(new);
        let mut status = view.status_mut();
        let mut condition = status.conditions_mut(index);
        if no_update {
            condition.set_last_update_time(now);
        }
        if no_change {
            condition.set_last_transition_time(changed);
        }
    }
}
