//! Ingresses (upstream: `pkg/apis/networking/validation`).

use super::address::sloppy;
use super::check::{each, path_segment, port, quoted, required, shown};
use super::format;
use crate::core::v1::TypedLocalObjectReference;
use crate::field::{Error, ErrorList, Path};
use crate::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS,
};
use crate::view::List;

const SPEC: Path<'static> = Path::new("spec");
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];
/// What would be another path once it is resolved or decoded.
const AMBIGUOUS: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const AMBIGUOUS_ENDS: &[&str] = &["/..", "/."];
const ABSOLUTE: &str = "must be an absolute path";
const NO_ADDRESS: &str = "must be a DNS name, not an IP address";

/// What an Ingress may keep that has it from before the rule.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// Names that no Secret can have.
    secret_names: bool,
    /// Anything at all behind hosts with a wildcard.
    wildcard_rules: bool,
}

impl Kept {
    fn of(old: IngressSpec<'_>) -> Kept {
        let secret_names = old
            .tls()
            .iter()
            .any(|tls| !secret_name(tls.secret_name()).is_empty());
        let wildcard_rules = old.rules().iter().any(|rule| {
            let mut found = ErrorList::new();
            if rule.host().contains('*') {
                paths(&mut found, &SPEC, rule, format::dns_1035_label);
            }
            !found.is_empty()
        });
        Kept {
            secret_names,
            wildcard_rules,
        }
    }
}

pub(super) fn create(errors: &mut ErrorList, ingress: Ingress<'_>) {
    check(errors, ingress.spec(), Kept::default());
    let annotated = ingress.metadata().annotations().get(CLASS_ANNOTATION);
    if let (Some(annotated), Some(class)) = (annotated, ingress.spec().ingress_class_name())
        && annotated != class
    {
        errors.push(Error::invalid(
            &Path::new("annotations").child(CLASS_ANNOTATION),
            annotated,
            "must match `ingressClassName` when both are specified",
        ));
    }
}

pub(super) fn update(errors: &mut ErrorList, new: Ingress<'_>, old: Ingress<'_>) {
    check(errors, new.spec(), Kept::of(old.spec()));
}

fn check(errors: &mut ErrorList, spec: IngressSpec<'_>, kept: Kept) {
    let (all, fallback) = (spec.rules(), spec.default_backend());
    if all.is_empty() && fallback.is_none() {
        errors.push(Error::invalid(
            &SPEC,
            shown(all.node()),
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    if let Some(fallback) = fallback {
        let path = SPEC.child("defaultBackend");
        backend(errors, &path, fallback, format::dns_label);
    }
    rules(errors, &SPEC.child("rules"), all, kept);
    certificates(errors, &SPEC.child("tls"), spec.tls(), kept);
    if let Some(class) = spec.ingress_class_name() {
        let path = SPEC.child("ingressClassName");
        each(errors, &path, class, format::dns_subdomain(class));
    }
}

fn host_name(host: &str) -> format::Messages {
    match host.contains('*') {
        true => format::wildcard_subdomain(host),
        false => format::dns_subdomain(host),
    }
}

fn rules(errors: &mut ErrorList, path: &Path<'_>, rules: List<'_, IngressRule<'_>>, kept: Kept) {
    for (at, rule) in rules.iter().enumerate() {
        let (path, host) = (path.index(at), rule.host());
        if !host.is_empty() {
            let place = path.child("host");
            if sloppy(host).is_some() {
                errors.push(Error::invalid(&place, host, NO_ADDRESS));
            }
            each(errors, &place, host, host_name(host));
        }
        if !(kept.wildcard_rules && host.contains('*')) {
            paths(errors, &path, rule, format::dns_label);
        }
    }
}

/// `service`: what the name of a Service may be.
fn paths(
    errors: &mut ErrorList,
    path: &Path<'_>,
    rule: IngressRule<'_>,
    service: fn(&str) -> format::Messages,
) {
    let Some(http) = rule.http() else { return };
    let list = path.child("http.paths");
    if http.paths().is_empty() {
        errors.push(Error::required(&list, ""));
    }
    for (at, item) in http.paths().iter().enumerate() {
        let path = list.index(at);
        let Some(kind) = item.path_type() else {
            let place = path.child("pathType");
            errors.push(Error::required(&place, "pathType must be specified"));
            continue;
        };
        url_path(errors, &path, item, kind);
        backend(errors, &path.child("backend"), item.backend(), service);
    }
}

fn url_path(errors: &mut ErrorList, path: &Path<'_>, item: HTTPIngressPath<'_>, kind: &str) {
    let (place, text) = (path.child("path"), item.path());
    let absolute = text.starts_with('/');
    match kind {
        "Exact" | "Prefix" => {
            if !absolute {
                errors.push(Error::invalid(&place, text, ABSOLUTE));
            }
            for part in AMBIGUOUS.iter().filter(|part| text.contains(**part)) {
                let why = format!("must not contain '{part}'");
                errors.push(Error::invalid(&place, text, why));
            }
            for end in AMBIGUOUS_ENDS.iter().filter(|end| text.ends_with(**end)) {
                let why = format!("cannot end with '{end}'");
                errors.push(Error::invalid(&place, text, why));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !absolute {
                errors.push(Error::invalid(&place, text, ABSOLUTE));
            }
        }
        other => {
            let place = path.child("pathType");
            errors.push(Error::not_supported(&place, quoted(other), PATH_TYPES));
        }
    }
}

fn backend(
    errors: &mut ErrorList,
    path: &Path<'_>,
    backend: IngressBackend<'_>,
    service: fn(&str) -> format::Messages,
) {
    match (backend.service(), backend.resource()) {
        (Some(_), Some(_)) => errors.push(Error::invalid(
            path,
            "",
            "cannot set both resource and service backends",
        )),
        (None, Some(resource)) => reference(errors, &path.child("resource"), resource),
        (Some(target), None) => service_backend(errors, path, target, service),
        (None, None) => errors.push(Error::invalid(
            path,
            "",
            "resource or service backend is required",
        )),
    }
}

fn reference(errors: &mut ErrorList, path: &Path<'_>, resource: TypedLocalObjectReference<'_>) {
    if let Some(group) = resource.api_group() {
        let place = path.child("apiGroup");
        each(errors, &place, group, format::dns_subdomain(group));
    }
    path_segment(errors, &path.child("kind"), resource.kind());
    path_segment(errors, &path.child("name"), resource.name());
}

fn service_backend(
    errors: &mut ErrorList,
    path: &Path<'_>,
    target: IngressServiceBackend<'_>,
    service: fn(&str) -> format::Messages,
) {
    let (place, name) = (path.child("service.name"), target.name());
    if required(errors, &place, name) {
        each(errors, &place, name, service(name));
    }
    let (name, number) = (target.port().name(), target.port().number());
    match (name, number) {
        ("", 0) => errors.push(Error::required(path, "port name or number is required")),
        ("", number) => port(errors, &path.child("service.port.number"), number),
        (name, 0) => {
            let place = path.child("service.port.name");
            each(errors, &place, name, format::port_name(name));
        }
        _ => errors.push(Error::invalid(
            path,
            "",
            "cannot set both port name & port number",
        )),
    }
}

fn certificates(
    errors: &mut ErrorList,
    path: &Path<'_>,
    list: List<'_, IngressTLS<'_>>,
    kept: Kept,
) {
    for (at, tls) in list.iter().enumerate() {
        let path = path.index(at);
        let hosts = path.child("hosts");
        for (at, host) in tls.hosts().iter().enumerate() {
            each(errors, &hosts.index(at), host, host_name(host));
        }
        let name = tls.secret_name();
        if !kept.secret_names {
            each(errors, &path.child("secretName"), name, secret_name(name));
        }
    }
}

fn secret_name(name: &str) -> format::Messages {
    match name {
        "" => Vec::new(),
        name => format::dns_subdomain(name),
    }
}

/// Where a load balancer says it can be reached.
pub(super) fn status(errors: &mut ErrorList, new: Ingress<'_>, old: Ingress<'_>) {
    let path = Path::new("status.loadBalancer.ingress");
    let known = old.status().load_balancer().ingress();
    for (at, point) in new.status().load_balancer().ingress().iter().enumerate() {
        let path = path.index(at);
        let (ip, host) = (point.ip(), point.hostname());
        if !ip.is_empty() && !known.iter().any(|known| known.ip() == ip) {
            each(errors, &path.child("ip"), ip, format::ip(ip));
        }
        if !host.is_empty() {
            let place = path.child("hostname");
            each(errors, &place, host, format::dns_subdomain(host));
            if sloppy(host).is_some() {
                errors.push(Error::invalid(&place, host, NO_ADDRESS));
            }
        }
    }
}
