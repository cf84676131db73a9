//! The corpus that is written by hand, sent to upstream's API server and to ours: `hack/differential` says in which fields they
//! differ.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::Command;

use e2e::cluster::binary;

/// How much agrees today, in percent, of the corpus and of the changed objects: it may not become less.
const SEQUENCES: &str = "99.6";
const CHANGED: &str = "99.5";
const PROTOBUF: &str = "99.5";

/// The kinds that have rules of their own.
const KINDS: &str = "ConfigMap,Secret,ServiceAccount,Namespace,Node,Pod,PodTemplate,Service,LimitRange,ResourceQuota,\
    Lease,PriorityClass,PodDisruptionBudget,ControllerRevision,ReplicationController,ReplicaSet,Deployment,\
    DaemonSet,StatefulSet,Job,CronJob,ValidatingAdmissionPolicy,ValidatingAdmissionPolicyBinding,\
    MutatingAdmissionPolicy,MutatingAdmissionPolicyBinding,MutatingWebhookConfiguration,\
    ValidatingWebhookConfiguration,PersistentVolume,PersistentVolumeClaim,StorageClass,VolumeAttributesClass,\
    VolumeAttachment,CSIDriver,CSINode,CSIStorageCapacity,RuntimeClass,Ingress,IngressClass,NetworkPolicy,IPAddress,\
    ServiceCIDR,EndpointSlice,Endpoints,Event,HorizontalPodAutoscaler,FlowSchema,PriorityLevelConfiguration,\
    StorageVersionMigration,APIService,ClusterTrustBundle,PodCertificateRequest,CertificateSigningRequest,Role,ClusterRole,RoleBinding,\
    ClusterRoleBinding";

#[test]
fn sequences_by_hand_are_answered_as_upstream_answers() {
    run(&[
        "objects",
        "patches",
        "apply",
        "lists",
        "workloads",
        "jobs",
        "access",
        "conformance",
        "protobuf-by-hand",
        "resize",
        "policies",
        "expressions",
        "warnings",
        "--wanted",
        SEQUENCES,
    ]);
}

#[test]
fn changed_objects_are_answered_as_upstream_answers() {
    run(&["changed", "--kinds", KINDS, "--wanted", CHANGED]);
}

#[test]
fn changed_objects_in_protobuf_are_answered_as_upstream_answers() {
    run(&["protobuf", "--kinds", KINDS, "--wanted", PROTOBUF]);
}

fn run(arguments: &[&str]) {
    let output = Command::new(binary("differential"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}
