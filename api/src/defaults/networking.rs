//! The networking group.

use super::{Rule, rules};
use crate::networking::v1::{
    IngressClassParametersReference, IngressClassParametersReferenceMut, NetworkPolicy,
    NetworkPolicyMut, NetworkPolicyPort, NetworkPolicyPortMut,
};

pub(super) const RULES: &[Rule] = rules![
    IngressClassParametersReference => |mut parameters: IngressClassParametersReferenceMut<'_>| parameters.default_scope("Cluster"),
    NetworkPolicy => policy,
    NetworkPolicyPort => |mut port: NetworkPolicyPortMut<'_>| port.default_protocol("TCP"),
];

/// A policy that does not say so is for ingress, and for egress where it has such rules.
fn policy(mut policy: NetworkPolicyMut<'_>) {
    let mut spec = policy.spec_mut();
    if spec.view().policy_types().is_empty() {
        let egress = !spec.view().egress().is_empty();
        spec.push_policy_types("Ingress");
        if egress {
            spec.push_policy_types("Egress");
        }
    }
}
