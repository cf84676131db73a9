//! What stands on the disk: format 1.
//!
//! A value is written once. While its revision is within history and the key is written again, the value moves to
//! `superseded`; so a create costs one copy of its value and history costs only what was overwritten.

use bytes::Bytes;
use redb::TableDefinition;

use crate::{Entry, Error, Revision};

/// The version of this format. A file with another one is refused.
pub(super) const FORMAT: u32 = 1;

/// key → [`Record`]: what every key holds.
pub(super) const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
/// revision → the keys it wrote and deleted, as [`Mark`]s.
pub(super) const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");
/// (revision, key) → the value which that revision wrote and a later one replaced.
pub(super) const SUPERSEDED: TableDefinition<(u64, &[u8]), &[u8]> =
    TableDefinition::new("superseded");
/// (milliseconds since the Unix epoch, key): when it expires.
pub(super) const DEADLINES: TableDefinition<(u64, &[u8]), ()> = TableDefinition::new("deadlines");
/// `format` → [`FORMAT`]; `state` → [`State`].
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// What a change is counted as in history, beside its bytes.
pub(super) const OVERHEAD: u64 = 48;

/// A revision as a table's key. Revisions are positive.
pub(super) fn raw(revision: Revision) -> u64 {
    revision.0.unsigned_abs()
}

/// A table's key as a revision.
pub(super) fn revision(raw: u64) -> Revision {
    Revision(i64::try_from(raw).unwrap_or(i64::MAX))
}

/// Where the log stands, written by every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub head: Revision,
    /// History is there for every revision after this one.
    pub compacted: Revision,
    /// What history takes, in bytes: marks and superseded values.
    pub history: u64,
}

impl State {
    pub const NEW: State = State {
        head: Revision::FIRST,
        compacted: Revision::FIRST,
        history: 0,
    };

    pub fn encode(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&raw(self.head).to_le_bytes());
        out[8..16].copy_from_slice(&raw(self.compacted).to_le_bytes());
        out[16..].copy_from_slice(&self.history.to_le_bytes());
        out
    }

    pub fn decode(mut bytes: &[u8]) -> Result<State, Error> {
        let mut next = || take_u64(&mut bytes).ok_or_else(|| corrupt("state"));
        Ok(State {
            head: revision(next()?),
            compacted: revision(next()?),
            history: next()?,
        })
    }
}

/// The head of an entry's record; the value follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub create_revision: Revision,
    pub mod_revision: Revision,
    /// In milliseconds since the Unix epoch; 0: never.
    pub deadline: u64,
}

impl Record {
    pub const LEN: usize = 24;

    /// Writes the record into a slice of the right length.
    pub fn encode(self, value: &[u8], out: &mut [u8]) {
        out[..8].copy_from_slice(&raw(self.create_revision).to_le_bytes());
        out[8..16].copy_from_slice(&raw(self.mod_revision).to_le_bytes());
        out[16..24].copy_from_slice(&self.deadline.to_le_bytes());
        out[24..].copy_from_slice(value);
    }

    /// The record and the value.
    pub fn decode(mut bytes: &[u8]) -> Result<(Record, &[u8]), Error> {
        let mut next = || take_u64(&mut bytes).ok_or_else(|| corrupt("entry"));
        let record = Record {
            create_revision: revision(next()?),
            mod_revision: revision(next()?),
            deadline: next()?,
        };
        Ok((record, bytes))
    }

    /// The entry as the log's readers see it.
    pub fn entry(key: &[u8], bytes: &[u8]) -> Result<Entry, Error> {
        let (record, value) = Record::decode(bytes)?;
        Ok(Entry {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            create_revision: record.create_revision,
            mod_revision: record.mod_revision,
            expires: record.deadline != 0,
        })
    }
}

/// That a revision changed a key: the revision which created it (0: it was deleted), and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark<'a> {
    pub create_revision: Revision,
    pub key: &'a [u8],
}

impl<'a> Mark<'a> {
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend(raw(self.create_revision).to_le_bytes());
        out.extend((self.key.len() as u64).to_le_bytes());
        out.extend(self.key);
    }

    /// All marks of a revision.
    pub fn decode_all(mut bytes: &'a [u8]) -> Result<Vec<Mark<'a>>, Error> {
        let mut marks = Vec::new();
        while !bytes.is_empty() {
            let create = take_u64(&mut bytes).ok_or_else(|| corrupt("change"))?;
            let len = take_u64(&mut bytes).ok_or_else(|| corrupt("change"))?;
            let len = usize::try_from(len).map_err(|_| corrupt("change"))?;
            let (key, rest) = bytes
                .split_at_checked(len)
                .ok_or_else(|| corrupt("change"))?;
            bytes = rest;
            marks.push(Mark {
                create_revision: revision(create),
                key,
            });
        }
        Ok(marks)
    }
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*first))
}

/// What is stored cannot be understood.
pub(super) fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("a record of kind {what} cannot be decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_encoding_and_refuse_truncation() {
        let state = State {
            head: Revision(7),
            compacted: Revision(3),
            history: 99,
        };
        assert_eq!(State::decode(&state.encode()), Ok(state));
        assert!(State::decode(&state.encode()[..23]).is_err());

        let record = Record {
            create_revision: Revision(1),
            mod_revision: Revision(2),
            deadline: 3,
        };
        let mut out = vec![0; Record::LEN + 2];
        record.encode(b"ab", &mut out);
        assert_eq!(Record::decode(&out), Ok((record, &b"ab"[..])));
        assert!(Record::decode(&out[..Record::LEN - 1]).is_err());

        let mark = |key| Mark {
            create_revision: Revision(5),
            key,
        };
        let mut out = Vec::new();
        mark(b"a".as_slice()).encode(&mut out);
        mark(b"bc".as_slice()).encode(&mut out);
        assert_eq!(Mark::decode_all(&out), Ok(vec![mark(b"a"), mark(b"bc")]));
        assert!(Mark::decode_all(&out[..out.len() - 1]).is_err());
    }
}
