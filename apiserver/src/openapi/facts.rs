//! What upstream publishes of a few types and the schema table does not hold.

use super::model::Union;

/// Unions, by message type.
pub fn union(ty: &str) -> Option<&'static Union> {
    UNIONS
        .iter()
        .find(|(name, _)| *name == ty)
        .map(|(_, union)| union)
}

const UNIONS: &[(&str, Union)] = &[
    (
        "core/v1.AppArmorProfile",
        Union {
            discriminator: "type",
            fields: &[("localhostProfile", "LocalhostProfile")],
        },
    ),
    (
        "core/v1.PodSchedulingGroup",
        Union {
            discriminator: "",
            fields: &[("podGroupName", "PodGroupName")],
        },
    ),
    (
        "core/v1.SeccompProfile",
        Union {
            discriminator: "type",
            fields: &[("localhostProfile", "LocalhostProfile")],
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1.LimitResponse",
        Union {
            discriminator: "type",
            fields: &[("queuing", "Queuing")],
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1.PriorityLevelConfigurationSpec",
        Union {
            discriminator: "type",
            fields: &[("exempt", "Exempt"), ("limited", "Limited")],
        },
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1.Subject",
        Union {
            discriminator: "kind",
            fields: &[
                ("group", "Group"),
                ("serviceAccount", "ServiceAccount"),
                ("user", "User"),
            ],
        },
    ),
    (
        "scheduling.k8s.io/v1alpha3.WorkloadPodGroupDisruptionMode",
        Union {
            discriminator: "",
            fields: &[("all", "All"), ("single", "Single")],
        },
    ),
    (
        "scheduling.k8s.io/v1alpha3.WorkloadPodGroupSchedulingPolicy",
        Union {
            discriminator: "",
            fields: &[("basic", "Basic"), ("gang", "Gang")],
        },
    ),
];

/// Extensions of a field beside those that follow from the schema.
pub fn extension(ty: &str, field: &str) -> Option<(&'static str, &'static str)> {
    match (ty, field) {
        ("apiregistration.k8s.io/v1.APIServiceSpec", "caBundle") => {
            Some(("x-kubernetes-list-type", "atomic"))
        }
        ("policy/v1.PodDisruptionBudgetSpec", "selector") => {
            Some(("x-kubernetes-patch-strategy", "replace"))
        }
        _ => None,
    }
}

/// Lists of which upstream does not say how they are merged, beside the items of list kinds.
pub fn is_plain_list(ty: &str, field: &str) -> bool {
    (ty, field) == ("meta/v1.APIResource", "verbs")
}

/// The values that a map's entries may have, where the schema table does not say so.
pub fn choices(ty: &str, field: &str) -> &'static [String] {
    static RESIZE: std::sync::LazyLock<[String; 5]> = std::sync::LazyLock::new(|| {
        [
            "ControllerResizeInProgress",
            "ControllerResizeInfeasible",
            "NodeResizeInProgress",
            "NodeResizeInfeasible",
            "NodeResizePending",
        ]
        .map(str::to_owned)
    });
    match (ty, field) {
        ("core/v1.PersistentVolumeClaimStatus", "allocatedResourceStatuses") => &*RESIZE,
        _ => &[],
    }
}

/// A group and version that upstream registers without any kind of its own; the common option types name it too.
pub const BARE_VERSIONS: &[(&str, &str)] = &[("apiregistration.k8s.io", "v1beta1")];

/// Groups of which the common option types do not speak.
pub const UNREGISTERED_GROUPS: &[&str] = &["apidiscovery.k8s.io", "meta.k8s.io"];

/// Kinds of which a delete answers the object instead of a Status.
pub const DELETE_ANSWERS_OBJECT: &[(&str, &str)] = &[
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "PodTemplate"),
    ("", "ResourceQuota"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceClaim"),
    ("resource.k8s.io", "ResourceClaimTemplate"),
    ("resource.k8s.io", "ResourceSlice"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
];

/// Fields of `version.Info`, whether each is required.
pub const VERSION_INFO: &[(&str, bool)] = &[
    ("buildDate", true),
    ("compiler", true),
    ("emulationMajor", false),
    ("emulationMinor", false),
    ("gitCommit", true),
    ("gitTreeState", true),
    ("gitVersion", true),
    ("goVersion", true),
    ("major", true),
    ("minCompatibilityMajor", false),
    ("minCompatibilityMinor", false),
    ("minor", true),
    ("platform", true),
];

/// The required ones, in upstream's order.
pub const VERSION_INFO_REQUIRED: &[&str] = &[
    "major",
    "minor",
    "gitVersion",
    "gitCommit",
    "gitTreeState",
    "buildDate",
    "goVersion",
    "compiler",
    "platform",
];
