//! PodResizeValidator: a pod that is on a node is resized only as far as the node could ever carry.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podresizevalidator>

use api::aggregate::Amounts;
use api::core::v1::{Node, Pod};
use api::view::MapRef;
use api::{Quantity, Tree, quota};
use async_trait::async_trait;

use super::{Attributes, Lookup, Operation, Validate};
use crate::registry::meta;
use crate::status::{Cause, Status};

const OS_LABEL: &str = "kubernetes.io/os";

/// See the module.
pub struct PodResizeValidator {
    lookup: Lookup,
}

impl PodResizeValidator {
    /// A step that reads nodes by `lookup`.
    pub fn new(lookup: Lookup) -> PodResizeValidator {
        PodResizeValidator { lookup }
    }
}

#[async_trait]
impl Validate for PodResizeValidator {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Update && a.subresource == "resize" && a.kind.is("", "pods")
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let (Some(tree), Some(old)) = (new, old) else {
            return Ok(());
        };
        let spec = Pod::of(tree).spec();
        let name = spec.node_name();
        // The generation grows with what is wanted: the same one asks for nothing new.
        if name.is_empty() || meta::of(tree).generation() == meta::of(old).generation() {
            return Ok(());
        }
        let node = self.lookup.get_fresh("minions/", name, Node::TYPE).await;
        let Some(node) = node else {
            return Err(a.forbidden(new, format!("node {name:?} not found")));
        };
        let node = Node::of(&node);
        let os = node.metadata().labels().get(OS_LABEL);
        if let Some(os) = os.filter(|os| *os != "linux") {
            let why =
                format!("pod resize is only supported on linux nodes, node {name:?} is {os:?}");
            return Err(caused(a.forbidden(new, why), "UnsupportedPlatform"));
        }
        match lacking(&quota::spec_requests(spec), node.status().allocatable()) {
            Some(why) => Err(caused(a.forbidden(new, why), "NodeCapacity")),
            None => Ok(()),
        }
    }
}

fn caused(status: Status, reason: &str) -> Status {
    status.with_cause(Cause {
        reason: reason.to_owned(),
        message: String::new(),
        field: String::new(),
    })
}

/// What the node has not enough of, were there no other pod.
fn lacking(requests: &Amounts, allocatable: MapRef<'_, Quantity>) -> Option<String> {
    let of = |name| {
        let request = requests.get(name).copied().unwrap_or_default();
        let there = allocatable.get(name).unwrap_or_default();
        (request > there).then_some((request, there))
    };
    let cpu = of("cpu").map(|(request, there)| {
        let (request, there) = (request.milli_value(), there.milli_value());
        format!("cpu, requested: {request}, allocatable: {there}")
    });
    let memory = of("memory").map(|(request, there)| {
        let (request, there) = (request.value(), there.value());
        format!("memory, requested: {request}, allocatable: {there}")
    });
    let all: Vec<String> = cpu.into_iter().chain(memory).collect();
    (!all.is_empty()).then(|| {
        let all = all.join("; ");
        format!("node didn't have enough allocatable resources: {all}")
    })
}
