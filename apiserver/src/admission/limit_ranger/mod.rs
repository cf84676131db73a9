//! LimitRanger: what the LimitRanges of a namespace fill in where a container says nothing, and the bounds that they set to
//! containers, pods and claims. <https://kubernetes.io/docs/concepts/policy/limit-range/>

mod bounds;
mod defaults;

use api::Tree;
use api::aggregate::{self, Amounts};
use api::core::v1::{
    LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec, ResourceRequirements,
};
use api::view::MapRef;
use async_trait::async_trait;

use self::bounds::{Asked, Violations};
use super::{Attributes, Lookup, Mutate, Operation, Validate};
use crate::registry::meta;
use crate::status::Status;

/// See the module.
pub struct LimitRanger {
    lookup: Lookup,
}

impl LimitRanger {
    /// A step that reads LimitRanges by `lookup`.
    pub fn new(lookup: Lookup) -> LimitRanger {
        LimitRanger { lookup }
    }

    /// The LimitRanges that the write is subject to; none for what is on its way out.
    fn ranges(&self, a: &Attributes<'_>, old: Option<&Tree>) -> Vec<Tree> {
        if old.is_some_and(|old| meta::of(old).deletion().is_some()) {
            return Vec::new();
        }
        self.lookup
            .in_namespace("limitranges/", a.namespace, LimitRange::TYPE)
    }
}

/// What containers may use is said when their pod is made, and changes only by a resize.
fn resources_of_pod(a: &Attributes<'_>) -> bool {
    match a.operation {
        Operation::Create => a.is("", "pods"),
        Operation::Update => a.subresource == "resize" && a.kind.is("", "pods"),
        Operation::Delete | Operation::Connect => false,
    }
}

#[async_trait]
impl Mutate for LimitRanger {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        resources_of_pod(a)
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        for range in self.ranges(a, old) {
            defaults::fill_in(new, LimitRange::of(&range).spec());
        }
        Ok(())
    }
}

#[async_trait]
impl Validate for LimitRanger {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        resources_of_pod(a)
            || a.is("", "persistentvolumeclaims")
                && matches!(a.operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(object) = new else { return Ok(()) };
        for range in self.ranges(a, old) {
            let mut violations = Violations::default();
            for item in LimitRange::of(&range).spec().limits() {
                match a.kind.is("", "pods") {
                    true => judge_pod(&mut violations, item, Pod::of(object).spec()),
                    false => judge_claim(&mut violations, item, object),
                }
            }
            if let Some(why) = violations.into_message() {
                return Err(a.forbidden(new, why));
            }
        }
        Ok(())
    }
}

fn judge_pod(violations: &mut Violations, item: LimitRangeItem<'_>, spec: PodSpec<'_>) {
    match item.type_() {
        "Container" => {
            let all = spec.containers().iter().chain(spec.init_containers());
            for container in all {
                let resources = container.resources();
                violations.judge(
                    item,
                    &Asked {
                        requests: amounts(resources.requests()),
                        limits: amounts(resources.limits()),
                    },
                );
            }
        }
        "Pod" => violations.judge(
            item,
            &Asked {
                requests: of_pod(spec, ResourceRequirements::requests),
                limits: of_pod(spec, ResourceRequirements::limits),
            },
        ),
        _ => {}
    }
}

fn judge_claim(violations: &mut Violations, item: LimitRangeItem<'_>, claim: &Tree) {
    if item.type_() == "PersistentVolumeClaim" {
        let spec = PersistentVolumeClaim::of(claim).spec();
        violations.judge_requests(item, &amounts(spec.resources().requests()));
    }
}

fn amounts(map: MapRef<'_, api::Quantity>) -> Amounts {
    map.iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .collect()
}

/// What the containers come to; of CPU and memory the pod's own figures, where it has some. (No overhead counts here.)
fn of_pod<'a>(
    spec: PodSpec<'a>,
    of: fn(ResourceRequirements<'a>) -> MapRef<'a, api::Quantity>,
) -> Amounts {
    let mut all = aggregate::of_containers(spec, of);
    let own = spec.resources().map(of).into_iter().flatten();
    all.extend(
        own.filter(|(name, _)| matches!(*name, "cpu" | "memory"))
            .map(|(name, amount)| (name.to_owned(), amount)),
    );
    all
}
