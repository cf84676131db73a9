//! `fsGroup`: the pod's group may use its volumes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// The directory belongs to the group, and so does what will be made in it.
pub fn own_dir(path: &Path, gid: u32) -> std::io::Result<()> {
    chown(path, None, Some(gid))?;
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o2770))
}
