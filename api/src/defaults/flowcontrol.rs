//! Flow control of the API server.

use super::{Rule, rules};
use crate::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, ExemptPriorityLevelConfigurationMut, FlowSchemaSpec,
    FlowSchemaSpecMut, LimitedPriorityLevelConfiguration, LimitedPriorityLevelConfigurationMut,
    QueuingConfiguration, QueuingConfigurationMut,
};

pub(super) const RULES: &[Rule] = rules![
    ExemptPriorityLevelConfiguration => exempt,
    FlowSchemaSpec => |mut spec: FlowSchemaSpecMut<'_>| spec.default_matching_precedence(1000),
    LimitedPriorityLevelConfiguration => limited,
    QueuingConfiguration => queuing,
];

fn exempt(mut level: ExemptPriorityLevelConfigurationMut<'_>) {
    level.default_nominal_concurrency_shares(0);
    level.default_lendable_percent(0);
}

fn limited(mut level: LimitedPriorityLevelConfigurationMut<'_>) {
    level.default_nominal_concurrency_shares(30);
    level.default_lendable_percent(0);
}

fn queuing(mut queuing: QueuingConfigurationMut<'_>) {
    queuing.default_hand_size(8);
    queuing.default_queues(64);
    queuing.default_queue_length_limit(50);
}
