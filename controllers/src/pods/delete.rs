//! Deleting pods: each that was meant, and no successor of its name.

use std::sync::Arc;

use futures::future::join_all;
use runtime::{Backoff, BackoffPolicy, Error, Object, client::DeleteOptions};

use super::{ATTEMPTS, PodControl};
use crate::object::pod::Pod;

impl PodControl<'_> {
    /// Deletes pods, all at once, and tells.
    pub async fn delete_all(&self, victims: &[Arc<Object<Pod>>]) -> Result<(), Error> {
        self.expectations
            .expect_deletes(self.uid, victims.iter().map(|p| p.uid.to_string()));
        let results = join_all(victims.iter().map(|pod| async {
            let deleted = self.delete_expected(pod).await;
            match &deleted {
                Ok(true) => {
                    let text = format!("Deleted pod: {}", pod.key.name());
                    self.cx
                        .events
                        .normal(self.reference(), "SuccessfulDelete", text);
                }
                Ok(false) => {}
                Err(error) => {
                    let text = format!("Error deleting: {error}");
                    self.cx
                        .events
                        .warning(self.reference(), "FailedDelete", text);
                }
            }
            deleted.map(drop)
        }))
        .await;
        results
            .into_iter()
            .find_map(Result::err)
            .map_or(Ok(()), Err)
    }

    /// Deletes one pod; false if it was gone already. Nothing is told.
    pub async fn delete(&self, pod: &Object<Pod>) -> Result<bool, Error> {
        self.expectations
            .expect_deletes(self.uid, [pod.uid.to_string()]);
        self.delete_expected(pod).await
    }

    async fn delete_expected(&self, pod: &Object<Pod>) -> Result<bool, Error> {
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        loop {
            let options = DeleteOptions::of_uid(&pod.uid);
            match self
                .cx
                .client
                .delete(self.pods.resource(), &pod.key, &options)
                .await
            {
                // Marked already, maybe, by somebody else.
                Ok(()) => {
                    self.strike_off_seen(pod);
                    return Ok(true);
                }
                // Gone, or another of that name: as wished.
                Err(error) if error.is_not_found() || error.is_conflict() => {
                    self.strike_off_seen(pod);
                    return Ok(false);
                }
                Err(error)
                    if error.may_have_taken_effect() && backoff.failures() + 1 < ATTEMPTS =>
                {
                    tokio::time::sleep(backoff.fail(&self.cx.random)).await;
                }
                Err(error) => {
                    if error.may_have_taken_effect() {
                        self.expectations.doubt(self.uid);
                    } else {
                        self.expectations.deleted(self.uid, &pod.uid);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// As long as the pod is here as it was, the event of its end is still to come, and we would count it.
    fn strike_off_seen(&self, pod: &Object<Pod>) {
        let known = self.pods.get(&pod.key);
        if !known.is_some_and(|k| k.uid == pod.uid && k.value.deletion.is_none()) {
            self.expectations.deleted(self.uid, &pod.uid);
        }
    }
}
