//! What redb reports, as the log's errors.

use std::io::ErrorKind;

use crate::Error;
use crate::redb::disk::Fence;

/// Why a step on the database failed: its storage, or what is stored.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(Box<redb::Error>),
    Log(Error),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Redb(Box::new(error.into()))
    }
}

impl Fault {
    /// The log's error, for a step that certainly changed nothing. The fence knows the first failure of the storage,
    /// of which redb later says only that there was one.
    pub fn into_error(self, fence: &Fence) -> Error {
        let error = match self {
            Fault::Log(error) => return error,
            Fault::Redb(error) => *error,
        };
        let (kind, text) = match (&error, fence.failure()) {
            (redb::Error::Corrupted(why), _) => return Error::Corrupt(why.clone()),
            (redb::Error::UpgradeRequired(version), _) => {
                return Error::Incompatible(format!("redb file format {version}"));
            }
            (redb::Error::Io(error), None) => (error.kind(), error.to_string()),
            (_, Some(failure)) => failure,
            (_, None) => (ErrorKind::Other, error.to_string()),
        };
        storage_error(kind, text)
    }
}

/// A failure of the storage as the log's error.
pub(super) fn storage_error(kind: ErrorKind, text: String) -> Error {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::NoSpace(text)
        }
        _ => Error::Unavailable(text),
    }
}
