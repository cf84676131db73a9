//! A node's machine with its container runtime: what goes on running, or ending, while the kubelet is down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use runtime::{Key, Random};
use tokio::time::Instant;

use crate::source::{between, chance};

/// An image whose containers never start.
pub const BROKEN: &str = "web:broken";

/// Pulls that fail, in a thousand.
const FAILED_PULLS: u64 = 50;
/// Starts that fail, in a thousand.
const FAILED_STARTS: u64 = 30;
/// Containers that break down some time after they started, in a thousand.
const BREAKDOWNS: u64 = 60;

/// What a container does until when.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Its image comes, or does not.
    Pulling { until: Instant, fails: bool },
    /// It waits before the next attempt.
    Waiting { until: Instant, why: &'static str },
    /// It begins, or fails to.
    Starting { until: Instant, fails: bool },
    /// It runs, for ever or until it breaks down.
    Running { until: Option<Instant> },
    /// It was asked to end.
    Ending { until: Instant },
}

struct Container {
    key: Key,
    image: String,
    state: State,
    restarts: u32,
    failures: u32,
}

/// What can be seen of a pod's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// It runs and answers.
    pub ready: bool,
    /// Why it does not run.
    pub waiting: &'static str,
    /// How often it was started again.
    pub restarts: u32,
}

/// The machine. It knows pods by their uid.
pub struct Machine {
    random: Random,
    images: BTreeSet<String>,
    containers: BTreeMap<String, Container>,
}

impl Machine {
    /// A machine that runs nothing.
    pub fn new(random: Random) -> Machine {
        Machine {
            random,
            images: BTreeSet::new(),
            containers: BTreeMap::new(),
        }
    }

    /// Sees to it that the pod's container runs, sooner or later. What can be seen of it now, and when to look again.
    pub fn run(&mut self, key: &Key, uid: &str, image: &str) -> (Seen, Option<Duration>) {
        let now = Instant::now();
        if !self.containers.contains_key(uid) {
            let container = Container {
                key: key.clone(),
                image: image.to_owned(),
                state: self.begin(image, now),
                restarts: 0,
                failures: 0,
            };
            self.containers.insert(uid.to_owned(), container);
        }
        while let Some(next) = self.after(uid, now) {
            if let Some(container) = self.containers.get_mut(uid) {
                container.state = next;
            }
        }
        let container = &self.containers[uid];
        let (waiting, until) = match container.state {
            State::Pulling { until, .. } | State::Starting { until, .. } => {
                ("ContainerCreating", Some(until))
            }
            State::Waiting { until, why } => (why, Some(until)),
            State::Running { until } => ("", until),
            State::Ending { until } => ("ContainerCreating", Some(until)),
        };
        let seen = Seen {
            ready: matches!(container.state, State::Running { .. }),
            waiting,
            restarts: container.restarts,
        };
        (
            seen,
            until.map(|until| until.saturating_duration_since(now)),
        )
    }

    /// Ends the pod's container: how long that takes still, or nothing when there is none any more.
    pub fn end(&mut self, uid: &str) -> Option<Duration> {
        let now = Instant::now();
        let container = self.containers.get_mut(uid)?;
        match container.state {
            State::Ending { until } if until <= now => {}
            State::Ending { until } => return Some(until - now),
            State::Running { until } if until.is_none_or(|until| until > now) => {
                let grace = between(&self.random, 50, 4_000);
                container.state = State::Ending { until: now + grace };
                return Some(grace);
            }
            _ => {}
        }
        self.containers.remove(uid);
        None
    }

    /// Starts anew: images are still there, containers are not.
    pub fn reboot(&mut self) {
        self.containers.clear();
    }

    /// The pods that it has containers of.
    pub fn pods(&self) -> Vec<(Key, String)> {
        let containers = self.containers.iter();
        containers
            .map(|(uid, container)| (container.key.clone(), uid.clone()))
            .collect()
    }

    /// What the container does next, if what it does now is over.
    fn after(&mut self, uid: &str, now: Instant) -> Option<State> {
        let container = self.containers.get(uid)?;
        let image = container.image.clone();
        match container.state {
            State::Pulling { until, fails } if until <= now => Some(match fails {
                true => self.fail(uid, now, "ErrImagePull"),
                false => {
                    self.images.insert(image.clone());
                    self.begin(&image, until)
                }
            }),
            State::Starting { until, fails } if until <= now => Some(match fails {
                true => self.fail(uid, now, "CrashLoopBackOff"),
                false => State::Running {
                    until: chance(&self.random, BREAKDOWNS)
                        .then(|| until + between(&self.random, 1_000, 120_000)),
                },
            }),
            State::Waiting { until, .. } if until <= now => Some(self.begin(&image, now)),
            State::Running { until: Some(until) } if until <= now => {
                Some(self.fail(uid, now, "CrashLoopBackOff"))
            }
            _ => None,
        }
    }

    fn begin(&self, image: &str, now: Instant) -> State {
        if self.images.contains(image) {
            return State::Starting {
                until: now + between(&self.random, 200, 3_000),
                fails: image == BROKEN || chance(&self.random, FAILED_STARTS),
            };
        }
        State::Pulling {
            until: now + between(&self.random, 500, 8_000),
            fails: chance(&self.random, FAILED_PULLS),
        }
    }

    fn fail(&mut self, uid: &str, now: Instant, why: &'static str) -> State {
        let mut failures = 1;
        if let Some(container) = self.containers.get_mut(uid) {
            if why == "CrashLoopBackOff" {
                container.restarts += 1;
            }
            container.failures += 1;
            failures = container.failures;
        }
        let wait = Duration::from_secs(1 << failures.min(5));
        State::Waiting {
            until: now + wait,
            why,
        }
    }
}
