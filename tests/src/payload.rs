//! The program that containers of the tests run, linked statically: `programs/payload.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fs, io};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/payload.rs");

/// Its path; compiled once a build directory.
pub fn payload() -> io::Result<PathBuf> {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = ONCE.get() {
        return Ok(path.clone());
    }
    let path = compile()?;
    Ok(ONCE.get_or_init(|| path).clone())
}

fn compile() -> io::Result<PathBuf> {
    let directory = crate::cluster::binary("payload");
    let out = directory.join("payload");
    fs::create_dir_all(&directory)?;
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    if changed(&out).is_ok_and(|made| changed(Path::new(SOURCE)).is_ok_and(|text| made > text)) {
        return Ok(out);
    }
    // Test processes beside each other compile it each, and the last one's takes the name.
    let mine = directory.join(format!("payload-{}", std::process::id()));
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(compiler)
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "target-feature=+crt-static",
        ])
        .args(["-C", "strip=symbols", "-o"])
        .args([&mine, Path::new(SOURCE)])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    fs::rename(mine, &out)?;
    Ok(out)
}
