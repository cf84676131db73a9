//! Environment variables, and what refers to fields of the pod.

use super::super::check::{each, label_name, required, supported};
use super::super::format;
use super::volume::no_backsteps;
use crate::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector,
    ResourceFieldSelector,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

/// Fields of the pod that a variable may hold.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of the pod that a file may hold.
pub(super) const FILE_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// Fields that upstream can name in a version of the API.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const CPU_DIVISORS: &[&str] = &["1", "1m"];
const BYTE_DIVISORS: &[&str] = &[
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

/// A container's variables.
pub(super) fn variables(errors: &mut ErrorList, path: &Path<'_>, variables: List<'_, EnvVar<'_>>) {
    for (at, variable) in variables.iter().enumerate() {
        let place = path.index(at);
        let name = place.child("name");
        if required(errors, &name, variable.name()) {
            each(
                errors,
                &name,
                variable.name(),
                format::env_name(variable.name()),
            );
        }
        if let Some(source) = variable.value_from() {
            let place = place.child("valueFrom");
            value_from(errors, &place, source, !variable.value().is_empty());
        }
    }
}

fn value_from(errors: &mut ErrorList, path: &Path<'_>, source: EnvVarSource<'_>, has_value: bool) {
    let mut sources = 0;
    if let Some(field) = source.field_ref() {
        sources += 1;
        field_ref(errors, &path.child("fieldRef"), field, ENV_FIELDS);
    }
    if let Some(resource) = source.resource_field_ref() {
        sources += 1;
        resource_ref(errors, &path.child("resourceFieldRef"), resource, false);
    }
    if let Some(key) = source.config_map_key_ref() {
        sources += 1;
        key_ref(
            errors,
            &path.child("configMapKeyRef"),
            key.name(),
            key.key(),
        );
    }
    if let Some(key) = source.secret_key_ref() {
        sources += 1;
        key_ref(errors, &path.child("secretKeyRef"), key.name(), key.key());
    }
    if let Some(key) = source.file_key_ref() {
        sources += 1;
        file_key(errors, &path.child("fileKeyRef"), key);
    }
    let problem = match sources {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(Error::invalid(path, "", problem));
}

/// A reference to a field of the pod.
pub(super) fn field_ref(
    errors: &mut ErrorList,
    path: &Path<'_>,
    selector: ObjectFieldSelector<'_>,
    allowed: &[&str],
) {
    let (version, field) = (selector.api_version(), selector.field_path());
    if !required(errors, &path.child("apiVersion"), version)
        || !required(errors, &path.child("fieldPath"), field)
    {
        return;
    }
    let place = path.child("fieldPath");
    let mut cannot_convert = |why: String| {
        let message = format!("error converting fieldPath: {why}");
        errors.push(Error::invalid(&place, field, message));
    };
    if version != "v1" {
        cannot_convert(format!("unsupported pod version: {version}"));
        return;
    }
    if let Some((map, key)) = subscript(field) {
        match map {
            "metadata.annotations" => {
                let key = key.to_lowercase();
                each(errors, path, &key, format::label_key(&key));
            }
            "metadata.labels" => each(errors, path, key, format::label_key(key)),
            _ => cannot_convert(format!("field label does not support subscript: {field}")),
        }
    } else if !KNOWN_FIELDS.contains(&field) {
        cannot_convert(format!("field label not supported: {field}"));
    } else {
        let field = if field == "spec.host" {
            "spec.nodeName"
        } else {
            field
        };
        supported(errors, &place, field, allowed);
    }
}

/// `metadata.labels['key']` → its two parts.
fn subscript(field: &str) -> Option<(&str, &str)> {
    field
        .strip_suffix("']")?
        .split_once("['")
        .filter(|(map, _)| !map.is_empty())
}

/// A reference to a container's resource.
pub(super) fn resource_ref(
    errors: &mut ErrorList,
    path: &Path<'_>,
    selector: ResourceFieldSelector<'_>,
    in_volume: bool,
) {
    let resource = selector.resource();
    let huge_pages =
        resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && selector.container_name().is_empty() {
        errors.push(Error::required(&path.child("containerName"), ""));
    } else if required(errors, &path.child("resource"), resource) && !huge_pages {
        supported(errors, &path.child("resource"), resource, RESOURCES);
    }
    let divisor = selector.divisor();
    if divisor.is_zero() {
        return;
    }
    let (allowed, listed, what) = match resource {
        "limits.cpu" | "requests.cpu" => (CPU_DIVISORS, "1m and 1", "cpu"),
        "limits.memory" | "requests.memory" => (BYTE_DIVISORS, "", "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            (BYTE_DIVISORS, "", "local ephemeral storage")
        }
        _ if huge_pages => (BYTE_DIVISORS, "", "hugepages"),
        _ => return,
    };
    if !allowed.contains(&divisor.to_string().as_str()) {
        let listed = if listed.is_empty() {
            "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
        } else {
            listed
        };
        errors.push(Error::invalid(
            &path.child("divisor"),
            resource,
            format!("only divisor's values {listed} are supported with the {what} resource"),
        ));
    }
}

fn key_ref(errors: &mut ErrorList, path: &Path<'_>, name: &str, key: &str) {
    each(
        errors,
        &path.child("name"),
        name,
        format::dns_subdomain(name),
    );
    let place = path.child("key");
    if required(errors, &place, key) {
        each(errors, &place, key, format::config_key(key));
    }
}

fn file_key(errors: &mut ErrorList, path: &Path<'_>, selector: FileKeySelector<'_>) {
    let place = path.child("key");
    if required(errors, &place, selector.key()) {
        each(
            errors,
            &place,
            selector.key(),
            format::env_name(selector.key()),
        );
    }
    label_name(errors, &path.child("volumeName"), selector.volume_name());
    let place = path.child("path");
    if required(errors, &place, selector.path()) {
        no_backsteps(errors, &place, selector.path());
    }
}

/// Where whole sets of variables come from.
pub(super) fn sources(
    errors: &mut ErrorList,
    path: &Path<'_>,
    sources: List<'_, EnvFromSource<'_>>,
) {
    for (at, source) in sources.iter().enumerate() {
        let place = path.index(at);
        if !source.prefix().is_empty() {
            let messages = format::env_name(source.prefix());
            each(errors, &place.child("prefix"), source.prefix(), messages);
        }
        let (config_map, secret) = (source.config_map_ref(), source.secret_ref());
        if let Some(reference) = config_map {
            named(errors, &place.child("configMapRef"), reference.name());
        }
        if let Some(reference) = secret {
            named(errors, &place.child("secretRef"), reference.name());
        }
        match (config_map.is_some(), secret.is_some()) {
            (false, false) => errors.push(Error::invalid(
                path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            (true, true) => errors.push(Error::invalid(
                path,
                "",
                "may not have more than one field specified at a time",
            )),
            _ => {}
        }
    }
}

fn named(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    let place = path.child("name");
    if required(errors, &place, name) {
        let messages = super::super::names::Rule::Subdomain.check(name, true);
        each(errors, &place, name, messages);
    }
}
