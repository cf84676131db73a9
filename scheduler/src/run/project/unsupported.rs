//! What a pod may say that bears on placement, and that this scheduler does not act upon: it is refused for it by name.

use api::core::v1::Pod;

use crate::text::Text;

/// The fields of a pod that bear on placement and that this scheduler does not act upon.
pub(super) fn unsupported(pod: Pod<'_>) -> Vec<Text> {
    let spec = pod.spec();
    let mut fields: Vec<Text> = Vec::new();
    let mut name = |set: bool, field: &str| {
        if set && !fields.iter().any(|known| &**known == field) {
            fields.push(field.into());
        }
    };
    if let Some(affinity) = spec.affinity() {
        let some = |required: usize, preferred: usize| required + preferred > 0;
        name(
            affinity.pod_affinity().is_some_and(|a| {
                some(
                    a.required_during_scheduling_ignored_during_execution()
                        .len(),
                    a.preferred_during_scheduling_ignored_during_execution()
                        .len(),
                )
            }),
            "spec.affinity.podAffinity",
        );
        name(
            affinity.pod_anti_affinity().is_some_and(|a| {
                some(
                    a.required_during_scheduling_ignored_during_execution()
                        .len(),
                    a.preferred_during_scheduling_ignored_during_execution()
                        .len(),
                )
            }),
            "spec.affinity.podAntiAffinity",
        );
    }
    // Volumes that bind to a node, that one node has at a time, or that nodes have a limited number of.
    for volume in spec.volumes().iter() {
        name(
            volume.has_persistent_volume_claim(),
            "spec.volumes[*].persistentVolumeClaim",
        );
        name(volume.has_ephemeral(), "spec.volumes[*].ephemeral");
        name(
            volume.has_gce_persistent_disk(),
            "spec.volumes[*].gcePersistentDisk",
        );
        name(
            volume.has_aws_elastic_block_store(),
            "spec.volumes[*].awsElasticBlockStore",
        );
        name(volume.has_azure_disk(), "spec.volumes[*].azureDisk");
        name(volume.has_cinder(), "spec.volumes[*].cinder");
        name(volume.has_iscsi(), "spec.volumes[*].iscsi");
        name(volume.has_rbd(), "spec.volumes[*].rbd");
        name(volume.has_vsphere_volume(), "spec.volumes[*].vsphereVolume");
        name(
            volume.has_portworx_volume(),
            "spec.volumes[*].portworxVolume",
        );
    }
    name(!spec.resource_claims().is_empty(), "spec.resourceClaims");
    name(spec.scheduling_group().is_some(), "spec.schedulingGroup");
    fields
}
