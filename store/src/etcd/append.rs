//! An append as one etcd transaction.

use bytes::Bytes;
use etcd_client::{Compare, CompareOp, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse};

use crate::etcd::Engine;
use crate::etcd::fault::Fault;
use crate::{AppendError, Appended, Conflict, Entry, Error, Expect, Op, Revision};

/// Compares and applies. Once etcd may have seen it, an answer that is lost is [`Error::Unknown`]: reading the keys
/// afterwards proves nothing, since the same bytes may be another writer's, and a proposal may still be on its way.
pub(super) async fn append(engine: &Engine, ops: Vec<Op>) -> Result<Appended, AppendError> {
    let mut retried = false;
    loop {
        let txn = build(engine, &ops)
            .await
            .map_err(|fault| AppendError::Failed(fault.harmless()))?;
        let answer = engine
            .members
            .write(|mut client| {
                let txn = txn.clone();
                async move { client.txn(txn).await }
            })
            .await;
        match answer {
            Ok(answer) => {
                let head = engine.header_revision(answer.header())?;
                if answer.succeeded() {
                    return Ok(Appended { revision: head });
                }
                return Err(conflict(engine, &ops, answer.op_responses(), head));
            }
            // The whole transaction was refused; with a new lease it may pass.
            Err(Fault::LeaseGone) if !retried => {
                retried = true;
                engine.leases.forget().await;
            }
            Err(Fault::Refused(Error::NoSpace(why))) => {
                return Err(no_space(engine, &ops, why).await.into());
            }
            Err(fault) => return Err(fault.of_write().into()),
        }
    }
}

/// etcd says that it is full, of a proposal it did not take, but also of the one that filled it, which took effect.
/// Either is over when the answer comes; so if a key that would have been written is still as expected, it was not.
async fn no_space(engine: &Engine, ops: &[Op], why: String) -> Error {
    let witness = ops
        .iter()
        .find(|op| !matches!(op, Op::Check { .. }) && op.expect() != Expect::Any);
    let Some(witness) = witness else {
        return Error::Unknown(why);
    };
    let read = engine
        .members
        .read(|mut client| {
            let key = engine.full_key(witness.key());
            async move { client.get(key, None).await }
        })
        .await;
    let unchanged = read.is_ok_and(|found| {
        let current = found.kvs().first().map(|kv| Revision(kv.mod_revision()));
        witness.expect().holds(current)
    });
    if unchanged {
        Error::NoSpace(why)
    } else {
        Error::Unknown(why)
    }
}

async fn build(engine: &Engine, ops: &[Op]) -> Result<Txn, Fault> {
    let mut compares = Vec::new();
    let mut writes = Vec::new();
    let mut reads = Vec::new();
    for op in ops {
        let key = engine.full_key(op.key());
        let expected = match op.expect() {
            Expect::Any => None,
            Expect::Absent => Some(0),
            Expect::At(revision) => Some(revision.0),
        };
        if let Some(expected) = expected {
            compares.push(Compare::mod_revision(
                key.clone(),
                CompareOp::Equal,
                expected,
            ));
            reads.push(TxnOp::get(key.clone(), None));
        }
        match op {
            Op::Check { .. } => {}
            Op::Delete { .. } => writes.push(TxnOp::delete(key, None)),
            Op::Put { value, ttl, .. } => {
                let options = match ttl {
                    None => None,
                    Some(ttl) => {
                        let lease = engine.leases.take(&engine.members, *ttl).await?;
                        Some(PutOptions::new().with_lease(lease))
                    }
                };
                writes.push(TxnOp::put(key, value.to_vec(), options));
            }
        }
    }
    Ok(Txn::new().when(compares).and_then(writes).or_else(reads))
}

/// Which expectation failed, from what was read in the same transaction.
fn conflict(engine: &Engine, ops: &[Op], reads: Vec<TxnOpResponse>, head: Revision) -> AppendError {
    let expecting = ops
        .iter()
        .enumerate()
        .filter(|(_, op)| op.expect() != Expect::Any);
    for ((index, op), read) in expecting.zip(reads) {
        let TxnOpResponse::Get(mut read) = read else {
            break;
        };
        let current = read.take_kvs().pop().map(|kv| entry(engine, kv));
        if !op.expect().holds(current.as_ref().map(|e| e.mod_revision)) {
            return AppendError::Conflict(Box::new(Conflict {
                op: index,
                current,
                head,
            }));
        }
    }
    Error::Corrupt("etcd failed a comparison that holds".to_owned()).into()
}

/// etcd's key and value as an entry, with our prefix taken off.
pub(super) fn entry(engine: &Engine, kv: KeyValue) -> Entry {
    let (create, modified, expires) = (kv.create_revision(), kv.mod_revision(), kv.lease() != 0);
    let (key, value) = kv.into_key_value();
    Entry {
        key: Bytes::from(key).slice(engine.prefix.len()..),
        value: Bytes::from(value),
        create_revision: Revision(create),
        mod_revision: Revision(modified),
        expires,
    }
}
