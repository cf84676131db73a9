//! How the views' names are made from JSON's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../build/names.rs"]
mod names;

use names::{constant, method, place, snake};

#[test]
fn words_are_found_in_camel_case() {
    for (json, rust) in [
        ("nodeName", "node_name"),
        ("hostIPs", "host_ips"),
        ("podCIDRs", "pod_cidrs"),
        ("setHostnameAsFQDN", "set_hostname_as_fqdn"),
        ("nonResourceURLs", "non_resource_urls"),
        ("fieldsV1", "fields_v1"),
        ("openAPIV3Schema", "open_api_v3_schema"),
        ("clientCIDR", "client_cidr"),
        ("insecureSkipTLSVerify", "insecure_skip_tls_verify"),
        ("x-kubernetes-list-type", "x_kubernetes_list_type"),
        ("$ref", "ref"),
    ] {
        assert_eq!(snake(json), rust);
    }
}

#[test]
fn keywords_and_the_type_id_are_kept_clear_of() {
    assert_eq!(
        (method("type"), method("ref"), method("name")),
        ("type_".into(), "ref_".into(), "name".into())
    );
    assert_eq!(
        (constant("type"), constant("node_name")),
        ("TYPE_".into(), "NODE_NAME".into())
    );
}

#[test]
fn modules_are_called_after_groups() {
    assert_eq!(place("core/v1.Pod"), ("core", "v1", "Pod"));
    assert_eq!(
        place("rbac.authorization.k8s.io/v1.Role"),
        ("rbac", "v1", "Role")
    );
    assert_eq!(
        place("internal.apiserver.k8s.io/v1alpha1.StorageVersion"),
        ("apiserverinternal", "v1alpha1", "StorageVersion")
    );
}
