//! What of the node a container sees: volumes and parts of them, the pod's own files, the file for its last words.

use std::path::PathBuf;

use api::core::v1::{Container, Pod};

use super::container::StartError;
use super::env;
use crate::context::Shared;
use crate::oci::Mount;
use crate::volume::{
    SubPath, Volumes, bind_sub_path, blocking, check_propagation, ensure_host_path,
};

/// The mounts of one attempt, and where its termination message is on the node.
///
/// # Errors
/// When a volume is not there, or a part of one cannot be bound.
pub async fn mounts(
    shared: &Shared,
    pod: Pod<'_>,
    container: Container<'_>,
    number: u32,
    volumes: &Volumes,
    variables: &[(String, String)],
) -> Result<(Vec<Mount>, Option<PathBuf>), StartError> {
    let dir = shared.pod_dir(pod.metadata().uid());
    let mut list = Vec::new();
    for (at, mount) in container.volume_mounts().iter().enumerate() {
        let config = |message: String| StartError::new("CreateContainerConfigError", message);
        let volume = pod
            .spec()
            .volumes()
            .iter()
            .find(|volume| volume.name() == mount.name());
        let image = volume.is_some_and(|volume| volume.image().is_some());
        let mut source = volumes.path(mount.name()).ok_or_else(|| {
            config(format!(
                "cannot find volume {:?} to mount into container {:?}",
                mount.name(),
                container.name()
            ))
        })?;
        if let Some(host) = volume.and_then(|volume| volume.host_path()) {
            let (path, kind) = (source.clone(), host.type_().unwrap_or_default().to_owned());
            // It may have gone since the pod's first container was started.
            let there = blocking(move || ensure_host_path(&path, &kind)).await;
            there.map_err(|error| StartError::new("CreateContainerError", error))?;
        }
        let sub_path = if mount.sub_path_expr().is_empty() {
            mount.sub_path().to_owned()
        } else {
            let known = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.clone())
            };
            env::expand(mount.sub_path_expr(), known)
        };
        if !sub_path.is_empty() {
            let mut target = dir
                .join("volume-subpaths")
                .join(mount.name())
                .join(container.name())
                .join(at.to_string());
            // A later attempt may get another image.
            if let Some(digest) = source.file_name().filter(|_| image) {
                target.push(digest);
            }
            let sub = SubPath {
                volume: source,
                path: sub_path.clone(),
                target: target.clone(),
                only_directory: image,
            };
            let bound = blocking(move || bind_sub_path(&sub)).await;
            bound.map_err(|e| {
                if image {
                    let message = format!(
                        "ImageVolumeMountFailed: failed to ensure image subpath {sub_path:?} in volume {:?}: {e}",
                        mount.name()
                    );
                    return StartError::new("CreateContainerError", message);
                }
                config(format!(
                    "failed to prepare subPath for volumeMount {:?} of container {:?}: {e}",
                    mount.name(),
                    container.name()
                ))
            })?;
            source = target;
        }
        let projected = volume.is_some_and(|volume| {
            volume.config_map().is_some()
                || volume.secret().is_some()
                || volume.downward_api().is_some()
                || volume.projected().is_some()
        });
        let propagation = match mount.mount_propagation() {
            Some("HostToContainer") => "rslave",
            Some("Bidirectional") => "rshared",
            _ => "rprivate",
        };
        if propagation != "rprivate" {
            let source = source.clone();
            let checked = blocking(move || check_propagation(&source, propagation)).await;
            checked.map_err(|error| StartError::new("CreateContainerError", error))?;
        }
        let destination = mount.mount_path();
        let destination = if destination.starts_with('/') {
            destination.to_owned()
        } else {
            format!("/{destination}")
        };
        // What the kubelet keeps up to date is not the container's to write, and neither is an image.
        list.push(Mount {
            source,
            destination,
            read_only: mount.read_only() || projected || image,
            propagation,
        });
    }
    let own = |file: &str, destination: &str, read_only: bool| Mount {
        source: dir.join(file),
        destination: destination.into(),
        read_only,
        propagation: "rprivate",
    };
    let taken = |list: &[Mount], path: &str| list.iter().any(|mount| mount.destination == path);
    let read_only_root = container
        .security_context()
        .and_then(|s| s.read_only_root_filesystem())
        == Some(true);
    for (file, destination) in [
        ("etc-hosts", "/etc/hosts"),
        ("resolv.conf", "/etc/resolv.conf"),
        ("hostname", "/etc/hostname"),
    ] {
        if !taken(&list, destination) {
            list.push(own(file, destination, read_only_root));
        }
    }
    if !taken(&list, "/dev/shm") {
        let shm = own("shm", "/dev/shm", false);
        list.push(if pod.spec().host_ipc() {
            Mount {
                source: "/dev/shm".into(),
                ..shm
            }
        } else {
            shm
        });
    }
    let mut termination = None;
    if !container.termination_message_path().is_empty() {
        let path = dir
            .join("containers")
            .join(container.name())
            .join(number.to_string());
        let made = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::write(&path, "")?;
                // Whoever the container runs as writes it.
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))
            });
        made.map_err(|e| StartError::new("CreateContainerError", e))?;
        list.push(Mount {
            source: path.clone(),
            destination: container.termination_message_path().into(),
            read_only: false,
            propagation: "rprivate",
        });
        termination = Some(path);
    }
    Ok((list, termination))
}
