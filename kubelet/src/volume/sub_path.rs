//! `subPath`: a part of a volume. What lies in a volume is the containers' to change, links included, so the part is opened
//! inside the volume and bound by its descriptor, never by its name.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags, ResolveFlags};

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
    let directory = fs::metadata(&source)?.is_dir();
    if sub.only_directory && !directory {
        return Err(invalid("only directory subpath is supported"));
    }
    if is_mounted(&sub.target) {
        return Ok(());
    }
    if let Some(parent) = sub.target.parent() {
        fs::create_dir_all(parent)?;
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

/// Whether something is mounted there.
pub(super) fn is_mounted(target: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|mounted| super::unescape(mounted) == target)
}
