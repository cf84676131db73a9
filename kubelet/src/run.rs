use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::{Node, Pod, Service};
use api::tree::Tree;
use futures::future::BoxFuture;
use network::Network;
use runtime::events::Recorder;
use runtime::informer::Scope;
use runtime::{CancellationToken, Client, Informers, Random, Resource, SystemClock};

use crate::config::Config;
use crate::containerd::{self, Containerd, OwnInstance, keep_own, serve_own};
use crate::context::Shared;
use crate::image::Images;
use crate::node::{self, Capacity, Keeper};
use crate::objects::Objects;
use crate::oci::{Host, cgroup};
use crate::pod::{Lookup, Manager, label};
use crate::server::{self, Server};
use crate::volume::{PodCertificates, TrustBundles};

/// Between two tries to register.
const RETRY: Duration = Duration::from_secs(1);

/// Why a kubelet cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// containerd.
    #[error(transparent)]
    Containerd(#[from] containerd::Error),
    /// The pod network.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The node's HTTPS server.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The machine lacks something.
    #[error("{0}")]
    Host(String),
    /// A directory of the kubelet's.
    #[error("{path}: {source}")]
    Io {
        /// The directory.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// Runs a kubelet until `shutdown`; its containers run on.
///
/// # Errors
/// When the node cannot be set up: no containerd, no OCI runtime, a port that is taken.
pub fn run(
    config: Config,
    client: Client,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(work(config, client, shutdown))
}

async fn work(
    mut config: Config,
    client: Client,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    // The default for clients that name none (registries); whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // When the manager fails this kubelet ends, to be started again, and not the process that it may share with others.
    let shutdown = shutdown.child_token();
    for dir in [&config.root_dir, &config.run_dir, &config.pod_logs_dir] {
        std::fs::create_dir_all(dir).map_err(io(dir))?;
    }
    // What is mounted below it is found by its real path.
    let real = config.root_dir.canonicalize();
    config.root_dir = real.map_err(io(&config.root_dir))?;
    let host = Host::detect(config.oci_runtime.as_deref()).map_err(Error::Host)?;
    let containerd = connect(&config).await?;
    let server = Server::bind(&config).await?;
    let port = server.port();

    let Some(node) = register(&client, &config, &shutdown).await else {
        return Ok(());
    };
    let network = match config.pod_cidr.or_else(|| node::pod_cidr(&node)) {
        Some(pod_cidr) => Some(Network::setup(network_config(&config, pod_cidr)).await?),
        None => None,
    };
    for chain in network
        .iter()
        .flat_map(|network| &network.forward_policy().foreign_drops)
    {
        tracing::warn!(
            chain,
            "drops forwarded packets by default: pods may not reach beyond the node until it accepts what the bridge carries"
        );
    }

    let random = Random::from_os();
    let informers = Informers::new(client.clone(), random.fork(), shutdown.clone());
    let scope = Scope {
        fields: format!("spec.nodeName={}", config.node_name),
        ..Default::default()
    };
    let pods = informers.scoped::<Tree>(&Resource::of(Pod::TYPE), scope);
    let scope = Scope {
        fields: format!("metadata.name={}", config.node_name),
        ..Default::default()
    };
    let nodes = informers.scoped::<Tree>(&Resource::of(Node::TYPE), scope);
    let services = informers.informer::<Tree>(&Resource::of(Service::TYPE));
    let clock = SystemClock::shared();
    let recorder = Recorder::start(
        client.clone(),
        clock.clone(),
        random.fork(),
        "kubelet",
        &config.node_name,
    );
    let log_writer = config
        .log_writer
        .clone()
        .map_or_else(std::env::current_exe, Ok);
    let log_writer = log_writer.map_err(io(Path::new("/proc/self/exe")))?;
    let shared = Arc::new(Shared {
        capacity: Capacity::of_machine(&config.root_dir),
        objects: Objects::new(
            client.clone(),
            TrustBundles::new(informers.clone(), &random),
            PodCertificates::new(
                client.clone(),
                informers.clone(),
                recorder.clone(),
                clock.clone(),
                random.fork(),
                &config.node_name,
            ),
        ),
        images: Images::new(containerd.clone(), clock.clone()),
        log_writer,
        client,
        clock,
        random,
        recorder,
        containerd,
        network,
        host,
        services,
        config,
    });
    informers.start();
    // A container that started before its Services were known would lack their variables.
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        () = shared.services.synced() => {}
    }

    let lookup = Lookup::default();
    let uid = node["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let keeper = Keeper::new(shared.clone(), nodes.clone(), port);
    let manager = Manager::new(
        shared.clone(),
        lookup.clone(),
        pods,
        nodes,
        shutdown.clone(),
    );
    let adopted = manager.adopted();
    let (_, _, _, _, managed) = tokio::join!(
        keep_containerd(shared.clone(), shutdown.clone()),
        // Broken off wherever they wait: a containerd or a server that does not answer does not hold up the end.
        shutdown.run_until_cancelled(keeper.run()),
        shutdown.run_until_cancelled(node::renew_lease(shared.clone(), uid)),
        async {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = adopted.cancelled() => {
                    server.serve(shared.clone(), lookup, shutdown.clone()).await;
                }
            }
        },
        async {
            let managed = manager.run().await;
            shutdown.cancel();
            managed
        },
    );
    Ok(managed?)
}

/// Takes away everything that kubelets of this configuration made on this machine: pods, images of its containerd namespace,
/// network, directories, and the containerd of its own. Fine if there is nothing.
///
/// # Errors
/// The first thing that cannot be removed.
pub fn cleanup(config: &Config) -> BoxFuture<'_, Result<(), Error>> {
    Box::pin(take_away(config))
}

async fn take_away(config: &Config) -> Result<(), Error> {
    let own = own_instance(config);
    let (dir, run) = (
        config.root_dir.join("containerd"),
        config.run_dir.join("containerd"),
    );
    // Its containers outlive it, and only a containerd with its state can take them away.
    if dir.join("root").exists() && own.pid().is_none() {
        serve_own(&config.containerd_program, &dir, &run).await?;
    }
    let reach = [own.socket().to_path_buf(), config.containerd_socket.clone()];
    for socket in reach.iter().filter(|socket| socket.exists()) {
        if let Ok(containerd) =
            Containerd::connect(socket, &config.containerd_namespace, &config.snapshotter).await
        {
            empty(&containerd).await?;
        }
    }
    own.stop().await?;
    containerd::leftovers::remove(&config.run_dir, &config.containerd_namespace);
    let network_config = network_config(config, config.pod_cidr.unwrap_or(ANY_CIDR));
    if network_config.data_dir.exists() {
        Network::setup(network_config).await?.teardown().await?;
    }
    let host = Host::detect(config.oci_runtime.as_deref()).map_err(Error::Host)?;
    let kubepods = format!("{}/kubepods", config.cgroup_root.trim_end_matches('/'));
    cgroup::remove(host.cgroups, &kubepods).map_err(io(Path::new(&kubepods)))?;
    if !config.cgroup_root.trim_matches('/').is_empty() {
        cgroup::remove_if_empty(host.cgroups, &config.cgroup_root)
            .map_err(io(Path::new(&config.cgroup_root)))?;
    }
    for dir in [&config.root_dir, &config.run_dir] {
        crate::volume::remove_tree(dir).map_err(io(dir))?;
    }
    Ok(())
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::Io { path, source }
}

const ANY_CIDR: ipnet::Ipv4Net =
    ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 244, 0, 0), 24);

/// Everything in the namespace, and the namespace itself.
async fn empty(containerd: &Containerd) -> Result<(), Error> {
    for task in containerd.tasks().await? {
        containerd.kill_task(&task.id, "", 9, true).await?;
        let _ =
            tokio::time::timeout(Duration::from_secs(10), containerd.wait_task(&task.id, "")).await;
        containerd.delete_task(&task.id).await?;
    }
    let mut pods = BTreeSet::new();
    for container in containerd.containers().await? {
        containerd.delete_container(&container.id).await?;
        pods.extend(container.labels.get(label::POD_UID).cloned());
    }
    for pod in pods {
        containerd.remove_shim(&pod).await;
    }
    containerd.remove_all_shims().await;
    for lease in containerd.leases().await? {
        containerd.delete_lease(&lease).await?;
    }
    for image in containerd.images().await? {
        containerd.delete_image(&image.name, true).await?;
    }
    // Each pass removes what nothing stands on any more.
    loop {
        let snapshots = containerd.snapshots().await?;
        let leaves = snapshots
            .iter()
            .filter(|(name, _)| !snapshots.iter().any(|(_, parent)| parent == name));
        let mut removed = false;
        for (name, _) in leaves {
            removed |= containerd.remove_snapshot(name).await.is_ok();
        }
        if !removed {
            break;
        }
    }
    for digest in containerd.contents().await? {
        containerd.delete_content(&digest).await?;
    }
    containerd.delete_namespace().await?;
    Ok(containerd.remove_namespace_directories().await?)
}

/// The containerd that kubelets of this configuration use, if it answers: one of our own, once that was started, else the
/// configured one. A daemon that appears later at the configured socket does not take running pods out of our sight.
///
/// # Errors
/// When neither answers.
pub async fn running_containerd(config: &Config) -> Result<Containerd, containerd::Error> {
    let at = async |socket: &Path| {
        Containerd::connect(socket, &config.containerd_namespace, &config.snapshotter).await
    };
    let own = own_instance(config);
    if own.socket().exists()
        && let Ok(containerd) = at(own.socket()).await
    {
        return Ok(containerd);
    }
    at(&config.containerd_socket).await
}

fn own_instance(config: &Config) -> OwnInstance {
    OwnInstance::at(
        &config.root_dir.join("containerd"),
        &config.run_dir.join("containerd"),
    )
}

/// The containerd that answers, or one of our own.
///
/// # Errors
/// When none answers, and none of our own is wanted or can be started.
pub async fn connect(config: &Config) -> Result<Containerd, Error> {
    containerd::leftovers::note(&config.run_dir).map_err(io(&config.run_dir))?;
    match running_containerd(config).await {
        Err(error) if config.own_containerd => {
            tracing::info!(%error, "starting a containerd of our own");
            let (dir, run) = (
                config.root_dir.join("containerd"),
                config.run_dir.join("containerd"),
            );
            serve_own(&config.containerd_program, &dir, &run).await?;
            Ok(running_containerd(config).await?)
        }
        result => Ok(result?),
    }
}

/// Sees to it that a containerd of our own runs; a foreign one is somebody else's to start.
async fn keep_containerd(shared: Arc<Shared>, shutdown: CancellationToken) {
    let config = &shared.config;
    if config.own_containerd && own_instance(config).pid().is_some() {
        let (dir, run) = (
            config.root_dir.join("containerd"),
            config.run_dir.join("containerd"),
        );
        keep_own(&config.containerd_program, &dir, &run, shutdown).await;
    }
}

fn network_config(config: &Config, pod_cidr: ipnet::Ipv4Net) -> network::Config {
    network::Config {
        instance: config.instance.clone(),
        bridge: config.bridge.clone(),
        pod_cidr,
        cluster_cidr: config.cluster_cidr.unwrap_or(pod_cidr),
        data_dir: config.root_dir.join("network"),
        netns_dir: config.run_dir.join("netns"),
        mtu: None,
    }
}

/// Until the API server has taken the node; `None` if the kubelet is to end before.
async fn register(
    client: &Client,
    config: &Config,
    shutdown: &CancellationToken,
) -> Option<serde_json::Value> {
    loop {
        let registered = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            registered = node::register(client, config) => registered,
        };
        match registered {
            Ok(node) => return Some(node),
            Err(error) => tracing::warn!(%error, "cannot register the node"),
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
