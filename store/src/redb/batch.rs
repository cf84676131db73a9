//! One write transaction: the appends, expirations and compactions that share a commit.

use std::time::Duration;

use bytes::Bytes;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::redb::fault::Fault;
use crate::redb::format::{
    CHANGES, DEADLINES, ENTRIES, META, Mark, OVERHEAD, Record, SUPERSEDED, State, raw, revision,
};
use crate::{Appended, Change, ChangeSet, Conflict, Error, Op, Revision, ttl};

/// The most revisions whose history one commit drops: bounds the work that a compaction puts before others' writes.
const PRUNE: usize = 10_000;

/// An append's outcome, to be told once the batch is durable.
pub(super) type Outcome = Result<Appended, Box<Conflict>>;

/// The tables of a write transaction, and the state it would commit. Comparisons see what the batch wrote before.
pub(super) struct Batch<'txn> {
    entries: Table<'txn, &'static [u8], &'static [u8]>,
    changes: Table<'txn, u64, &'static [u8]>,
    superseded: Table<'txn, (u64, &'static [u8]), &'static [u8]>,
    deadlines: Table<'txn, (u64, &'static [u8]), ()>,
    meta: Table<'txn, &'static str, &'static [u8]>,
    found: State,
    state: State,
    sets: Vec<ChangeSet>,
}

/// What a batch wrote, once its transaction is committed.
pub(super) struct Written {
    pub state: State,
    pub sets: Vec<ChangeSet>,
    /// Whether there is anything to commit.
    pub dirty: bool,
    /// When the next entry expires, in milliseconds since the Unix epoch.
    pub next_deadline: Option<u64>,
}

impl<'txn> Batch<'txn> {
    pub fn new(txn: &'txn WriteTransaction, state: State) -> Result<Batch<'txn>, Fault> {
        Ok(Batch {
            entries: txn.open_table(ENTRIES)?,
            changes: txn.open_table(CHANGES)?,
            superseded: txn.open_table(SUPERSEDED)?,
            deadlines: txn.open_table(DEADLINES)?,
            meta: txn.open_table(META)?,
            found: state,
            state,
            sets: Vec::new(),
        })
    }

    /// Compares and applies, or changes nothing.
    pub fn append(&mut self, ops: Vec<Op>, now: Duration) -> Result<Outcome, Fault> {
        for (op, wanted) in ops.iter().enumerate() {
            // A put or delete that expects anything reads what it replaces later, once.
            if wanted.expect() == crate::Expect::Any {
                continue;
            }
            let found = self.entries.get(wanted.key().as_ref())?;
            let current = match &found {
                Some(found) => Some(Record::decode(found.value()).map_err(Fault::Log)?.0),
                None => None,
            };
            if !wanted.expect().holds(current.map(|c| c.mod_revision)) {
                let current = match &found {
                    Some(found) => {
                        Some(Record::entry(wanted.key(), found.value()).map_err(Fault::Log)?)
                    }
                    None => None,
                };
                return Ok(Err(Box::new(Conflict {
                    op,
                    current,
                    head: self.state.head,
                })));
            }
        }
        let at = self.state.head.next();
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Check { .. } => {}
                Op::Delete { key, .. } => {
                    if self.delete(&key)? {
                        changes.push(deleted(key));
                    }
                }
                Op::Put {
                    key, value, ttl, ..
                } => {
                    let deadline = ttl.map_or(0, |ttl| ttl::deadline(now, ttl));
                    let create_revision = self.put(at, &key, &value, deadline)?;
                    changes.push(Change {
                        key,
                        value: Some(value),
                        create_revision,
                    });
                }
            }
        }
        let revision = self.seal(changes)?;
        Ok(Ok(Appended { revision }))
    }

    /// Deletes what is due, in revisions of at most [`ttl::MAX_KEYS_PER_LEASE`] keys.
    pub fn expire(&mut self, now: Duration) -> Result<(), Fault> {
        let now = ttl::millis(now);
        loop {
            let mut keys = Vec::new();
            for found in self.deadlines.iter()?.take(ttl::MAX_KEYS_PER_LEASE) {
                let (deadline, ()) = found.map(|(k, v)| (k, v.value()))?;
                let (deadline, key) = deadline.value();
                if deadline > now {
                    break;
                }
                keys.push(Bytes::copy_from_slice(key));
            }
            if keys.is_empty() {
                return Ok(());
            }
            keys.sort();
            for key in &keys {
                if !self.delete(key)? {
                    return Err(Fault::Log(Error::Corrupt(format!(
                        "{} is to expire but does not exist",
                        String::from_utf8_lossy(key)
                    ))));
                }
            }
            self.seal(keys.into_iter().map(deleted).collect())?;
        }
    }

    /// Forgets history up to a revision: at once for readers, on disk over the next commits.
    pub fn compact(&mut self, at: Revision) -> Result<(), Error> {
        if at > self.state.head {
            return Err(Error::Invalid(format!(
                "cannot compact at {at}: the head is {}",
                self.state.head
            )));
        }
        self.state.compacted = self.state.compacted.max(at);
        Ok(())
    }

    /// Drops history beyond its limit, writes the state, and closes the tables.
    pub fn finish(mut self, history_limit: u64) -> Result<Written, Fault> {
        let dirty = self.state != self.found;
        if dirty {
            self.prune(history_limit)?;
            self.meta.insert("state", self.state.encode().as_slice())?;
        }
        let next_deadline = self.deadlines.first()?.map(|(at, _)| at.value().0);
        Ok(Written {
            state: self.state,
            sets: self.sets,
            dirty,
            next_deadline,
        })
    }

    fn prune(&mut self, limit: u64) -> Result<(), Fault> {
        for _ in 0..PRUNE {
            let oldest = self.changes.first()?;
            let Some((at, bytes)) = oldest.map(|(at, marks)| (at.value(), marks.value().to_vec()))
            else {
                return Ok(());
            };
            if self.state.history <= limit && revision(at) > self.state.compacted {
                return Ok(());
            }
            let mut freed = OVERHEAD + bytes.len() as u64;
            for mark in Mark::decode_all(&bytes).map_err(Fault::Log)? {
                if let Some(value) = self.superseded.remove((at, mark.key))? {
                    freed += OVERHEAD + (mark.key.len() + value.value().len()) as u64;
                }
            }
            self.changes.remove(at)?;
            self.state.history = self.state.history.saturating_sub(freed);
            self.state.compacted = self.state.compacted.max(revision(at));
        }
        Ok(())
    }

    /// Makes the changes the next revision; with none, the head stays.
    fn seal(&mut self, changes: Vec<Change>) -> Result<Revision, Fault> {
        if changes.is_empty() {
            return Ok(self.state.head);
        }
        let at = self.state.head.next();
        let mut marks = Vec::new();
        for change in &changes {
            Mark {
                create_revision: change.create_revision,
                key: &change.key,
            }
            .encode(&mut marks);
        }
        self.changes.insert(raw(at), marks.as_slice())?;
        self.state.history += OVERHEAD + marks.len() as u64;
        self.state.head = at;
        self.sets.push(ChangeSet {
            revision: at,
            changes: changes.into(),
        });
        Ok(at)
    }

    /// Writes an entry; returns the revision that created it.
    fn put(
        &mut self,
        at: Revision,
        key: &Bytes,
        value: &Bytes,
        deadline: u64,
    ) -> Result<Revision, Fault> {
        let create_revision = self.retire(key)?.unwrap_or(at);
        let record = Record {
            create_revision,
            mod_revision: at,
            deadline,
        };
        let mut slot = self
            .entries
            .insert_reserve(key.as_ref(), Record::LEN + value.len())?;
        record.encode(value, slot.as_mut());
        drop(slot);
        if deadline != 0 {
            self.deadlines.insert((deadline, key.as_ref()), ())?;
        }
        Ok(create_revision)
    }

    /// Whether there was anything to delete.
    fn delete(&mut self, key: &Bytes) -> Result<bool, Fault> {
        if self.retire(key)?.is_none() {
            return Ok(false);
        }
        self.entries.remove(key.as_ref())?;
        Ok(true)
    }

    /// Moves the value that a key holds into history, since it is about to be replaced; returns the revision that
    /// created the key.
    fn retire(&mut self, key: &Bytes) -> Result<Option<Revision>, Fault> {
        let Some(found) = self.entries.get(key.as_ref())? else {
            return Ok(None);
        };
        let (record, value) = Record::decode(found.value()).map_err(Fault::Log)?;
        if record.mod_revision > self.state.compacted {
            self.superseded
                .insert((raw(record.mod_revision), key.as_ref()), value)?;
            self.state.history += OVERHEAD + (key.len() + value.len()) as u64;
        }
        if record.deadline != 0 {
            self.deadlines.remove((record.deadline, key.as_ref()))?;
        }
        Ok(Some(record.create_revision))
    }
}

fn deleted(key: Bytes) -> Change {
    Change {
        key,
        value: None,
        create_revision: Revision::ZERO,
    }
}
