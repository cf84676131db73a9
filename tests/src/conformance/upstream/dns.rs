//! The cluster's name server: CoreDNS on the first host, behind the Service that pods are told of.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::super::hosts::HOSTS;
use super::DNS;
use crate::pki::Pki;
use crate::upstream::{binary, kubectl};

const USER: &str = "system:coredns";

/// Its command; makes its account and its Service as `admin`, and writes what it needs below `directory`.
pub fn coredns(pki: &Pki, url: &str, admin: &Path, directory: &Path) -> io::Result<Command> {
    pki.client("coredns", USER, &[])?;
    let kubeconfig = pki.kubeconfig("coredns", url)?;
    let config = directory.join("Corefile");
    std::fs::write(&config, corefile(&kubeconfig))?;
    let objects = directory.join("coredns.json");
    std::fs::write(&objects, manifest().to_string())?;
    let objects = objects.display().to_string();
    kubectl(admin, &["create", "-f", &objects]).map_err(io::Error::other)?;
    let mut command = HOSTS[0].command(binary("coredns")?);
    command.arg("-conf").arg(config);
    Ok(command)
}

/// There is no other name server to ask: what is not of the cluster is refused at once.
fn corefile(kubeconfig: &Path) -> String {
    let (address, kubeconfig) = (HOSTS[0].address, kubeconfig.display());
    format!(
        r#".:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig "{kubeconfig}"
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    cache 30
    loadbalance
}}
"#
    )
}

/// It is no pod, so that its Service selects none and is told where it is.
fn manifest() -> Value {
    let named = |name: &str| json!({"name": name, "namespace": "kube-system"});
    let port = |name: &str, protocol: &str| json!({"name": name, "port": 53, "protocol": protocol});
    let ports = [port("dns", "UDP"), port("dns-tcp", "TCP")];
    let mut slice = named("kube-dns-host");
    slice["labels"] = json!({"kubernetes.io/service-name": "kube-dns"});
    let rule = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": USER},
            "rules": [rule("", &["services", "namespaces", "pods"]), rule("discovery.k8s.io", &["endpointslices"])],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": USER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": named("kube-dns"),
            "spec": {"clusterIP": DNS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
            "addressType": "IPv4", "ports": ports,
            "endpoints": [{"addresses": [HOSTS[0].address], "conditions": {"ready": true}}],
        },
    ]})
}
