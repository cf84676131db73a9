//! `gantry kubeconfig merge|remove`: the cluster's context in a user's own kubeconfig.
//!
//! What was there before is kept beside the admin kubeconfig: if nobody changed the file since, removing restores it byte
//! for byte (comments and order included); otherwise only the context is taken out.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::{fs, io};

mod merge;

/// Why a user's kubeconfig could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A document could not be understood.
    #[error("{path}: {source}")]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: merge::MergeError,
    },
    /// No such user, or one without a home directory.
    #[error("user {0} has no home directory")]
    NoHome(String),
}

/// A user's kubeconfig, and where its original is kept.
pub struct UserKubeconfig {
    path: PathBuf,
    uid: u32,
    gid: u32,
    /// Bytes of the file as it was before the first merge; absent if there was no file.
    original: PathBuf,
    /// Bytes that the last merge wrote, to tell whether somebody changed the file since.
    written: PathBuf,
}

impl UserKubeconfig {
    /// The default kubeconfig of `user`; originals are kept in `state_dir`.
    pub fn of(user: &str, state_dir: &Path) -> Result<Self, KubeconfigError> {
        let entry = nix_user(user).ok_or_else(|| KubeconfigError::NoHome(user.to_owned()))?;
        let path = entry.dir.join(".kube/config");
        Ok(Self {
            path,
            uid: entry.uid.as_raw(),
            gid: entry.gid.as_raw(),
            original: state_dir.join(format!("kubeconfig-{user}.original")),
            written: state_dir.join(format!("kubeconfig-{user}.written")),
        })
    }

    /// Merges the admin kubeconfig `from` under the name `context` and makes it current.
    pub fn merge(&self, from: &Path, context: &str) -> Result<(), KubeconfigError> {
        let admin = read(from)?.unwrap_or_default();
        let existing = read(&self.path)?;
        let merged = merge::merge(existing.as_deref(), &admin, context)
            .map_err(|source| self.document(source))?;
        if !self.written.exists()
            && let Some(existing) = &existing
        {
            write(&self.original, existing, None)?;
        }
        write(&self.written, &merged, None)?;
        write(&self.path, &merged, Some((self.uid, self.gid)))
    }

    /// Takes the context out again. A file that did not exist before is removed.
    pub fn remove(&self, context: &str) -> Result<(), KubeconfigError> {
        let Some(existing) = read(&self.path)? else {
            return Ok(());
        };
        let original = read(&self.original)?;
        let owner = Some((self.uid, self.gid));
        if read(&self.written)?.as_deref() == Some(existing.as_str()) {
            match &original {
                Some(original) => write(&self.path, original, owner)?,
                None => self.delete()?,
            }
        } else {
            let previous = original
                .as_deref()
                .map(merge::current)
                .transpose()
                .ok()
                .flatten()
                .flatten();
            let left = merge::remove(&existing, context, previous.as_deref())
                .map_err(|source| self.document(source))?;
            match left {
                Some(left) => write(&self.path, &left, owner)?,
                None => self.delete()?,
            }
        }
        for kept in [&self.original, &self.written] {
            match fs::remove_file(kept) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(kept, source));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes the file, and `.kube` when that is left empty (a directory with anything in it refuses).
    fn delete(&self) -> Result<(), KubeconfigError> {
        fs::remove_file(&self.path).map_err(|source| io_error(&self.path, source))?;
        if let Some(parent) = self.path.parent() {
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }

    fn document(&self, source: merge::MergeError) -> KubeconfigError {
        KubeconfigError::Document {
            path: self.path.clone(),
            source,
        }
    }
}

fn nix_user(name: &str) -> Option<nix::unistd::User> {
    nix::unistd::User::from_name(name).ok().flatten()
}

fn io_error(path: &Path, source: io::Error) -> KubeconfigError {
    KubeconfigError::Io {
        path: path.to_owned(),
        source,
    }
}

fn read(path: &Path) -> Result<Option<String>, KubeconfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(path, source)),
    }
}

/// Writes through a new file and a rename, so that an interrupted run leaves the old or the new bytes, never half of them.
fn write(path: &Path, text: &str, owner: Option<(u32, u32)>) -> Result<(), KubeconfigError> {
    let attempt = || -> io::Result<()> {
        if let Some(parent) = path.parent()
            && !parent.exists()
        {
            fs::create_dir_all(parent)?;
            if let Some((uid, gid)) = owner {
                chown(parent, Some(uid), Some(gid))?;
            }
        }
        let fresh = path.with_extension("gantry-new");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if let Some((uid, gid)) = owner {
            chown(&fresh, Some(uid), Some(gid))?;
        }
        fs::rename(&fresh, path)
    };
    attempt().map_err(|source| io_error(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str =
        "clusters:\n- name: a\n  cluster: {server: s}\nusers:\n- name: u\n  user: {token: t}\n";

    fn at(directory: &Path) -> UserKubeconfig {
        fs::write(directory.join("admin.conf"), ADMIN).unwrap();
        UserKubeconfig {
            path: directory.join("home/.kube/config"),
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            original: directory.join("original"),
            written: directory.join("written"),
        }
    }

    #[test]
    fn an_untouched_file_comes_back_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let config = at(directory.path());
        let before = "# mine\nclusters: []\n\ncurrent-context: ''   # none\n";
        fs::create_dir_all(config.path.parent().unwrap()).unwrap();
        fs::write(&config.path, before).unwrap();
        for _ in 0..2 {
            config
                .merge(&directory.path().join("admin.conf"), "gantry")
                .unwrap();
        }
        assert!(fs::read_to_string(&config.path).unwrap().contains("gantry"));
        config.remove("gantry").unwrap();
        assert_eq!(fs::read_to_string(&config.path).unwrap(), before);
        assert!(!config.original.exists() && !config.written.exists());
    }

    #[test]
    fn a_file_that_was_not_there_is_gone_again_with_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("home")).unwrap();
        let config = at(directory.path());
        config
            .merge(&directory.path().join("admin.conf"), "gantry")
            .unwrap();
        config.remove("gantry").unwrap();
        assert!(!directory.path().join("home/.kube").exists());
    }

    #[test]
    fn what_somebody_added_meanwhile_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("home")).unwrap();
        let config = at(directory.path());
        config
            .merge(&directory.path().join("admin.conf"), "gantry")
            .unwrap();
        let text = fs::read_to_string(&config.path).unwrap();
        let added = merge::merge(Some(&text), ADMIN, "other").unwrap();
        fs::write(&config.path, added).unwrap();
        config.remove("gantry").unwrap();
        let left = fs::read_to_string(&config.path).unwrap();
        assert!(left.contains("other") && !left.contains("gantry"), "{left}");
    }
}
