//! What is mounted where, as the kernel tells it to the calling thread: by real paths, whatever links lead there.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Where.
    pub path: PathBuf,
    /// What is mounted below it is mounted in its copies too.
    pub shared: bool,
    /// What is mounted below the one that it is a copy of is mounted here too.
    pub slave: bool,
}

/// All mounts; of several at one place the uppermost comes last. Blocks.
///
/// # Errors
/// When the kernel does not tell.
pub(super) fn read() -> std::io::Result<Vec<Mounted>> {
    Ok(parse(&fs::read("/proc/thread-self/mountinfo")?))
}

/// Whether something is mounted there. Blocks.
///
/// # Errors
/// When the kernel does not tell.
pub(super) fn is_mounted(target: &Path) -> std::io::Result<bool> {
    Ok(read()?.iter().any(|mounted| mounted.path == target))
}

/// Whether what is mounted below a place of the node gets into a container, and out of it if that is asked for: `propagation` is
/// that of the container's mount. Blocks.
///
/// # Errors
/// When the mount that the place lies on does not take part, in the words of containerd's CRI.
pub fn check_propagation(source: &Path, propagation: &str) -> std::io::Result<()> {
    let real = source.canonicalize()?;
    let on = read()?
        .into_iter()
        .filter(|mounted| real.starts_with(&mounted.path))
        .max_by_key(|mounted| mounted.path.components().count());
    let Some(on) = on else { return Ok(()) };
    let (takes_part, kind) = match propagation {
        "rshared" => (on.shared, "shared"),
        "rslave" => (on.shared || on.slave, "shared or slave"),
        _ => (true, ""),
    };
    if takes_part {
        return Ok(());
    }
    Err(std::io::Error::other(format!(
        "path {:?} is mounted on {:?} but it is not a {kind} mount",
        real, on.path
    )))
}

/// Lines of `ID PARENT DEVICE ROOT PATH OPTIONS TAG… - …`.
fn parse(table: &[u8]) -> Vec<Mounted> {
    let lines = table.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(4);
            let path = unescape(fields.next()?);
            let tags: Vec<&[u8]> = fields.skip(1).take_while(|tag| *tag != b"-").collect();
            let tagged = |name: &[u8]| tags.iter().any(|tag| tag.starts_with(name));
            Some(Mounted {
                path,
                shared: tagged(b"shared:"),
                slave: tagged(b"master:"),
            })
        })
        .collect()
}

/// Spaces and the like are written as octal escapes.
fn unescape(mut text: &[u8]) -> PathBuf {
    let mut out = Vec::new();
    while let [first, rest @ ..] = text {
        let octal = rest.get(..3).filter(|_| *first == b'\\');
        let byte = octal.and_then(|octal| u8::from_str_radix(str::from_utf8(octal).ok()?, 8).ok());
        out.push(byte.unwrap_or(*first));
        text = if byte.is_some() { &rest[3..] } else { rest };
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_with_its_escapes_and_tags() {
        let table = b"22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n\
            23 22 0:5 /a /mnt/a\\040b\\134\xff rw,nosuid - tmpfs none rw\n\
            24 22 0:6 / /mnt/c rw master:7 propagate_from:2 - tmpfs shared: rw\n";
        let mounted = |path: &[u8], shared, slave| Mounted {
            path: OsString::from_vec(path.to_vec()).into(),
            shared,
            slave,
        };
        assert_eq!(
            parse(table),
            [
                mounted(b"/", true, false),
                mounted(b"/mnt/a b\\\xff", false, false),
                mounted(b"/mnt/c", false, true)
            ]
        );
    }
}
