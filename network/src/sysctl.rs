//! Kernel settings: what was changed is remembered under the data directory, so that it can be put back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

const SAVED: &str = "sysctls.json";

/// Sets `name` (its path below /proc/sys) to 1 and remembers the value that it had, unless it is 1 already.
pub fn enable(data_dir: &Path, name: &str) -> Result<(), Error> {
    let path = Path::new("/proc/sys").join(name);
    let before = fs::read_to_string(&path).map_err(Error::io(&path))?;
    if before.trim() == "1" {
        return Ok(());
    }
    let mut saved = saved(data_dir);
    saved
        .entry(name.to_owned())
        .or_insert_with(|| before.trim().to_owned());
    let file = file(data_dir);
    let text = serde_json::to_string(&saved).map_err(|error| Error::Config(error.to_string()))?;
    fs::write(&file, text).map_err(Error::io(&file))?;
    write(name, "1")
}

/// Puts back what [`enable`] changed.
pub fn restore(data_dir: &Path) -> Result<(), Error> {
    for (name, value) in saved(data_dir) {
        write(&name, &value)?;
    }
    Ok(())
}

/// Sets `name` (its path below /proc/sys).
pub fn write(name: &str, value: &str) -> Result<(), Error> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value).map_err(Error::io(&path))
}

fn saved(data_dir: &Path) -> BTreeMap<String, String> {
    fs::read(file(data_dir))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(SAVED)
}
