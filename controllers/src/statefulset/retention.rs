//! Whose a claim is, by the set's retention policy: claims go with the last of their owners. Pure.

use super::model::Retention;
use crate::object::owner::Owner;

/// Who may own a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owners<'a> {
    /// The set.
    pub set: &'a Owner,
    /// The pod that uses the claim.
    pub pod: &'a Owner,
    /// The set has been scaled below that pod.
    pub scaled_down: bool,
}

fn named(reference: &Owner, owner: &Owner) -> bool {
    (&reference.api_version, &reference.kind, &reference.name)
        == (&owner.api_version, &owner.kind, &owner.name)
}

/// Whether it names a former bearer of the owner's name.
pub(super) fn is_stale(references: &[Owner], owner: &Owner) -> bool {
    let mut named = references.iter().filter(|r| named(r, owner));
    named.next().is_some_and(|r| r.uid != owner.uid)
}

impl Owners<'_> {
    /// Somebody else manages the claim: the policy does not apply to it.
    pub(super) fn conflict(&self, policy: Retention, references: &[Owner]) -> bool {
        policy != Retention::default()
            && references.iter().any(|r| {
                match [self.set, self.pod].into_iter().find(|o| named(r, o)) {
                    Some(owner) => r.uid != owner.uid,
                    None => r.controller,
                }
            })
    }

    /// The owners that a claim should have, if they are others than it has.
    pub(super) fn change(&self, policy: Retention, references: &[Owner]) -> Option<Vec<Owner>> {
        // One of a former bearer of the name is on its way out.
        if is_stale(references, self.set) || is_stale(references, self.pod) {
            return None;
        }
        let others = references
            .iter()
            .filter(|r| !named(r, self.set) && !named(r, self.pod));
        let mut wanted: Vec<Owner> = others.cloned().collect();
        if !self.conflict(policy, references) {
            let pod = policy.delete_when_scaled && self.scaled_down;
            if policy.delete_with_set && !pod {
                wanted.push(self.set.clone());
            }
            if pod {
                wanted.push(self.pod.clone());
            }
        }
        let manages = |references: &[Owner], owner: &Owner| {
            let mut own = references.iter().filter(|r| r.uid == owner.uid);
            own.next().map(|r| r.controller)
        };
        let same = [self.set, self.pod]
            .into_iter()
            .all(|owner| manages(references, owner) == manages(&wanted, owner));
        (!same).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str, name: &str, uid: &str) -> Owner {
        Owner {
            api_version: if kind == "Pod" { "v1" } else { "apps/v1" }.into(),
            kind: kind.into(),
            name: name.into(),
            uid: uid.into(),
            controller: true,
            blocks_deletion: true,
        }
    }

    #[test]
    fn each_policy_has_its_owners() {
        let (set, pod) = (owner("StatefulSet", "web", "s"), owner("Pod", "web-1", "p"));
        for (with_set, when_scaled, scaled_down, expected) in [
            (false, false, false, &[][..]),
            (false, false, true, &[]),
            (true, false, false, &["s"]),
            (true, false, true, &["s"]),
            (false, true, false, &[]),
            (false, true, true, &["p"]),
            (true, true, false, &["s"]),
            (true, true, true, &["p"]),
        ] {
            let owners = Owners {
                set: &set,
                pod: &pod,
                scaled_down,
            };
            let policy = Retention {
                delete_with_set: with_set,
                delete_when_scaled: when_scaled,
            };
            for before in [
                vec![],
                vec![set.clone()],
                vec![pod.clone()],
                vec![set.clone(), pod.clone()],
            ] {
                let after = owners.change(policy, &before).unwrap_or(before.clone());
                let uids: Vec<&str> = after.iter().map(|o| o.uid.as_str()).collect();
                assert_eq!(uids, expected, "{policy:?} {scaled_down} {before:?}");
                assert_eq!(owners.change(policy, &after), None, "it is right now");
            }
        }
    }

    #[test]
    fn what_others_own_or_owned_is_left_alone() {
        let (set, pod) = (owner("StatefulSet", "web", "s"), owner("Pod", "web-1", "p"));
        let owners = Owners {
            set: &set,
            pod: &pod,
            scaled_down: false,
        };
        let policy = Retention {
            delete_with_set: true,
            delete_when_scaled: true,
        };
        let foreign = owner("Backup", "b", "b");
        assert!(owners.conflict(policy, std::slice::from_ref(&foreign)));
        assert_eq!(owners.change(policy, std::slice::from_ref(&foreign)), None);
        assert_eq!(
            owners.change(policy, &[foreign.clone(), set.clone()]),
            Some(vec![foreign])
        );
        let former = owner("StatefulSet", "web", "before");
        assert_eq!(owners.change(policy, &[former]), None);
        let mut weak = set.clone();
        weak.controller = false;
        assert_eq!(owners.change(policy, &[weak]), Some(vec![set.clone()]));
    }
}
