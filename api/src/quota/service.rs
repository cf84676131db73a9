//! What Services use.

use super::one;
use crate::aggregate::Amounts;
use crate::core::v1::Service;
use crate::quantity::Format;
use crate::{Quantity, Tree};

pub(super) const NAMES: &[&str] = &[
    "count/services",
    "services",
    "services.nodeports",
    "services.loadbalancers",
];

pub(super) fn usage(object: &Tree) -> Amounts {
    let spec = Service::of(object).spec();
    let is_balancer = spec.type_() == "LoadBalancer";
    // Ports are not allocated yet when a Service is made: its intention counts.
    let ports = match spec.type_() {
        "NodePort" => spec.ports().len(),
        "LoadBalancer" if spec.allocate_load_balancer_node_ports() == Some(false) => {
            spec.ports().iter().filter(|p| p.node_port() != 0).count()
        }
        "LoadBalancer" => spec.ports().len(),
        _ => 0,
    };
    let count = |n: usize| Quantity::from_units(n as i64, Format::DecimalSI);
    [
        ("count/services", one()),
        ("services", one()),
        ("services.nodeports", count(ports)),
        ("services.loadbalancers", count(usize::from(is_balancer))),
    ]
    .into_iter()
    .map(|(name, amount)| (name.to_owned(), amount))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{self, Strict};
    use crate::schema::Schema;

    #[test]
    fn ports_count_where_the_type_wants_them() {
        for (spec, ports, balancers) in [
            (r#""type":"ClusterIP","ports":[{"port":1}]"#, "0", "0"),
            (
                r#""type":"NodePort","ports":[{"port":1},{"port":2}]"#,
                "2",
                "0",
            ),
            (r#""type":"LoadBalancer","ports":[{"port":1}]"#, "1", "1"),
            (
                r#""type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":1},{"port":2,"nodePort":30000}]"#,
                "1",
                "1",
            ),
        ] {
            let text = format!(r#"{{"spec":{{{spec}}}}}"#);
            let schema = Schema::builtin();
            let tree = json::decode(schema, Service::TYPE, text, &mut Strict::new()).unwrap();
            let usage = usage(&tree);
            assert_eq!(usage["services.nodeports"].to_string(), ports, "{spec}");
            assert_eq!(usage["services.loadbalancers"].to_string(), balancers);
            assert_eq!(usage["services"].to_string(), "1");
        }
    }
}
