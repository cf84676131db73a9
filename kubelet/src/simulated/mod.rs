//! Nodes without machines: `kubelet --simulated N` registers N nodes, keeps their leases, and tells of every pod that is bound
//! to one of them that it runs. For measuring schedulers and controllers, ours and upstream's, on more nodes than there are.
//!
//! What the API server sees is a kubelet's: a Node with its conditions and lease, a pod's status with addresses, conditions and
//! container statuses, its removal when it is deleted. Nothing is executed, pulled or mounted; no container ever ends by itself,
//! and nobody answers at the addresses. It must not know containerd.

mod address;
mod nodes;
mod pods;
mod status;

use runtime::events::Recorder;
use runtime::{
    BackoffPolicy, CancellationToken, Client, Context, Informers, Queue, Random, SystemClock,
    controller,
};

use self::nodes::Nodes;
use self::pods::Pods;

/// Which nodes, and what they have.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes.
    pub count: usize,
    /// Their names are `PREFIX-0` and so on.
    pub prefix: String,
    /// At most this many pods on each.
    pub max_pods: u32,
}

impl Config {
    fn name(&self, at: usize) -> String {
        format!("{}-{at}", self.prefix)
    }

    /// Which of the nodes it is, if it is one.
    fn index(&self, name: &str) -> Option<usize> {
        let at = name.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let at: usize = at.parse().ok().filter(|at| *at < self.count)?;
        (self.name(at) == name).then_some(at)
    }
}

/// Simulates the nodes until `shutdown`; their objects stay. The client must be allowed what all of their kubelets are.
pub async fn run(config: Config, client: Client, shutdown: CancellationToken) {
    let (clock, random) = (SystemClock::shared(), Random::from_os());
    let informers = Informers::new(client.clone(), random.fork(), shutdown.clone());
    let cx = Context {
        events: Recorder::start(client.clone(), clock.clone(), random.fork(), "kubelet", ""),
        client: client.clone(),
        clock: clock.clone(),
        random,
        informers: informers.clone(),
        queue: Queue::new(BackoffPolicy::KEY),
        shutdown: shutdown.clone(),
    };
    let nodes = Nodes::new(config.clone(), client, clock);
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        () = nodes.register() => {}
    }
    tracing::info!(nodes = config.count, "registered");
    let pods = controller::wire(Pods::new(config, &informers), &cx);
    informers.start();
    tokio::join!(pods.run(shutdown.clone()), nodes.keep(shutdown));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_by_its_name_and_no_other() {
        let config = Config {
            count: 12,
            prefix: "sim".into(),
            max_pods: 110,
        };
        for at in 0..12 {
            assert_eq!(config.index(&config.name(at)), Some(at));
        }
        for other in [
            "sim-12",
            "sim-01",
            "sim-+1",
            "sim-",
            "sim",
            "simulated-1",
            "other-1",
        ] {
            assert_eq!(config.index(other), None, "{other}");
        }
    }
}
