//! Files of an image, read where the snapshotter keeps its layers, without mounting them.

use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::containerd::Mount;

/// A user database larger than this is not one.
const MAX_BYTES: u64 = 4 << 20;

/// What the kubelet needs to know from inside an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// /etc/passwd; empty if the image has none.
    pub passwd: String,
    /// /etc/group; empty if the image has none.
    pub group: String,
}

/// Reads them through the mounts of a snapshot. Blocks.
///
/// # Errors
/// When a layer cannot be read, or the snapshotter mounts in a way that is neither `bind` nor `overlay`.
pub fn read_image_files(mounts: &[Mount]) -> std::io::Result<ImageFiles> {
    let layers = layers(mounts)?;
    let read = |path: &str| -> std::io::Result<String> {
        for layer in &layers {
            match read_in(Path::new(layer), path)? {
                Found::File(text) => return Ok(text),
                Found::Removed => break,
                Found::Nothing => {}
            }
        }
        Ok(String::new())
    };
    Ok(ImageFiles {
        passwd: read("etc/passwd")?,
        group: read("etc/group")?,
    })
}

/// The directories of the layers, the topmost first.
fn layers(mounts: &[Mount]) -> std::io::Result<Vec<String>> {
    let mut layers = Vec::new();
    for mount in mounts {
        match mount.r#type.as_str() {
            "bind" => layers.push(mount.source.clone()),
            "overlay" => {
                let option = |name: &str| {
                    mount
                        .options
                        .iter()
                        .find_map(|option| option.strip_prefix(name))
                };
                layers.extend(option("upperdir=").map(str::to_owned));
                layers.extend(
                    option("lowerdir=")
                        .into_iter()
                        .flat_map(|dirs| dirs.split(':'))
                        .map(str::to_owned),
                );
            }
            other => {
                return Err(std::io::Error::other(format!(
                    "the snapshotter mounts {other}, only bind and overlay are read"
                )));
            }
        }
    }
    Ok(layers)
}

enum Found {
    File(String),
    /// The layer says that it is gone.
    Removed,
    Nothing,
}

fn read_in(layer: &Path, path: &str) -> std::io::Result<Found> {
    let root = rustix::fs::open(
        layer,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // Symlinks of the image lead nowhere outside it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::openat2(
        &root,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    ) {
        Ok(file) => {
            let file = std::fs::File::from(file);
            if !file.metadata()?.is_file() {
                return Ok(Found::Removed);
            }
            let mut bytes = Vec::new();
            file.take(MAX_BYTES).read_to_end(&mut bytes)?;
            Ok(Found::File(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(Found::Nothing),
        // A whiteout: a character device 0:0, which nothing answers for.
        Err(rustix::io::Errno::NXIO) => Ok(Found::Removed),
        Err(error) => Err(error.into()),
    }
}
