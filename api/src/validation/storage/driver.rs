//! CSIDrivers: how Kubernetes is to deal with a driver's volumes.
//! <https://kubernetes-csi.github.io/docs/csi-driver-object.html>

use std::collections::BTreeSet;

use super::super::check::{IMMUTABLE, quoted, shown};
use super::SPEC;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::storage::v1::{CSIDriver, TokenRequest};
use crate::view::List;

/// Upstream's name for the field `attachRequired` in errors.
const ATTACHED: Path<'static> = Path::new("spec.attachedRequired");
const GROUP_POLICIES: &[&str] = &["File", "None", "ReadWriteOnceWithFSType"];
const LIFECYCLE_MODES: &[&str] = &["Persistent", "Ephemeral"];
const PERIOD_MIN: i64 = 10;
const TOKEN_SECONDS_MIN: i64 = 600;
/// 2³² seconds.
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

pub(crate) fn create(errors: &mut ErrorList, driver: CSIDriver<'_>) {
    let spec = driver.spec();
    let present = |errors: &mut ErrorList, path: &Path<'_>, value: Option<bool>| {
        if value.is_none() {
            errors.push(Error::required(path, ""));
        }
    };
    present(errors, &ATTACHED, spec.attach_required());
    let place = SPEC.child("podInfoOnMount");
    present(errors, &place, spec.pod_info_on_mount());
    let place = SPEC.child("storageCapacity");
    present(errors, &place, spec.storage_capacity());
    if let Some(policy) = spec.fs_group_policy()
        && !GROUP_POLICIES.contains(&policy)
    {
        let place = SPEC.child("fsGroupPolicy");
        errors.push(Error::not_supported(&place, quoted(policy), GROUP_POLICIES));
    }
    tokens(errors, &SPEC.child("tokenRequests"), spec.token_requests());
    let place = SPEC.child("volumeLifecycleModes");
    for mode in spec.volume_lifecycle_modes() {
        if !LIFECYCLE_MODES.contains(&mode) {
            errors.push(Error::not_supported(&place, quoted(mode), LIFECYCLE_MODES));
        }
    }
    let place = SPEC.child("seLinuxMount");
    present(errors, &place, spec.se_linux_mount());
    if let Some(period) = spec.node_allocatable_update_period_seconds()
        && period < PERIOD_MIN
    {
        let place = SPEC.child("nodeAllocatableUpdatePeriodSeconds");
        let why = format!("must be greater than or equal to {PERIOD_MIN} seconds");
        errors.push(Error::invalid(&place, period, why));
    }
    if let Some(in_secrets) = spec.service_account_token_in_secrets()
        && spec.token_requests().is_empty()
    {
        errors.push(Error::invalid(
            &SPEC.child("serviceAccountTokenInSecrets"),
            in_secrets,
            "serviceAccountTokenInSecrets is set but no tokenRequests are specified",
        ));
    }
    let place = SPEC.child("preventPodSchedulingIfMissing");
    present(errors, &place, spec.prevent_pod_scheduling_if_missing());
}

/// The tokens of its pods' accounts that a driver is given: one for each audience.
fn tokens(errors: &mut ErrorList, path: &Path<'_>, requests: List<'_, TokenRequest<'_>>) {
    let mut audiences = BTreeSet::new();
    for (at, request) in requests.iter().enumerate() {
        let path = path.index(at);
        if !audiences.insert(request.audience()) {
            let place = path.child("audience");
            errors.push(Error::duplicate(&place, request.audience()));
            continue;
        }
        let Some(seconds) = request.expiration_seconds() else {
            continue;
        };
        let why = match seconds {
            ..TOKEN_SECONDS_MIN => "may not specify a duration less than 10 minutes",
            TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX => continue,
            _ => "may not specify a duration larger than 2^32 seconds",
        };
        let place = path.child("expirationSeconds");
        errors.push(Error::invalid(&place, seconds, why));
    }
}

/// Volumes that are there were attached, or not, by what was said before.
pub(crate) fn update(errors: &mut ErrorList, new: CSIDriver<'_>, old: CSIDriver<'_>) {
    create(errors, new);
    let (new, old) = (new.spec(), old.spec());
    if new.attach_required() != old.attach_required() {
        let value = new.attach_required().map_or(shown(None), BadValue::Bool);
        errors.push(Error::invalid(&ATTACHED, value, IMMUTABLE));
    }
    let (modes, before) = (new.volume_lifecycle_modes(), old.volume_lifecycle_modes());
    if !modes.iter().eq(before) {
        errors.push(Error::invalid(
            &SPEC.child("volumeLifecycleModes"),
            shown(modes.node()),
            IMMUTABLE,
        ));
    }
}
