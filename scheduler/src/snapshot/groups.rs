//! Pods that are alike in namespace and labels, numbered: a selector is asked once per group, not once per pod.

use crate::labels::Labels;
use crate::text::{Map, Text};

/// A group's number, never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(u64);

/// What the pods of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Their namespace.
    pub namespace: Text,
    /// Their labels.
    pub labels: Labels,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    by_content: Map<Group, GroupId>,
    by_id: Map<GroupId, (Group, usize)>,
    next: u64,
}

impl Groups {
    pub(super) fn get(&self, id: GroupId) -> Option<&Group> {
        self.by_id.get(&id).map(|(group, _)| group)
    }

    pub(super) fn join(&mut self, namespace: &Text, labels: &Labels) -> GroupId {
        let group = Group {
            namespace: namespace.clone(),
            labels: labels.clone(),
        };
        let id = *self.by_content.entry(group.clone()).or_insert_with(|| {
            self.next += 1;
            GroupId(self.next)
        });
        self.by_id.entry(id).or_insert((group, 0)).1 += 1;
        id
    }

    pub(super) fn leave(&mut self, id: GroupId) {
        let Some((_, members)) = self.by_id.get_mut(&id) else {
            return;
        };
        *members -= 1;
        if *members == 0
            && let Some((group, _)) = self.by_id.remove(&id)
        {
            self.by_content.remove(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lives_as_long_as_its_members_and_its_number_is_not_reused() {
        let mut groups = Groups::default();
        let labels: Labels = [("a", "b")].into_iter().collect();
        let first = groups.join(&"ns".into(), &labels);
        assert_eq!(groups.join(&"ns".into(), &labels), first);
        assert_ne!(groups.join(&"other".into(), &labels), first);
        groups.leave(first);
        assert!(groups.get(first).is_some());
        groups.leave(first);
        assert!(groups.get(first).is_none());
        assert_ne!(groups.join(&"ns".into(), &labels), first);
    }
}
