//! One container's end, in a task of its own: preStop hook, the stop signal when its turn has come, SIGKILL when its grace is
//! over.

use std::sync::Arc;
use std::time::Duration;

use api::core::v1::Pod;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{RETRY, Role, Worker, find};
use crate::context::Shared;
use crate::pod::hooks::{self, Hook};
use crate::pod::signal;
use crate::probe::Target;

pub(super) const DEFAULT_GRACE_SECONDS: i64 = 30;
/// Whatever came before it, so much is left between SIGTERM and SIGKILL.
const MIN_GRACE: Duration = Duration::from_secs(2);
/// Nobody waits longer; a time beyond could not be told.
const MAX_GRACE: Duration = Duration::from_secs(1 << 31);

/// How long an end may take, and until when. The containers of a pod have one together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grace {
    length: Duration,
    until: Instant,
}

impl Grace {
    /// So many seconds from `now`; as upstream, one at least, so that what ends is asked to before it is made to.
    pub(super) fn new(seconds: i64, now: Instant) -> Self {
        let seconds = u64::try_from(seconds).unwrap_or_default().max(1);
        let length = Duration::from_secs(seconds).min(MAX_GRACE);
        let until = now + length;
        Self { length, until }
    }

    /// Asked for again: only to be quicker.
    pub(super) fn asked_again(self, seconds: i64, now: Instant) -> Self {
        let asked = Self::new(seconds, now);
        if asked.length < self.length {
            Self {
                until: asked.until.min(self.until),
                ..asked
            }
        } else {
            self
        }
    }

    /// When it is over for a container that was `signalled` then.
    fn end(self, signalled: Instant) -> Instant {
        self.until.max(signalled + MIN_GRACE)
    }
}

/// An attempt on its way to its end, as the worker holds it.
pub(super) struct Stopping {
    ended: CancellationToken,
    turn: CancellationToken,
    grace: watch::Sender<Grace>,
}

impl Stopping {
    /// It has ended: nothing is to be done any more.
    pub(super) fn ended(self) {
        self.ended.cancel();
    }

    /// Those that end before it have ended: it may be signalled.
    pub(super) fn its_turn(&self) {
        self.turn.cancel();
    }

    /// It has no more than `grace`.
    fn hurry(&self, grace: Grace) {
        self.grace.send_if_modified(|own| {
            let sooner = grace.until < own.until;
            if sooner {
                *own = grace;
            }
            sooner
        });
    }
}

impl Worker {
    /// Begins to end one attempt while its pod runs on. `grace` is in seconds, the pod's if `None`.
    pub(super) fn stop_attempt(&mut self, id: &str, reason: &str, grace: Option<i64>) {
        if self.stops.contains_key(id) {
            return;
        }
        let tree = self.desired.borrow().pod.clone();
        let seconds = grace
            .or(Pod::of(&tree).spec().termination_grace_period_seconds())
            .unwrap_or(DEFAULT_GRACE_SECONDS);
        self.begin_stop(id, reason, Grace::new(seconds, Instant::now()));
        if let Some(stopping) = self.stops.get(id) {
            stopping.its_turn();
        }
    }

    /// Begins to end one attempt, which is signalled when it is told that it is its turn, or its `grace` is over. One that is
    /// being ended already is hurried.
    pub(super) fn begin_stop(&mut self, id: &str, reason: &str, grace: Grace) {
        if let Some(stopping) = self.stops.get(id) {
            stopping.hurry(grace);
            return;
        }
        let tree = self.desired.borrow().pod.clone();
        let pod = Pod::of(&tree);
        let Some(name) = self
            .observed
            .attempts
            .iter()
            .find(|(_, list)| list.iter().any(|a| a.id == id))
            .map(|(name, _)| name.clone())
        else {
            return;
        };
        let found = find(pod, &name);
        let role = found.map_or(Role::Main, |(_, role)| role);
        self.shared
            .recorder
            .normal(self.container_reference(&name, role), "Killing", reason);
        let target = self.target(id);
        let lifecycle = found.and_then(|(container, _)| Some((container, container.lifecycle()?)));
        let hook = lifecycle.and_then(|(container, lifecycle)| {
            lifecycle
                .pre_stop()
                .map(|handler| hooks::read(handler, container, &target))
        });
        let hook = match hook {
            Some(Ok(hook)) => Some(hook),
            Some(Err(error)) => {
                self.warn_once("FailedPreStopHook", &format!("PreStopHook failed: {error}"));
                None
            }
            None => None,
        };
        let stop_signal = lifecycle
            .and_then(|(_, lifecycle)| lifecycle.stop_signal())
            .and_then(signal::number);
        let image = found
            .map(|(container, _)| container.image().to_owned())
            .unwrap_or_default();
        let (ended, turn) = (CancellationToken::new(), CancellationToken::new());
        let (sender, grace) = watch::channel(grace);
        self.stops.insert(
            id.to_owned(),
            Stopping {
                ended: ended.clone(),
                turn: turn.clone(),
                grace: sender,
            },
        );
        let reference = self.container_reference(&name, role);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let stop = Stop {
                shared: shared.clone(),
                target,
                hook,
                signal: stop_signal,
                image,
                turn,
                grace,
            };
            let failed = stop.run(ended).await;
            if failed {
                shared
                    .recorder
                    .warning(reference, "FailedPreStopHook", "PreStopHook failed");
            }
        });
    }
}

/// What the task does.
struct Stop {
    shared: Arc<Shared>,
    target: Target,
    hook: Option<Hook>,
    signal: Option<u32>,
    image: String,
    turn: CancellationToken,
    grace: watch::Receiver<Grace>,
}

impl Stop {
    /// Until its process has ended (`ended`) or was killed; whether the hook failed.
    async fn run(mut self, ended: CancellationToken) -> bool {
        let id = &self.target.container;
        let mut failed = false;
        if let Some(hook) = self.hook.as_ref() {
            let run = hooks::run(&self.shared, hook, "pre-stop", &self.target);
            tokio::select! {
                biased;
                () = ended.cancelled() => return false,
                result = run => failed = result.is_err(),
                // What it has begun in the container ends with that.
                () = over(&mut self.grace, None) => failed = matches!(hook, Hook::Act(_)),
            }
        }
        tokio::select! {
            biased;
            () = ended.cancelled() => return failed,
            () = self.turn.cancelled() => {}
            () = over(&mut self.grace, None) => {}
        }
        let of_image = match self.shared.images.find(&self.image).await {
            Ok(Some(image)) => signal::number(&image.config.stop_signal),
            _ => None,
        };
        let signal = self.signal.or(of_image).unwrap_or(15);
        if let Err(error) = self
            .shared
            .containerd
            .kill_task(id, "", signal, false)
            .await
        {
            tracing::warn!(container = id, %error, "cannot signal a container");
        }
        tokio::select! {
            biased;
            () = ended.cancelled() => return failed,
            () = over(&mut self.grace, Some(Instant::now())) => {}
        }
        while let Err(error) = self.shared.containerd.kill_task(id, "", 9, true).await {
            tracing::warn!(container = id, %error, "cannot kill a container");
            tokio::select! {
                biased;
                () = ended.cancelled() => break,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        failed
    }
}

/// Until the grace is over, which may be shortened meanwhile, for a container that was or was not `signalled` yet.
async fn over(grace: &mut watch::Receiver<Grace>, signalled: Option<Instant>) {
    loop {
        let now = *grace.borrow_and_update();
        let end = signalled.map_or(now.until, |at| now.end(at));
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(end) => return,
            Ok(()) = grace.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pods_containers_have_one_grace_and_each_of_them_a_little_of_its_own() {
        let begun = Instant::now();
        let grace = Grace::new(30, begun);
        assert_eq!(grace.end(begun), begun + 30 * SECOND);
        // Its turn comes late: what the others took is not given anew.
        assert_eq!(grace.end(begun + 20 * SECOND), begun + 30 * SECOND);
        assert_eq!(grace.end(begun + 29 * SECOND), begun + 31 * SECOND);
        // Who gives none gives a little all the same.
        let none = Grace::new(0, begun);
        assert_eq!(none.until, begun + SECOND);
        assert_eq!(none.end(begun), begun + MIN_GRACE);
        // Whatever the API lets through.
        assert!(Grace::new(i64::MAX, begun).until > begun);
        assert_eq!(Grace::new(-1, begun), none);
    }

    #[test]
    fn who_asks_again_makes_it_only_shorter() {
        let begun = Instant::now();
        let grace = Grace::new(30, begun);
        let later = begun + 10 * SECOND;
        assert_eq!(grace.asked_again(30, later), grace);
        assert_eq!(grace.asked_again(60, later), grace);
        assert_eq!(grace.asked_again(5, later).until, later + 5 * SECOND);
        // Little is left: not more than that.
        let late = begun + 28 * SECOND;
        assert_eq!(grace.asked_again(20, late).until, grace.until);
        assert_eq!(grace.asked_again(0, later), Grace::new(0, later));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_the_end_of_the_grace_hears_that_it_is_shortened() {
        let begun = Instant::now();
        let (sender, mut grace) = watch::channel(Grace::new(30, begun));
        let stopping = Stopping {
            ended: CancellationToken::new(),
            turn: CancellationToken::new(),
            grace: sender,
        };
        let waiter = tokio::spawn(async move {
            over(&mut grace, Some(begun)).await;
            Instant::now()
        });
        tokio::time::sleep(10 * SECOND).await;
        let late = Grace::new(30, Instant::now());
        stopping.hurry(late);
        stopping.hurry(Grace::new(5, Instant::now()));
        assert_eq!(waiter.await.unwrap(), begun + 15 * SECOND);
    }
}
