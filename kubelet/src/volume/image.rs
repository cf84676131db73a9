//! `image`: the files of an image, mounted read-only (KEP-4639).

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags};

use super::mount_table::is_mounted;
use crate::containerd::Mount;

/// Mounts a snapshot at `target`, unless that was done before. Blocks.
///
/// # Errors
/// When the kernel refuses, or the snapshotter mounts in a way that is neither `bind` nor `overlay`.
pub fn ensure(mounts: &[Mount], target: &Path) -> std::io::Result<()> {
    if is_mounted(target)? {
        return Ok(());
    }
    fs::create_dir_all(target)?;
    let [one] = mounts else {
        let message = format!("the snapshotter mounts in {} steps", mounts.len());
        return Err(std::io::Error::other(message));
    };
    match one.r#type.as_str() {
        "bind" => bind(Path::new(&one.source), target),
        "overlay" => overlay(&one.options, target),
        other => Err(std::io::Error::other(format!(
            "the snapshotter mounts {other}, only bind and overlay are supported"
        ))),
    }
}

/// An image of one layer: its directory.
fn bind(source: &Path, target: &Path) -> std::io::Result<()> {
    let none = None::<&str>;
    mount(Some(source), target, none, MsFlags::MS_BIND, none)?;
    // The kernel heeds MS_RDONLY of a bind mount only afterwards.
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(none, target, none, read_only, none)?)
}

/// Layers above one another. They are named by descriptors: the kernel takes one page of options, and paths of many layers are
/// longer.
fn overlay(options: &[String], target: &Path) -> std::io::Result<()> {
    let mut open = Vec::new();
    let mut texts = Vec::new();
    for option in options {
        match option.strip_prefix("lowerdir=") {
            Some(layers) => {
                let mut names = Vec::new();
                for layer in layers.split(':') {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    let layer = File::from(rustix::fs::open(layer, flags, Mode::empty())?);
                    names.push(format!("/proc/self/fd/{}", layer.as_raw_fd()));
                    open.push(layer);
                }
                texts.push(format!("lowerdir={}", names.join(":")));
            }
            None if option == "ro" => {}
            None => texts.push(option.clone()),
        }
    }
    mount(
        Some("overlay"),
        target,
        Some("overlay"),
        MsFlags::MS_RDONLY,
        Some(texts.join(",").as_str()),
    )?;
    Ok(())
}
