//! A snapshot of the prefix, in pages at one revision.
//!
//! etcd counts all that is left of the range for every page, so a page of 500 makes a load of many keys quadratic.
//! Pages here are sized by bytes: some 8 MiB, whatever the entries' size.

use std::sync::Arc;

use etcd_client::GetOptions;
use futures::{StreamExt, stream};

use crate::etcd::Engine;
use crate::etcd::append::entry;
use crate::etcd::fault::Fault;
use crate::{Entry, Error, Load, Revision};

const PAGE_BYTES: usize = 8 << 20;
const FIRST_PAGE: usize = 500;
const MAX_PAGE: usize = 20_000;

struct Page {
    engine: Arc<Engine>,
    /// The key to read from, and the first after the prefix.
    from: Vec<u8>,
    end: Vec<u8>,
    revision: Option<Revision>,
    limit: usize,
    more: bool,
}

impl Page {
    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        let mut options = GetOptions::new()
            .with_range(self.end.clone())
            .with_limit(i64::try_from(self.limit).unwrap_or(i64::MAX));
        if let Some(revision) = self.revision {
            options = options.with_revision(revision.0);
        }
        let from = &self.from;
        let mut answer = self
            .engine
            .members
            .read(|client| {
                let mut kv = client.kv_client().max_decoding_message_size(usize::MAX);
                let (from, options) = (from.clone(), options.clone());
                async move { kv.get(from, Some(options)).await }
            })
            .await
            .map_err(|fault| match fault {
                Fault::Compacted => Error::Unavailable(
                    "the snapshot was compacted while it was being read".to_owned(),
                ),
                fault => fault.harmless(),
            })?;
        if self.revision.is_none() {
            self.revision = Some(self.engine.header_revision(answer.header())?);
        }
        self.more = answer.more();
        let kvs = answer.take_kvs();
        if let Some(last) = kvs.last() {
            self.from = [last.key(), &[0]].concat();
            let bytes: usize = kvs.iter().map(|kv| kv.key().len() + kv.value().len()).sum();
            let each = (bytes / kvs.len()).max(1);
            self.limit = (PAGE_BYTES / each).clamp(1, MAX_PAGE);
        }
        let barrier = self.engine.barrier_key();
        Ok(kvs
            .into_iter()
            .filter(|kv| kv.key() != barrier)
            .map(|kv| entry(&self.engine, kv))
            .collect())
    }
}

pub(super) async fn load(engine: &Arc<Engine>, prefix: &[u8]) -> Result<Load, Error> {
    let from = engine.full_key(prefix);
    let mut page = Page {
        end: after_prefix(&from),
        from,
        engine: Arc::clone(engine),
        revision: None,
        limit: FIRST_PAGE,
        more: true,
    };
    let first = page.next().await?;
    let revision = page.revision.unwrap_or(Revision::ZERO);
    let rest = stream::try_unfold(page, |mut page| async move {
        if !page.more {
            return Ok(None);
        }
        let entries = page.next().await?;
        Ok(Some((entries, page)))
    });
    let chunks = stream::iter([Ok(first)])
        .chain(rest)
        .filter(|chunk| {
            std::future::ready(
                !chunk
                    .as_ref()
                    .is_ok_and(|entries: &Vec<_>| entries.is_empty()),
            )
        })
        .boxed();
    Ok(Load { revision, chunks })
}

/// The first key that is greater than all keys with this prefix.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    // To the end of all keys.
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix_follows_every_key_in_it() {
        assert_eq!(after_prefix(b"/registry/"), b"/registry0");
        assert_eq!(after_prefix(b"a\xff\xff"), b"b");
        assert_eq!(after_prefix(b"\xff"), b"\0");
    }
}
