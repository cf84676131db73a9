//! Files that change all at once: the visible names are links through `..data`, which is swapped by a rename to the directory
//! of the new contents. A reader sees the old files or the new ones, never a mixture.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Its owner; root if `None`.
    pub uid: Option<u32>,
}

/// Files by their path inside the volume.
pub type Payload = BTreeMap<String, File>;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Makes the volume at `dir` show exactly `payload`; `version` names the directory of the new contents. Nothing is touched when
/// it shows that already. What was interrupted is made good.
pub fn write(
    dir: &Path,
    version: &str,
    payload: &Payload,
    fs_group: Option<u32>,
) -> std::io::Result<()> {
    for path in payload.keys() {
        let harmless = !path.is_empty()
            && !path.starts_with('/')
            && path.split('/').all(|part| !["", ".", ".."].contains(&part));
        if !harmless || path.starts_with("..") {
            return Err(std::io::Error::new(
                ErrorKind::InvalidInput,
                format!("invalid path: {path}"),
            ));
        }
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    match fs::read_link(dir.join(DATA)) {
        // The names may be missing all the same: they come after the swap.
        Ok(current) if shows(&dir.join(&current), payload)? => {
            link(dir, current.as_os_str(), payload)
        }
        _ => {
            swap(dir, version, payload, fs_group)?;
            link(dir, version.as_ref(), payload)
        }
    }
}

/// Makes the directory of the new contents, and `..data` lead to it.
fn swap(
    dir: &Path,
    version: &str,
    payload: &Payload,
    fs_group: Option<u32>,
) -> std::io::Result<()> {
    let target = dir.join(version);
    fs::create_dir(&target)?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    for (path, file) in payload {
        let path = target.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut out = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        out.write_all(&file.bytes)?;
        // Past the umask.
        let mode = if fs_group.is_some() {
            file.mode | 0o440
        } else {
            file.mode
        };
        out.set_permissions(fs::Permissions::from_mode(mode))?;
        if file.uid.is_some() || fs_group.is_some() {
            std::os::unix::fs::chown(&path, file.uid, fs_group)?;
        }
    }

    let staged = dir.join(NEW_DATA);
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(version, &staged)?;
    fs::rename(&staged, dir.join(DATA))
}

/// Makes the visible names, and takes away those that are none any more and all contents but the `current` ones.
fn link(dir: &Path, current: &OsStr, payload: &Payload) -> std::io::Result<()> {
    let visible: BTreeSet<&str> = payload
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect();
    for name in &visible {
        match symlink(Path::new(DATA).join(name), dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("..") {
            if name != DATA && entry.file_name() != current && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        } else if !visible.contains(name.as_str()) && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the directory holds exactly these files.
fn shows(dir: &Path, payload: &Payload) -> std::io::Result<bool> {
    let mut count = 0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            } else {
                count += 1;
            }
        }
    }
    let same = |(path, file): (&String, &File)| {
        fs::read(dir.join(path)).is_ok_and(|bytes| bytes == file.bytes)
    };
    Ok(count == payload.len() && payload.iter().all(same))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |text: &str| File {
            bytes: text.into(),
            mode: 0o640,
            uid: None,
        };
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), file(text)))
            .collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_update_replaces_adds_and_removes_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "..1", &payload(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
        assert_eq!(names(dir), ["..1", "..data", "a", "sub"]);
        assert_eq!(fs::read_to_string(dir.join("sub/b")).unwrap(), "2");
        assert_eq!(
            fs::metadata(dir.join("a")).unwrap().permissions().mode() & 0o777,
            0o640
        );
        // A file that was opened before keeps its contents.
        let open = fs::File::open(dir.join("a")).unwrap();
        write(dir, "..2", &payload(&[("a", "one"), ("c", "3")]), None).unwrap();
        assert_eq!(names(dir), ["..2", "..data", "a", "c"]);
        assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "one");
        assert_eq!(std::io::read_to_string(open).unwrap(), "1");
    }

    #[test]
    fn nothing_is_touched_when_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "..1", &payload(&[("a", "1")]), None).unwrap();
        write(dir.path(), "..2", &payload(&[("a", "1")]), None).unwrap();
        assert_eq!(names(dir.path()), ["..1", "..data", "a"]);
        write(dir.path(), "..3", &Payload::new(), None).unwrap();
        assert_eq!(names(dir.path()), ["..3", "..data"]);
    }

    #[test]
    fn an_interrupted_update_is_cleared_away_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("..0")).unwrap();
        symlink("..0", dir.path().join(NEW_DATA)).unwrap();
        write(dir.path(), "..1", &payload(&[("a", "1")]), None).unwrap();
        assert_eq!(names(dir.path()), ["..1", "..data", "a"]);
    }

    #[test]
    fn what_was_interrupted_after_the_swap_is_made_good_though_the_contents_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "..1", &payload(&[("a", "1"), ("b", "2")]), None).unwrap();
        fs::remove_file(dir.join("a")).unwrap();
        symlink(Path::new(DATA).join("gone"), dir.join("gone")).unwrap();
        fs::create_dir(dir.join("..0")).unwrap();
        write(dir, "..2", &payload(&[("a", "1"), ("b", "2")]), None).unwrap();
        assert_eq!(names(dir), ["..1", "..data", "a", "b"]);
        assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "1");
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["../x", "/x", "a/../../x", "..x", "", "a//b"] {
            assert!(
                write(dir.path(), "..1", &payload(&[(path, "1")]), None).is_err(),
                "{path}"
            );
        }
    }
}
