//! Warnings: what upstream lets pass and advises against, in its words, for the `Warning` headers of the answer.
//!
//! Looks at valid objects whose defaults are filled in. What needs to read certificates (TLS Secrets) is the API server's. Facts:
//! upstream's `WarningsOnCreate` and `WarningsOnUpdate` in `pkg/registry`.

mod address;
mod cluster;
mod containers;
mod labels;
mod network;
mod overlap;
mod pod;
mod quota;
mod webhooks;

use crate::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use crate::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use crate::batch::v1::{CronJob, Job, JobSpec};
use crate::core::v1::{
    Endpoints, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate,
    ReplicationController, ResourceQuota, Service, ServiceAccount,
};
use crate::discovery::v1::EndpointSlice;
use crate::field::Path;
use crate::networking::v1::{Ingress, NetworkPolicy};
use crate::node::v1::RuntimeClass;
use crate::schema::TypeId;
use crate::storage::v1::{CSIDriver, CSIStorageCapacity, StorageClass};
use crate::tree::Tree;
use crate::validation::dns_label;
use crate::view;

/// What is collected.
type Warnings = Vec<String>;

/// What a new object gets.
pub fn create(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    if tree.type_id() == Pod::TYPE {
        recommend_label(&mut out, tree, "the Pod's hostname");
        pod::pod(&mut out, Pod::of(tree));
    } else {
        if HOSTNAMES.contains(&tree.type_id()) {
            recommend_label(&mut out, tree, "Pod names and hostnames");
        }
        templates(&mut out, tree);
        of(&mut out, tree);
        match tree.type_id() {
            Ingress::TYPE => network::ingress(&mut out, Ingress::of(tree)),
            EndpointSlice::TYPE => network::address_type(&mut out, EndpointSlice::of(tree)),
            ServiceAccount::TYPE => {
                cluster::service_account(&mut out, ServiceAccount::of(tree), None);
            }
            StatefulSet::TYPE => cluster::stateful_set(&mut out, StatefulSet::of(tree), None),
            ResourceQuota::TYPE => quota::resource_quota(&mut out, ResourceQuota::of(tree)),
            CSIDriver::TYPE => cluster::driver(&mut out, CSIDriver::of(tree), None),
            _ => {}
        }
    }
    out
}

/// What an object gets that changes from `old` to `new`, itself (`subresource` is "") or through a subresource.
pub fn update(subresource: &str, new: &Tree, old: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    match subresource {
        "" => {
            // The template is looked at again only when something has changed.
            let generation = |tree| view::metadata(tree).generation();
            if generation(new) != generation(old) {
                templates(&mut out, new);
            }
            of(&mut out, new);
            match new.type_id() {
                StatefulSet::TYPE => {
                    cluster::stateful_set(&mut out, StatefulSet::of(new), Some("Spec"));
                }
                CronJob::TYPE => cluster::schedule(&mut out, CronJob::of(new)),
                ServiceAccount::TYPE => {
                    let old = Some(ServiceAccount::of(old));
                    cluster::service_account(&mut out, ServiceAccount::of(new), old);
                }
                CSIDriver::TYPE => {
                    cluster::driver(&mut out, CSIDriver::of(new), Some(CSIDriver::of(old)));
                }
                _ => {}
            }
        }
        "status" if new.type_id() == Pod::TYPE => network::pod_status(&mut out, Pod::of(new)),
        "status" if new.type_id() == Service::TYPE => {
            network::service_status(&mut out, Service::of(new));
        }
        "status" if new.type_id() == Ingress::TYPE => {
            network::ingress_status(&mut out, Ingress::of(new));
        }
        _ => {}
    }
    out
}

/// Kinds whose names become those of pods and hosts.
const HOSTNAMES: &[TypeId] = &[
    Deployment::TYPE,
    ReplicaSet::TYPE,
    ReplicationController::TYPE,
    Job::TYPE,
    CronJob::TYPE,
];

fn recommend_label(out: &mut Warnings, tree: &Tree, used: &str) {
    let messages = dns_label(view::metadata(tree).name());
    if !messages.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            messages.join(" ")
        ));
    }
}

/// The pods that an object makes.
fn templates(out: &mut Warnings, tree: &Tree) {
    let (template, spec) = (Path::new("spec.template"), Path::new("spec"));
    match tree.type_id() {
        Deployment::TYPE => {
            pod::template(out, &template, Deployment::of(tree).spec().template());
        }
        ReplicaSet::TYPE => pod::template(out, &template, ReplicaSet::of(tree).spec().template()),
        DaemonSet::TYPE => pod::template(out, &template, DaemonSet::of(tree).spec().template()),
        StatefulSet::TYPE => {
            pod::template(out, &template, StatefulSet::of(tree).spec().template());
        }
        ReplicationController::TYPE => {
            if let Some(of) = ReplicationController::of(tree).spec().template() {
                pod::template(out, &template, of);
            }
        }
        PodTemplate::TYPE => {
            pod::template(
                out,
                &Path::new("template"),
                PodTemplate::of(tree).template(),
            );
        }
        Job::TYPE => job(out, &spec, Job::of(tree).spec()),
        CronJob::TYPE => {
            let job_spec = CronJob::of(tree).spec().job_template().spec();
            job(out, &Path::new("spec.jobTemplate.spec"), job_spec);
        }
        _ => {}
    }
}

/// More completions than this at once with more pods than the next: upstream loses count when many fail.
const COMPLETIONS: i32 = 100_000;
const PARALLELISM: i32 = 10_000;

fn job(out: &mut Warnings, path: &Path<'_>, spec: JobSpec<'_>) {
    if spec.completion_mode() == Some("Indexed")
        && spec.completions().is_some_and(|n| n > COMPLETIONS)
        && spec.parallelism().is_some_and(|n| n > PARALLELISM)
    {
        out.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes \
             might not be able to track completedIndexes when a big number of indexes fail"
        ));
    }
    pod::template(out, &path.child("template"), spec.template());
}

/// What an object gets whenever it is written.
fn of(out: &mut Warnings, tree: &Tree) {
    match tree.type_id() {
        Service::TYPE => network::service(out, Service::of(tree)),
        Endpoints::TYPE => network::endpoints(out, Endpoints::of(tree)),
        EndpointSlice::TYPE => network::endpoint_slice(out, EndpointSlice::of(tree)),
        NetworkPolicy::TYPE => network::policy(out, NetworkPolicy::of(tree)),
        Node::TYPE => cluster::node(out, Node::of(tree)),
        PersistentVolume::TYPE => cluster::volume(out, PersistentVolume::of(tree)),
        PersistentVolumeClaim::TYPE => cluster::claim(out, PersistentVolumeClaim::of(tree)),
        StorageClass::TYPE => cluster::storage_class(out, StorageClass::of(tree)),
        CSIStorageCapacity::TYPE => cluster::capacity(out, CSIStorageCapacity::of(tree)),
        RuntimeClass::TYPE => cluster::runtime_class(out, RuntimeClass::of(tree)),
        ValidatingWebhookConfiguration::TYPE => {
            webhooks::validating(out, ValidatingWebhookConfiguration::of(tree));
        }
        MutatingWebhookConfiguration::TYPE => {
            webhooks::mutating(out, MutatingWebhookConfiguration::of(tree));
        }
        _ => {}
    }
}
