//! `hostPath`: what is there, or made, and of the right type.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// Checks or makes the path. Blocks.
///
/// # Errors
/// When it is of another type, or cannot be made.
pub fn ensure(path: &Path, kind: &str) -> std::io::Result<()> {
    let wrong = |what: &str| {
        std::io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "hostPath type check failed: {} is not {what}",
                path.display()
            ),
        )
    };
    match kind {
        "DirectoryOrCreate" if !path.exists() => {
            fs::create_dir_all(path)?;
            return fs::set_permissions(path, fs::Permissions::from_mode(0o755));
        }
        "FileOrCreate" if !path.exists() => {
            let file = fs::File::create_new(path)?;
            return file.set_permissions(fs::Permissions::from_mode(0o644));
        }
        _ => {}
    }
    let found = fs::metadata(path).map(|metadata| metadata.file_type());
    let expect = |what: &str, fits: fn(&fs::FileType) -> bool| match &found {
        Ok(found) if fits(found) => Ok(()),
        _ => Err(wrong(what)),
    };
    match kind {
        "Directory" | "DirectoryOrCreate" => expect("a directory", fs::FileType::is_dir),
        "File" | "FileOrCreate" => expect("a file", fs::FileType::is_file),
        "Socket" => expect("a socket file", |found| found.is_socket()),
        "CharDevice" => expect("a character device", |found| found.is_char_device()),
        "BlockDevice" => expect("a block device", |found| found.is_block_device()),
        // No check asked for; what is missing becomes a directory, as with every container engine.
        _ if found.is_err() => fs::create_dir_all(path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_checked_and_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        assert!(
            ensure(&file, "File")
                .unwrap_err()
                .to_string()
                .contains("is not a file")
        );
        ensure(&file, "FileOrCreate").unwrap();
        ensure(&file, "File").unwrap();
        assert!(ensure(&file, "Directory").is_err());
        ensure(&dir.path().join("a/b"), "DirectoryOrCreate").unwrap();
        ensure(Path::new("/dev/null"), "CharDevice").unwrap();
        assert!(ensure(Path::new("/dev/null"), "BlockDevice").is_err());
    }
}
