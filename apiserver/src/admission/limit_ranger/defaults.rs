//! What a LimitRange fills in.

use api::core::v1::{ContainerMut, LimitRangeSpec, PodMut};
use api::{Quantity, Tree};

use std::collections::BTreeMap;

/// The annotation that says what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// What a container without figures of its own gets.
#[derive(Default)]
struct Defaults<'a> {
    requests: BTreeMap<&'a str, Quantity>,
    limits: BTreeMap<&'a str, Quantity>,
}

impl<'a> Defaults<'a> {
    fn read(spec: LimitRangeSpec<'a>) -> Defaults<'a> {
        let mut defaults = Defaults::default();
        for item in spec.limits().iter().filter(|i| i.type_() == "Container") {
            defaults.requests.extend(item.default_request());
            defaults.limits.extend(item.default());
        }
        defaults
    }

    fn fill_in(&self, mut container: ContainerMut<'_>, what: &str, told: &mut Vec<String>) {
        let name = container.view().name().to_owned();
        let mut tell = |set: Vec<&str>, of: &str| {
            if !set.is_empty() {
                told.push(format!("{} {of} for {what} {name}", set.join(", ")));
            }
        };
        let (requests, limits) = {
            let own = container.view().resources();
            let absent = |defaults: &BTreeMap<&'a str, Quantity>,
                          own: api::view::MapRef<'_, Quantity>| {
                let names = defaults.keys().copied();
                names.filter(|name| !own.contains_key(name)).collect()
            };
            let requests: Vec<&str> = absent(&self.requests, own.requests());
            let limits: Vec<&str> = absent(&self.limits, own.limits());
            (requests, limits)
        };
        for name in &limits {
            let mut resources = container.resources_mut();
            resources.limits_mut().insert(name, self.limits[name]);
        }
        for name in &requests {
            let mut resources = container.resources_mut();
            resources.requests_mut().insert(name, self.requests[name]);
        }
        tell(requests, "request");
        tell(limits, "limit");
    }
}

/// Gives the pod's containers what they do not ask for themselves, and says so in an annotation.
pub(super) fn fill_in(pod: &mut Tree, spec: LimitRangeSpec<'_>) {
    let defaults = Defaults::read(spec);
    let mut told = Vec::new();
    let mut pod = PodMut::of(pod);
    for at in 0..pod.view().spec().containers().len() {
        defaults.fill_in(pod.spec_mut().containers_mut(at), "container", &mut told);
    }
    for at in 0..pod.view().spec().init_containers().len() {
        let mut spec = pod.spec_mut();
        defaults.fill_in(spec.init_containers_mut(at), "init container", &mut told);
    }
    if !told.is_empty() {
        let text = format!("LimitRanger plugin set: {}", told.join("; "));
        let mut metadata = pod.metadata_mut();
        metadata.annotations_mut().insert(ANNOTATION, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{self, Strict};
    use api::core::v1::{LimitRange, Pod};

    fn read(ty: api::TypeId, text: &str) -> Tree {
        let schema = api::Schema::builtin();
        json::decode(schema, ty, text.as_bytes().to_vec(), &mut Strict::new()).unwrap()
    }

    #[test]
    fn what_is_said_is_kept_and_what_is_filled_in_is_told() {
        let range = read(
            LimitRange::TYPE,
            r#"{"spec":{"limits":[{"type":"Pod","max":{"cpu":"9"}},
                {"type":"Container","default":{"cpu":"2","memory":"1Gi"},"defaultRequest":{"cpu":"1"}}]}}"#,
        );
        let mut pod = read(
            Pod::TYPE,
            r#"{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"3"}}},
                {"name":"b","resources":{"limits":{"cpu":"2","memory":"1"},"requests":{"cpu":"1"}}}],"initContainers":[{"name":"i"}]}}"#,
        );
        fill_in(&mut pod, LimitRange::of(&range).spec());
        let pod = Pod::of(&pod);
        let text = pod.metadata().annotations().get(ANNOTATION);
        assert_eq!(
            text,
            Some(
                "LimitRanger plugin set: cpu request for container a; memory limit for container a; \
                 cpu request for init container i; cpu, memory limit for init container i"
            )
        );
        let first = pod.spec().containers().get(0).unwrap().resources();
        assert_eq!(first.limits().get("cpu").unwrap().to_string(), "3");
        assert_eq!(first.limits().get("memory").unwrap().to_string(), "1Gi");
        assert_eq!(first.requests().get("cpu").unwrap().to_string(), "1");
    }

    #[test]
    fn a_pod_that_says_all_gets_no_annotation() {
        let range = read(
            LimitRange::TYPE,
            r#"{"spec":{"limits":[{"type":"Container","default":{"cpu":"2"}}]}}"#,
        );
        let mut pod = read(
            Pod::TYPE,
            r#"{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"3"}}}]}}"#,
        );
        let before = pod.clone();
        fill_in(&mut pod, LimitRange::of(&range).spec());
        assert!(pod == before);
    }
}
