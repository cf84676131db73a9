//! Directories that live as long as their pod: `emptyDir`, and the tmpfs below secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::ownership;

/// Makes the directory, on a tmpfs of its own of at most `size` bytes if `memory`.
pub fn ensure(
    path: &Path,
    memory: bool,
    size: Option<i64>,
    mode: u32,
    fs_group: Option<u32>,
) -> std::io::Result<()> {
    let fresh = !path.exists();
    fs::create_dir_all(path)?;
    if memory && !is_tmpfs_root(path)? {
        let options = size
            .filter(|size| *size > 0)
            .map(|size| format!("size={size}"));
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(
            Some("tmpfs"),
            path,
            Some("tmpfs"),
            flags,
            options.as_deref(),
        )?;
    } else if !fresh {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    match fs_group {
        Some(gid) => ownership::own_dir(path, gid),
        None => Ok(()),
    }
}

fn is_tmpfs_root(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let parent = path.parent().unwrap_or(path);
    let mounted = fs::metadata(path)?.dev() != fs::metadata(parent)?.dev();
    Ok(mounted && statfs(path)?.filesystem_type() == TMPFS_MAGIC)
}
