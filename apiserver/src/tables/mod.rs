//! Tables: what `kubectl get` shows of each kind. The columns stand in the table of kinds; here are the cells, one file a group.
//!
//! Everything is a function of the object and the present time. All columns are filled: which of them are shown is the
//! client's choice (`-o wide`). This module must not know how tables are asked for or written.

mod admissionregistration;
mod age;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod certificates;
mod coordination;
mod core;
mod discovery;
mod events;
mod flowcontrol;
mod networking;
mod node;
mod pod;
mod policy;
mod rbac;
mod resource;
mod scheduling;
mod storage;
mod storagemigration;
mod text;
mod volumes;

use std::sync::Arc;

use api::Tree;
use api::kinds::Resource;
use serde_json::Value;

use crate::codec::table::{Column, RowCondition, TableRenderer};
use age::Now;

/// The cells of one object.
type Cells = fn(&Tree, Now) -> Vec<Value>;

macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(::serde_json::Value::from($cell)),*] };
}
use cells;

/// How objects of a built-in resource stand in a table; `None` for those that have no columns of their own.
pub fn renderer(resource: &Resource) -> Option<Arc<dyn TableRenderer>> {
    let cells = cells_of(&resource.group, &resource.version, &resource.name)?;
    let columns = resource.columns.iter().map(|column| Column {
        name: column.name.clone(),
        kind: column.kind.clone(),
        format: column.format.clone(),
        description: String::new(),
        priority: column.priority,
    });
    let conditions =
        (resource.group.is_empty() && resource.name == "pods").then_some(pod::condition as _);
    Some(Arc::new(Printer {
        columns: columns.collect(),
        cells,
        conditions,
    }))
}

struct Printer {
    columns: Vec<Column>,
    cells: Cells,
    conditions: Option<fn(&Tree) -> Option<RowCondition>>,
}

impl TableRenderer for Printer {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn cells(&self, object: &Tree, now: i64) -> Vec<Value> {
        (self.cells)(object, Now(now))
    }

    fn condition(&self, object: &Tree) -> Option<RowCondition> {
        self.conditions.and_then(|of| of(object))
    }
}

fn cells_of(group: &str, version: &str, resource: &str) -> Option<Cells> {
    Some(match (group, resource) {
        ("", "componentstatuses") => core::component_status,
        ("", "configmaps") => core::config_map,
        ("", "endpoints") => core::endpoints,
        ("", "events") => events::core_event,
        ("", "namespaces") => core::namespace,
        ("", "nodes") => core::node,
        ("", "persistentvolumeclaims") => volumes::claim,
        ("", "persistentvolumes") => volumes::volume,
        ("", "pods") => pod::pod,
        ("", "podtemplates") => core::pod_template,
        ("", "replicationcontrollers") => core::replication_controller,
        ("", "resourcequotas") => core::resource_quota,
        ("", "secrets") => core::secret,
        ("", "serviceaccounts") => name_and_age,
        ("", "services") => core::service,
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => {
            admissionregistration::mutating_policy
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings") => {
            admissionregistration::mutating_policy_binding
        }
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations") => {
            admissionregistration::mutating_webhook
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => {
            admissionregistration::validating_policy
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => {
            admissionregistration::validating_policy_binding
        }
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations") => {
            admissionregistration::validating_webhook
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => apiextensions::definition,
        ("apiregistration.k8s.io", "apiservices") => apiregistration::api_service,
        ("apps", "controllerrevisions") => apps::controller_revision,
        ("apps", "daemonsets") => apps::daemon_set,
        ("apps", "deployments") => apps::deployment,
        ("apps", "replicasets") => apps::replica_set,
        ("apps", "statefulsets") => apps::stateful_set,
        ("autoscaling", "horizontalpodautoscalers") if version == "v1" => autoscaling::v1,
        ("autoscaling", "horizontalpodautoscalers") => autoscaling::v2,
        ("batch", "cronjobs") => batch::cron_job,
        ("batch", "jobs") => batch::job,
        ("certificates.k8s.io", "certificatesigningrequests") => certificates::signing_request,
        ("certificates.k8s.io", "clustertrustbundles") => certificates::trust_bundle,
        ("certificates.k8s.io", "podcertificaterequests") => certificates::pod_request,
        ("coordination.k8s.io", "leases") => coordination::lease,
        ("discovery.k8s.io", "endpointslices") => discovery::endpoint_slice,
        ("events.k8s.io", "events") => events::event,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => flowcontrol::flow_schema,
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => {
            flowcontrol::priority_level
        }
        ("networking.k8s.io", "ingressclasses") => networking::ingress_class,
        ("networking.k8s.io", "ingresses") => networking::ingress,
        ("networking.k8s.io", "ipaddresses") => networking::ip_address,
        ("networking.k8s.io", "networkpolicies") => networking::network_policy,
        ("networking.k8s.io", "servicecidrs") => networking::service_cidr,
        ("node.k8s.io", "runtimeclasses") => node::runtime_class,
        ("policy", "poddisruptionbudgets") => policy::disruption_budget,
        ("rbac.authorization.k8s.io", "clusterrolebindings") => rbac::cluster_role_binding,
        ("rbac.authorization.k8s.io", "rolebindings") => rbac::role_binding,
        ("resource.k8s.io", "deviceclasses" | "resourceclaimtemplates") => name_and_age,
        ("resource.k8s.io", "devicetaintrules") => resource::taint_rule,
        ("resource.k8s.io", "resourceclaims") => resource::claim,
        ("resource.k8s.io", "resourceslices") => resource::slice,
        ("scheduling.k8s.io", "priorityclasses") => scheduling::priority_class,
        ("storage.k8s.io", "csidrivers") => storage::driver,
        ("storage.k8s.io", "csinodes") => storage::node,
        ("storage.k8s.io", "storageclasses") => storage::class,
        ("storage.k8s.io", "volumeattachments") => storage::attachment,
        ("storage.k8s.io", "volumeattributesclasses") => storage::attributes_class,
        ("storagemigration.k8s.io", "storageversionmigrations") => storagemigration::migration,
        _ => return None,
    })
}

/// For kinds of which nothing else is shown.
fn name_and_age(object: &Tree, now: Now) -> Vec<Value> {
    let meta = api::view::metadata(object);
    cells![meta.name(), now.since(meta.creation_timestamp())]
}

#[cfg(test)]
mod tests {
    use api::kinds::Kinds;

    use super::*;

    #[test]
    fn every_kind_with_columns_of_its_own_has_cells_for_all_of_them() {
        for resource in Kinds::builtin()
            .resources()
            .iter()
            .filter(|r| !r.columns.is_empty())
        {
            let path = format!("{}/{}/{}", resource.group, resource.version, resource.name);
            let by_default = resource
                .columns
                .iter()
                .map(|c| c.name.as_str())
                .eq(["Name", "Created At"]);
            let Some(renderer) = renderer(resource) else {
                assert!(by_default, "{path}");
                continue;
            };
            let cells = renderer.cells(&Tree::new(resource.type_id), 0);
            // Upstream's rows of this kind have an age that its columns lack.
            let extra = usize::from(resource.name == "ipaddresses");
            assert_eq!(cells.len(), resource.columns.len() + extra, "{path}");
        }
    }
}
