//! The members of the cluster: one connection each, one of them preferred until it fails.
//!
//! Not the client's own balancing: that hands requests to members that are down, and cannot tell what was never sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::Client;

use crate::Error;
use crate::etcd::config::Config;
use crate::etcd::fault::Fault;

/// Clients of all members.
pub(super) struct Members {
    clients: Vec<Client>,
    preferred: AtomicUsize,
    timeout: Duration,
}

impl Members {
    /// Makes the clients; connections are made when first used.
    pub async fn new(config: &Config) -> Result<Members, Error> {
        let invalid = |why: String| Error::Invalid(format!("etcd: {why}"));
        if config.endpoints.is_empty() {
            return Err(invalid("no endpoints".to_owned()));
        }
        let mut clients = Vec::with_capacity(config.endpoints.len());
        for endpoint in &config.endpoints {
            let https = endpoint.starts_with("https://");
            if !https && !endpoint.starts_with("http://") {
                return Err(invalid(format!("{endpoint} is no http:// or https:// URL")));
            }
            let client = Client::connect([endpoint], Some(config.connect_options(https)))
                .await
                .map_err(|e| invalid(format!("{endpoint}: {e}")))?;
            clients.push(client);
        }
        Ok(Members {
            clients,
            preferred: AtomicUsize::new(0),
            timeout: config.timeout,
        })
    }

    /// Calls the preferred member, and then the others, as long as the call certainly took no effect.
    pub async fn write<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        // One member gets all the time: a write that has timed out is not tried elsewhere.
        self.call(call, 1, |fault| matches!(fault, Fault::Elsewhere(_)))
            .await
    }

    /// Calls the preferred member, and then the others, until one answers.
    pub async fn read<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        // Each gets its share of the time, so that one which hangs leaves some for the others.
        let shares = self.clients.len();
        self.call(call, shares, |fault| {
            matches!(fault, Fault::Elsewhere(_) | Fault::Lost(_))
        })
        .await
    }

    async fn call<T, F>(
        &self,
        call: impl Fn(Client) -> F,
        shares: usize,
        again: impl Fn(&Fault) -> bool,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        // All members together get no more time than one: a caller waits a bounded time.
        let deadline = tokio::time::Instant::now() + self.timeout;
        let share = self.timeout / u32::try_from(shares).unwrap_or(u32::MAX);
        let mut tried = 0;
        loop {
            let (index, client) = self.preferred();
            let until = deadline.min(tokio::time::Instant::now() + share);
            let fault = match tokio::time::timeout_at(until, call(client)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Fault::from(error),
                Err(_) => Fault::Lost(format!("etcd: no answer within {share:?}")),
            };
            tried += 1;
            if !matches!(
                fault,
                Fault::Refused(_) | Fault::Compacted | Fault::Future | Fault::LeaseGone
            ) {
                self.give_up(index);
            }
            if tried == self.clients.len() || !again(&fault) {
                return Err(fault);
            }
        }
    }

    /// The member that is preferred now.
    pub fn preferred(&self) -> (usize, Client) {
        let index = self.preferred.load(Ordering::Relaxed) % self.clients.len();
        (index, self.clients[index].clone())
    }

    /// Prefers the next member, unless somebody has done so already.
    pub fn give_up(&self, index: usize) {
        let next = (index + 1) % self.clients.len();
        let _ = self
            .preferred
            .compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
