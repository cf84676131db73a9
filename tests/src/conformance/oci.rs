//! Writes an OCI image layout of many images into one tar file. The same input gives the same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What containers of an image run if nothing else is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults<'a> {
    /// The program and its first arguments.
    pub entrypoint: &'a [&'a str],
    /// The arguments after those, which a pod's `args` replace.
    pub cmd: &'a [&'a str],
    /// `user[:group]`; root if empty.
    pub user: &'a str,
}

/// A layout in memory.
#[derive(Default)]
pub struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: Vec<Value>,
}

impl Layout {
    /// Adds an image of these layers under each of `names`.
    pub fn add(&mut self, names: &[String], layers: &[&[u8]], defaults: Defaults<'_>) {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": defaults.user,
                "Entrypoint": defaults.entrypoint,
                "Cmd": defaults.cmd,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            // Not compressed: what it unpacks to is itself.
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let manifest = self.blob(MANIFEST, manifest.to_string().as_bytes());
        for name in names {
            let mut named = manifest.clone();
            named["platform"] = json!({"architecture": "amd64", "os": "linux"});
            named["annotations"] = json!({"io.containerd.image.name": name});
            self.manifests.push(named);
        }
    }

    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let hex = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let size = bytes.len();
        self.blobs
            .entry(hex.clone())
            .or_insert_with(|| bytes.to_vec());
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": size})
    }

    /// Writes it all to a tar file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut tar = tar::Builder::new(BufWriter::new(File::create(path)?));
        let version = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests})
            .to_string();
        append(&mut tar, "oci-layout", version.as_bytes())?;
        append(&mut tar, "index.json", index.as_bytes())?;
        for (hex, bytes) in &self.blobs {
            append(&mut tar, &format!("blobs/sha256/{hex}"), bytes)?;
        }
        tar.into_inner()?.flush()
    }
}

fn append(tar: &mut tar::Builder<impl io::Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, name, bytes)
}

/// A directory tree as a layer: everything is root's, modes are kept, times are not.
///
/// # Errors
/// When the tree cannot be read.
pub fn layer(root: &Path) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    add_directory(&mut tar, root, Path::new(""))?;
    tar.into_inner()
}

fn add_directory(tar: &mut tar::Builder<Vec<u8>>, root: &Path, below: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(root.join(below))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = below.join(entry.file_name());
        let metadata = entry.metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(metadata.permissions().mode() & 0o7777);
        header.set_size(0);
        if metadata.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, &name, io::empty())?;
            add_directory(tar, root, &name)?;
        } else if metadata.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, &name, fs::read_link(entry.path())?)?;
        } else if metadata.is_file() {
            header.set_size(metadata.len());
            tar.append_data(&mut header, &name, File::open(entry.path())?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_layer_keeps_modes_and_links_and_no_times() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bin/program");
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(&program, "x").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        std::os::unix::fs::symlink("program", dir.path().join("bin/other")).unwrap();
        let bytes = layer(dir.path()).unwrap();
        let mut tar = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let name = entry.path().unwrap().display().to_string();
                (name, header.mode().unwrap(), header.mtime().unwrap())
            })
            .collect();
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["bin", "bin/other", "bin/program"]);
        assert_eq!(found[2].1, 0o4755);
        assert!(found.iter().all(|(.., mtime)| *mtime == 0));
    }

    #[test]
    fn an_image_has_all_its_names_and_its_blobs_once() {
        let mut layout = Layout::default();
        let names = ["a/b:1".to_owned(), "a/b:2".to_owned()];
        layout.add(&names, &[b"layer"], Defaults::default());
        layout.add(&names[..1], &[b"layer"], Defaults::default());
        assert_eq!(layout.manifests.len(), 3);
        assert_eq!(layout.blobs.len(), 3);
    }
}
