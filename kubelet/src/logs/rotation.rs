use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A writer ends within some milliseconds of its container.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How large logs get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file that reaches this size in bytes is set aside.
    pub max_bytes: u64,
    /// At most this many files a container, the current one included.
    pub max_files: usize,
}

impl Default for Rotation {
    /// Upstream's: `containerLogMaxSize` 10Mi, `containerLogMaxFiles` 5.
    fn default() -> Self {
        Self {
            max_bytes: 10 << 20,
            max_files: 5,
        }
    }
}

/// A log file that is set aside when it is full.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    bytes: u64,
}

impl RotatingFile {
    pub(super) fn open(path: &Path, rotation: Rotation) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        // Held as long as somebody writes: see `written`. Where file systems know no locks nobody waits.
        let _ = file.try_lock();
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_path_buf(),
            rotation,
            file,
            bytes,
        })
    }

    /// Writes whole lines; sets the file aside before it would become too large.
    pub(super) fn write(&mut self, lines: &[u8], now: Timestamp) -> std::io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.rotation.max_bytes {
            // A file that grows too large loses nothing, and the next lines are another occasion.
            let _ = self.rotate(now);
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    fn rotate(&mut self, now: Timestamp) -> std::io::Result<()> {
        // Names sort by time. Nanoseconds, as a busy container fills several files a second, or even with one read.
        let named = |time: Timestamp| {
            let mut aside = self.path.clone().into_os_string();
            aside.push(format!(
                ".{}-{:09}",
                time.strftime("%Y%m%d-%H%M%S"),
                time.subsec_nanosecond()
            ));
            PathBuf::from(aside)
        };
        let mut time = now;
        while named(time).exists() {
            time += SignedDuration::from_nanos(1);
        }
        match fs::rename(&self.path, named(time)) {
            // Set aside by a rotation that came no further, or removed by somebody.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        *self = Self::open(&self.path, self.rotation)?;
        let kept = files(&self.path)?;
        let surplus = kept.len().saturating_sub(self.rotation.max_files.max(1));
        for file in kept.iter().take(surplus) {
            // What stays is in nobody's way.
            let _ = fs::remove_file(file);
        }
        Ok(())
    }
}

/// Waits until what a container said is written, its writer having ended; for `patience` at most, since what the container left
/// behind elsewhere may go on talking.
pub async fn written(path: &Path, patience: Duration) {
    let writing = || {
        File::open(path)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    };
    let end = Instant::now() + patience;
    while writing() && Instant::now() < end {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The files of a log, the oldest first; the current one, at `path`, last, if it exists.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.");
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(&prefix))
        {
            files.push(entry.path());
        }
    }
    files.sort();
    if path.exists() {
        files.push(path.to_path_buf());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_the_writer_waits_until_it_ends_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        written(&path, Duration::from_secs(60)).await;
        let log = RotatingFile::open(&path, Rotation::default()).unwrap();
        let began = Instant::now();
        written(&path, Duration::from_millis(20)).await;
        assert!(began.elapsed() >= Duration::from_millis(20));
        drop(log);
        written(&path, Duration::from_secs(60)).await;
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_full_file_is_set_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut log = RotatingFile::open(
            &path,
            Rotation {
                max_bytes: 10,
                max_files: 3,
            },
        )
        .unwrap();
        for second in 0..5 {
            log.write(
                format!("line {second}\n").as_bytes(),
                Timestamp::from_second(second).unwrap(),
            )
            .unwrap();
        }
        let kept: String = files(&path)
            .unwrap()
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        assert_eq!(kept, "line 2\nline 3\nline 4\n");
        assert_eq!(files(&path).unwrap().last(), Some(&path));
    }

    #[test]
    fn files_set_aside_at_the_same_time_are_all_kept_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut log = RotatingFile::open(
            &path,
            Rotation {
                max_bytes: 1,
                max_files: 9,
            },
        )
        .unwrap();
        for text in ["a\n", "b\n", "c\n"] {
            log.write(text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        }
        let kept: String = files(&path)
            .unwrap()
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        assert_eq!(kept, "a\nb\nc\n");
    }

    fn small(path: &Path) -> RotatingFile {
        let rotation = Rotation {
            max_bytes: 1,
            max_files: 2,
        };
        RotatingFile::open(path, rotation).unwrap()
    }

    fn say(log: &mut RotatingFile, text: &str) {
        log.write(text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn a_file_that_somebody_removed_is_made_again_and_what_cannot_be_removed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut log = small(&path);
        say(&mut log, "a\n");
        fs::remove_file(&path).unwrap();
        say(&mut log, "b\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "b\n");
        // A directory is removed by no rotation.
        fs::create_dir(dir.path().join("0.log.19600101-000000")).unwrap();
        say(&mut log, "c\n");
        say(&mut log, "d\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "d\n");
    }

    #[test]
    fn a_rotation_that_fails_halfway_loses_no_line_and_is_made_up_for() {
        let dir = tempfile::tempdir().unwrap();
        let (there, away) = (dir.path().join("c"), dir.path().join("away"));
        fs::create_dir(&there).unwrap();
        let path = there.join("0.log");
        let mut log = small(&path);
        say(&mut log, "a\n");
        // As when the file was set aside and no other could be opened.
        fs::rename(&path, there.join("0.log.19700101-000000-000000000")).unwrap();
        fs::rename(&there, &away).unwrap();
        say(&mut log, "b\n");
        fs::rename(&away, &there).unwrap();
        say(&mut log, "c\n");
        let kept = files(&path).unwrap();
        let text = |file: &PathBuf| fs::read_to_string(file).unwrap();
        assert_eq!(kept.iter().map(text).collect::<Vec<_>>(), ["a\nb\n", "c\n"]);
    }

    #[test]
    fn an_existing_file_is_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let rotation = Rotation::default();
        for text in ["a\n", "b\n"] {
            RotatingFile::open(&path, rotation)
                .unwrap()
                .write(text.as_bytes(), Timestamp::UNIX_EPOCH)
                .unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
    }
}
