//! APIServices (upstream: kube-aggregator's `pkg/apis/apiregistration/validation`).

use super::check::{each, enumerated, required};
use super::{format, names};
use crate::apiregistration::v1::{APIService, ServiceReference};
use crate::field::{Error, ErrorList, Path};

const SPEC: Path<'static> = Path::new("spec");
const METADATA: Path<'static> = Path::new("metadata");
const GROUP_PRIORITY_MAX: i32 = 20_000;
const VERSION_PRIORITY_MAX: i32 = 1_000;
const STATUSES: &[&str] = &["True", "False", "Unknown"];

pub(super) fn create(errors: &mut ErrorList, service: APIService<'_>) {
    let (meta, spec) = (service.metadata(), service.spec());
    let (group, version) = (spec.group(), spec.version());
    // A name that is made up is none that is wanted.
    let prefix = meta.generate_name();
    if !prefix.is_empty() {
        let path = METADATA.child("generateName");
        each(
            errors,
            &path,
            prefix,
            names::api_service(prefix, group, version),
        );
    }
    let path = SPEC.child("group");
    if !group.is_empty() {
        each(errors, &path, group, format::dns_subdomain(group));
    } else if version != "v1" {
        let why = "only v1 may have an empty group and it better be legacy kube";
        errors.push(Error::required(&path, why));
    }
    let path = SPEC.child("version");
    each(errors, &path, version, format::dns_1035_label(version));
    // So upstream words them, though the bounds themselves are taken.
    for (field, value, max) in [
        (
            "groupPriorityMinimum",
            spec.group_priority_minimum(),
            GROUP_PRIORITY_MAX,
        ),
        (
            "versionPriority",
            spec.version_priority(),
            VERSION_PRIORITY_MAX,
        ),
    ] {
        if !(1..=max).contains(&value) {
            let why = format!("must be positive and less than {max}");
            errors.push(Error::invalid(&SPEC.child(field), value, why));
        }
    }
    let (insecure, bundle) = (spec.insecure_skip_tls_verify(), spec.ca_bundle());
    let path = SPEC.child("insecureSkipTLSVerify");
    match spec.service() {
        Some(reference) => {
            self::reference(errors, reference);
            if insecure && !bundle.is_empty() {
                let why = "may not be true if caBundle is present";
                errors.push(Error::invalid(&path, true, why));
            }
        }
        None => {
            if !bundle.is_empty() {
                let value = format!("{} bytes", bundle.len());
                let why = "local APIServices may not have a caBundle";
                errors.push(Error::invalid(&SPEC.child("caBundle"), value, why));
            }
            if insecure {
                let why = "local APIServices may not have insecureSkipTLSVerify";
                errors.push(Error::invalid(&path, true, why));
            }
        }
    }
}

fn reference(errors: &mut ErrorList, reference: ServiceReference<'_>) {
    let path = SPEC.child("service");
    required(errors, &path.child("namespace"), reference.namespace());
    required(errors, &path.child("name"), reference.name());
    service_port(errors, &path, reference.port().unwrap_or_default());
}

/// The port of the service at `path`.
pub(super) fn service_port(errors: &mut ErrorList, path: &Path<'_>, port: i32) {
    if !(1..=65_535).contains(&port) {
        let why = format!("port is not valid: {}", format::range(1, 65_535));
        errors.push(Error::invalid(&path.child("port"), port, why));
    }
}

/// The name follows what is served, and so neither can change without the other.
pub(super) fn update(errors: &mut ErrorList, service: APIService<'_>) {
    let (name, spec) = (service.metadata().name(), service.spec());
    let messages = names::api_service(name, spec.group(), spec.version());
    each(errors, &METADATA.child("name"), name, messages);
    create(errors, service);
}

pub(super) fn status(errors: &mut ErrorList, service: APIService<'_>) {
    let list = Path::new("status.conditions");
    for (at, condition) in service.status().conditions().iter().enumerate() {
        let path = list.index(at);
        enumerated(errors, &path.child("status"), condition.status(), STATUSES);
    }
}
