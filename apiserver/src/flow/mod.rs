//! Flow control: how many requests are worked on at once. What stands here until API priority and fairness does.
//!
//! Two classes, reading and changing, each with as many seats as upstream's `--max-requests-inflight` and
//! `--max-mutating-requests-inflight`. A request that finds no seat waits in a bounded queue, in order of arrival, for a
//! bounded time; beyond either bound it is answered 429 with `Retry-After`. Members of `system:masters`, health checks and
//! long-running requests take no seat. This module must not know what a request does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::identity::{Identity, MASTERS};
use crate::request::RequestInfo;

/// How much is done at once, and how long others wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seats for requests that only read.
    pub read_only: usize,
    /// Seats for requests that change something.
    pub mutating: usize,
    /// How many requests of a class wait at most.
    pub queue: usize,
    /// For how long a request waits at most.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            read_only: 400,
            mutating: 200,
            queue: 4096,
            wait: Duration::from_secs(15),
        }
    }
}

/// A seat taken; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    _permit: OwnedSemaphorePermit,
}

/// There is no seat, and no room to wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests, please try again later.")]
pub struct Busy {
    /// After how many seconds to try again.
    pub retry_after_seconds: i32,
}

#[derive(Debug)]
struct Class {
    seats: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Class {
    fn new(seats: usize) -> Class {
        Class {
            seats: Arc::new(Semaphore::new(seats)),
            waiting: AtomicUsize::new(0),
        }
    }
}

/// Counts one waiter for as long as it lives: also when the request is dropped while it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Hands out seats.
#[derive(Debug)]
pub struct FlowControl {
    limits: Limits,
    read_only: Class,
    mutating: Class,
}

impl FlowControl {
    /// Flow control of these limits.
    pub fn new(limits: Limits) -> FlowControl {
        FlowControl {
            limits,
            read_only: Class::new(limits.read_only),
            mutating: Class::new(limits.mutating),
        }
    }

    /// A seat for the request; `None` for a request that needs none. Waits if all are taken.
    pub async fn admit(
        &self,
        info: &RequestInfo,
        identity: &Identity,
    ) -> Result<Option<Seat>, Busy> {
        if info.is_long_running() || identity.in_group(MASTERS) || is_health(info) {
            return Ok(None);
        }
        let class = if info.verb.is_read_only() {
            &self.read_only
        } else {
            &self.mutating
        };
        if let Ok(permit) = Arc::clone(&class.seats).try_acquire_owned() {
            return Ok(Some(Seat { _permit: permit }));
        }
        let busy = Busy {
            retry_after_seconds: 1,
        };
        let waiting = class.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&class.waiting);
        if waiting >= self.limits.queue {
            return Err(busy);
        }
        let seat = Arc::clone(&class.seats).acquire_owned();
        match tokio::time::timeout(self.limits.wait, seat).await {
            Ok(Ok(permit)) => Ok(Some(Seat { _permit: permit })),
            _ => Err(busy),
        }
    }

    /// How many requests have a seat: reading, changing.
    pub fn in_flight(&self) -> (usize, usize) {
        let taken = |class: &Class, of: usize| of.saturating_sub(class.seats.available_permits());
        (
            taken(&self.read_only, self.limits.read_only),
            taken(&self.mutating, self.limits.mutating),
        )
    }
}

fn is_health(info: &RequestInfo) -> bool {
    !info.is_resource
        && ["/healthz", "/livez", "/readyz"]
            .iter()
            .any(|p| info.path.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn info(method: Method, path: &str, query: &str) -> RequestInfo {
        RequestInfo::parse(&method, path, query).unwrap()
    }

    fn small() -> FlowControl {
        FlowControl::new(Limits {
            read_only: 1,
            mutating: 1,
            queue: 1,
            wait: Duration::from_secs(15),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_their_turn_and_no_longer_than_allowed() {
        let flow = small();
        let (bob, list) = (
            Identity::user("bob", []),
            info(Method::GET, "/api/v1/pods", ""),
        );
        let first = flow.admit(&list, &bob).await.unwrap().unwrap();
        // The other class is not concerned.
        let write = info(Method::POST, "/api/v1/namespaces/d/pods", "");
        let _write = flow.admit(&write, &bob).await.unwrap().unwrap();
        assert_eq!(flow.in_flight(), (1, 1));

        let waits = flow.admit(&list, &bob);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        // The queue is full.
        assert_eq!(
            flow.admit(&list, &bob).await.unwrap_err(),
            Busy {
                retry_after_seconds: 1
            }
        );
        drop(first);
        let second = waits.await.unwrap().unwrap();
        // Nobody gives up the seat: the wait ends with 429.
        assert!(flow.admit(&list, &bob).await.is_err());
        drop(second);
        assert!(flow.admit(&list, &bob).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_goes_away_leaves_its_place() {
        let flow = small();
        let (bob, list) = (
            Identity::user("bob", []),
            info(Method::GET, "/api/v1/pods", ""),
        );
        let _seat = flow.admit(&list, &bob).await.unwrap();
        for _ in 0..3 {
            let mut waits = Box::pin(flow.admit(&list, &bob));
            assert!(futures::poll!(&mut waits).is_pending());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn some_need_no_seat() {
        let flow = small();
        let (bob, admin) = (
            Identity::user("bob", []),
            Identity::user("admin", [MASTERS]),
        );
        let list = info(Method::GET, "/api/v1/pods", "");
        let _seat = flow.admit(&list, &bob).await.unwrap();
        assert!(flow.admit(&list, &admin).await.unwrap().is_none());
        assert!(
            flow.admit(&info(Method::GET, "/api/v1/pods", "watch=1"), &bob)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            flow.admit(&info(Method::GET, "/livez", ""), &bob)
                .await
                .unwrap()
                .is_none()
        );
    }
}
