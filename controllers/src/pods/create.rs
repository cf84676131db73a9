//! Creating pods: each once, whatever becomes of the replies.

use api::{core::v1 as core, tree::Tree};
use futures::future::join_all;
use runtime::{Backoff, BackoffPolicy, Error, Key, ResultExt, client::WriteOptions};

use super::{ATTEMPTS, PodControl, prefix};
use crate::object::owner::Owner;

/// A pod could not be created.
struct CreateFailed {
    error: Error,
    /// There is none. Otherwise there may be.
    for_sure: bool,
}

impl PodControl<'_> {
    /// Creates `count` pods whose names begin with the owner's; see [`PodControl::create_each`].
    pub async fn create_all(
        &self,
        count: usize,
        make: impl Fn(usize, &str, &str) -> Tree,
    ) -> Result<(), Error> {
        self.create_each(count, |_| prefix(self.key.name()), make)
            .await
    }

    /// Creates `count` pods in batches of 1, 2, 4 …, and stops at the first batch with a failure: what fails for one, such as a
    /// quota, mostly fails for all. `prefix` says how the name of the pod of a place begins, `make` makes it from place, prefix
    /// and name.
    pub async fn create_each(
        &self,
        count: usize,
        prefix: impl Fn(usize) -> String,
        make: impl Fn(usize, &str, &str) -> Tree,
    ) -> Result<(), Error> {
        let make = &make;
        let (mut done, mut batch) = (0, 1);
        while done < count {
            batch = batch.min(count - done);
            let creates = (done..done + batch)
                .map(|at| self.create_one(prefix(at), move |prefix, name| make(at, prefix, name)));
            let results = join_all(creates).await;
            done += batch;
            let errors = results.into_iter().filter_map(Result::err);
            if let Some(error) = errors.filter(|e| !e.is_namespace_terminating()).last() {
                return Err(error);
            }
            batch *= 2;
        }
        Ok(())
    }

    /// Creates one pod under a name that is drawn here, so that a create whose reply was lost can be sent again without making
    /// a second one; and does not let go while it is unknown whether it has.
    async fn create_one(
        &self,
        prefix: String,
        make: impl Fn(&str, &str) -> Tree,
    ) -> Result<(), Error> {
        let mut name = format!("{prefix}{}", self.cx.random.suffix(5));
        loop {
            let pod = make(&prefix, &name);
            match self.create(&name, &pod).await {
                Ok(true) => break,
                // Somebody drew the same name.
                Ok(false) => name = format!("{prefix}{}", self.cx.random.suffix(5)),
                Err(error) => {
                    if !error.is_namespace_terminating() {
                        let text = format!("Error creating: {error}");
                        self.cx
                            .events
                            .warning(self.reference(), "FailedCreate", text);
                    }
                    return Err(error);
                }
            }
        }
        let text = format!("Created pod: {name}");
        self.cx
            .events
            .normal(self.reference(), "SuccessfulCreate", text);
        Ok(())
    }

    /// Creates a pod by its name, asking again while its fate is unknown, and expects to see it unless there is none for sure.
    /// False if the name is taken by one that this call did not make.
    pub async fn create(&self, name: &str, pod: &Tree) -> Result<bool, Error> {
        // A pod that another call made, or is making, could not be told from this call's: both have the same owner.
        if !self.expectations.expect_create(self.uid, name) {
            return Ok(false);
        }
        let key = Key::new(self.key.namespace(), name);
        let created = match self.pods.get(&key) {
            Some(_) => Ok(false),
            None => self.ask_for(&key, pod).await,
        };
        match &created {
            Ok(true) => {}
            // The informer will tell, or the expectation expires.
            Err(failed) if !failed.for_sure => self.expectations.doubt(self.uid),
            Ok(false) | Err(_) => self.expectations.created(self.uid, name),
        }
        created.map_err(|failed| failed.error)
    }

    async fn ask_for(&self, key: &Key, pod: &Tree) -> Result<bool, CreateFailed> {
        let (resource, namespace) = (self.pods.resource(), key.namespace());
        let mut backoff = Backoff::new(BackoffPolicy::CONNECTION);
        // Once an attempt may have made the pod, no later refusal proves that there is none.
        let mut for_sure = true;
        loop {
            let options = WriteOptions::default();
            let created = self.cx.client.create(resource, namespace, pod, &options);
            let error = match created.await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_already_exists() => {
                    // Also of a first attempt: the client sends again what the server asks it to, and the reply to that one
                    // may be this.
                    for_sure = false;
                    match self.cx.client.get(resource, key).await.optional() {
                        // Ours: the reply to an earlier attempt was lost.
                        Ok(Some(live)) if is_owned_by(&live, self.uid) => return Ok(true),
                        Ok(_) => return Ok(false),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            for_sure &= !error.may_have_taken_effect();
            if !for_sure && backoff.failures() + 1 < ATTEMPTS {
                tokio::time::sleep(backoff.fail(&self.cx.random)).await;
                continue;
            }
            return Err(CreateFailed { error, for_sure });
        }
    }
}

/// Whether a pod is managed by the owner with this uid.
pub(super) fn is_owned_by(pod: &Tree, uid: &str) -> bool {
    Owner::controller_of(core::Pod::of(pod).metadata()).is_some_and(|owner| owner.uid == uid)
}

#[cfg(test)]
mod tests;
