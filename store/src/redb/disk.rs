//! The storage beneath redb: a file, or whatever a test puts in its place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use redb::StorageBackend;

use crate::Error;

/// Something that can be opened as storage, again and again: the engine reopens it after a failure.
pub trait Disk: Send + Sync + 'static {
    /// Opens what has survived. The engine has given up whatever was opened before.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// How much more can be written, in bytes, where that is known.
    fn free(&self) -> Option<u64>;
}

/// A data directory with the log's file in it, locked against a second process for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    dir: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be, and locks it: [`Error::Locked`] if another process has it.
    pub fn lock(dir: &Path) -> Result<DataDir, Error> {
        let unavailable = |what: &Path, error: io::Error| {
            Error::Unavailable(format!("{}: {error}", what.display()))
        };
        std::fs::create_dir_all(dir).map_err(|e| unavailable(dir, e))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| unavailable(&path, e))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir {
                dir: dir.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.display().to_string())),
            Err(TryLockError::Error(error)) => Err(unavailable(&path, error)),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.join("log.redb")
    }
}

impl Disk for DataDir {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.file();
        let existed = path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode_private()
            .open(&path)?;
        if existed {
            // After a failed sync the kernel may hold pages as clean which never reached the disk. What is read from
            // here on must be what would survive, so: write what is dirty, forget the rest.
            file.sync_data()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        } else {
            // The name must be as durable as what is written under it.
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(Box::new(LogFile(file)))
    }

    fn free(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.dir).ok()?;
        Some(stat.f_bavail * stat.f_frsize)
    }
}

trait ModePrivate {
    fn mode_private(&mut self) -> &mut Self;
}

impl ModePrivate for OpenOptions {
    /// Secrets are in there: the owner's alone.
    fn mode_private(&mut self) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(self, 0o600)
    }
}

/// The log's file: positioned reads and writes, without redb's own lock (the directory is locked, and the engine
/// reopens the file while an old reader may still hold it).
#[derive(Debug)]
struct LogFile(File);

impl StorageBackend for LogFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Cuts a database off from its storage, so that nothing of it (a slow reader's drop, say) can touch what the next
/// one has opened. Also remembers the first failure, which redb forgets.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence(Arc<FenceState>);

#[derive(Debug, Default)]
struct FenceState {
    /// Held shared during every access, so that once it is set none is under way.
    cut: RwLock<bool>,
    failure: Mutex<Option<(io::ErrorKind, String)>>,
    /// The storage's length as last set, in bytes.
    bytes: AtomicU64,
}

impl Fence {
    /// After this, every access fails.
    pub fn cut(&self) {
        *self.0.cut.write() = true;
    }

    /// The first failure of the storage.
    pub fn failure(&self) -> Option<(io::ErrorKind, String)> {
        self.0.failure.lock().clone()
    }

    /// The storage's length, in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn access<T>(&self, access: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let cut = self.0.cut.read();
        if *cut {
            return Err(io::Error::other("the storage was reopened"));
        }
        access().inspect_err(|error| {
            self.0
                .failure
                .lock()
                .get_or_insert_with(|| (error.kind(), error.to_string()));
        })
    }
}

/// Storage behind a fence.
#[derive(Debug)]
pub(super) struct Fenced {
    pub storage: Box<dyn StorageBackend>,
    pub fence: Fence,
}

impl StorageBackend for Fenced {
    fn len(&self) -> io::Result<u64> {
        self.fence
            .access(|| self.storage.len())
            .inspect(|len| self.fence.0.bytes.store(*len, Ordering::Relaxed))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.fence.access(|| self.storage.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fence.access(|| self.storage.set_len(len))?;
        self.fence.0.bytes.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fence.access(|| self.storage.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fence.access(|| self.storage.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_a_fence_that_is_cut() {
        let file = LogFile(tempfile::tempfile().unwrap());
        let fence = Fence::default();
        let fenced = Fenced {
            storage: Box::new(file),
            fence: fence.clone(),
        };
        fenced.set_len(8).unwrap();
        fenced.write(0, b"untorn").unwrap();
        assert_eq!(fence.bytes(), 8);
        fence.cut();
        assert!(fenced.write(0, b"x").is_err());
        assert!(fenced.read(0, &mut [0]).is_err());
        assert!(fenced.set_len(0).is_err());
        assert!(fenced.sync_data().is_err());
        assert!(
            fence.failure().is_none(),
            "being cut off is no failure of the disk"
        );
        let mut found = [0; 6];
        fenced.storage.read(0, &mut found).unwrap();
        assert_eq!(&found, b"untorn");
    }

    #[test]
    fn a_fence_remembers_the_first_failure() {
        let file = LogFile(tempfile::tempfile().unwrap());
        let fence = Fence::default();
        let fenced = Fenced {
            storage: Box::new(file),
            fence: fence.clone(),
        };
        assert!(fenced.read(100, &mut [0]).is_err());
        let (kind, _) = fence.failure().unwrap();
        assert_eq!(kind, io::ErrorKind::UnexpectedEof);
    }
}
