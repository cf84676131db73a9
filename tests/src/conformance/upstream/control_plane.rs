//! The commands of upstream's API server, controllers and scheduler, on the first host.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::super::hosts::HOSTS;
use super::{PORT, SERVICE_CIDR};
use crate::pki::Pki;
use crate::upstream::binary;

/// The one whom extension servers believe what they are told of users.
const FRONT_PROXY: &str = "front-proxy-client";

/// The API server on an etcd at `etcd`. Makes the certificates that it needs.
pub fn apiserver(pki: &Pki, etcd: &str) -> io::Result<Command> {
    let address = HOSTS[0].address;
    pki.serving(
        "apiserver",
        &[address, "kubernetes.default.svc.cluster.local"],
    )?;
    pki.token_keys()?;
    pki.client("apiserver-kubelet", "kube-apiserver", &["system:masters"])?;
    // An authority of its own, so that no other client can speak for users.
    let front = pki.path("front-proxy");
    std::fs::create_dir_all(&front)?;
    let front = Pki::make(&front, "front-proxy")?;
    front.client(FRONT_PROXY, FRONT_PROXY, &[])?;

    let mut command = HOSTS[0].command(binary("kube-apiserver")?);
    command.args(["--etcd-servers", etcd]);
    command.args(["--bind-address", "0.0.0.0"]);
    command.args(["--advertise-address", address]);
    command.arg(format!("--secure-port={PORT}"));
    command.arg(format!("--service-cluster-ip-range={SERVICE_CIDR}"));
    command.args(["--authorization-mode", "Node,RBAC"]);
    command.args(["--enable-admission-plugins", "NodeRestriction"]);
    command.arg("--allow-privileged=true");
    command.args(["--kubelet-preferred-address-types", "InternalIP"]);
    command.args([
        "--service-account-issuer",
        "https://kubernetes.default.svc.cluster.local",
    ]);
    command.args(["--requestheader-allowed-names", FRONT_PROXY]);
    command.args(["--requestheader-username-headers", "X-Remote-User"]);
    command.args(["--requestheader-group-headers", "X-Remote-Group"]);
    command.args(["--requestheader-extra-headers-prefix", "X-Remote-Extra-"]);
    let files: [(&str, PathBuf); 10] = [
        ("--client-ca-file", pki.path("ca.crt")),
        ("--tls-cert-file", pki.path("apiserver.crt")),
        ("--tls-private-key-file", pki.path("apiserver.key")),
        ("--service-account-key-file", pki.path("sa.pub")),
        ("--service-account-signing-key-file", pki.path("sa.key")),
        (
            "--kubelet-client-certificate",
            pki.path("apiserver-kubelet.crt"),
        ),
        ("--kubelet-client-key", pki.path("apiserver-kubelet.key")),
        ("--requestheader-client-ca-file", front.path("ca.crt")),
        (
            "--proxy-client-cert-file",
            front.path(&format!("{FRONT_PROXY}.crt")),
        ),
        (
            "--proxy-client-key-file",
            front.path(&format!("{FRONT_PROXY}.key")),
        ),
    ];
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    Ok(command)
}

/// The controllers.
pub fn controllers(pki: &Pki, url: &str) -> io::Result<Command> {
    let mut command = component("kube-controller-manager", pki, url)?;
    command.arg("--use-service-account-credentials=true");
    command.arg(format!("--service-cluster-ip-range={SERVICE_CIDR}"));
    for (flag, file) in [
        ("--service-account-private-key-file", "sa.key"),
        ("--root-ca-file", "ca.crt"),
        ("--cluster-signing-cert-file", "ca.crt"),
        ("--cluster-signing-key-file", "ca.key"),
    ] {
        command.arg(flag).arg(pki.path(file));
    }
    Ok(command)
}

/// The scheduler.
pub fn scheduler(pki: &Pki, url: &str) -> io::Result<Command> {
    component("kube-scheduler", pki, url)
}

/// What both have in common: there is one of each, and it is asked for nothing from outside.
fn component(name: &str, pki: &Pki, url: &str) -> io::Result<Command> {
    pki.client(name, &format!("system:{name}"), &[])?;
    let config = pki.kubeconfig(name, url)?;
    let mut command = HOSTS[0].command(binary(name)?);
    for flag in [
        "--kubeconfig",
        "--authentication-kubeconfig",
        "--authorization-kubeconfig",
    ] {
        command.arg(flag).arg(&config);
    }
    command.args(["--bind-address", "127.0.0.1"]);
    command.arg("--leader-elect=false");
    Ok(command)
}
