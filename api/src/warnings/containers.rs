//! What containers say twice, or say in a way that was given up.

use std::collections::BTreeMap;

use super::{Warnings, cluster::whole_bytes};
use crate::core::v1::{
    AppArmorProfile, ContainerPort, EnvVar, PodSpec, ResourceRequirements, SeccompProfile,
};
use crate::field::Path;
use crate::view::{List, MapRef};

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// A container of any of the three lists.
struct Container<'a> {
    list: &'static str,
    at: usize,
    name: &'a str,
    seccomp: Option<SeccompProfile<'a>>,
    app_armor: Option<AppArmorProfile<'a>>,
    resources: ResourceRequirements<'a>,
    env: List<'a, EnvVar<'a>>,
    ports: List<'a, ContainerPort<'a>>,
}

/// All containers of a pod, in the order in which upstream looks at them.
fn all(spec: PodSpec<'_>) -> Vec<Container<'_>> {
    let mut all = Vec::new();
    macro_rules! add {
        ($name:literal, $list:expr) => {
            for (at, container) in $list.iter().enumerate() {
                let security = container.security_context();
                all.push(Container {
                    list: $name,
                    at,
                    name: container.name(),
                    seccomp: security.and_then(|s| s.seccomp_profile()),
                    app_armor: security.and_then(|s| s.app_armor_profile()),
                    resources: container.resources(),
                    env: container.env(),
                    ports: container.ports(),
                });
            }
        };
    }
    add!("initContainers", spec.init_containers());
    add!("containers", spec.containers());
    add!("ephemeralContainers", spec.ephemeral_containers());
    all
}

/// A profile in the words of its old annotation; none for one that cannot be said so.
fn annotation_of(profile: AppArmorProfile<'_>) -> Option<String> {
    match profile.type_() {
        "RuntimeDefault" => Some("runtime/default".to_owned()),
        "Unconfined" => Some("unconfined".to_owned()),
        "Localhost" => Some(format!("localhost/{}", profile.localhost_profile()?)),
        _ => None,
    }
}

/// The containers of a pod whose spec is at `path`, with the annotations of its metadata at `annotated`; `template`: of a
/// template, for a pod itself takes over what its annotations say of AppArmor.
pub(super) fn check(
    out: &mut Warnings,
    path: &Path<'_>,
    annotated: &Path<'_>,
    spec: PodSpec<'_>,
    annotations: MapRef<'_, str>,
    template: bool,
) {
    const INSTEAD: &str = r#"non-functional in v1.27+; use the "seccompProfile" field instead"#;
    let security = spec.security_context();
    if security.and_then(|s| s.seccomp_profile()).is_none() && annotations.contains_key(SECCOMP_POD)
    {
        out.push(format!("{}: {INSTEAD}", annotated.key(SECCOMP_POD)));
    }
    let containers = all(spec);
    for container in &containers {
        let list = path.child(container.list);
        let place = list.index(container.at);
        let key = format!("{SECCOMP}{}", container.name);
        if container.seccomp.is_none() && annotations.contains_key(&key) {
            out.push(format!("{}: {INSTEAD}", annotated.key(&key)));
        }
        let key = format!("{APP_ARMOR}{}", container.name);
        if template
            && container.app_armor.is_none()
            && let Some(said) = annotations.get(&key)
        {
            let own = security.and_then(|s| s.app_armor_profile());
            if own.and_then(annotation_of).as_deref() != Some(said) {
                out.push(format!(
                    r#"{}: deprecated since v1.30; use the "appArmorProfile" field instead"#,
                    annotated.key(&key)
                ));
            }
        }
        let resources = place.child("resources");
        for name in ["memory", "ephemeral-storage"] {
            for (field, amounts) in [
                ("limits", container.resources.limits()),
                ("requests", container.resources.requests()),
            ] {
                if let Some(amount) = amounts.get(name) {
                    whole_bytes(out, &resources.child(field).key(name), amount);
                }
            }
        }
        environment(out, &place.child("env"), container.env);
    }
    ports(out, path, &containers);
}

/// A variable that is set again without use of what it was.
fn environment(out: &mut Warnings, path: &Path<'_>, env: List<'_, EnvVar<'_>>) {
    let mut seen = Vec::new();
    for (at, variable) in env.iter().enumerate() {
        let name = variable.name();
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let before = format!("$({name})");
        let value = variable.value();
        if variable.value_from().is_some() || value == before || !value.contains(&before) {
            out.push(format!(
                "{}: hides previous definition of \"{name}\", which may be dropped when using apply",
                path.index(at)
            ));
        }
    }
}

fn ports(out: &mut Warnings, path: &Path<'_>, containers: &[Container<'_>]) {
    let of_all = || {
        containers.iter().flat_map(|container| {
            let ports = container.ports.iter().enumerate();
            ports.map(move |(at, port)| {
                let list = path.child(container.list);
                let place = list.index(container.at);
                let place = place.child("ports");
                (place.index(at).to_string(), port)
            })
        })
    };
    let mut by_number: BTreeMap<(i32, &str), Vec<(String, ContainerPort<'_>)>> = BTreeMap::new();
    for (place, port) in of_all() {
        let (ip, host) = (port.host_ip(), port.host_port());
        if !ip.is_empty() && host == 0 {
            out.push(format!(
                "{place}: hostIP set without hostPort: {{Name:{} HostPort:{host} ContainerPort:{} Protocol:{} HostIP:{ip}}}",
                port.name(),
                port.container_port(),
                port.protocol()
            ));
        }
        let others = by_number
            .entry((port.container_port(), port.protocol()))
            .or_default();
        for (other_place, other) in others.iter() {
            let (other_ip, other_host) = (other.host_ip(), other.host_port());
            let how = if ip == other_ip && host == other_host {
                "duplicate"
            } else if host == 0 || other_host == 0 {
                "overlapping"
            } else if host == other_host && ip.is_empty() != other_ip.is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            out.push(format!("{place}: {how} port definition with {other_place}"));
        }
        others.push((place, port));
    }
    let mut by_name: BTreeMap<&str, String> = BTreeMap::new();
    for (place, port) in of_all() {
        let name = port.name();
        if name.is_empty() {
            continue;
        }
        match by_name.get(name) {
            Some(first) => out.push(format!(
                "{place}: duplicate port name \"{name}\" with {first}, services and probes that select ports by name will use {first}"
            )),
            None => {
                by_name.insert(name, place);
            }
        }
    }
}
