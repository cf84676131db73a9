//! Containers of every sort, and what they hold.

use super::image::is_latest;
use super::{Rule, rules};
use crate::core::v1::{
    Container, ContainerMut, EphemeralContainer, EphemeralContainerMut, HTTPGetAction,
    HTTPGetActionMut, ObjectFieldSelector, ObjectFieldSelectorMut, Probe, ProbeMut,
};

pub(super) const RULES: &[Rule] = rules![
    Container => container,
    EphemeralContainer => ephemeral_container,
    HTTPGetAction => http_get,
    ObjectFieldSelector => field_ref,
    Probe => probe,
];

const TERMINATION_MESSAGE_PATH: &str = "/dev/termination-log";
const TERMINATION_MESSAGE_POLICY: &str = "File";

/// What `latest` means may change at any time; any other tag is taken for fixed.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    }
}

fn container(mut container: ContainerMut<'_>) {
    if !container.view().has_image_pull_policy() {
        let policy = pull_policy(container.view().image());
        container.set_image_pull_policy(policy);
    }
    container.default_termination_message_path(TERMINATION_MESSAGE_PATH);
    container.default_termination_message_policy(TERMINATION_MESSAGE_POLICY);
}

fn ephemeral_container(mut container: EphemeralContainerMut<'_>) {
    if !container.view().has_image_pull_policy() {
        let policy = pull_policy(container.view().image());
        container.set_image_pull_policy(policy);
    }
    container.default_termination_message_path(TERMINATION_MESSAGE_PATH);
    container.default_termination_message_policy(TERMINATION_MESSAGE_POLICY);
}

fn probe(mut probe: ProbeMut<'_>) {
    probe.default_timeout_seconds(1);
    probe.default_period_seconds(10);
    probe.default_success_threshold(1);
    probe.default_failure_threshold(3);
}

fn http_get(mut action: HTTPGetActionMut<'_>) {
    action.default_path("/");
    action.default_scheme("HTTP");
}

fn field_ref(mut selector: ObjectFieldSelectorMut<'_>) {
    selector.default_api_version("v1");
}
