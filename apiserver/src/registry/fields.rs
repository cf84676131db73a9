//! The fields that selectors may name, by kind, besides `metadata.name` and `metadata.namespace`.

/// A selectable field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// Its name in selectors.
    pub label: &'static str,
    /// Where it stands in the stored version.
    pub path: &'static str,
    /// What is selected by where that is empty.
    pub or: Option<&'static str>,
    /// Objects are found by its value without looking at all of them.
    pub indexed: bool,
}

const fn field(name: &'static str) -> SelectableField {
    SelectableField {
        label: name,
        path: name,
        or: None,
        indexed: false,
    }
}

const fn indexed(name: &'static str) -> SelectableField {
    SelectableField {
        indexed: true,
        ..field(name)
    }
}

const fn renamed(label: &'static str, path: &'static str) -> SelectableField {
    SelectableField {
        label,
        path,
        or: None,
        indexed: false,
    }
}

/// Who told of an event: its source, or in events of the new kind the reporting controller.
const fn source(label: &'static str) -> SelectableField {
    SelectableField {
        or: Some("reportingComponent"),
        ..renamed(label, "source.component")
    }
}

const PODS: &[SelectableField] = &[
    indexed("spec.nodeName"),
    field("spec.restartPolicy"),
    field("spec.schedulerName"),
    field("spec.serviceAccountName"),
    field("spec.hostNetwork"),
    field("status.phase"),
    field("status.podIP"),
    field("status.podIPs"),
    field("status.nominatedNodeName"),
];

const EVENTS: &[SelectableField] = &[
    field("involvedObject.kind"),
    field("involvedObject.namespace"),
    field("involvedObject.name"),
    indexed("involvedObject.uid"),
    field("involvedObject.apiVersion"),
    field("involvedObject.resourceVersion"),
    field("involvedObject.fieldPath"),
    field("reason"),
    field("reportingComponent"),
    source("source"),
    field("type"),
];

/// The same fields, in the same order, as `events.k8s.io` names them.
const NEW_EVENTS: &[SelectableField] = &[
    renamed("regarding.kind", "involvedObject.kind"),
    renamed("regarding.namespace", "involvedObject.namespace"),
    renamed("regarding.name", "involvedObject.name"),
    renamed("regarding.uid", "involvedObject.uid"),
    renamed("regarding.apiVersion", "involvedObject.apiVersion"),
    renamed(
        "regarding.resourceVersion",
        "involvedObject.resourceVersion",
    ),
    renamed("regarding.fieldPath", "involvedObject.fieldPath"),
    field("reason"),
    renamed("reportingController", "reportingComponent"),
    source("deprecatedSource"),
    field("type"),
];

/// The selectable fields of a resource, in the order of the view's projection.
pub fn of(group: &str, resource: &str) -> &'static [SelectableField] {
    match (group, resource) {
        ("", "pods") => PODS,
        ("", "nodes") => const { &[field("spec.unschedulable")] },
        ("", "replicationcontrollers") => const { &[field("status.replicas")] },
        ("", "events") => EVENTS,
        ("events.k8s.io", "events") => NEW_EVENTS,
        ("", "namespaces") => const { &[field("status.phase")] },
        ("", "secrets") => const { &[field("type")] },
        ("", "services") => const { &[field("spec.clusterIP"), field("spec.type")] },
        ("batch", "jobs") => const { &[renamed("status.successful", "status.succeeded")] },
        ("certificates.k8s.io", "certificatesigningrequests" | "clustertrustbundles") => {
            const { &[field("spec.signerName")] }
        }
        ("certificates.k8s.io", "podcertificaterequests") => {
            const {
                &[
                    field("spec.signerName"),
                    field("spec.podName"),
                    field("spec.nodeName"),
                ]
            }
        }
        ("resource.k8s.io", "resourceslices") => {
            const {
                &[
                    indexed("spec.nodeName"),
                    field("spec.driver"),
                    renamed("spec.pool.name", "spec.pool.name"),
                ]
            }
        }
        _ => &[],
    }
}

/// What upstream says of a field that is not selectable.
pub fn unsupported(group: &str, resource: &str, kind: &str, version: &str, label: &str) -> String {
    match (group, resource) {
        ("batch", "jobs") => format!(
            "field label {} not supported for Job",
            api::field::quote(label)
        ),
        ("resource.k8s.io", "resourceslices") => {
            format!("field label not supported for {group}/{version}, Kind={kind}: {label}")
        }
        _ if of(group, resource).is_empty() => format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            api::field::quote(label)
        ),
        _ => format!("field label not supported: {label}"),
    }
}
