//! Leader election by a Lease (`coordination.k8s.io/v1`), with upstream's rules: of several processes of one component,
//! one works.
//!
//! The holder renews every retry period. Another takes over when the Lease has not changed for its duration, measured on
//! the observer's own clock, so that clocks need not agree. A holder which cannot renew by the deadline, which is shorter
//! than the duration, stops working before anybody else begins.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Error, ResultExt},
    clock::SharedClock,
    key::Key,
    random::Random,
};

/// client-go's `JitterFactor`: those who wait try again after 1 to 2.2 retry periods.
const JITTER: f64 = 1.2;

/// How a component elects its leader.
#[derive(Clone)]
pub struct Election {
    /// Speaks to the API server.
    pub client: Client,
    /// The wall clock.
    pub clock: SharedClock,
    /// Randomness for retries.
    pub random: Random,
    /// Namespace and name of the Lease: `kube-system/kube-scheduler`, for example.
    pub lease: Key,
    /// Who this process is; unique among the candidates.
    pub identity: String,
    /// How long others wait before they take over.
    pub lease_duration: Duration,
    /// How long the holder tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// How often the holder renews, and the others look.
    pub retry_period: Duration,
    /// What the Lease says of its holder beside the name, such as where it is reached: annotations, set with each renewal.
    pub annotations: Vec<(&'static str, String)>,
}

/// How leading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The process is shutting down; the Lease, if held, was released.
    Shutdown,
    /// The work ended by itself; the Lease was released.
    WorkDone,
    /// The Lease could not be renewed in time; the work was cancelled. The process should end, and start anew.
    Lost,
}

/// The Lease as last seen.
struct Observed {
    lease: Value,
    at: Instant,
}

impl Election {
    /// With upstream's durations: 15 s, 10 s, 2 s.
    pub fn new(
        client: Client,
        clock: SharedClock,
        random: Random,
        lease: Key,
        identity: String,
    ) -> Self {
        Election {
            client,
            clock,
            random,
            lease,
            identity,
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            annotations: Vec::new(),
        }
    }

    /// Waits until this process is the leader, then runs `work` until it ends, the Lease is lost, or `shutdown` comes.
    /// The token that `work` gets is cancelled when it must stop; the Lease is released after it has.
    pub async fn lead<F>(
        self,
        shutdown: CancellationToken,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Ended
    where
        F: Future<Output = ()>,
    {
        let mut observed = None;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ended::Shutdown,
            () = self.acquire(&mut observed) => {}
        }
        tracing::info!(lease = %self.lease, identity = self.identity, "leading");
        let stop = CancellationToken::new();
        let ended = {
            let work = work(stop.clone());
            tokio::pin!(work);
            let ended = tokio::select! {
                biased;
                () = shutdown.cancelled() => Ended::Shutdown,
                () = self.renew(&mut observed) => Ended::Lost,
                () = &mut work => Ended::WorkDone,
            };
            stop.cancel();
            if ended == Ended::Lost {
                tracing::error!(lease = %self.lease, "the Lease was lost");
            }
            if ended != Ended::WorkDone {
                // Bounded by the deadline's distance to the duration: nobody else leads before that.
                let _ = tokio::time::timeout(
                    self.lease_duration.saturating_sub(self.renew_deadline),
                    work,
                )
                .await;
            }
            ended
        };
        if ended != Ended::Lost {
            self.release(observed).await;
        }
        ended
    }

    async fn acquire(&self, observed: &mut Option<Observed>) {
        let mut told = false;
        loop {
            match self.attempt(observed).await {
                Ok(true) => return,
                Ok(false) if !told => {
                    told = true;
                    let holder = observed
                        .as_ref()
                        .map(|o| holder(&o.lease))
                        .unwrap_or_default();
                    tracing::info!(lease = %self.lease, holder, "another process leads; standing by");
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(lease = %self.lease, %error, "cannot acquire the Lease; trying again")
                }
            }
            tokio::time::sleep(self.random.jitter(self.retry_period, JITTER)).await;
        }
    }

    /// Returns when the Lease is lost.
    async fn renew(&self, observed: &mut Option<Observed>) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep_until(Instant::now() + self.retry_period).await;
            let deadline = renewed + self.renew_deadline;
            loop {
                match tokio::time::timeout_at(deadline, self.attempt(observed)).await {
                    Ok(Ok(true)) => {
                        renewed = Instant::now();
                        break;
                    }
                    // Another holds it now.
                    Ok(Ok(false)) => return,
                    Ok(Err(error)) => {
                        tracing::warn!(lease = %self.lease, %error, "cannot renew the Lease; trying again")
                    }
                    Err(_) => return,
                }
                if Instant::now() + self.retry_period >= deadline {
                    tokio::time::sleep_until(deadline).await;
                    return;
                }
                tokio::time::sleep(self.retry_period).await;
            }
        }
    }

    /// Tries once to become or stay the holder.
    async fn attempt(&self, observed: &mut Option<Observed>) -> Result<bool, Error> {
        // The holder writes straight over what it wrote last; a conflict says that this is no longer the newest.
        if let Some(known) = observed
            .as_ref()
            .filter(|o| holder(&o.lease) == self.identity)
        {
            let lease = self.held(&known.lease, true);
            match self.put(&lease).await {
                Ok(stored) => {
                    *observed = Some(Observed {
                        lease: stored,
                        at: Instant::now(),
                    });
                    return Ok(true);
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let Some(current) = self
            .client
            .json(Method::GET, self.path(), None)
            .await
            .optional()?
        else {
            let fresh = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": self.lease.name(), "namespace": self.lease.namespace()},
                "spec": {},
            });
            let mut lease = self.held(&fresh, false);
            lease["spec"]["leaseTransitions"] = json!(0);
            let path = format!(
                "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
                self.lease.namespace()
            );
            let stored = self.client.json(Method::POST, path, Some(&lease)).await?;
            *observed = Some(Observed {
                lease: stored,
                at: Instant::now(),
            });
            return Ok(true);
        };
        let changed = observed
            .as_ref()
            .is_none_or(|o| o.lease["spec"] != current["spec"]);
        if changed {
            *observed = Some(Observed {
                lease: current.clone(),
                at: Instant::now(),
            });
        }
        let mine = holder(&current) == self.identity;
        let seen_at = observed.as_ref().map_or_else(Instant::now, |o| o.at);
        let duration = Duration::from_secs(
            current["spec"]["leaseDurationSeconds"]
                .as_u64()
                .unwrap_or(0),
        );
        if !mine && !holder(&current).is_empty() && seen_at + duration > Instant::now() {
            return Ok(false);
        }
        match self.put(&self.held(&current, mine)).await {
            Ok(stored) => {
                *observed = Some(Observed {
                    lease: stored,
                    at: Instant::now(),
                });
                Ok(true)
            }
            // Another was faster.
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The Lease with this process as its holder.
    fn held(&self, lease: &Value, mine: bool) -> Value {
        let now = micros(self.clock.now());
        let mut lease = lease.clone();
        for (name, value) in &self.annotations {
            lease["metadata"]["annotations"][*name] = json!(value);
        }
        let spec = &mut lease["spec"];
        if !mine {
            spec["acquireTime"] = json!(now);
            spec["leaseTransitions"] = json!(spec["leaseTransitions"].as_i64().unwrap_or(0) + 1);
        }
        spec["holderIdentity"] = json!(self.identity);
        spec["leaseDurationSeconds"] = json!(self.lease_duration.as_secs());
        spec["renewTime"] = json!(now);
        lease
    }

    async fn release(&self, observed: Option<Observed>) {
        let Some(Observed { mut lease, .. }) =
            observed.filter(|o| holder(&o.lease) == self.identity)
        else {
            return;
        };
        let now = micros(self.clock.now());
        let spec = &mut lease["spec"];
        spec["holderIdentity"] = json!("");
        spec["leaseDurationSeconds"] = json!(1);
        spec["renewTime"] = json!(now);
        spec["acquireTime"] = json!(now);
        let put = tokio::time::timeout(self.retry_period, self.put(&lease)).await;
        match put {
            Ok(Ok(_)) => tracing::info!(lease = %self.lease, "released the Lease"),
            Ok(Err(error)) => {
                tracing::warn!(lease = %self.lease, %error, "the Lease could not be released")
            }
            Err(_) => {
                tracing::warn!(lease = %self.lease, "the Lease could not be released in time")
            }
        }
    }

    async fn put(&self, lease: &Value) -> Result<Value, Error> {
        self.client
            .json(Method::PUT, self.path(), Some(lease))
            .await
    }

    fn path(&self) -> String {
        format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}",
            self.lease.namespace(),
            self.lease.name()
        )
    }
}

fn holder(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or("")
}

/// RFC 3339 with six fractional digits: `metav1.MicroTime`.
fn micros(time: jiff::Timestamp) -> String {
    format!("{time:.6}")
}
