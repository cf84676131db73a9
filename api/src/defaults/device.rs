//! Devices (resource.k8s.io).

use super::{Rule, rules};
use crate::resource::v1::{
    DeviceSubRequest, DeviceSubRequestMut, DeviceTaintRule, DeviceTaintRuleMut, ExactDeviceRequest,
    ExactDeviceRequestMut, ResourceSlice, ResourceSliceMut,
};
use crate::{Time, Tree};

pub(super) const RULES: &[Rule] = rules![
    DeviceSubRequest => sub_request,
    ExactDeviceRequest => exact_request,
];

const EXACT_COUNT: &str = "ExactCount";

fn exact_request(mut request: ExactDeviceRequestMut<'_>) {
    request.default_allocation_mode(EXACT_COUNT);
    if request.view().allocation_mode() == EXACT_COUNT {
        request.default_count(1);
    }
}

fn sub_request(mut request: DeviceSubRequestMut<'_>) {
    request.default_allocation_mode(EXACT_COUNT);
    if request.view().allocation_mode() == EXACT_COUNT {
        request.default_count(1);
    }
}

/// A taint without a time was added now.
pub(super) fn stamp(tree: &mut Tree, now: Time) {
    if tree.type_id() == DeviceTaintRule::TYPE {
        let mut rule = DeviceTaintRuleMut::of(tree);
        rule.spec_mut().taint_mut().default_time_added(now);
    } else if tree.type_id() == ResourceSlice::TYPE {
        let mut slice = ResourceSliceMut::of(tree);
        for at in 0..slice.view().spec().devices().len() {
            let mut spec = slice.spec_mut();
            let mut device = spec.devices_mut(at);
            for at in 0..device.view().taints().len() {
                device.taints_mut(at).default_time_added(now);
            }
        }
    }
}
