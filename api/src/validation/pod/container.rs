//! Containers, init containers and ephemeral containers.

use std::collections::BTreeSet;

use super::super::check::each;
use super::super::check::{label_name, one_of, port, required, supported};
use super::super::format;
use super::{env, image, mounts, probe, resources, security};
use crate::core::v1::{
    Container, ContainerPort, ContainerResizePolicy, ContainerRestartRule, EphemeralContainer,
    PodSpec, Volume,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::{List, View};

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const RESTART_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;

/// What a container stands in.
pub(super) struct Around<'a> {
    pub spec: PodSpec<'a>,
    /// Those volumes that are valid: mounts of others are not found.
    pub volumes: &'a [Volume<'a>],
    /// The containers' users are the host's.
    pub host_users: bool,
}

/// Calls with every container that the pod was made with, and its place: the init containers first.
pub(super) fn visit<'a>(
    path: &Path<'_>,
    spec: PodSpec<'a>,
    mut visit: impl FnMut(&Path<'_>, Container<'a>),
) {
    let place = path.child("initContainers");
    for (at, container) in spec.init_containers().iter().enumerate() {
        visit(&place.index(at), container);
    }
    let place = path.child("containers");
    for (at, container) in spec.containers().iter().enumerate() {
        visit(&place.index(at), container);
    }
}

/// All containers of a pod.
pub(super) fn all(errors: &mut ErrorList, path: &Path<'_>, around: &Around<'_>) {
    regular(errors, &path.child("containers"), around);
    init(errors, &path.child("initContainers"), around);
    ephemeral(errors, &path.child("ephemeralContainers"), around);
}

/// The names of containers, as a set since a client may send very many.
fn names<'a>(containers: List<'a, Container<'a>>) -> BTreeSet<&'a str> {
    containers
        .iter()
        .map(|container| container.name())
        .collect()
}

fn regular(errors: &mut ErrorList, path: &Path<'_>, around: &Around<'_>) {
    let containers = around.spec.containers();
    if containers.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let mut names = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        let place = path.index(at);
        common(errors, &place, container, around);
        if !names.insert(container.name()) {
            errors.push(Error::duplicate(&place.child("name"), container.name()));
        }
        probe::all(errors, &place, container, around.spec);
        restart_policy(errors, &place, container);
    }
    host_port_conflicts(errors, path, containers);
}

fn init(errors: &mut ErrorList, path: &Path<'_>, around: &Around<'_>) {
    const SIDECARS_ALONE: &str = "may not be set for init containers without restartPolicy=Always";
    let containers = around.spec.init_containers();
    let regular = names(around.spec.containers());
    let mut earlier = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        let place = path.index(at);
        common(errors, &place, container, around);
        match container.restart_policy() {
            None if !container.restart_policy_rules().is_empty() => errors.push(Error::required(
                &place.child("restartPolicy"),
                "must specify restartPolicy when restart rules are used",
            )),
            None => {}
            Some(_) => restart_policy(errors, &place, container),
        }
        let sidecar = container.restart_policy() == Some("Always");
        let name = container.name();
        let again = !earlier.insert(name) && !name.is_empty();
        if again || regular.contains(name) {
            errors.push(Error::duplicate(&place.child("name"), name));
        }
        own_host_port_conflicts(errors, path, container);
        if sidecar {
            probe::all(errors, &place, container, around.spec);
        } else {
            for (field, set) in [
                ("lifecycle", container.has_lifecycle()),
                ("livenessProbe", container.has_liveness_probe()),
                ("readinessProbe", container.has_readiness_probe()),
                ("startupProbe", container.has_startup_probe()),
            ] {
                if set {
                    errors.push(Error::forbidden(&place.child(field), SIDECARS_ALONE));
                }
            }
            let policies = place.child("resizePolicy");
            for (at, policy) in container.resize_policy().iter().enumerate() {
                if policy.restart_policy() == "RestartContainer" {
                    errors.push(Error::invalid(
                        &policies.index(at).child("restartPolicy"),
                        policy.restart_policy(),
                        "must not be set to 'RestartContainer' for non-sidecar initContainers",
                    ));
                }
            }
        }
    }
}

/// An ephemeral container, seen as a container: both have the same fields, but for the target.
fn ephemeral(errors: &mut ErrorList, path: &Path<'_>, around: &Around<'_>) {
    const NOT_HERE: &str = "cannot be set for an Ephemeral Container";
    let spec = around.spec;
    let containers = spec.ephemeral_containers();
    if containers.is_empty() {
        return;
    }
    let mut others = names(spec.containers());
    others.extend(names(spec.init_containers()));
    let mut earlier = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        let place = path.index(at);
        let name = container.name();
        ephemeral_common(errors, &place, container, around);
        image(errors, &place, container.image());
        if !earlier.insert(name) || others.contains(name) {
            errors.push(Error::duplicate(&place.child("name"), name));
        }
        let target = container.target_container_name();
        if !target.is_empty() && !others.contains(target) {
            errors.push(Error::not_found(
                &place.child("targetContainerName"),
                target,
            ));
        }
        for (field, set) in [
            ("ports", !container.ports().is_empty()),
            (
                "resources",
                container
                    .resources()
                    .node()
                    .is_some_and(|node| !node.is_empty()),
            ),
            ("resizePolicy", !container.resize_policy().is_empty()),
            ("restartPolicy", container.has_restart_policy()),
            (
                "restartPolicyRules",
                !container.restart_policy_rules().is_empty(),
            ),
            ("livenessProbe", container.has_liveness_probe()),
            ("readinessProbe", container.has_readiness_probe()),
            ("startupProbe", container.has_startup_probe()),
            ("lifecycle", container.has_lifecycle()),
        ] {
            if set {
                errors.push(Error::forbidden(&place.child(field), NOT_HERE));
            }
        }
        let mounts = place.child("volumeMounts");
        for (at, mount) in container.volume_mounts().iter().enumerate() {
            for (field, value) in [
                ("subPath", mount.sub_path()),
                ("subPathExpr", mount.sub_path_expr()),
            ] {
                if !value.is_empty() {
                    errors.push(Error::forbidden(&mounts.index(at).child(field), NOT_HERE));
                }
            }
        }
    }
}

/// What every sort of container has.
macro_rules! common {
    ($name:ident, $view:ident) => {
        fn $name(
            errors: &mut ErrorList,
            path: &Path<'_>,
            container: $view<'_>,
            around: &Around<'_>,
        ) {
            label_name(errors, &path.child("name"), container.name());
            required(errors, &path.child("image"), container.image());
            one_of(
                errors,
                &path.child("terminationMessagePolicy"),
                container.termination_message_policy(),
                &["File", "FallbackToLogsOnError"],
            );
            ports(errors, &path.child("ports"), container.ports());
            env::variables(errors, &path.child("env"), container.env());
            env::sources(errors, &path.child("envFrom"), container.env_from());
            let privileged = container
                .security_context()
                .is_some_and(|context| context.privileged() == Some(true));
            let (mounts, devices) = (container.volume_mounts(), container.volume_devices());
            let place = path.child("volumeMounts");
            mounts::mounts(errors, &place, mounts, devices, around.volumes, privileged);
            mounts::devices(
                errors,
                &path.child("volumeDevices"),
                devices,
                mounts,
                around.volumes,
            );
            pull_policy(
                errors,
                &path.child("imagePullPolicy"),
                container.image_pull_policy(),
            );
            resources::of_container(
                errors,
                &path.child("resources"),
                container.resources(),
                around.spec,
            );
            resize_policy(
                errors,
                &path.child("resizePolicy"),
                container.resize_policy(),
                around.spec.restart_policy(),
            );
            security::of_container(
                errors,
                &path.child("securityContext"),
                container.security_context(),
                around.host_users,
            );
        }
    };
}
common!(common, Container);
common!(ephemeral_common, EphemeralContainer);

/// When an image is pulled.
pub(super) fn pull_policy(errors: &mut ErrorList, path: &Path<'_>, policy: &str) {
    one_of(errors, path, policy, &["Always", "IfNotPresent", "Never"]);
}

fn ports(errors: &mut ErrorList, path: &Path<'_>, ports: List<'_, ContainerPort<'_>>) {
    let mut earlier = BTreeSet::new();
    for (at, item) in ports.iter().enumerate() {
        let place = path.index(at);
        let name = item.name();
        if !name.is_empty() {
            let messages = format::port_name(name);
            if !earlier.insert(name) && messages.is_empty() {
                errors.push(Error::duplicate(&place.child("name"), name));
            }
            each(errors, &place.child("name"), name, messages);
        }
        if item.container_port() == 0 {
            errors.push(Error::required(&place.child("containerPort"), ""));
        } else {
            port(errors, &place.child("containerPort"), item.container_port());
        }
        if item.host_port() != 0 {
            port(errors, &place.child("hostPort"), item.host_port());
        }
        one_of(errors, &place.child("protocol"), item.protocol(), PROTOCOLS);
    }
}

/// Two ports that want the same one of the host.
fn host_port_conflicts(
    errors: &mut ErrorList,
    path: &Path<'_>,
    containers: List<'_, Container<'_>>,
) {
    let mut taken = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        host_ports(errors, &path.index(at), container, &mut taken);
    }
}

/// Init containers run one after another, so that each is looked at alone.
fn own_host_port_conflicts(errors: &mut ErrorList, path: &Path<'_>, container: Container<'_>) {
    host_ports(errors, &path.index(0), container, &mut BTreeSet::new());
}

fn host_ports<'a>(
    errors: &mut ErrorList,
    path: &Path<'_>,
    container: Container<'a>,
    taken: &mut BTreeSet<(&'a str, &'a str, i32)>,
) {
    let ports = path.child("ports");
    for (at, port) in container.ports().iter().enumerate() {
        let key = (port.protocol(), port.host_ip(), port.host_port());
        if key.2 == 0 {
            continue;
        }
        if !taken.insert(key) {
            errors.push(Error::duplicate(
                &ports.index(at).child("hostPort"),
                format!("{}/{}/{}", key.0, key.1, key.2),
            ));
        }
    }
}

fn resize_policy(
    errors: &mut ErrorList,
    path: &Path<'_>,
    policies: List<'_, ContainerResizePolicy<'_>>,
    pod_restart_policy: &str,
) {
    let mut earlier = BTreeSet::new();
    for (at, policy) in policies.iter().enumerate() {
        let (resource, restart) = (policy.resource_name(), policy.restart_policy());
        if !earlier.insert(resource) {
            errors.push(Error::duplicate(&path.index(at), resource));
        }
        one_of(errors, path, resource, &["cpu", "memory"]);
        one_of(errors, path, restart, &["NotRequired", "RestartContainer"]);
        if pod_restart_policy == "Never" && restart != "NotRequired" {
            errors.push(Error::invalid(
                path,
                restart,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            ));
        }
    }
}

fn restart_policy(errors: &mut ErrorList, path: &Path<'_>, container: Container<'_>) {
    let rules = container.restart_policy_rules();
    let place = path.child("restartPolicy");
    match container.restart_policy() {
        None if !rules.is_empty() => errors.push(Error::required(
            &place,
            "must specify restartPolicy when restart rules are used",
        )),
        None => return,
        Some(policy) => supported(errors, &place, policy, &["Always", "Never", "OnFailure"]),
    }
    let place = path.child("restartPolicyRules");
    if rules.len() > RESTART_RULES_MAX {
        errors.push(Error::too_many(&place, rules.len(), RESTART_RULES_MAX));
    }
    for (at, rule) in rules.iter().enumerate() {
        restart_rule(errors, &place.index(at), rule);
    }
}

fn restart_rule(errors: &mut ErrorList, path: &Path<'_>, rule: ContainerRestartRule<'_>) {
    let actions = ["Restart", "RestartAllContainers"];
    supported(errors, &path.child("action"), rule.action(), &actions);
    let place = path.child("exitCodes");
    let Some(codes) = rule.exit_codes() else {
        errors.push(Error::required(&place, "must be specified"));
        return;
    };
    supported(
        errors,
        &place.child("operator"),
        codes.operator(),
        &["In", "NotIn"],
    );
    let count = codes.values().len();
    if count > EXIT_CODES_MAX {
        errors.push(Error::too_many(
            &place.child("values"),
            count,
            EXIT_CODES_MAX,
        ));
    }
}

/// Variables from a file must name an emptyDir.
pub(super) fn file_keys(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    visit(path, spec, |place, container| {
        let list = place.child("env");
        for (at, variable) in container.env().iter().enumerate() {
            let Some(key) = variable.value_from().and_then(|from| from.file_key_ref()) else {
                continue;
            };
            let place = list.index(at);
            let place = place.child("valueFrom.fileKeyRef.volumeName");
            let name = key.volume_name();
            match spec.volumes().iter().find(|volume| volume.name() == name) {
                None => errors.push(Error::not_found(&place, name)),
                Some(volume) if volume.empty_dir().is_none() => errors.push(Error::invalid(
                    &place,
                    name,
                    "referenced volume must be of type emptyDir",
                )),
                Some(_) => {}
            }
        }
    });
}
