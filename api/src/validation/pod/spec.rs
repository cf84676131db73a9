//! The specification of a pod, whether in a pod or in a template.

use super::super::check::{each, label_name, labels, one_of, quoted, required, shown};
use super::super::format;
use super::super::meta;
use super::container::{self, Around};
use super::{affinity, annotations, resources, security, spread, tolerations, volume};
use crate::core::v1::{PodDNSConfig, PodResourceClaim, PodSpec, PodTemplateSpec};
use crate::field::{Error, ErrorList, Path};
use crate::meta::v1::ObjectMeta;
use crate::view::List;

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARACTERS_MAX: usize = 2048;
const HOSTNAME_MAX: usize = 64;

/// A template in a workload.
pub(crate) fn template(errors: &mut ErrorList, path: &Path<'_>, template: PodTemplateSpec<'_>) {
    let (metadata, spec) = (template.metadata(), template.spec());
    let place = path.child("annotations");
    labels(errors, &path.child("labels"), metadata.labels());
    meta::annotations(errors, &place, metadata.annotations());
    annotations::check(errors, &place, metadata.annotations(), spec);
    let place = path.child("spec");
    check(errors, &place, spec, None);
    security::profile_annotations(errors, &place, metadata.annotations(), spec);
    if !spec.ephemeral_containers().is_empty() {
        errors.push(Error::forbidden(
            &place.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        ));
    }
}

/// A pod's specification. `meta` is the pod's metadata, none in a template.
pub(super) fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: PodSpec<'_>,
    meta: Option<ObjectMeta<'_>>,
) {
    if spec.termination_grace_period_seconds().is_none() {
        errors.push(Error::required(
            &path.child("terminationGracePeriodSeconds"),
            "",
        ));
    }
    let volumes = volume::all(errors, &path.child("volumes"), spec.volumes(), meta);
    claims(
        errors,
        &path.child("resourceClaims"),
        spec.resource_claims(),
        meta,
    );
    let around = Around {
        spec,
        volumes: &volumes,
        host_users: spec.host_users() != Some(false),
    };
    container::all(errors, path, &around);
    resources::of_pod(errors, &path.child("resources"), spec);
    host_ports(errors, path, spec, meta.is_some());
    one_of(
        errors,
        &path.child("restartPolicy"),
        spec.restart_policy(),
        &["Always", "OnFailure", "Never"],
    );
    dns_policy(errors, path, spec);
    labels(errors, &path.child("nodeSelector"), spec.node_selector());
    security::of_pod(errors, &path.child("securityContext"), spec);
    if spec.share_process_namespace() == Some(true) && spec.host_pid() {
        errors.push(Error::invalid(
            &path.child("shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        ));
    }
    affinity::check(errors, &path.child("affinity"), spec.affinity());
    dns_config(
        errors,
        &path.child("dnsConfig"),
        spec.dns_policy(),
        spec.dns_config(),
    );
    gates(errors, path, spec);
    spread::check(
        errors,
        &path.child("topologySpreadConstraints"),
        spec.topology_spread_constraints(),
    );
    security::windows_host_process(errors, path, spec);
    host_users(errors, path, spec);
    names(errors, path, spec);
    limits(errors, path, spec);
    tolerations::check(errors, &path.child("tolerations"), spec.tolerations());
    aliases(errors, &path.child("hostAliases"), spec);
    if spec.has_overhead() {
        resources::overhead(errors, &path.child("overhead"), spec.overhead());
    }
    security::os(errors, path, spec);
    container::file_keys(errors, path, spec);
}

fn dns_policy(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    let allowed = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    let place = path.child("dnsPolicy");
    if required(errors, &place, spec.dns_policy()) && !allowed.contains(&spec.dns_policy()) {
        errors.push(Error::not_supported(
            &place,
            quoted(spec.dns_policy()),
            &allowed,
        ));
    }
}

fn claims(
    errors: &mut ErrorList,
    path: &Path<'_>,
    claims: List<'_, PodResourceClaim<'_>>,
    meta: Option<ObjectMeta<'_>>,
) {
    let mut names: Vec<&str> = Vec::new();
    for (at, claim) in claims.iter().enumerate() {
        if meta.is_some_and(|meta| meta.annotations().contains_key(super::MIRROR)) {
            errors.push(Error::forbidden(
                &Path::root().key(""),
                "static pods do not support resource claims",
            ));
            continue;
        }
        let place = path.index(at);
        if names.contains(&claim.name()) {
            errors.push(Error::duplicate(&place.child("name"), claim.name()));
        } else {
            label_name(errors, &place.child("name"), claim.name());
            if !claim.name().is_empty() {
                names.push(claim.name());
            }
        }
        let (name, template) = (
            claim.resource_claim_name(),
            claim.resource_claim_template_name(),
        );
        let problem = match (name, template) {
            (Some(_), Some(_)) => Some(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
            (None, None) => {
                Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            let text = |value: Option<&str>| value.map_or("null".to_owned(), crate::field::quote);
            let shown = format!(
                "{{\"Name\":{},\"ResourceClaimName\":{},\"ResourceClaimTemplateName\":{}}}",
                crate::field::quote(claim.name()),
                text(name),
                text(template)
            );
            errors.push(Error::invalid(
                &place,
                crate::field::BadValue::Json(shown),
                problem,
            ));
        }
        for (field, value) in [
            ("resourceClaimName", name),
            ("resourceClaimTemplateName", template),
        ] {
            if let Some(value) = value {
                each(
                    errors,
                    &place.child(field),
                    value,
                    format::dns_subdomain(value),
                );
            }
        }
    }
}

/// On the host's network a container's port is the host's.
fn host_ports(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>, is_pod: bool) {
    if !spec.host_network() {
        return;
    }
    let containers = path.child("containers");
    for (at, container) in spec.containers().iter().enumerate() {
        let place = containers.index(at);
        let ports = place.child("ports");
        for (at, port) in container.ports().iter().enumerate() {
            let (host, own) = (port.host_port(), port.container_port());
            if (is_pod || host != 0) && host != own {
                errors.push(Error::invalid(
                    &ports.index(at).child("hostPort"),
                    host,
                    "must match `containerPort` when `hostNetwork` is true",
                ));
            }
        }
    }
}

fn dns_config(
    errors: &mut ErrorList,
    path: &Path<'_>,
    policy: &str,
    config: Option<PodDNSConfig<'_>>,
) {
    if policy == "None" {
        let Some(config) = config else {
            errors.push(Error::required(
                path,
                "must provide `dnsConfig` when `dnsPolicy` is None",
            ));
            return;
        };
        if config.nameservers().is_empty() {
            errors.push(Error::required(
                &path.child("nameservers"),
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            ));
            return;
        }
    }
    let Some(config) = config else { return };
    let (servers, searches) = (config.nameservers(), config.searches());
    let place = path.child("nameservers");
    if servers.len() > NAMESERVERS_MAX {
        errors.push(Error::invalid(
            &place,
            shown(servers.node()),
            format!("must not have more than {NAMESERVERS_MAX} nameservers"),
        ));
    }
    for (at, server) in servers.iter().enumerate() {
        each(errors, &place.index(at), server, format::ip(server));
    }
    let place = path.child("searches");
    if searches.len() > SEARCHES_MAX {
        errors.push(Error::invalid(
            &place,
            shown(searches.node()),
            format!("must not have more than {SEARCHES_MAX} search paths"),
        ));
    }
    let characters: usize = searches.iter().map(|search| search.len() + 1).sum();
    if characters > SEARCH_CHARACTERS_MAX + 1 {
        errors.push(Error::invalid(
            &place,
            shown(searches.node()),
            format!(
                "must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
            ),
        ));
    }
    for (at, search) in searches.iter().enumerate() {
        if search != "." {
            let search = search.strip_suffix('.').unwrap_or(search);
            let messages = format::dns_subdomain_with_underscore(search);
            each(errors, &place.index(at), search, messages);
        }
    }
    let place = path.child("options");
    for (at, option) in config.options().iter().enumerate() {
        if option.name().is_empty() {
            errors.push(Error::required(&place.index(at), "must not be empty"));
        }
    }
}

fn gates(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    let place = path.child("readinessGates");
    for (at, gate) in spec.readiness_gates().iter().enumerate() {
        let name = gate.condition_type();
        let place = place.index(at);
        each(
            errors,
            &place.child("conditionType"),
            name,
            format::label_key(name),
        );
    }
    let place = path.child("schedulingGates");
    let gates = spec.scheduling_gates();
    for (at, gate) in gates.iter().enumerate() {
        let (name, place) = (gate.name(), place.index(at));
        each(errors, &place, name, format::label_key(name));
        if gates.iter().take(at).any(|earlier| earlier.name() == name) {
            errors.push(Error::duplicate(&place, name));
        }
    }
}

/// What does not go with users of the pod's own.
fn host_users(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    const WHY: &str = "when `hostUsers` is false";
    if spec.host_users() != Some(false) {
        return;
    }
    for (field, set) in [
        ("hostNetwork", spec.host_network()),
        ("HostPID", spec.host_pid()),
        ("HostIPC", spec.host_ipc()),
    ] {
        if set {
            errors.push(Error::forbidden(&path.child(field), WHY));
        }
    }
    container::visit(path, spec, |place, container| {
        if !container.volume_devices().is_empty() {
            errors.push(Error::forbidden(&place.child("volumeDevices"), WHY));
        }
    });
}

fn names(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    if let Some(name) = spec.hostname_override() {
        let place = path.child("hostnameOverride");
        if spec.set_hostname_as_fqdn() == Some(true) {
            errors.push(Error::forbidden(
                &place,
                "may not be specified when setHostnameAsFQDN is true",
            ));
        }
        if spec.host_network() {
            errors.push(Error::forbidden(
                &place,
                "may not be specified when hostNetwork is true",
            ));
        }
        if name.len() > HOSTNAME_MAX {
            errors.push(Error::too_long(&place, HOSTNAME_MAX));
        }
        each(errors, &place, name, format::dns_subdomain(name));
    }
    let account = spec.service_account_name();
    if !account.is_empty() {
        let place = path.child("serviceAccountName");
        each(errors, &place, account, format::dns_subdomain(account));
    }
    if spec.service_account() != account {
        errors.push(Error::invalid(
            &path.child("deprecatedServiceAccount"),
            spec.service_account(),
            format!(
                "must be the same as serviceAccountName: {}",
                crate::field::quote(account)
            ),
        ));
    }
    for (field, name) in [
        ("nodeName", spec.node_name()),
        ("priorityClassName", spec.priority_class_name()),
        ("runtimeClassName", spec.runtime_class_name().unwrap_or("a")),
    ] {
        if !name.is_empty() || field == "runtimeClassName" {
            each(
                errors,
                &path.child(field),
                name,
                format::dns_subdomain(name),
            );
        }
    }
    for (field, name) in [
        ("hostname", spec.hostname()),
        ("subdomain", spec.subdomain()),
    ] {
        if !name.is_empty() {
            each(errors, &path.child(field), name, format::dns_label(name));
        }
    }
}

fn limits(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    if let Some(seconds) = spec.active_deadline_seconds() {
        let max = i64::from(i32::MAX);
        super::super::check::in_range(
            errors,
            &path.child("activeDeadlineSeconds"),
            seconds,
            1,
            max,
        );
    }
    preemption_policy(
        errors,
        &path.child("preemptionPolicy"),
        spec.preemption_policy(),
    );
    if let Some(group) = spec.scheduling_group()
        && let Some(name) = group.pod_group_name()
    {
        let place = path.child("schedulingGroup");
        each(
            errors,
            &place.child("podGroupName"),
            name,
            format::dns_subdomain(name),
        );
    }
}

/// Whether pods may make others go.
pub(crate) fn preemption_policy(errors: &mut ErrorList, path: &Path<'_>, policy: Option<&str>) {
    match policy {
        None | Some("PreemptLowerPriority" | "Never") => {}
        Some("") => errors.push(Error::required(path, "")),
        Some(other) => errors.push(Error::not_supported(
            path,
            quoted(other),
            &["PreemptLowerPriority", "Never"],
        )),
    }
}

fn aliases(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    for (at, alias) in spec.host_aliases().iter().enumerate() {
        let place = path.index(at);
        each(
            errors,
            &place.child("ip"),
            alias.ip(),
            format::ip(alias.ip()),
        );
        let names = place.child("hostnames");
        for (at, name) in alias.hostnames().iter().enumerate() {
            each(errors, &names.index(at), name, format::dns_subdomain(name));
        }
    }
}
