//! Short descriptions, in words of our own, of what people ask `kubectl explain` for most.

/// What a field of a message type (or, with an empty field, the type) is for; empty where nothing is said.
pub fn describe(ty: &str, field: &str) -> &'static str {
    let own = TABLE.binary_search_by(|(t, f, _)| (*t, *f).cmp(&(ty, field)));
    if let Ok(index) = own {
        return TABLE[index].2;
    }
    match field {
        "apiVersion" => "Group and version of the kind, as in apps/v1.",
        "kind" => "The kind of object that this is.",
        "metadata" => "Name, labels and what else every object has.",
        "spec" => "What is wanted.",
        "status" => "What is, as last observed.",
        _ => "",
    }
}

/// Sorted by type and field.
const TABLE: &[(&str, &str, &str)] = &[
    (
        "apps/v1.DaemonSet",
        "",
        "Runs one pod on every node that matches.",
    ),
    (
        "apps/v1.Deployment",
        "",
        "Keeps a number of equal pods running, and replaces them step by step when their template changes.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "minReadySeconds",
        "How many seconds a new pod must be ready before it counts as available.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "paused",
        "Changes of the template wait while this is true.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "progressDeadlineSeconds",
        "After how many seconds without progress the rollout is said to have failed.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "replicas",
        "How many pods are wanted.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "revisionHistoryLimit",
        "How many old revisions are kept for an undo.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "selector",
        "Which pods belong to the deployment; its template's labels must match.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "strategy",
        "How old pods are replaced by new ones.",
    ),
    (
        "apps/v1.DeploymentSpec",
        "template",
        "The pods that are made.",
    ),
    (
        "apps/v1.ReplicaSet",
        "",
        "Keeps a number of equal pods running.",
    ),
    (
        "apps/v1.StatefulSet",
        "",
        "Keeps numbered pods running, each with a name and volumes of its own.",
    ),
    ("batch/v1.CronJob", "", "Starts jobs on a schedule."),
    (
        "batch/v1.Job",
        "",
        "Runs pods until enough of them have succeeded.",
    ),
    (
        "core/v1.ConfigMap",
        "",
        "Configuration that pods read as files or environment variables.",
    ),
    (
        "core/v1.ConfigMap",
        "binaryData",
        "Bytes by key, in base64.",
    ),
    ("core/v1.ConfigMap", "data", "Text by key."),
    (
        "core/v1.ConfigMap",
        "immutable",
        "Whether the data is fixed for good.",
    ),
    (
        "core/v1.Container",
        "args",
        "Arguments to the command; the image's own if absent.",
    ),
    (
        "core/v1.Container",
        "command",
        "The command to run; the image's own entry point if absent.",
    ),
    ("core/v1.Container", "env", "Environment variables."),
    (
        "core/v1.Container",
        "envFrom",
        "Config maps and secrets whose keys become environment variables.",
    ),
    ("core/v1.Container", "image", "The image to run."),
    (
        "core/v1.Container",
        "imagePullPolicy",
        "When the image is pulled.",
    ),
    (
        "core/v1.Container",
        "livenessProbe",
        "Tells whether the container must be restarted.",
    ),
    (
        "core/v1.Container",
        "name",
        "The container's name, unique in its pod.",
    ),
    (
        "core/v1.Container",
        "ports",
        "Ports on which the container listens.",
    ),
    (
        "core/v1.Container",
        "readinessProbe",
        "Tells whether the container may get requests.",
    ),
    (
        "core/v1.Container",
        "resources",
        "What the container needs, and at most gets, of processor and memory.",
    ),
    (
        "core/v1.Container",
        "securityContext",
        "User, capabilities and other limits of the container.",
    ),
    (
        "core/v1.Container",
        "startupProbe",
        "Tells whether the container has started; the other probes wait for it.",
    ),
    (
        "core/v1.Container",
        "volumeMounts",
        "Where the pod's volumes appear in the container.",
    ),
    (
        "core/v1.Container",
        "workingDir",
        "The directory in which the command starts.",
    ),
    ("core/v1.Event", "", "Something that happened to an object."),
    ("core/v1.Namespace", "", "A scope for the names of objects."),
    ("core/v1.Node", "", "A machine that runs pods."),
    (
        "core/v1.PersistentVolume",
        "",
        "A piece of storage in the cluster.",
    ),
    (
        "core/v1.PersistentVolumeClaim",
        "",
        "A request for storage.",
    ),
    (
        "core/v1.Pod",
        "",
        "Containers that run together on one node.",
    ),
    (
        "core/v1.PodSpec",
        "affinity",
        "Which nodes, and which pods beside it, the pod wants or avoids.",
    ),
    (
        "core/v1.PodSpec",
        "containers",
        "The containers; at least one.",
    ),
    (
        "core/v1.PodSpec",
        "hostNetwork",
        "Whether the pod uses its node's network.",
    ),
    (
        "core/v1.PodSpec",
        "initContainers",
        "Containers that run to their end, one after another, before the others start.",
    ),
    (
        "core/v1.PodSpec",
        "nodeName",
        "The node that runs the pod; set by the scheduler.",
    ),
    (
        "core/v1.PodSpec",
        "nodeSelector",
        "Labels that the node must have.",
    ),
    (
        "core/v1.PodSpec",
        "restartPolicy",
        "Whether containers that end are started again.",
    ),
    (
        "core/v1.PodSpec",
        "serviceAccountName",
        "The account as which the pod calls the API.",
    ),
    (
        "core/v1.PodSpec",
        "terminationGracePeriodSeconds",
        "How many seconds containers get to end before they are killed.",
    ),
    (
        "core/v1.PodSpec",
        "tolerations",
        "Taints of nodes that do not keep the pod away.",
    ),
    (
        "core/v1.PodSpec",
        "volumes",
        "Volumes that containers may mount.",
    ),
    (
        "core/v1.PodTemplateSpec",
        "",
        "What pods made from it look like.",
    ),
    (
        "core/v1.Secret",
        "",
        "Confidential data that pods read as files or environment variables.",
    ),
    ("core/v1.Secret", "data", "Bytes by key, in base64."),
    (
        "core/v1.Secret",
        "stringData",
        "Text by key; written only, and merged into data.",
    ),
    ("core/v1.Secret", "type", "What the data is for."),
    ("core/v1.Service", "", "A stable address before pods."),
    ("core/v1.ServiceAccount", "", "An identity for pods."),
    (
        "core/v1.ServiceSpec",
        "clusterIP",
        "The address inside the cluster; None for a headless service.",
    ),
    (
        "core/v1.ServiceSpec",
        "ports",
        "The ports that the service offers.",
    ),
    (
        "core/v1.ServiceSpec",
        "selector",
        "Labels of the pods behind the service.",
    ),
    (
        "core/v1.ServiceSpec",
        "type",
        "How the service is reached: ClusterIP, NodePort, LoadBalancer or ExternalName.",
    ),
    (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        "",
        "A number with a unit, as in 500m or 1Gi.",
    ),
    (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        "",
        "A number, or text such as a percentage or a port's name.",
    ),
    (
        "meta/v1.LabelSelector",
        "",
        "Selects objects by their labels: all conditions must hold.",
    ),
    (
        "meta/v1.LabelSelector",
        "matchExpressions",
        "Conditions on labels.",
    ),
    (
        "meta/v1.LabelSelector",
        "matchLabels",
        "Labels that must be there, with these values.",
    ),
    (
        "meta/v1.ObjectMeta",
        "annotations",
        "Notes of tools, by key.",
    ),
    (
        "meta/v1.ObjectMeta",
        "creationTimestamp",
        "When the object was made; set by the server.",
    ),
    (
        "meta/v1.ObjectMeta",
        "deletionTimestamp",
        "When the object is, or was, to be gone; set by a graceful delete.",
    ),
    (
        "meta/v1.ObjectMeta",
        "finalizers",
        "Who must still do something before the object is removed.",
    ),
    (
        "meta/v1.ObjectMeta",
        "generateName",
        "The beginning of a name that the server completes.",
    ),
    (
        "meta/v1.ObjectMeta",
        "generation",
        "Counts the changes of what is wanted.",
    ),
    (
        "meta/v1.ObjectMeta",
        "labels",
        "Words to select objects by.",
    ),
    (
        "meta/v1.ObjectMeta",
        "managedFields",
        "Who set which fields.",
    ),
    (
        "meta/v1.ObjectMeta",
        "name",
        "The object's name, unique in its namespace.",
    ),
    (
        "meta/v1.ObjectMeta",
        "namespace",
        "The namespace of the object.",
    ),
    (
        "meta/v1.ObjectMeta",
        "ownerReferences",
        "Objects that this one depends on; when all are gone, so is this.",
    ),
    (
        "meta/v1.ObjectMeta",
        "resourceVersion",
        "Changes whenever the object does; opaque.",
    ),
    (
        "meta/v1.ObjectMeta",
        "uid",
        "Tells the object from all others that ever were.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_fields_that_exist() {
        let schema = api::Schema::builtin();
        for pair in TABLE.windows(2) {
            assert!((pair[0].0, pair[0].1) < (pair[1].0, pair[1].1), "{pair:?}");
        }
        for (ty, field, _) in TABLE.iter().filter(|(ty, ..)| !ty.starts_with("io.k8s")) {
            let id = schema
                .type_by_name(ty)
                .unwrap_or_else(|| panic!("no type {ty}"));
            assert!(
                field.is_empty() || schema.ty(id).field(field).is_some(),
                "{ty}.{field}"
            );
        }
    }
}
