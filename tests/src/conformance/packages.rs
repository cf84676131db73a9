//! Debian's packages as parts of images: fetched with apt, unpacked below a root, never installed on this machine.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What others depend on that no container needs: tools that install packages, and a second awk.
const WITHOUT: [&str; 13] = [
    "base-files",
    "cdebconf",
    "debconf",
    "debianutils",
    "dpkg",
    "gawk",
    "install-info",
    "libdebian-installer4",
    "libnewt0.52",
    "libslang2",
    "libtextwrap1",
    "mawk",
    "original-awk",
];

/// The packages `names` and all that they need, as files below `cache`.
///
/// # Errors
/// What apt said.
pub fn fetch(cache: &Path, names: &[&str]) -> io::Result<Vec<PathBuf>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    std::fs::create_dir_all(cache)?;
    let mut asked: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut seen = asked.clone();
    while !asked.is_empty() {
        asked = needs(&asked)?
            .into_iter()
            .filter(|name| !WITHOUT.contains(&name.as_str()) && !seen.contains(name))
            .collect();
        seen.extend(asked.iter().cloned());
    }
    let missing: Vec<&String> = seen
        .iter()
        .filter(|name| !matches!(cached(cache, name), Ok(Some(_))))
        .collect();
    if !missing.is_empty() {
        let mut download = Command::new("apt-get");
        download.args(["--quiet", "--option", "APT::Sandbox::User=root", "download"]);
        output(download.args(missing).current_dir(cache))?;
    }
    seen.iter()
        .map(|name| {
            let file = cached(cache, name)?;
            file.ok_or_else(|| io::Error::other(format!("apt-get downloaded no {name}")))
        })
        .collect()
}

/// What packages depend on; of alternatives the first.
fn needs(names: &BTreeSet<String>) -> io::Result<BTreeSet<String>> {
    let mut ask = Command::new("apt-cache");
    ask.args([
        "depends",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
    ]);
    ask.args(["--no-breaks", "--no-replaces", "--no-enhances"]);
    let text = output(ask.args(names))?;
    let mut found = BTreeSet::new();
    let mut taken = false;
    for line in text.lines() {
        // " |Depends: a" is followed by its alternatives, up to one without the bar.
        let Some((kind, package)) = line.split_once("Depends: ") else {
            continue;
        };
        if !taken && !package.starts_with('<') {
            found.insert(package.to_owned());
        }
        taken = kind.contains('|');
    }
    Ok(found)
}

/// The package's file in the cache.
fn cached(cache: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let begin = format!("{name}_");
    for entry in std::fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Unpacks a package below `root`.
///
/// # Errors
/// What dpkg-deb said.
pub fn unpack(package: &Path, root: &Path) -> io::Result<()> {
    output(Command::new("dpkg-deb").arg("-x").arg(package).arg(root)).map(drop)
}

/// What a command printed.
pub(super) fn output(command: &mut Command) -> io::Result<String> {
    let output = command
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    )))
}
