//! Values of a pod's own fields: what `fieldRef` and `resourceFieldRef` give.

use api::core::v1::{Container, Pod, ResourceFieldSelector};
use api::{Quantity, view::MapRef};

/// What is known of the pod beside its object.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The node's address.
    pub host_ip: String,
    /// The pod's address; empty until it has one.
    pub pod_ip: String,
    /// What the node can give: millicores and bytes.
    pub allocatable_cpu_millis: i64,
    /// Bytes.
    pub allocatable_memory: i64,
    /// The time.
    pub now: jiff::Timestamp,
}

/// The value of a `fieldRef`.
pub fn field(pod: Pod<'_>, path: &str, facts: &Facts) -> Result<String, String> {
    let (metadata, spec) = (pod.metadata(), pod.spec());
    let subscript = |prefix: &str| {
        path.strip_prefix(prefix)?
            .strip_prefix("['")?
            .strip_suffix("']")
    };
    if let Some(key) = subscript("metadata.labels") {
        return Ok(metadata.labels().get(key).unwrap_or_default().to_owned());
    }
    if let Some(key) = subscript("metadata.annotations") {
        return Ok(metadata
            .annotations()
            .get(key)
            .unwrap_or_default()
            .to_owned());
    }
    Ok(match path {
        "metadata.name" => metadata.name().to_owned(),
        "metadata.namespace" => metadata.namespace().to_owned(),
        "metadata.uid" => metadata.uid().to_owned(),
        "metadata.labels" => lines(metadata.labels()),
        "metadata.annotations" => lines(metadata.annotations()),
        "spec.nodeName" => spec.node_name().to_owned(),
        "spec.serviceAccountName" => spec.service_account_name().to_owned(),
        "status.hostIP" | "status.hostIPs" => facts.host_ip.clone(),
        "status.podIP" | "status.podIPs" => facts.pod_ip.clone(),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// `key="value"` lines, as in a downward API file.
fn lines(map: MapRef<'_, str>) -> String {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort();
    let lines: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

/// The value of a `resourceFieldRef` for this container.
pub fn resource(
    container: Container<'_>,
    selector: ResourceFieldSelector<'_>,
    facts: &Facts,
) -> Result<String, String> {
    let name = selector.resource();
    let (kind, what) = name
        .split_once('.')
        .ok_or_else(|| format!("unsupported container resource : {name}"))?;
    let resources = container.resources();
    let chosen: Option<Quantity> = match kind {
        "limits" => resources.limits().get(what),
        "requests" => resources.requests().get(what),
        _ => return Err(format!("unsupported container resource : {name}")),
    };
    let divisor = selector.divisor();
    let up = |value: i128, divisor: i128| (value + divisor - 1).div_euclid(divisor);
    let value = match what {
        "cpu" => {
            // A limit that is not set is what the node can give.
            let millis = chosen
                .map(Quantity::milli_value)
                .unwrap_or(if kind == "limits" {
                    facts.allocatable_cpu_millis
                } else {
                    0
                });
            let divisor = if divisor.is_zero() {
                1000
            } else {
                divisor.milli_value()
            };
            up(i128::from(millis), i128::from(divisor.max(1)))
        }
        "memory" | "ephemeral-storage" => {
            let bytes =
                chosen
                    .map(Quantity::value)
                    .unwrap_or(if kind == "limits" && what == "memory" {
                        facts.allocatable_memory
                    } else {
                        0
                    });
            let divisor = if divisor.is_zero() {
                1
            } else {
                divisor.value()
            };
            up(i128::from(bytes), i128::from(divisor.max(1)))
        }
        _ => return Err(format!("unsupported container resource : {name}")),
    };
    Ok(value.to_string())
}
