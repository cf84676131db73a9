//! What the controller keeps of a StatefulSet.

use api::{
    IntOrString,
    apps::v1::StatefulSet as View,
    core::v1::{PersistentVolumeClaim, PodTemplateSpec},
    tree::Tree,
    view::View as _,
};
use runtime::Projection;

use crate::object::{
    Texts, condition::Condition, selector::Selector, template::TemplateDigest, texts, timestamp,
};

/// A StatefulSet, as its controller sees it.
#[derive(Debug, Clone)]
pub(super) struct StatefulSet {
    pub annotations: Texts,
    pub deleting: bool,
    pub generation: i64,
    pub replicas: i32,
    /// The first ordinal.
    pub start: i32,
    pub selector: Selector,
    /// The plain labels of the selector, which claims get.
    pub match_labels: Texts,
    /// Pods come and go one after another.
    pub ordered: bool,
    pub strategy: Strategy,
    pub min_ready_seconds: i32,
    /// `None` for all of them.
    pub history_limit: Option<i32>,
    pub retention: Retention,
    pub service: String,
    template: Tree,
    pub digest: TemplateDigest,
    claims: Vec<Tree>,
    pub status: Status,
}

/// How pods of an older revision give way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strategy {
    /// When somebody deletes them.
    OnDelete,
    /// From the highest ordinal down.
    RollingUpdate(Option<Rolling>),
    /// One that is not served: `Recreate` is alpha in v1.37.
    Other(String),
}

/// The settings of a rolling update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rolling {
    /// Ordinals below this (counted from the first) stay.
    pub partition: i32,
    /// How many pods may be unavailable.
    pub max_unavailable: Option<IntOrString>,
}

/// What becomes of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Retention {
    /// They go with the set.
    pub delete_with_set: bool,
    /// They go with a pod that the set is scaled below.
    pub delete_when_scaled: bool,
}

/// A StatefulSet's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub ready: i32,
    pub current: i32,
    pub updated: i32,
    pub available: i32,
    pub current_revision: String,
    pub update_revision: String,
    pub collisions: Option<i32>,
    pub conditions: Vec<Condition>,
}

impl Projection for StatefulSet {
    fn project(object: &Tree) -> Self {
        let view = View::of(object);
        let (metadata, spec, status) = (view.metadata(), view.spec(), view.status());
        let strategy = spec.update_strategy();
        let retention = spec.persistent_volume_claim_retention_policy();
        let claims = spec.volume_claim_templates().iter();
        StatefulSet {
            annotations: texts(metadata.annotations()),
            deleting: metadata.deletion_timestamp().is_some(),
            generation: metadata.generation(),
            replicas: spec.replicas().unwrap_or(1).max(0),
            start: spec.ordinals().map_or(0, |o| o.start()),
            selector: spec.selector().map(Selector::read).unwrap_or_default(),
            match_labels: spec
                .selector()
                .map(|s| texts(s.match_labels()))
                .unwrap_or_default(),
            ordered: spec.pod_management_policy() != "Parallel",
            strategy: match strategy.type_() {
                "OnDelete" => Strategy::OnDelete,
                "RollingUpdate" | "" => {
                    Strategy::RollingUpdate(strategy.rolling_update().map(|r| Rolling {
                        partition: r.partition().unwrap_or(0),
                        max_unavailable: r.max_unavailable(),
                    }))
                }
                other => Strategy::Other(other.to_owned()),
            },
            min_ready_seconds: spec.min_ready_seconds(),
            history_limit: spec.revision_history_limit(),
            retention: Retention {
                delete_with_set: retention.is_some_and(|r| r.when_deleted() == "Delete"),
                delete_when_scaled: retention.is_some_and(|r| r.when_scaled() == "Delete"),
            },
            service: spec.service_name().to_owned(),
            template: copy(spec.template().node(), PodTemplateSpec::TYPE),
            digest: TemplateDigest::whole(spec.template()),
            claims: claims
                .map(|c| copy(c.node(), PersistentVolumeClaim::TYPE))
                .collect(),
            status: Status {
                observed_generation: status.observed_generation(),
                replicas: status.replicas(),
                ready: status.ready_replicas(),
                current: status.current_replicas(),
                updated: status.updated_replicas(),
                available: status.available_replicas(),
                current_revision: status.current_revision().to_owned(),
                update_revision: status.update_revision().to_owned(),
                collisions: status.collision_count(),
                conditions: status
                    .conditions()
                    .iter()
                    .map(|c| Condition {
                        r#type: c.type_().to_owned(),
                        status: c.status().to_owned(),
                        reason: c.reason().to_owned(),
                        message: c.message().to_owned(),
                        last_transition: timestamp(c.last_transition_time()),
                        last_update: None,
                    })
                    .collect(),
            },
        }
    }
}

fn copy(node: Option<api::Ref<'_>>, ty: api::TypeId) -> Tree {
    let mut tree = node.map_or_else(|| Tree::new(ty), Tree::copy_of);
    tree.compact();
    tree
}

impl StatefulSet {
    /// What its pods look like.
    pub(super) fn template(&self) -> PodTemplateSpec<'_> {
        PodTemplateSpec::of(&self.template)
    }

    /// The claims that each pod has of its own.
    pub(super) fn claims(&self) -> impl Iterator<Item = PersistentVolumeClaim<'_>> {
        self.claims.iter().map(PersistentVolumeClaim::of)
    }

    /// Whether there should be a pod of this ordinal.
    pub(super) fn wants(&self, ordinal: i32) -> bool {
        (self.start..self.start.saturating_add(self.replicas)).contains(&ordinal)
    }

    /// Whether the pod of an ordinal is made anew by the revision that the set comes from, rather than by that which it goes to.
    pub(super) fn keeps_current(&self, ordinal: i32) -> bool {
        let below = |count: i32| ordinal < self.start.saturating_add(count);
        match &self.strategy {
            Strategy::RollingUpdate(Some(rolling)) => below(rolling.partition),
            Strategy::RollingUpdate(None) => below(self.status.current),
            Strategy::OnDelete | Strategy::Other(_) => false,
        }
    }
}

/// The name of a pod, taken apart: what is before the last dash, and the number after it.
pub(super) fn parent_and_ordinal(pod: &str) -> Option<(&str, i32)> {
    let (parent, digits) = pod.rsplit_once('-')?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((parent, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_read_off_names() {
        assert_eq!(parent_and_ordinal("web-0"), Some(("web", 0)));
        assert_eq!(parent_and_ordinal("web-a-12"), Some(("web-a", 12)));
        for other in [
            "web",
            "web-",
            "web-a",
            "web-1a",
            "web-+1",
            "web-99999999999",
        ] {
            assert_eq!(parent_and_ordinal(other), None, "{other}");
        }
    }
}
