//! Everything that runs: the API server on the memory store, the scheduler, the controllers, ten nodes, and what goes wrong.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use apiserver::env::Env;
use apiserver::identity::{Identity, MASTERS, NODES};
use apiserver::server::{Config, Server};
use parking_lot::Mutex;
use runtime::{CancellationToken, Client, Random};
use scheduler::Scheduler;
use store::Memory;

use crate::component::{Life, Span, draw, keep};
use crate::kubelet::Kubelet;
use crate::log;
use crate::machine::Machine;
use crate::network::{Answering, Faults, Network};
use crate::source::{Bytes, Time, chance};
use crate::trace::Trace;
use crate::witness::Witness;

/// How many nodes there are.
pub const NODE_COUNT: usize = 10;
/// What the log remembers, in bytes: more than the witness can lag behind.
const LOG_HISTORY: usize = 16 << 20;
/// What the API server remembers, in bytes: so little that a watch which was cut has to begin anew now and then.
const VIEW_HISTORY: usize = 1 << 20;

/// When the API server is started again that did not start.
const RESTART: Duration = Duration::from_secs(1);
/// Crashes of a kubelet, in a thousand, that are of its whole machine.
const REBOOTS: u64 = 200;

/// A bug on order: the simulation must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// None.
    Nothing,
    /// The ReplicaSet controller does not wait until it sees what it asked for.
    NoExpectations,
    /// A lost answer is taken for a failure.
    LostReplyIsFailure,
    /// A watch swallows events.
    DroppedEvents,
}

impl Planted {
    /// All of them.
    const ALL: [Planted; 4] = [
        Planted::Nothing,
        Planted::NoExpectations,
        Planted::LostReplyIsFailure,
        Planted::DroppedEvents,
    ];

    /// By its name, as `{:?}` writes it.
    pub fn named(name: &str) -> Option<Planted> {
        Planted::ALL
            .into_iter()
            .find(|planted| format!("{planted:?}") == name)
    }
}

/// See the module.
pub struct World {
    pub time: Time,
    pub trace: Trace,
    pub random: Random,
    pub network: Network,
    pub witness: Arc<Witness>,
    pub machines: Vec<Arc<Mutex<Machine>>>,
    planted: Planted,
    memory: Memory,
}

impl World {
    /// A world in which nothing runs yet.
    pub fn new(seed: u64, planted: Planted, printed: bool) -> World {
        let time = Time::start();
        let trace = Trace::new(time, printed);
        let random = Random::from_seed(seed);
        let memory = Memory::new(Arc::new(time), LOG_HISTORY);
        let witness = Arc::new(Witness::new(&memory, time, trace.clone()));
        let machines = (0..NODE_COUNT).map(|_| Arc::new(Mutex::new(Machine::new(random.fork()))));
        World {
            time,
            network: Network::new(trace.clone()),
            witness,
            machines: machines.collect(),
            planted,
            memory,
            random,
            trace,
        }
    }

    /// A client that nothing happens to, but that the server may be away.
    pub fn admin(&self) -> Client {
        let identity = Identity::user("admin", [MASTERS]);
        let link = self
            .network
            .link(identity, Faults::NONE, self.random.fork());
        link.client("kubectl")
    }

    /// Starts everything, and what makes it crash.
    pub fn start(&self) {
        tokio::spawn(self.keep_server());
        self.keep_scheduler();
        self.keep_controllers();
        for node in 0..NODE_COUNT {
            self.keep_kubelet(node);
        }
    }

    fn faults(&self) -> Faults {
        Faults {
            lost_requests: 10,
            lost_replies: 15,
            slow: 10,
            cut_watches: 3,
            lost_replies_are_failures: self.planted == Planted::LostReplyIsFailure,
            dropped_events: if self.planted == Planted::DroppedEvents {
                10
            } else {
                0
            },
        }
    }

    /// A component that starts anew lists anew, and so finds what was dropped.
    fn span(&self, span: Span) -> Option<Span> {
        (self.planted != Planted::DroppedEvents).then_some(span)
    }

    fn keep_server(&self) -> impl Future<Output = ()> + 'static {
        let (network, trace) = (self.network.clone(), self.trace.clone());
        let (memory, witness, time) = (self.memory.clone(), self.witness.clone(), self.time);
        let (random, bytes) = (self.random.fork(), Bytes::fork(&self.random));
        let span = self.span(Span {
            life: 5_000..=120_000,
            pause: 500..=3_000,
        });
        async move {
            loop {
                let crashed = CancellationToken::new();
                let life = log::Life {
                    memory: memory.clone(),
                    witness: witness.clone(),
                    crashed: crashed.clone(),
                    random: random.fork(),
                };
                let env = Env {
                    clock: Arc::new(time),
                    random: bytes.clone(),
                };
                let mut config = Config::new(Arc::new(life), env);
                config.history = VIEW_HISTORY;
                let server = match Server::start(config).await {
                    Ok(server) => server,
                    Err(error) => {
                        trace.note(format_args!("the API server does not start: {error}"));
                        crashed.cancel();
                        tokio::time::sleep(RESTART).await;
                        continue;
                    }
                };
                network.set_server(Some(Answering {
                    service: server.service.clone(),
                    crashed: crashed.clone(),
                }));
                trace.note("the API server answers");
                let Some(span) = &span else {
                    return std::future::pending().await;
                };
                tokio::time::sleep(draw(&random, &span.life)).await;
                trace.note("the API server crashes");
                network.set_server(None);
                server.stop();
                crashed.cancel();
                drop(server);
                tokio::time::sleep(draw(&random, &span.pause)).await;
            }
        }
    }

    fn keep_scheduler(&self) {
        let (network, clock, faults) = (self.network.clone(), self.time.shared(), self.faults());
        let random = self.random.fork();
        let start = move || {
            let identity = Identity::user("system:kube-scheduler", []);
            let link = network.link(identity, faults, random.fork());
            let scheduler = Scheduler::new(scheduler::Config::new(clock.clone(), random.fork()));
            let (client, stop) = (link.client("kube-scheduler"), CancellationToken::new());
            let run = stop.clone();
            let task = tokio::spawn(async move {
                // It ends when it is told to, which it is not.
                let _ = scheduler.run(client, run).await;
            });
            Life { task, stop, link }
        };
        self.keep(
            "the scheduler".to_owned(),
            3_000..=80_000,
            1_000..=10_000,
            start,
        );
    }

    fn keep_controllers(&self) {
        let (network, clock, faults) = (self.network.clone(), self.time.shared(), self.faults());
        let (random, planted) = (self.random.fork(), self.planted);
        let start = move || {
            let identity = Identity::user("system:kube-controller-manager", []);
            let link = network.link(identity, faults, random.fork());
            let mut config = controllers::Config::new(clock.clone(), random.fork());
            config.root_ca = Some("a certificate".to_owned());
            config.without_expectations = planted == Planted::NoExpectations;
            let (client, stop) = (
                link.client("kube-controller-manager"),
                CancellationToken::new(),
            );
            let run = stop.clone();
            let task = tokio::spawn(async move {
                // It ends when it is told to, which it is not.
                let _ = controllers::run(config, client, run).await;
            });
            Life { task, stop, link }
        };
        self.keep(
            "the controllers".to_owned(),
            3_000..=80_000,
            1_000..=10_000,
            start,
        );
    }

    fn keep_kubelet(&self, node: usize) {
        let (network, clock, faults) = (self.network.clone(), self.time.shared(), self.faults());
        let (random, machine) = (self.random.fork(), self.machines[node].clone());
        let name = format!("n{node}");
        let of = name.clone();
        let trace = self.trace.clone();
        let start = move || {
            if chance(&random, REBOOTS) {
                trace.note(format_args!("{name} boots"));
                machine.lock().reboot();
            }
            let identity = Identity::user(&format!("system:node:{name}"), [NODES]);
            let link = network.link(identity, faults, random.fork());
            let kubelet = Kubelet {
                node: name.clone(),
                machine: machine.clone(),
                client: link.client("kubelet"),
                clock: clock.clone(),
                random: random.fork(),
            };
            let stop = CancellationToken::new();
            let task = tokio::spawn(kubelet.run(stop.clone()));
            Life { task, stop, link }
        };
        // Long enough, now and then, for the node to be taken for lost.
        self.keep(
            format!("the kubelet of {of}"),
            5_000..=300_000,
            1_000..=70_000,
            start,
        );
    }

    fn keep(
        &self,
        name: String,
        life: RangeInclusive<u64>,
        pause: RangeInclusive<u64>,
        start: impl FnMut() -> Life + Send + 'static,
    ) {
        let span = self.span(Span { life, pause });
        let (random, trace) = (self.random.fork(), self.trace.clone());
        tokio::spawn(keep(name, span, random, trace, start));
    }

    /// Waits until what it is asked about is so.
    pub async fn until(&self, mut so: impl FnMut(&World) -> bool) {
        while !so(self) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
