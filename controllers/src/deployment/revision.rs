//! Revisions: which ReplicaSet came after which, kept in annotations, so that `kubectl rollout history` and `undo` work.

use crate::object::Texts;

/// The revision of a ReplicaSet, and of a Deployment that of its newest.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Revisions that a ReplicaSet had before it was gone back to, separated by commas.
pub(super) const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The Deployment's replicas when the ReplicaSet was scaled last.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Characters of [`HISTORY`] at most; the oldest are dropped.
const HISTORY_LENGTH: usize = 2000;

/// Annotations of a Deployment that are its own, and not copied to ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The revision in some annotations: 0 without one, `None` if it is no number.
pub(super) fn revision(annotations: &Texts) -> Option<i64> {
    annotations
        .get(REVISION)
        .map_or(Some(0), |text| text.parse().ok())
}

/// What must change in the annotations of the newest ReplicaSet, whose revision must be at least `wanted`.
pub(super) fn newest(deployment: &Texts, set: &Texts, wanted: i64) -> Texts {
    let copied = deployment
        .iter()
        .filter(|(key, value)| !OWN.contains(&key.as_str()) && set.get(*key) != Some(value));
    let mut changes: Texts = copied
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let current = set.get(REVISION);
    if let Some(number) = revision(set)
        && number < wanted
    {
        changes.insert(REVISION.to_owned(), wanted.to_string());
        if let Some(current) = current.filter(|c| !c.is_empty()) {
            changes.insert(
                HISTORY.to_owned(),
                longer_history(set.get(HISTORY).map_or("", String::as_str), current),
            );
        }
    }
    changes
}

fn longer_history(history: &str, revision: &str) -> String {
    let mut entries: Vec<&str> = history
        .split(',')
        .filter(|e| !e.is_empty())
        .chain([revision])
        .collect();
    while entries.len() > 1
        && entries.iter().map(|e| e.len() + 1).sum::<usize>() - 1 > HISTORY_LENGTH
    {
        entries.remove(0);
    }
    entries.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn a_new_set_gets_the_next_revision_and_the_deployments_annotations_but_its_own() {
        let deployment = texts(&[
            ("team", "a"),
            (REVISION, "3"),
            ("deprecated.deployment.rollback.to", "1"),
        ]);
        assert_eq!(
            newest(&deployment, &Texts::new(), 4),
            texts(&[("team", "a"), (REVISION, "4")])
        );
    }

    #[test]
    fn going_back_to_a_set_records_its_former_revisions() {
        let once = newest(&Texts::new(), &texts(&[(REVISION, "1")]), 3);
        assert_eq!(once, texts(&[(REVISION, "3"), (HISTORY, "1")]));
        let twice = newest(&Texts::new(), &texts(&[(REVISION, "3"), (HISTORY, "1")]), 5);
        assert_eq!(twice, texts(&[(REVISION, "5"), (HISTORY, "1,3")]));
    }

    #[test]
    fn a_set_that_is_the_newest_already_keeps_its_revision() {
        assert!(newest(&Texts::new(), &texts(&[(REVISION, "7")]), 3).is_empty());
        assert!(
            newest(&Texts::new(), &texts(&[(REVISION, "what?")]), 3).is_empty(),
            "not ours to repair"
        );
    }

    #[test]
    fn history_is_bounded_and_loses_its_oldest() {
        let mut history = String::new();
        for i in 0..1000 {
            history = longer_history(&history, &i.to_string());
        }
        assert!(history.len() <= HISTORY_LENGTH);
        assert!(history.ends_with(",998,999") && !history.starts_with("0,"));
    }
}
