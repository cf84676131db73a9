//! A pod's own resources, as far as it says anything about them: the rest follows from its containers (KEP-2837).
//!
//! Upstream does this when a pod is made, behind mutating admission, which may add containers; not among the other defaults.

use crate::aggregate::{self, Amounts};
use crate::core::v1::{Pod, PodMut, PodSpec, ResourceRequirements};
use crate::quantity::Quantity;
use crate::tree::Tree;

const HUGE_PAGES: &str = "hugepages-";

/// Whether pods themselves can have it.
pub(crate) fn is_supported(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with(HUGE_PAGES)
}

/// Completes `spec.resources` of a new pod: limits of huge pages, then requests, then the other limits.
pub fn pod_level_resources(pod: &mut Tree) {
    let spec = Pod::of(pod).spec();
    let Some(own) = spec.resources() else { return };
    if own.limits().is_empty() && own.requests().is_empty() {
        return;
    }
    let of = |map: crate::view::MapRef<'_, Quantity>| -> Amounts {
        map.iter()
            .map(|(name, amount)| (name.to_owned(), amount))
            .collect()
    };
    let (mut limits, mut requests) = (of(own.limits()), of(own.requests()));
    let container_limits = aggregate::of_containers(spec, ResourceRequirements::limits);
    for (name, amount) in &container_limits {
        if name.starts_with(HUGE_PAGES) && !requests.contains_key(name) {
            limits.entry(name.clone()).or_insert(*amount);
        }
    }
    for (name, amount) in aggregate::of_containers(spec, ResourceRequirements::requests) {
        if matches!(name.as_str(), "cpu" | "memory") {
            requests.entry(name).or_insert(amount);
        }
    }
    for (name, amount) in &limits {
        if is_supported(name) {
            requests.entry(name.clone()).or_insert(*amount);
        }
    }
    for (name, requested) in &requests {
        if is_supported(name)
            && !limits.contains_key(name)
            && everyone_limits(spec, name)
            && let Some(limit) = container_limits.get(name)
        {
            limits.insert(name.clone(), (*limit).max(*requested));
        }
    }
    let mut pod = PodMut::of(pod);
    let mut spec = pod.spec_mut();
    let mut own = spec.resources_mut();
    for (name, amount) in limits {
        own.limits_mut().insert_default(&name, amount);
    }
    for (name, amount) in requests {
        own.requests_mut().insert_default(&name, amount);
    }
}

/// Whether every container has a limit of it.
fn everyone_limits(spec: PodSpec<'_>, name: &str) -> bool {
    let regular = spec.containers().iter().map(|c| c.resources());
    let first = spec.init_containers().iter().map(|c| c.resources());
    regular
        .chain(first)
        .all(|resources| resources.limits().contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use crate::schema::Schema;

    fn completed(spec: &str) -> String {
        let text = format!(r#"{{"kind":"Pod","apiVersion":"v1","spec":{spec}}}"#);
        let mut strict = json::Strict::default();
        let mut pod = json::decode(Schema::builtin(), Pod::TYPE, text, &mut strict).unwrap();
        pod_level_resources(&mut pod);
        let text = String::from_utf8(json::to_vec(&pod)).unwrap();
        let at = text.rfind(r#""resources":"#).unwrap();
        text[at..].split("}}").next().unwrap().to_owned()
    }

    #[test]
    fn requests_are_what_the_containers_ask_for_or_the_limit() {
        let found = completed(
            r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"100m"}}},
                {"name":"b","resources":{"requests":{"cpu":"200m"},"limits":{"hugepages-2Mi":"4Mi"}}}],
                "resources":{"limits":{"cpu":"1","memory":"1Gi"}}}"#,
        );
        assert_eq!(
            found,
            r#""resources":{"limits":{"cpu":"1","hugepages-2Mi":"4Mi","memory":"1Gi"},"requests":{"cpu":"300m","hugepages-2Mi":"4Mi","memory":"1Gi""#
        );
    }

    #[test]
    fn a_limit_follows_where_every_container_has_one_and_covers_the_request() {
        let found = completed(
            r#"{"containers":[{"name":"a","resources":{"limits":{"cpu":"1"}}},{"name":"b","resources":{"limits":{"cpu":"1","memory":"1Gi"}}}],
                "resources":{"requests":{"cpu":"3","memory":"2Gi"}}}"#,
        );
        assert_eq!(
            found,
            r#""resources":{"limits":{"cpu":"3"},"requests":{"cpu":"3","memory":"2Gi""#
        );
    }
}
