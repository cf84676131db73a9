//! Horizontal pod autoscalers, in both versions.

use super::{Rule, rules};
use crate::autoscaling::v1::{
    HorizontalPodAutoscaler as AutoscalerV1, HorizontalPodAutoscalerMut as AutoscalerV1Mut,
};
use crate::autoscaling::v2::{
    HPAScalingRulesMut, HorizontalPodAutoscaler, HorizontalPodAutoscalerMut,
};
use crate::convert::{ANNOTATIONS, convert};
use crate::tree::Tree;

pub(super) const RULES: &[Rule] = rules![
    AutoscalerV1 => autoscaler_v1,
    HorizontalPodAutoscaler => autoscaler,
];

const CPU_UTILIZATION: i32 = 80;

/// What an autoscaler of `v1` says in annotations has defaults in `v2`: it goes there and back, as upstream's does.
pub(super) fn settle(tree: &mut Tree) {
    if tree.type_id() != AutoscalerV1::TYPE {
        return;
    }
    let annotations = AutoscalerV1::of(tree).metadata().annotations();
    if !ANNOTATIONS
        .iter()
        .any(|name| annotations.contains_key(name))
    {
        return;
    }
    let there = convert(
        tree,
        tree.schema(),
        HorizontalPodAutoscaler::TYPE,
        "autoscaling/v2",
    );
    let back = there.and_then(|mut there| {
        super::apply(&mut there);
        convert(&there, tree.schema(), AutoscalerV1::TYPE, "autoscaling/v1")
    });
    // What cannot be said in the other version is refused when it is stored.
    if let Ok(settled) = back {
        *tree = settled;
    }
}

fn autoscaler_v1(mut autoscaler: AutoscalerV1Mut<'_>) {
    // Metrics that v1 cannot say travel in this annotation.
    let elsewhere = autoscaler
        .view()
        .metadata()
        .annotations()
        .contains_key("autoscaling.alpha.kubernetes.io/metrics");
    let mut spec = autoscaler.spec_mut();
    spec.default_min_replicas(1);
    if !elsewhere {
        spec.default_target_cpu_utilization_percentage(CPU_UTILIZATION);
    }
}

fn autoscaler(mut autoscaler: HorizontalPodAutoscalerMut<'_>) {
    // These say in v1 what has fields here.
    let annotations = autoscaler.view().metadata().annotations();
    if ANNOTATIONS
        .iter()
        .any(|name| annotations.contains_key(name))
    {
        let mut metadata = autoscaler.metadata_mut();
        for name in ANNOTATIONS {
            metadata.annotations_mut().remove(name);
        }
        if metadata.view().annotations().is_empty() {
            metadata.remove_annotations();
        }
    }
    let mut spec = autoscaler.spec_mut();
    spec.default_min_replicas(1);
    if spec.view().metrics().is_empty() {
        let mut metric = spec.push_metrics();
        metric.set_type("Resource");
        let mut resource = metric.resource_mut();
        resource.set_name("cpu");
        let mut target = resource.target_mut();
        target.set_type("Utilization");
        target.set_average_utilization(CPU_UTILIZATION);
    }
    if spec.view().behavior().is_some() {
        let mut behavior = spec.behavior_mut();
        let mut up = behavior.scale_up_mut();
        up.default_stabilization_window_seconds(0);
        rules_of(up, &[("Pods", 4), ("Percent", 100)]);
        rules_of(behavior.scale_down_mut(), &[("Percent", 100)]);
    }
}

fn rules_of(mut rules: HPAScalingRulesMut<'_>, policies: &[(&str, i32)]) {
    rules.default_select_policy("Max");
    // An empty list is an answer, which validation refuses.
    if rules.view().policies().node().is_none() {
        for (kind, value) in policies {
            let mut policy = rules.push_policies();
            policy.set_type(kind);
            policy.set_value(*value);
            policy.set_period_seconds(15);
        }
    }
}
