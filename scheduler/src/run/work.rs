//! The scheduler's task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use api::core::v1::Pod;
use runtime::events::{Event, EventType, ObjectRef, Recorder};
use runtime::{CancellationToken, Client, Error, Informers, Key, Resource};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::pod::PodKey;
use crate::preemption::Victim;
use crate::run::bind::{self, Bound, Placed};
use crate::run::mailbox::{Changed, Mailbox};
use crate::run::preempt;
use crate::run::project::share;
use crate::run::report::{self, Reason};
use crate::run::views::Views;
use crate::run::{Config, Shared};
use crate::scheduling::{Next, Scheduling};
use crate::text::Text;

/// How many requests may be on their way at once.
const IN_FLIGHT: usize = 256;
/// How many pods are decided before what changed is looked at again.
const DECISIONS_A_LOOK: usize = 64;
/// When the API has not shown a pod on its node for so long after it was bound, it is asked.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);

/// What a request reports when it is done.
enum Done {
    Bound {
        key: PodKey,
        uid: Text,
        node: Text,
        bound: Bound,
    },
    Asked {
        key: PodKey,
        uid: Text,
        placed: Placed,
    },
    Preempted {
        key: PodKey,
        uid: Text,
        node: Text,
        victims: Vec<Victim>,
        ended: Result<(), Error>,
    },
    Told,
}

struct Worker<'a> {
    config: &'a Config,
    shared: &'a Shared,
    client: Client,
    pods: Resource,
    views: Views,
    mailbox: Arc<Mailbox>,
    recorder: Recorder,
    scheduling: Scheduling,
    tasks: JoinSet<Done>,
    /// Bound and not yet seen so: asked about when their time comes.
    unconfirmed: VecDeque<(Instant, PodKey, Text)>,
    began: Instant,
}

/// Places pods until `stop`.
pub(super) async fn work(
    config: &Config,
    shared: &Shared,
    client: Client,
    stop: CancellationToken,
) {
    let mut worker = Worker::start(config, shared, client, &stop);
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = worker.views.synced() => {}
    }
    tracing::info!(
        nodes = worker.views.nodes.len(),
        pods = worker.views.pods.len(),
        scheduler = config.scheduler_name,
        "placing pods"
    );
    shared.ready.store(true, Relaxed);
    loop {
        worker.look();
        let more = worker.decide();
        let wake_at = worker.wake_at();
        let Worker { mailbox, tasks, .. } = &mut worker;
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = tasks.join_next(), if !tasks.is_empty() => Some(done),
            () = mailbox.marked() => None,
            () = tokio::task::yield_now(), if more => None,
            () = sleep_until(wake_at) => None,
        };
        if let Some(done) = done {
            worker.finish(done);
            while let Some(done) = worker.tasks.try_join_next() {
                worker.finish(done);
            }
        }
    }
    // A binding that is on its way will be read by the next leader either way: nothing has to be waited for.
    shared.ready.store(false, Relaxed);
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl<'a> Worker<'a> {
    fn start(
        config: &'a Config,
        shared: &'a Shared,
        client: Client,
        stop: &CancellationToken,
    ) -> Worker<'a> {
        let informers = Informers::new(client.clone(), config.random.fork(), stop.child_token());
        let views = Views::make(&informers);
        let mailbox = Arc::<Mailbox>::default();
        views.mark_in(&mailbox);
        informers.start();
        let recorder = Recorder::start(
            client.clone(),
            config.clock.clone(),
            config.random.fork(),
            &config.scheduler_name,
            "",
        );
        Worker {
            config,
            shared,
            client,
            pods: Resource::of(Pod::TYPE),
            views,
            mailbox,
            recorder,
            scheduling: Scheduling::new(&config.scheduler_name, config.random.below(u64::MAX)),
            tasks: JoinSet::new(),
            unconfirmed: VecDeque::new(),
            began: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Reads how things are now, and wakes whom that helps.
    fn look(&mut self) {
        let Changed {
            nodes,
            pods,
            services,
            budgets,
            owners,
        } = self.mailbox.take();
        let now = self.now();
        for key in services {
            let selector = self
                .views
                .services
                .get(&key)
                .and_then(|service| service.value.0.clone());
            self.scheduling.workloads().set_service(
                key.namespace().into(),
                key.name().into(),
                selector,
            );
        }
        for key in budgets {
            let budget = self.views.budgets.get(&key);
            let budget = budget.map(|budget| budget.value.0.clone());
            self.scheduling
                .set_budget(key.namespace(), key.name(), budget);
        }
        for (kind, key) in owners {
            let informer = self.views.owners.iter().find(|(of, _)| *of == kind);
            let selector =
                informer.and_then(|(_, informer)| Some(informer.get(&key)?.value.0.clone()));
            self.scheduling.workloads().set_owner(
                kind,
                key.namespace().into(),
                key.name().into(),
                selector,
            );
        }
        for key in nodes {
            let node = self.views.nodes.get(&key);
            self.scheduling
                .observe_node(key.name(), node.map(|node| node.value.clone()));
        }
        for key in pods {
            let pod = self.views.pods.get(&key);
            let view = pod.as_ref().map(|pod| &pod.value.view);
            self.scheduling.observe_pod(
                &PodKey::new(share(key.namespace()), key.name()),
                view,
                now,
            );
        }
        self.scheduling.wake(now);
        self.ask_about_unconfirmed();
    }

    /// Decides for pods as long as requests may be sent. True when there may be more to decide.
    fn decide(&mut self) -> bool {
        let at = self.config.clock.now();
        for _ in 0..DECISIONS_A_LOOK {
            if self.tasks.len() >= IN_FLIGHT {
                return false;
            }
            let next = self
                .scheduling
                .next(self.now(), at, &mut self.shared.decisions.lock());
            match next {
                None => return false,
                Some(Next::Bind { key, uid, node }) => self.bind(key, uid, node),
                Some(Next::Refuse {
                    key,
                    uid,
                    message,
                    nominated,
                }) => {
                    let nominated = nominated.as_deref();
                    self.refuse(&key, &uid, Reason::Unschedulable, message, nominated);
                }
                Some(Next::Preempt {
                    key,
                    uid,
                    message,
                    node,
                    victims,
                }) => {
                    self.refuse(&key, &uid, Reason::Unschedulable, message, Some(&node));
                    self.preempt(key, uid, node, victims);
                }
            }
        }
        true
    }

    fn wake_at(&self) -> Option<Instant> {
        let queue = self
            .scheduling
            .queue()
            .next_change()
            .map(|at| self.began + at);
        let confirm = self.unconfirmed.front().map(|(at, ..)| *at);
        // With all requests in flight, their ends wake the task.
        queue
            .filter(|_| self.tasks.len() < IN_FLIGHT)
            .into_iter()
            .chain(confirm)
            .min()
    }

    fn bind(&mut self, key: PodKey, uid: Text, node: Text) {
        let (client, pods) = (self.client.clone(), self.pods.clone());
        self.tasks.spawn(async move {
            let object = Key::new(&key.namespace, &key.name);
            let bound = bind::bind(&client, &pods, &object, &uid, &node).await;
            Done::Bound {
                key,
                uid,
                node,
                bound,
            }
        });
    }

    /// Tells the victims to go; who has gone already has.
    fn preempt(&mut self, key: PodKey, uid: Text, node: Text, victims: Vec<Victim>) {
        tracing::info!(pod = %key, node = &*node, victims = victims.len(), "preempting");
        let (client, pods) = (self.client.clone(), self.pods.clone());
        let now = self.config.clock.now();
        let by = self.config.scheduler_name.clone();
        self.tasks.spawn(async move {
            let mut ended = Ok(());
            for victim in &victims {
                ended = preempt::end(&client, &pods, victim, &by, now).await;
                if ended.is_err() {
                    break;
                }
            }
            Done::Preempted {
                key,
                uid,
                node,
                victims,
                ended,
            }
        });
    }

    fn refuse(
        &mut self,
        key: &PodKey,
        uid: &str,
        reason: Reason,
        message: String,
        nominated: Option<&str>,
    ) {
        tracing::debug!(pod = %key, message, "not placed");
        let object = Key::new(&key.namespace, &key.name);
        self.tell(
            &object,
            uid,
            EventType::Warning,
            "FailedScheduling",
            "Scheduling",
            message.clone(),
        );
        let Some(pod) = self
            .views
            .pods
            .get(&object)
            .filter(|pod| *pod.value.view.uid == *uid)
        else {
            return;
        };
        let now = self.config.clock.now();
        let Some(patch) = report::patch(&pod.value, reason, &message, nominated, now) else {
            return;
        };
        let (client, pods) = (self.client.clone(), self.pods.clone());
        self.tasks.spawn(async move {
            if let Err(error) = report::send(&client, &pods, &object, &patch).await {
                // The next attempt tells it again.
                tracing::warn!(pod = %object, %error, "the condition PodScheduled could not be written");
            }
            Done::Told
        });
    }

    fn tell(
        &self,
        key: &Key,
        uid: &str,
        r#type: EventType,
        reason: &str,
        action: &str,
        message: String,
    ) {
        self.recorder.event(Event {
            regarding: ObjectRef::new(&self.pods, key, uid),
            r#type,
            reason: reason.into(),
            message,
            action: action.into(),
            related: None,
        });
    }

    fn finish(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let now = self.now();
        match done {
            Ok(Done::Told) => {}
            Ok(Done::Preempted {
                key,
                uid,
                node,
                victims,
                ended,
            }) => match ended {
                Ok(()) => {
                    for victim in victims {
                        let object = Key::new(&victim.key.namespace, &victim.key.name);
                        let message = format!("Preempted by pod {uid} on node {node}");
                        self.tell(
                            &object,
                            &victim.uid,
                            EventType::Normal,
                            "Preempted",
                            "Preempting",
                            message,
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(pod = %key, %error, "pods of lower priority could not be told to go");
                    self.scheduling.not_preempted(&key, &uid, now);
                }
            },
            Ok(Done::Bound {
                key,
                uid,
                node,
                bound,
            }) => match bound {
                Bound::Yes => {
                    self.scheduling.bound(&key, &uid);
                    self.unconfirmed.push_back((
                        Instant::now() + CONFIRM_AFTER,
                        key.clone(),
                        uid.clone(),
                    ));
                    let message = format!("Successfully assigned {key} to {node}");
                    let object = Key::new(&key.namespace, &key.name);
                    self.tell(
                        &object,
                        &uid,
                        EventType::Normal,
                        "Scheduled",
                        "Binding",
                        message,
                    );
                }
                Bound::Moot => {
                    // Its deletion, or the node that it is on, comes or has come through the informer.
                    self.scheduling.not_bound(&key, &uid, now);
                }
                Bound::No(error) => {
                    tracing::warn!(pod = %key, node = &*node, %error, "a pod could not be bound");
                    self.scheduling.not_bound(&key, &uid, now);
                    self.refuse(
                        &key,
                        &uid,
                        Reason::SchedulerError,
                        format!("running Bind plugin \"DefaultBinder\": {error}"),
                        None,
                    );
                }
            },
            Ok(Done::Asked { key, uid, placed }) => match placed {
                Placed::On(_) => {
                    self.unconfirmed
                        .push_back((Instant::now() + CONFIRM_AFTER, key, uid))
                }
                Placed::Gone | Placed::Nowhere => self.scheduling.not_bound(&key, &uid, now),
            },
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    /// Asks the API about pods that it should have shown on their nodes long ago.
    fn ask_about_unconfirmed(&mut self) {
        while let Some((at, ..)) = self.unconfirmed.front() {
            if *at > Instant::now() {
                break;
            }
            let Some((_, key, uid)) = self.unconfirmed.pop_front() else {
                break;
            };
            let assumed = self
                .scheduling
                .snapshot()
                .pod(&key)
                .is_some_and(|pod| pod.assumed && pod.uid == uid);
            if assumed {
                let (client, pods) = (self.client.clone(), self.pods.clone());
                self.tasks.spawn(async move {
                    let object = Key::new(&key.namespace, &key.name);
                    let placed = bind::placed(&client, &pods, &object, &uid).await;
                    Done::Asked { key, uid, placed }
                });
            }
        }
    }
}
