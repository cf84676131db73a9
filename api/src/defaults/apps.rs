//! The apps group.

use super::{Rule, rules};
use crate::IntOrString;
use crate::apps::v1::{
    DaemonSet, DaemonSetMut, Deployment, DeploymentMut, ReplicaSet, ReplicaSetMut, StatefulSet,
    StatefulSetMut,
};

pub(super) const RULES: &[Rule] = rules![
    DaemonSet => daemon_set,
    Deployment => deployment,
    ReplicaSet => |mut set: ReplicaSetMut<'_>| set.spec_mut().default_replicas(1),
    StatefulSet => stateful_set,
];

const HISTORY: i32 = 10;
const ROLLING_UPDATE: &str = "RollingUpdate";

fn deployment(mut deployment: DeploymentMut<'_>) {
    let mut spec = deployment.spec_mut();
    spec.default_replicas(1);
    let mut strategy = spec.strategy_mut();
    strategy.default_type(ROLLING_UPDATE);
    if strategy.view().type_() == ROLLING_UPDATE {
        let mut rolling = strategy.rolling_update_mut();
        rolling.default_max_unavailable(IntOrString::String("25%".into()));
        rolling.default_max_surge(IntOrString::String("25%".into()));
    }
    spec.default_revision_history_limit(HISTORY);
    spec.default_progress_deadline_seconds(600);
}

/// Counts changes of a DaemonSet's template, as a field did in a version that is gone: upstream's working form has that
/// field, and whatever goes through it comes out with the annotation.
pub const DEPRECATED_TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn daemon_set(mut set: DaemonSetMut<'_>) {
    let annotations = set.view().metadata().annotations();
    if annotations.get(DEPRECATED_TEMPLATE_GENERATION).is_none() {
        let mut metadata = set.metadata_mut();
        metadata
            .annotations_mut()
            .insert(DEPRECATED_TEMPLATE_GENERATION, "0");
    }
    let mut spec = set.spec_mut();
    let mut strategy = spec.update_strategy_mut();
    strategy.default_type(ROLLING_UPDATE);
    if strategy.view().type_() == ROLLING_UPDATE {
        let mut rolling = strategy.rolling_update_mut();
        rolling.default_max_unavailable(IntOrString::Int(1));
        rolling.default_max_surge(IntOrString::Int(0));
    } else if strategy.view().rolling_update().is_some() {
        // Upstream's working form has numbers there, not pointers to them.
        let mut rolling = strategy.rolling_update_mut();
        rolling.default_max_unavailable(IntOrString::Int(0));
        rolling.default_max_surge(IntOrString::Int(0));
    }
    spec.default_revision_history_limit(HISTORY);
}

fn stateful_set(mut set: StatefulSetMut<'_>) {
    let mut spec = set.spec_mut();
    spec.default_pod_management_policy("OrderedReady");
    let mut strategy = spec.update_strategy_mut();
    // Who names the strategy and gives it no settings gets none.
    if strategy.default_type(ROLLING_UPDATE) {
        strategy.rolling_update_mut();
    }
    if strategy.view().type_() == ROLLING_UPDATE && strategy.view().rolling_update().is_some() {
        let mut rolling = strategy.rolling_update_mut();
        rolling.default_partition(0);
        rolling.default_max_unavailable(IntOrString::Int(1));
    }
    let mut retention = spec.persistent_volume_claim_retention_policy_mut();
    retention.default_when_deleted("Retain");
    retention.default_when_scaled("Retain");
    spec.default_replicas(1);
    spec.default_revision_history_limit(HISTORY);
    for at in 0..spec.view().volume_claim_templates().len() {
        let mut claim = spec.volume_claim_templates_mut(at);
        claim.set_api_version("v1");
        claim.set_kind("PersistentVolumeClaim");
    }
}
