//! The engine on an etcd cluster (3.4 or newer), in upstream's layout: what upstream's API server wrote is read here,
//! and the other way round.
//!
//! An `append` is one transaction, a `load` pages at one revision, a `tail` a watch; the `head` is a
//! linearizable read. `members` are tried in turn; `fault` knows what may be tried again.
//!
//! It must not know of redb, nor of what the bytes mean.

mod append;
mod config;
mod fault;
mod head;
mod leases;
mod load;
mod members;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::ResponseHeader;
use tokio::sync::watch;

pub use self::config::{Config, Tls};

use self::fault::Fault;
use self::head::Head;
use self::leases::Leases;
use self::members::Members;
use crate::history::shut_down;
use crate::op;
use crate::{AppendError, Appended, Error, Health, Load, Log, Op, Revision, Tail};

/// A log on an etcd cluster. Cloning it gives another handle to the same connections.
#[derive(Clone)]
pub struct Etcd(Arc<Engine>);

pub(crate) struct Engine {
    members: Members,
    leases: Leases,
    head: Head,
    /// What stands before every key, with slashes around it.
    prefix: Vec<u8>,
    timeout: Duration,
    closing: watch::Sender<bool>,
}

impl Engine {
    fn full_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// A key of ours that holds nothing: written to move a tail along. Hidden from readers.
    fn barrier_key(&self) -> Vec<u8> {
        self.full_key(b".barrier")
    }

    fn header_revision(&self, header: Option<&ResponseHeader>) -> Result<Revision, Error> {
        let header =
            header.ok_or_else(|| Error::Corrupt("etcd answered without a header".to_owned()))?;
        Ok(Revision(header.revision()))
    }

    fn closed(&self) -> bool {
        *self.closing.borrow()
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed() {
            return Err(shut_down());
        }
        Ok(())
    }
}

impl Etcd {
    /// A log on the cluster. Connects when first used: a cluster that is down makes the first call fail, not this
    /// one, which fails only if the configuration is invalid.
    pub async fn new(config: &Config) -> Result<Etcd, Error> {
        Ok(Etcd(Arc::new(Engine {
            members: Members::new(config).await?,
            leases: Leases::default(),
            head: Head::new(),
            prefix: config.normal_prefix().into_bytes(),
            timeout: config.timeout,
            closing: watch::Sender::new(false),
        })))
    }
}

#[async_trait]
impl Log for Etcd {
    async fn head(&self) -> Result<Revision, Error> {
        self.0.check_open()?;
        head::head(&self.0).await
    }

    async fn load(&self, prefix: &[u8]) -> Result<Load, Error> {
        self.0.check_open()?;
        load::load(&self.0, prefix).await
    }

    async fn append(&self, ops: Vec<Op>) -> Result<Appended, AppendError> {
        self.0.check_open()?;
        op::check(&ops)?;
        let engine = Arc::clone(&self.0);
        // In a task of its own: the caller going away does not take the request back.
        let answer = tokio::spawn(async move { append::append(&engine, ops).await }).await;
        answer.unwrap_or_else(|error| Err(Error::Unknown(error.to_string()).into()))
    }

    fn tail(&self, after: Revision) -> Tail {
        tail::tail(&self.0, after)
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.0.check_open()?;
        let compact =
            |mut client: etcd_client::Client| async move { client.compact(at.0, None).await };
        match self.0.members.read(compact).await {
            // Compacting twice is compacting once: whatever was lost may be repeated.
            Ok(_) | Err(Fault::Compacted) => Ok(()),
            Err(fault) => Err(fault.harmless()),
        }
    }

    async fn health(&self) -> Result<Health, Error> {
        self.0.check_open()?;
        // A linearizable read needs a majority; the status knows of alarms.
        head::head(&self.0).await?;
        let status = self
            .0
            .members
            .read(|mut client| async move { client.status().await })
            .await
            .map_err(Fault::harmless)?;
        if let Some(alarm) = status.errors().iter().find(|e| e.contains("NOSPACE")) {
            return Err(Error::NoSpace(format!("etcd: {alarm}")));
        }
        if let Some(alarm) = status.errors().iter().find(|e| e.contains("CORRUPT")) {
            return Err(Error::Corrupt(format!("etcd: {alarm}")));
        }
        Ok(Health {
            engine: "etcd",
            bytes: u64::try_from(status.db_size()).unwrap_or(0),
        })
    }

    async fn shutdown(&self) {
        self.0.closing.send_replace(true);
    }
}
