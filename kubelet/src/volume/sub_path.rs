//! `subPath`: a part of a volume. What lies in a volume is the containers' to change, links included, so the part is opened
//! inside the volume and bound by its descriptor, never by its name.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::mount_table;

/// Which part of which volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubPath {
    /// The volume on the node.
    pub volume: PathBuf,
    /// Inside it.
    pub path: String,
    /// Where it is bound, for the container's mount.
    pub target: PathBuf,
    /// It must be a directory that is there: in an image nothing is made, and files are none of its parts.
    pub only_directory: bool,
}

/// Binds the part to its target; what is missing becomes a directory. Blocks.
///
/// # Errors
/// When the path leads out of the volume, or the kernel refuses.
pub fn bind(sub: &SubPath) -> std::io::Result<()> {
    let invalid = |what: &str| {
        std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            format!("subPath {:?}: {what}", sub.path),
        )
    };
    if sub.path.starts_with('/') || sub.path.split('/').any(|part| part == "..") {
        return Err(invalid("must be a relative path without '..'"));
    }
    let root = rustix::fs::open(&sub.volume, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let flags = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let open = |path: &str| {
        rustix::fs::openat2(
            &root,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            flags,
        )
    };
    let part = match open(&sub.path) {
        Err(rustix::io::Errno::NOENT) if !sub.only_directory => {
            let mut at = rustix::fs::openat2(
                &root,
                ".",
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
                flags,
            )?;
            let mut sofar = String::new();
            for name in sub
                .path
                .split('/')
                .filter(|name| !name.is_empty() && *name != ".")
            {
                sofar = format!("{sofar}{name}/");
                at = match open(&sofar) {
                    Err(rustix::io::Errno::NOENT) => {
                        rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o700))?;
                        let made = open(&sofar)?;
                        // As open as the volume itself; past the umask.
                        let path = format!("/proc/self/fd/{}", made.as_raw_fd());
                        fs::set_permissions(path, fs::metadata(&sub.volume)?.permissions())?;
                        made
                    }
                    opened => opened?,
                };
            }
            at
        }
        opened => opened?,
    };
    let source = PathBuf::from(format!("/proc/self/fd/{}", part.as_raw_fd()));
    let metadata = fs::metadata(&source)?;
    let directory = metadata.is_dir();
    if sub.only_directory && !directory {
        return Err(invalid("only directory subpath is supported"));
    }
    while mount_table::is_mounted(&sub.target)? {
        let is_it =
            |bound: fs::Metadata| (bound.dev(), bound.ino()) == (metadata.dev(), metadata.ino());
        if fs::metadata(&sub.target).is_ok_and(is_it) {
            return Ok(());
        }
        // Something else has taken the part's name since. Containers that have the old one keep it.
        umount2(
            &sub.target,
            MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW,
        )?;
    }
    if let Some(parent) = sub.target.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(&sub.target) {
        Ok(old) if old.is_dir() && !directory => fs::remove_dir(&sub.target)?,
        Ok(old) if !old.is_dir() && directory => fs::remove_file(&sub.target)?,
        _ => {}
    }
    if directory {
        fs::create_dir_all(&sub.target)?;
    } else {
        fs::File::create(&sub.target)?;
    }
    mount(
        Some(&source),
        &sub.target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::tests::in_own_mounts;

    #[test]
    fn a_part_that_was_replaced_is_bound_anew_and_one_that_was_not_stays() {
        in_own_mounts(|dir| {
            let sub = SubPath {
                volume: dir.join("volume"),
                path: "part".into(),
                target: dir.join("bound/0"),
                only_directory: false,
            };
            let part = sub.volume.join("part");
            let mounts = || {
                let table = mount_table::read().unwrap();
                let here = |mounted: &&mount_table::Mounted| mounted.path == sub.target;
                table.iter().filter(here).count()
            };
            fs::create_dir_all(&part).unwrap();
            bind(&sub).unwrap();
            bind(&sub).unwrap();
            assert_eq!(mounts(), 1);
            fs::rename(&part, sub.volume.join("old")).unwrap();
            fs::create_dir(&part).unwrap();
            fs::write(part.join("file"), "new").unwrap();
            bind(&sub).unwrap();
            assert_eq!(mounts(), 1);
            assert_eq!(fs::read_to_string(sub.target.join("file")).unwrap(), "new");
            // A file now.
            fs::remove_dir_all(&part).unwrap();
            fs::write(&part, "text").unwrap();
            bind(&sub).unwrap();
            assert_eq!(fs::read_to_string(&sub.target).unwrap(), "text");
        });
    }
}
