//! Which container of a pod is meant, and which node it is on.

use api::Tree;
use api::core::v1::Pod;

use crate::codec::object::decode;
use crate::registry::{Api, Call};
use crate::status::Status;

/// Which container is meant: the one that is named, or the only one.
pub(super) fn container(pod: &Tree, wanted: &str) -> Result<String, Status> {
    let pod = Pod::of(pod);
    let (spec, name) = (pod.spec(), pod.metadata().name());
    let all = || {
        let init = spec.init_containers().iter().map(|c| c.name());
        let main = spec.containers().iter().map(|c| c.name());
        init.chain(main)
            .chain(spec.ephemeral_containers().iter().map(|c| c.name()))
    };
    if !wanted.is_empty() {
        return match all().any(|c| c == wanted) {
            true => Ok(wanted.to_owned()),
            false => Err(Status::bad_request(format!(
                "container {wanted} is not valid for pod {name}"
            ))),
        };
    }
    let mut main = spec.containers().iter();
    match (main.next(), main.next()) {
        (Some(only), None) => Ok(only.name().to_owned()),
        (None, _) => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}"
        ))),
        _ => {
            let all: Vec<&str> = all().collect();
            let all = all.join(" ");
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{all}]"
            )))
        }
    }
}

/// The node of this name.
pub(super) fn find_node(api: &Api, call: &Call<'_>, name: &str) -> Result<Tree, Status> {
    let kinds = api.kinds();
    let nodes = kinds
        .get("", "v1", "nodes")
        .ok_or_else(Status::unknown_resource)?;
    // Upstream says of a node that is gone that it is no pod.
    let node = api
        .current(nodes, name)
        .ok_or_else(|| Status::not_found(call.kind.qualified(), name))?;
    Ok(decode(&nodes.codec, &node)?)
}
