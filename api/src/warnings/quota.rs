//! ResourceQuotas.

use super::Warnings;
use crate::core::v1::ResourceQuota;

/// A bound of requests beyond that of limits never binds.
pub(super) fn resource_quota(out: &mut Warnings, quota: ResourceQuota<'_>) {
    let hard = quota.spec().hard();
    for name in ["cpu", "memory", "storage", "ephemeral-storage"] {
        let mut requests = format!("requests.{name}");
        if !hard.contains_key(&requests) && matches!(name, "cpu" | "memory") {
            requests = name.to_owned();
        }
        let limits = format!("limits.{name}");
        if let (Some(request), Some(limit)) = (hard.get(&requests), hard.get(&limits))
            && request > limit
        {
            out.push(format!(
                "ResourceQuota {requests} ({request}) should be less than {limits} ({limit})"
            ));
        }
    }
}
