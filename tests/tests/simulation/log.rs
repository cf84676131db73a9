//! The log as one life of the API server has it: it ends with that life, while what was written stays.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use runtime::{CancellationToken, Random};
use store::{AppendError, Appended, Error, Health, Load, Log, Memory, Op, Revision, Tail};

use crate::source::chance;
use crate::witness::Witness;

/// Appends, in a thousand, that take effect and of which the server is not told so.
const UNKNOWN: u64 = 2;

/// The memory engine, until a crash. Every revision is shown to the witness before anybody else sees it.
pub struct Life {
    /// Outlives the server.
    pub memory: Memory,
    /// Sees every revision.
    pub witness: Arc<Witness>,
    /// The server is dead.
    pub crashed: CancellationToken,
    /// What goes wrong.
    pub random: Random,
}

impl Life {
    fn alive(&self) -> Result<(), Error> {
        match self.crashed.is_cancelled() {
            true => Err(dead()),
            false => Ok(()),
        }
    }
}

fn dead() -> Error {
    Error::Unavailable("the process is dead".to_owned())
}

#[async_trait]
impl Log for Life {
    async fn head(&self) -> Result<Revision, Error> {
        self.alive()?;
        self.memory.head().await
    }

    async fn load(&self, prefix: &[u8]) -> Result<Load, Error> {
        self.alive()?;
        self.memory.load(prefix).await
    }

    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        self.alive()?;
        let appended = self.memory.append(ops).await;
        self.witness.look();
        match appended.is_ok() && chance(&self.random, UNKNOWN) {
            true => Err(Error::Unknown("the answer was lost".to_owned()).into()),
            false => appended,
        }
    }

    fn tail(&self, after: Revision) -> Tail {
        let end = stream::once(async { Err(dead()) });
        let crashed = self.crashed.clone().cancelled_owned();
        Tail::new(self.memory.tail(after).take_until(crashed).chain(end))
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.alive()?;
        self.memory.compact(at).await
    }

    async fn health(&self) -> Result<Health, Error> {
        self.alive()?;
        self.memory.health().await
    }

    /// Of this life; the memory goes on.
    async fn shutdown(&self) {}
}
