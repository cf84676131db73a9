//! Volumes of pods.

use super::container::pull_policy;
use super::{Rule, rules};
use crate::core::v1::{
    ConfigMapVolumeSource, ConfigMapVolumeSourceMut, DownwardAPIVolumeSource,
    DownwardAPIVolumeSourceMut, HostPathVolumeSource, HostPathVolumeSourceMut,
    ProjectedVolumeSource, ProjectedVolumeSourceMut, SecretVolumeSource, SecretVolumeSourceMut,
    ServiceAccountTokenProjection, ServiceAccountTokenProjectionMut, Volume, VolumeMut,
};
use crate::view::View;

pub(super) const RULES: &[Rule] = rules![
    ConfigMapVolumeSource => |mut source: ConfigMapVolumeSourceMut<'_>| source.default_default_mode(FILE_MODE),
    DownwardAPIVolumeSource => |mut source: DownwardAPIVolumeSourceMut<'_>| source.default_default_mode(FILE_MODE),
    HostPathVolumeSource => |mut source: HostPathVolumeSourceMut<'_>| source.default_type(""),
    ProjectedVolumeSource => |mut source: ProjectedVolumeSourceMut<'_>| source.default_default_mode(FILE_MODE),
    SecretVolumeSource => |mut source: SecretVolumeSourceMut<'_>| source.default_default_mode(FILE_MODE),
    ServiceAccountTokenProjection => token,
    Volume => volume,
];

const FILE_MODE: i32 = 0o644;

fn token(mut token: ServiceAccountTokenProjectionMut<'_>) {
    token.default_expiration_seconds(3600);
}

/// A volume without a source is an emptyDir.
fn volume(mut volume: VolumeMut<'_>) {
    let sourceless = volume
        .view()
        .node()
        .is_some_and(|node| node.fields().all(|(field, _)| field == Volume::NAME));
    if sourceless {
        volume.empty_dir_mut();
    }
    if let Some(image) = volume.view().image()
        && !image.has_pull_policy()
    {
        let policy = pull_policy(image.reference());
        volume.image_mut().set_pull_policy(policy);
    }
}
