//! A container's environment and command line.

use std::collections::BTreeMap;

use api::core::v1::{ConfigMap, Container, Pod, Secret, Service};
use tokio::time::Instant;

use crate::context::Shared;
use crate::pod_facts::{self, Facts};

/// The variables, in the pod's order after those of `envFrom`. The error is for the container's status.
pub async fn environment(
    shared: &Shared,
    pod: Pod<'_>,
    container: Container<'_>,
    facts: &Facts,
) -> Result<Vec<(String, String)>, String> {
    let objects = &shared.objects;
    // A container starts with what is so now: what was read for others, however lately, may be older than the pod itself.
    let began = Instant::now();
    let namespace = pod.metadata().namespace();
    let mut list: Vec<(String, String)> = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |known: &mut BTreeMap<String, String>, name: String, value: String| {
        list.retain(|(other, _)| *other != name);
        known.insert(name.clone(), value.clone());
        list.push((name, value));
    };
    // Each Service that was there first, as upstream's `enableServiceLinks`; the API server's in any case.
    for service in shared.services.list() {
        let links = pod.spec().enable_service_links() != Some(false)
            && service.key.namespace() == namespace;
        let api_server = service.key.namespace() == "default" && service.key.name() == "kubernetes";
        if links || api_server {
            for (name, value) in service_variables(Service::of(&service.value)) {
                set(&mut known, name, value);
            }
        }
    }
    for source in container.env_from() {
        if let Some(reference) = source.config_map_ref() {
            match objects
                .config_map(namespace, reference.name(), began.elapsed())
                .await
                .map_err(|error| error.to_string())?
            {
                Some(tree) => {
                    for (key, value) in ConfigMap::of(&tree).data() {
                        set(
                            &mut known,
                            format!("{}{key}", source.prefix()),
                            value.to_owned(),
                        );
                    }
                }
                None if reference.optional() == Some(true) => {}
                None => return Err(format!("configmap {:?} not found", reference.name())),
            }
        }
        if let Some(reference) = source.secret_ref() {
            match objects
                .secret(namespace, reference.name(), began.elapsed())
                .await
                .map_err(|error| error.to_string())?
            {
                Some(tree) => {
                    for (key, value) in Secret::of(&tree).data() {
                        let value = String::from_utf8_lossy(value).into_owned();
                        set(&mut known, format!("{}{key}", source.prefix()), value);
                    }
                }
                None if reference.optional() == Some(true) => {}
                None => return Err(format!("secret {:?} not found", reference.name())),
            }
        }
    }
    for variable in container.env() {
        let value = match variable.value_from() {
            None => Some(expand(variable.value(), |name| known.get(name).cloned())),
            Some(source) => {
                if let Some(reference) = source.field_ref() {
                    Some(pod_facts::field(pod, reference.field_path(), facts)?)
                } else if let Some(selector) = source.resource_field_ref() {
                    let of = selector.container_name();
                    let all = pod
                        .spec()
                        .containers()
                        .iter()
                        .chain(pod.spec().init_containers());
                    let target = all
                        .into_iter()
                        .find(|other| other.name() == of)
                        .unwrap_or(container);
                    Some(pod_facts::resource(target, selector, facts)?)
                } else if let Some(reference) = source.config_map_key_ref() {
                    let (name, key) = (reference.name(), reference.key());
                    let tree = objects
                        .config_map(namespace, name, began.elapsed())
                        .await
                        .map_err(|error| error.to_string())?;
                    let optional = reference.optional() == Some(true);
                    let found = tree.as_ref().map(|tree| ConfigMap::of(tree));
                    match found {
                        None if optional => None,
                        None => return Err(format!("configmap {name:?} not found")),
                        Some(map) => match map.data().get(key) {
                            Some(value) => Some(value.to_owned()),
                            None if optional => None,
                            None => {
                                return Err(format!(
                                    "couldn't find key {key} in ConfigMap {namespace}/{name}"
                                ));
                            }
                        },
                    }
                } else if let Some(reference) = source.secret_key_ref() {
                    let (name, key) = (reference.name(), reference.key());
                    let tree = objects
                        .secret(namespace, name, began.elapsed())
                        .await
                        .map_err(|error| error.to_string())?;
                    let optional = reference.optional() == Some(true);
                    match tree.as_ref().map(|tree| Secret::of(tree)) {
                        None if optional => None,
                        None => return Err(format!("secret {name:?} not found")),
                        Some(secret) => match secret.data().get(key) {
                            Some(value) => Some(String::from_utf8_lossy(value).into_owned()),
                            None if optional => None,
                            None => {
                                return Err(format!(
                                    "couldn't find key {key} in Secret {namespace}/{name}"
                                ));
                            }
                        },
                    }
                } else {
                    return Err(format!(
                        "env {}: valueFrom names no source",
                        variable.name()
                    ));
                }
            }
        };
        if let Some(value) = value {
            set(&mut known, variable.name().to_owned(), value);
        }
    }
    Ok(list)
}

/// The variables that tell of a Service with an address of its own: upstream's, which are Docker links'.
fn service_variables(service: Service<'_>) -> Vec<(String, String)> {
    let spec = service.spec();
    let ip = spec.cluster_ip();
    let Some(first) = spec.ports().first().filter(|_| !["", "None"].contains(&ip)) else {
        return Vec::new();
    };
    let name = service
        .metadata()
        .name()
        .to_ascii_uppercase()
        .replace('-', "_");
    let host = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.to_owned()
    };
    let url =
        |protocol: &str, port: i32| format!("{}://{host}:{port}", protocol.to_ascii_lowercase());
    let mut list = vec![
        (format!("{name}_SERVICE_HOST"), ip.to_owned()),
        (format!("{name}_SERVICE_PORT"), first.port().to_string()),
        (format!("{name}_PORT"), url(first.protocol(), first.port())),
    ];
    for port in spec.ports() {
        let number = port.port();
        if !port.name().is_empty() {
            let port_name = port.name().to_ascii_uppercase().replace('-', "_");
            list.push((
                format!("{name}_SERVICE_PORT_{port_name}"),
                number.to_string(),
            ));
        }
        let prefix = format!(
            "{name}_PORT_{number}_{}",
            port.protocol().to_ascii_uppercase()
        );
        list.push((prefix.clone(), url(port.protocol(), number)));
        list.push((
            format!("{prefix}_PROTO"),
            port.protocol().to_ascii_lowercase(),
        ));
        list.push((format!("{prefix}_PORT"), number.to_string()));
        list.push((format!("{prefix}_ADDR"), ip.to_owned()));
    }
    list
}

/// Replaces `$(NAME)` by what `value` gives; unknown names stay as they are, and `$$` is a dollar sign.
pub fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            out.push_str(&value(name).unwrap_or_else(|| format!("$({name})")));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_dollars_escaped() {
        let value = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expected) in [
            ("x$(A)y", "x1y"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$A $(A", "$A $(A"),
            ("$$$(A)$", "$1$"),
            ("", ""),
        ] {
            assert_eq!(expand(text, value), expected, "{text}");
        }
    }
}
