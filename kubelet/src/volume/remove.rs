//! Taking away a directory with all that is in it and below it. What is mounted there is unmounted before; a mount that is left
//! all the same is never entered, since what lies in it is somebody's data.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::mount_table;

/// Unmounts everything below `dir` and removes it, through a link too; fine if there is none. Blocks.
///
/// # Errors
/// When something cannot be unmounted or removed.
pub fn remove_tree(dir: &Path) -> std::io::Result<()> {
    let real = match dir.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        real => real?,
    };
    let mut below: Vec<PathBuf> = mount_table::read()?
        .into_iter()
        .map(|mounted| mounted.path)
        .filter(|target| target.starts_with(&real))
        .collect();
    // The innermost first.
    below.sort();
    for target in below.iter().rev() {
        umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    remove_unmounted(&real)?;
    if dir.is_symlink() {
        fs::remove_file(dir)?;
    }
    Ok(())
}

/// Removes the directory at a path without links, as far as nothing is mounted there.
fn remove_unmounted(dir: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(Error::new(ErrorKind::InvalidInput, "the root directory"));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent, flags, Mode::empty())?;
    remove_at(parent.as_fd(), &CString::new(name.as_bytes())?)
}

fn remove_at(parent: BorrowedFd<'_>, name: &CStr) -> std::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Refused for mounts, also for those of a directory of the same file system.
    let opened = rustix::fs::openat2(parent, name, flags, Mode::empty(), ResolveFlags::NO_XDEV);
    let dir = opened.map_err(|error| match error {
        Errno::XDEV => Error::new(
            ErrorKind::ResourceBusy,
            format!(
                "{}: something is still mounted there",
                name.to_string_lossy()
            ),
        ),
        other => other.into(),
    })?;
    let mut dir = Dir::new(dir)?;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        if ![c".", c".."].contains(&entry.file_name()) {
            remove_at(dir.fd()?, entry.file_name())?;
        }
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(error) if error != Errno::NOENT => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::volume::tests::{bind, in_own_mounts};

    #[test]
    fn what_is_mounted_in_a_tree_outlives_it_also_through_a_link() {
        in_own_mounts(|dir| {
            let (real, data) = (dir.join("real"), dir.join("data"));
            fs::create_dir_all(real.join("pods/a b/sub")).unwrap();
            fs::create_dir_all(data.join("deep")).unwrap();
            fs::write(data.join("deep/file"), "precious").unwrap();
            fs::write(real.join("pods/a b/own"), "").unwrap();
            symlink("deep/file", real.join("pods/a b/link")).unwrap();
            bind(&data, &real.join("pods/a b/sub"));
            bind(&data, &real.join("pods/a b/sub/deep"));
            symlink(&real, dir.join("link")).unwrap();
            remove_tree(&dir.join("link/pods/a b")).unwrap();
            remove_tree(&dir.join("link/pods/a b")).unwrap();
            assert_eq!(fs::read_dir(real.join("pods")).unwrap().count(), 0);
            assert_eq!(
                fs::read_to_string(data.join("deep/file")).unwrap(),
                "precious"
            );
            // The link goes with what it leads to.
            remove_tree(&dir.join("link")).unwrap();
            assert!(!real.exists() && !dir.join("link").is_symlink());
        });
    }

    #[test]
    fn what_is_still_mounted_is_not_entered() {
        in_own_mounts(|dir| {
            let (tree, data) = (dir.join("tree"), dir.join("data"));
            fs::create_dir_all(tree.join("sub")).unwrap();
            fs::create_dir(&data).unwrap();
            fs::write(data.join("file"), "precious").unwrap();
            bind(&data, &tree.join("sub"));
            let error = remove_unmounted(&tree).unwrap_err();
            assert_eq!(
                error.to_string(),
                "sub: something is still mounted there",
                "{error:?}"
            );
            assert!(data.join("file").exists());
        });
    }
}
