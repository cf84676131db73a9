//! Packs one static binary as an image: an OCI image layout in a tar file, without any registry or build tool. The same input
//! gives the same bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::manifest::{
    CONFIG, Config, ConfigFile, Descriptor, INDEX, Index, LAYER, MANIFEST, Manifest, Platform,
    RootFs,
};

/// What to pack.
#[derive(Clone, Debug)]
pub struct PackOptions<'a> {
    /// A statically linked program; it becomes `/NAME`, and the image's entry point.
    pub binary: &'a Path,
    /// The image's name, such as `hello-server:dev`.
    pub name: &'a str,
    /// `user[:group]` that it runs as, numbers; root if empty.
    pub user: &'a str,
}

/// Writes the image's archive to `out`.
///
/// # Errors
/// When the binary cannot be read, is dynamically linked, or `out` cannot be written.
pub fn pack(options: &PackOptions<'_>, out: impl Write) -> std::io::Result<()> {
    let program = std::fs::read(options.binary)?;
    if needs_loader(&program) {
        return Err(std::io::Error::other(format!(
            "{} is dynamically linked: build it with RUSTFLAGS=\"-C target-feature=+crt-static\"",
            options.binary.display()
        )));
    }
    let file_name = options
        .binary
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let layer = layer(&file_name, &program)?;
    let layer_descriptor = Descriptor::of(LAYER, &layer);
    let here = Platform::here();
    let config = ConfigFile {
        architecture: here.architecture.clone(),
        os: here.os.clone(),
        config: Config {
            user: options.user.to_owned(),
            entrypoint: vec![format!("/{file_name}")],
            ..Default::default()
        },
        // Not compressed: what it unpacks to is itself.
        rootfs: RootFs {
            kind: "layers".into(),
            diff_ids: vec![layer_descriptor.digest.clone()],
        },
    };
    let config = serde_json::to_vec(&config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        config: Descriptor::of(CONFIG, &config),
        layers: vec![layer_descriptor],
    };
    let manifest = serde_json::to_vec(&manifest)?;
    let name = super::normalize(options.name).map_err(std::io::Error::other)?;
    let descriptor = Descriptor {
        annotations: BTreeMap::from([("io.containerd.image.name".to_owned(), name)]),
        platform: Some(here),
        ..Descriptor::of(MANIFEST, &manifest)
    };
    let index = Index {
        schema_version: 2,
        media_type: INDEX.into(),
        manifests: vec![descriptor],
    };

    let mut tar = tar::Builder::new(out);
    append(
        &mut tar,
        "oci-layout",
        json!({"imageLayoutVersion": "1.0.0"})
            .to_string()
            .as_bytes(),
        0o644,
    )?;
    append(&mut tar, "index.json", &serde_json::to_vec(&index)?, 0o644)?;
    for blob in [&config, &manifest, &layer] {
        let name = format!("blobs/{}", super::manifest::digest(blob).replace(':', "/"));
        append(&mut tar, &name, blob, 0o644)?;
    }
    tar.into_inner()?.flush()
}

fn layer(name: &str, program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    // Mount points that the runtime would have to make; with them the root can be read-only.
    for dir in ["dev/", "etc/", "proc/", "sys/", "tmp/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(if dir == "tmp/" { 0o1777 } else { 0o755 });
        header.set_cksum();
        tar.append_data(&mut header, dir, std::io::empty())?;
    }
    append(
        &mut tar,
        "etc/passwd",
        b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
        0o644,
    )?;
    append(
        &mut tar,
        "etc/group",
        b"root:x:0:\nnobody:x:65534:\n",
        0o644,
    )?;
    append(&mut tar, name, program, 0o755)?;
    tar.into_inner()
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    bytes: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    tar.append_data(&mut header, name, bytes)
}

/// Whether a 64-bit ELF program asks for a dynamic loader (a PT_INTERP header). Anything else is taken as it is.
fn needs_loader(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let slice = program.get(at..at.checked_add(bytes)?)?;
        Some(
            slice
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(offset), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    (0..count).any(|header| {
        let at = usize::try_from(offset + header * size).unwrap_or(usize::MAX);
        number(at, 4) == Some(u64::from(PT_INTERP))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_archive() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("server");
        std::fs::write(&binary, b"#!not really").unwrap();
        let options = PackOptions {
            binary: &binary,
            name: "server:dev",
            user: "65534",
        };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        pack(&options, &mut one).unwrap();
        pack(&options, &mut two).unwrap();
        assert_eq!(one, two);
        let mut tar = tar::Archive::new(one.as_slice());
        let names: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names[..2], ["oci-layout", "index.json"]);
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn a_dynamically_linked_program_is_refused() {
        // The test itself is one, unless it is built static.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_loader(&program), !cfg!(target_feature = "crt-static"));
    }
}
