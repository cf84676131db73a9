//! Whether a pod that was bound to this node can run here beside those that are here already. Who binds without a scheduler, or
//! two schedulers at once, may send what does not fit. Pure; upstream: `pkg/kubelet/lifecycle/predicate.go`.

use std::collections::HashSet;
use std::sync::Arc;

use api::aggregate::Amounts;
use api::core::v1::{Node, Pod, Taint, Toleration};
use api::node_affinity::RequiredNodeAffinity;
use api::tree::Tree;
use api::{Quantity, quota};

use super::status::{is_over, is_sidecar};

/// Why a pod is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    /// In one word, as a pod's status and events tell it.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

/// What nodes tell of resources of their own name, beside those that drivers add.
const NATIVE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const ANY: &str = "0.0.0.0";

impl Rejection {
    fn of_predicate(name: &str, why: &str) -> Rejection {
        Rejection {
            reason: name.to_owned(),
            message: format!("Predicate {name} failed: {why}"),
        }
    }

    fn out_of(name: &str, requested: i64, used: i64, capacity: i64) -> Rejection {
        Rejection {
            reason: format!("OutOf{name}"),
            message: format!(
                "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
            ),
        }
    }
}

/// A pod that is on the node already.
pub(super) struct Here {
    /// The pod.
    pub pod: Arc<Tree>,
    /// What it was granted; `None`: what it asks for.
    pub granted: Option<Amounts>,
}

/// Judges `pod`, which is new on `node`, where `here` are.
///
/// # Errors
/// The first reason that it cannot run, in upstream's order.
pub(super) fn judge(pod: Pod<'_>, node: Node<'_>, here: &[Here]) -> Result<(), Rejection> {
    let here: Vec<&Here> = here
        .iter()
        .filter(|here| !is_over(Pod::of(&here.pod)))
        .collect();
    let os = "kubernetes.io/os";
    if (pod.metadata().labels().get(os)).is_some_and(|wanted| wanted != "linux") {
        return Err(Rejection {
            reason: "PodOSSelectorNodeLabelDoesNotMatch".to_owned(),
            message: format!("Failed to admit pod as the `{os}` label doesn't match node label"),
        });
    }
    let granted: Vec<Amounts> = here
        .iter()
        .map(|here| match &here.granted {
            Some(granted) => granted.clone(),
            None => quota::pod_requests(Pod::of(&here.pod)),
        })
        .collect();
    resources(
        &quota::pod_requests(pod),
        node,
        &granted.iter().collect::<Vec<_>>(),
    )?;
    let labels = node.metadata().labels();
    let required = RequiredNodeAffinity::read(pod.spec());
    if !required.matches(node.metadata().name(), |key| labels.get(key)) {
        let why = "node(s) didn't match Pod's node affinity/selector";
        return Err(Rejection::of_predicate("NodeAffinity", why));
    }
    let taken: HashSet<Port<'_>> = here
        .iter()
        .flat_map(|here| ports(Pod::of(&here.pod)))
        .collect();
    if ports(pod).any(|port| port.is_taken(&taken)) {
        let why = "node(s) didn't have free ports for the requested pod ports";
        return Err(Rejection::of_predicate("NodePorts", why));
    }
    let untolerated = node.spec().taints().iter().find(|taint| {
        let mut tolerations = pod.spec().tolerations().iter();
        taint.effect() == "NoExecute" && !tolerations.any(|t| tolerates(t, *taint))
    });
    match untolerated {
        Some(_) => {
            let why = "node(s) had taints that the pod didn't tolerate";
            Err(Rejection::of_predicate("TaintToleration", why))
        }
        None => Ok(()),
    }
}

/// Whether the node has so much beside what the pods that are `here` have.
///
/// # Errors
/// What it has not enough of.
pub(super) fn resources(
    asked: &Amounts,
    node: Node<'_>,
    here: &[&Amounts],
) -> Result<(), Rejection> {
    let allocatable = node.status().allocatable();
    if allocatable.is_empty() {
        // This node has not told yet what it has.
        return Ok(());
    }
    let of = |name: &str| allocatable.get(name).unwrap_or_default();
    let (pods, most) = (
        i64::try_from(here.len()).unwrap_or(i64::MAX),
        of("pods").value(),
    );
    if pods >= most {
        return Err(Rejection::out_of("pods", 1, pods, most));
    }
    let mut used = Amounts::new();
    for (name, amount) in here.iter().copied().flatten() {
        let sum = used.entry(name.clone()).or_default();
        *sum = sum.checked_add(*amount).unwrap_or(*sum);
    }
    // What no node tells of is not a node's to give: whoever does looks after it.
    let others = asked.keys().map(String::as_str);
    let others = others.filter(|name| !NATIVE.contains(name) && allocatable.get(name).is_some());
    for name in NATIVE.into_iter().chain(others) {
        let number = |amount: Quantity| match name {
            "cpu" => amount.milli_value(),
            _ => amount.value(),
        };
        let asked = asked.get(name).copied().map_or(0, number);
        let used = used.get(name).copied().map_or(0, number);
        let capacity = number(of(name));
        if asked > 0 && asked > capacity - used {
            return Err(Rejection::out_of(name, asked, used, capacity));
        }
    }
    Ok(())
}

/// A port of the host, at one of its addresses or at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Port<'a> {
    address: &'a str,
    protocol: &'a str,
    number: i32,
}

impl Port<'_> {
    fn is_taken(&self, taken: &HashSet<Port<'_>>) -> bool {
        taken.iter().any(|other| {
            (other.protocol, other.number) == (self.protocol, self.number)
                && (other.address == self.address || other.address == ANY || self.address == ANY)
        })
    }
}

/// The ports of the host that a pod takes.
fn ports(pod: Pod<'_>) -> impl Iterator<Item = Port<'_>> {
    let spec = pod.spec();
    let sidecars = (spec.init_containers().iter()).filter(|container| is_sidecar(*container));
    let all = spec.containers().iter().chain(sidecars);
    let ports = all.flat_map(|container| container.ports());
    ports.filter(|port| port.host_port() > 0).map(|port| Port {
        address: match port.host_ip() {
            "" => ANY,
            address => address,
        },
        protocol: port.protocol(),
        number: port.host_port(),
    })
}

/// Whether a toleration is of that taint (upstream: `Toleration.ToleratesTaint`).
fn tolerates(toleration: Toleration<'_>, taint: Taint<'_>) -> bool {
    let any_or = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
    any_or(toleration.effect(), taint.effect())
        && any_or(toleration.key(), taint.key())
        && match toleration.operator() {
            "" | "Equal" => toleration.value() == taint.value(),
            operator => operator == "Exists",
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{Strict, decode};
    use api::schema::Schema;
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Arc<Tree> {
        let text = json!({"spec": spec}).to_string();
        Arc::new(decode(Schema::builtin(), Pod::TYPE, text, &mut Strict::new()).unwrap())
    }

    fn judged(spec: Value, here: &[Value]) -> String {
        let node = json!({
            "metadata": {"name": "n1", "labels": {"disk": "ssd"}},
            "spec": {"taints": [{"key": "gone", "effect": "NoExecute"}, {"key": "full", "effect": "NoSchedule"}]},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3", "example.com/gpu": "1"}},
        });
        let node = decode(
            Schema::builtin(),
            Node::TYPE,
            node.to_string(),
            &mut Strict::new(),
        );
        let (node, pod) = (node.unwrap(), pod(spec));
        let here = here.iter().map(|spec| Here {
            pod: self::pod(spec.clone()),
            granted: None,
        });
        let here: Vec<Here> = here.collect();
        match judge(Pod::of(&pod), Node::of(&node), &here) {
            Ok(()) => String::new(),
            Err(rejection) => format!("{}: {}", rejection.reason, rejection.message),
        }
    }

    /// A pod that tolerates all, with these requests and one port of the host.
    fn asking(requests: Value, address: &str, port: i32) -> Value {
        json!({"tolerations": [{"operator": "Exists"}], "containers": [{
            "name": "c", "resources": {"requests": requests},
            "ports": [{"containerPort": 80, "hostPort": port, "hostIP": address, "protocol": "TCP"}],
        }]})
    }

    #[test]
    fn what_does_not_fit_is_rejected_with_numbers() {
        let asks = |requests| asking(requests, "", 0);
        let one = asks(json!({"cpu": "1500m"}));
        assert_eq!(
            judged(asks(json!({"cpu": "500m"})), std::slice::from_ref(&one)),
            ""
        );
        assert_eq!(
            judged(asks(json!({"cpu": "501m"})), std::slice::from_ref(&one)),
            "OutOfcpu: Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000"
        );
        assert_eq!(
            judged(asks(json!({"memory": "2Gi"})), &[]),
            "OutOfmemory: Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824"
        );
        let gpu = asks(json!({"example.com/gpu": "1"}));
        assert!(judged(gpu.clone(), &[gpu]).starts_with("OutOfexample.com/gpu: "));
        // Nobody's here: others see to it.
        assert_eq!(judged(asks(json!({"example.com/licence": "9"})), &[]), "");
        let none = asks(json!({}));
        assert_eq!(
            judged(none.clone(), &[none.clone(), none.clone(), none]),
            "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
        );
    }

    #[test]
    fn a_port_of_the_host_is_given_once_for_each_address() {
        let at = |address, port| asking(json!({}), address, port);
        let taken = |new: Value, old: Value| judged(new, &[old]).starts_with("NodePorts: ");
        assert!(taken(at("", 80), at("", 80)));
        assert!(taken(at("10.0.0.1", 80), at("", 80)));
        assert!(taken(at("", 80), at("10.0.0.1", 80)));
        assert!(!taken(at("10.0.0.2", 80), at("10.0.0.1", 80)));
        assert!(!taken(at("", 81), at("", 80)));
    }

    #[test]
    fn selectors_and_taints_that_end_pods_count_here_too() {
        let tolerant = json!([{"key": "gone", "operator": "Exists"}]);
        let pod = |selector: Value, tolerations: &Value| {
            judged(
                json!({"nodeSelector": selector, "tolerations": tolerations, "containers": [{"name": "c"}]}),
                &[],
            )
        };
        assert_eq!(pod(json!({"disk": "ssd"}), &tolerant), "");
        assert!(pod(json!({"disk": "hdd"}), &tolerant).starts_with("NodeAffinity: "));
        assert!(pod(json!({}), &json!([])).starts_with("TaintToleration: "));
    }

    #[test]
    fn who_has_ended_takes_no_room() {
        let ended = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
            "status": {"phase": "Succeeded"}});
        let ended = decode(
            Schema::builtin(),
            Pod::TYPE,
            ended.to_string(),
            &mut Strict::new(),
        );
        let node = json!({"status": {"allocatable": {"cpu": "2", "pods": "1"}}}).to_string();
        let node = decode(Schema::builtin(), Node::TYPE, node, &mut Strict::new()).unwrap();
        let new =
            pod(json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}));
        let here = [Here {
            pod: Arc::new(ended.unwrap()),
            granted: None,
        }];
        assert_eq!(judge(Pod::of(&new), Node::of(&node), &here), Ok(()));
    }
}
