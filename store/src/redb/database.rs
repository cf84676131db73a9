//! One opening of the database, from open to failure or shutdown, and what is read from it.

use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::redb::disk::{Disk, Fence, Fenced};
use crate::redb::fault::{Fault, storage_error};
use crate::redb::format::{
    CHANGES, DEADLINES, ENTRIES, FORMAT, META, Mark, Record, SUPERSEDED, State, corrupt, raw,
    revision,
};
use crate::{Change, ChangeSet, Entry, Error, Revision};

/// How many bytes one step of a load or of a tail reads.
const STEP: usize = 256 * 1024;

/// An open database. Once fenced it cannot touch its storage any more.
pub(super) struct Opened {
    pub database: Database,
    pub fence: Fence,
}

impl Opened {
    /// Opens the storage, recovers what was committed, and makes a new log if there is none.
    pub fn open(disk: &dyn Disk, cache: usize) -> Result<(Opened, State), Error> {
        let fence = Fence::default();
        let storage = disk
            .open()
            .map_err(|error| storage_error(error.kind(), error.to_string()))?;
        let fenced = Fenced {
            storage,
            fence: fence.clone(),
        };
        let opened = redb::Builder::new()
            .set_cache_size(cache)
            .create_with_backend(fenced)
            .map_err(|error| Fault::from(error).into_error(&fence))?;
        let opened = Opened {
            database: opened,
            fence,
        };
        let state = opened
            .initialise()
            .map_err(|fault| fault.into_error(&opened.fence))?;
        Ok((opened, state))
    }

    /// The state found, or that of a new log.
    fn initialise(&self) -> Result<State, Fault> {
        let txn = self.database.begin_write()?;
        let state = {
            let mut meta = txn.open_table(META)?;
            let format = meta.get("format")?.map(|found| found.value().to_vec());
            match format {
                Some(found) if found == FORMAT.to_le_bytes() => {}
                Some(found) => {
                    return Err(Fault::Log(Error::Incompatible(format!(
                        "format {found:?} (little-endian), this version knows {FORMAT}"
                    ))));
                }
                None => {
                    meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
                    meta.insert("state", State::NEW.encode().as_slice())?;
                    txn.open_table(ENTRIES)?;
                    txn.open_table(CHANGES)?;
                    txn.open_table(SUPERSEDED)?;
                    txn.open_table(DEADLINES)?;
                }
            }
            let state = meta
                .get("state")?
                .ok_or_else(|| Fault::Log(corrupt("state")))?;
            State::decode(state.value()).map_err(Fault::Log)?
        };
        if state == State::NEW {
            txn.commit()?;
        } else {
            txn.abort()?;
        }
        Ok(state)
    }

    /// A snapshot of what is durable.
    pub fn snapshot(self: &Arc<Self>) -> Result<Snapshot, Error> {
        let begin = || -> Result<(ReadTransaction, State), Fault> {
            let txn = self.database.begin_read()?;
            let state = {
                let meta = txn.open_table(META)?;
                let state = meta
                    .get("state")?
                    .ok_or_else(|| Fault::Log(corrupt("state")))?;
                State::decode(state.value()).map_err(Fault::Log)?
            };
            Ok((txn, state))
        };
        let (txn, state) = begin().map_err(|fault| fault.into_error(&self.fence))?;
        Ok(Snapshot {
            txn,
            state,
            opened: Arc::clone(self),
        })
    }
}

/// The log at one revision. Holding it keeps replaced pages from being used again.
pub(super) struct Snapshot {
    // Dropped before the database it reads from.
    txn: ReadTransaction,
    pub state: State,
    opened: Arc<Opened>,
}

impl Snapshot {
    /// The next entries under a prefix after a key (empty: from the start); none at the end.
    pub fn entries(&self, prefix: &[u8], after: &[u8]) -> Result<Vec<Entry>, Error> {
        self.read(|txn| {
            use std::ops::Bound::{Excluded, Included, Unbounded};
            let from = if after.is_empty() {
                Included(prefix)
            } else {
                Excluded(after)
            };
            let mut entries = Vec::new();
            let mut bytes = 0;
            let table = txn.open_table(ENTRIES)?;
            for found in ReadableTable::range::<&[u8]>(&table, (from, Unbounded))? {
                let (key, record) = found?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                let entry = Record::entry(key.value(), record.value()).map_err(Fault::Log)?;
                bytes += entry.key.len() + entry.value.len();
                entries.push(entry);
                if bytes >= STEP {
                    break;
                }
            }
            Ok(entries)
        })
    }

    /// The next revisions after one; none at the head.
    pub fn changes(&self, after: Revision) -> Result<Vec<ChangeSet>, Error> {
        if after < self.state.compacted {
            return Err(Error::Compacted {
                oldest: self.state.compacted,
            });
        }
        self.read(|txn| {
            let entries = txn.open_table(ENTRIES)?;
            let superseded = txn.open_table(SUPERSEDED)?;
            let changes = txn.open_table(CHANGES)?;
            let mut sets = Vec::new();
            let mut bytes = 0;
            for found in ReadableTable::range(&changes, raw(after.next())..)? {
                let (at, marks) = found?;
                let at = at.value();
                let marks = Mark::decode_all(marks.value()).map_err(Fault::Log)?;
                let mut set = Vec::with_capacity(marks.len());
                for mark in marks {
                    set.push(change(&entries, &superseded, at, mark)?);
                }
                let set = ChangeSet {
                    revision: revision(at),
                    changes: set.into(),
                };
                bytes += set.bytes();
                sets.push(set);
                if bytes >= STEP {
                    break;
                }
            }
            Ok(sets)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, Error> {
        read(&self.txn).map_err(|fault| fault.into_error(&self.opened.fence))
    }
}

type Bytes2 = (u64, &'static [u8]);

/// What a revision did to a key, with the value it wrote, wherever that is now.
fn change(
    entries: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    superseded: &ReadOnlyTable<Bytes2, &'static [u8]>,
    at: u64,
    mark: Mark<'_>,
) -> Result<Change, Fault> {
    let key = bytes::Bytes::copy_from_slice(mark.key);
    if mark.create_revision == Revision::ZERO {
        return Ok(Change {
            key,
            value: None,
            create_revision: Revision::ZERO,
        });
    }
    let replaced = ReadableTable::get(superseded, (at, mark.key))?;
    let value = if let Some(value) = replaced {
        bytes::Bytes::copy_from_slice(value.value())
    } else {
        let lost = || {
            let key = String::from_utf8_lossy(mark.key);
            Fault::Log(Error::Corrupt(format!(
                "the value of {key} at revision {at} is missing"
            )))
        };
        let record = ReadableTable::get(entries, mark.key)?.ok_or_else(lost)?;
        let (record, value) = Record::decode(record.value()).map_err(Fault::Log)?;
        if raw(record.mod_revision) != at {
            return Err(lost());
        }
        bytes::Bytes::copy_from_slice(value)
    };
    Ok(Change {
        key,
        value: Some(value),
        create_revision: mark.create_revision,
    })
}
