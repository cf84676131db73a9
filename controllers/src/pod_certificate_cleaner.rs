//! Requests of pods for certificates that were made a while ago: whatever became of them, nobody needs them any more (KEP-4317).
//! The kubelet makes a new one for each renewal.

use std::time::Duration;

use api::{Tree, certificates::v1::PodCertificateRequest};
use jiff::{SignedDuration, Timestamp};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Projection, ReconcileError, Resource,
    ResultExt, Wiring, client::DeleteOptions,
};

/// How old a request gets: upstream's figure.
const AGE: SignedDuration = SignedDuration::from_mins(15);

/// When a request was made; none for one that says nothing of it.
#[derive(Debug, Clone, Copy)]
struct Created(Option<Timestamp>);

impl Projection for Created {
    fn project(object: &Tree) -> Self {
        let created = PodCertificateRequest::of(object)
            .metadata()
            .creation_timestamp();
        Created(created.map(api::Time::timestamp))
    }
}

/// Deletes PodCertificateRequests of some age.
pub struct PodCertificateCleaner {
    requests: Informer<Created>,
}

impl PodCertificateCleaner {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        PodCertificateCleaner {
            requests: informers.informer(&Resource::of(PodCertificateRequest::TYPE)),
        }
    }
}

impl Controller for PodCertificateCleaner {
    const NAME: &'static str = "podcertificaterequest-cleaner-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.requests, |change, queue| {
            if let (None, Some(request)) = (change.old, change.new) {
                queue.add(request.key.clone());
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(request) = self.requests.get(key) else {
            return Ok(Next::Done);
        };
        let left = left(request.value, cx.clock.now());
        if !left.is_zero() {
            return Ok(Next::After(left));
        }
        let options = DeleteOptions::of_uid(&request.uid);
        let deleted = cx.client.delete(self.requests.resource(), key, &options);
        deleted.await.optional()?;
        Ok(Next::Done)
    }
}

/// How long the request may still stay.
fn left(created: Created, now: Timestamp) -> Duration {
    let age = created.0.map_or(AGE, |created| now.duration_since(created));
    Duration::try_from(AGE.saturating_sub(age)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stays_for_its_time() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let left = |now| left(Created(Some(at(1000))), at(now)).as_secs();
        assert_eq!(left(1000), 900);
        assert_eq!(left(1899), 1);
        assert_eq!(left(1900), 0);
        assert_eq!(left(100_000), 0);
        assert!(self::left(Created(None), at(0)).is_zero());
    }
}
