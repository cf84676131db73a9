//! `ctl port-forward`: ports here that lead to ports of a pod.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::cluster::{Cluster, query};
use crate::error::{Error, Result};
use crate::resources::Resources;
use crate::{pods, targets};

const DATA: u8 = 0;
const ERROR: u8 = 1;
/// How long the pod may say nothing once the client here has sent its last.
const SILENCE: Duration = Duration::from_secs(5);

/// Options of `port-forward`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// POD, or KIND/NAME of something that has pods.
    word: String,
    /// [LOCAL:]REMOTE; any free port here for :REMOTE.
    #[arg(required = true, value_name = "PORTS")]
    ports: Vec<String>,
    /// Addresses to listen on.
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    address: Vec<String>,
}

/// Listens until it is interrupted.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let (pod, service) = target(&args, cluster).await?;
    if pod["status"]["phase"] != "Running" {
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        return Err(Error::Failed(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let mut accepting = JoinSet::new();
    for text in &args.ports {
        let (mut local, remote) = ports(text)?;
        let remote = match &service {
            Some(service) => target_port(service, &pod, remote)?,
            None => remote,
        };
        for address in addresses(&args.address)? {
            let listener = TcpListener::bind((address, local)).await?;
            let bound = listener.local_addr()?;
            // The same port at all addresses.
            local = bound.port();
            writeln!(out, "Forwarding from {bound} -> {remote}")?;
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}/portforward{}",
                cluster.namespace,
                targets::name(&pod),
                query(&[("ports", &remote.to_string())])
            );
            accepting.spawn(accept(listener, cluster.clone(), path, remote));
        }
    }
    out.flush()?;
    match accepting.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(Error::Failed(error.to_string())),
        None => Ok(()),
    }
}

async fn target(args: &Args, cluster: &Cluster) -> Result<(Value, Option<Value>)> {
    if let Some((kind, name)) = args.word.split_once('/') {
        let resources = Resources::discover(cluster).await?;
        let resource = resources.find(kind)?;
        if resource.kind == "Service" {
            let path = resource.object_path(&cluster.namespace, name);
            let service = cluster.get(&path).await?;
            let pod = pods::of_object(cluster, &args.word, &service).await?;
            return Ok((pod, Some(service)));
        }
    }
    Ok((pods::find(cluster, &args.word).await?, None))
}

/// The port here (0 for any) and the one there.
fn ports(text: &str) -> Result<(u16, u16)> {
    let number = |text: &str| {
        let port = text.parse::<u16>().ok();
        port.ok_or_else(|| Error::Usage(format!("{text:?} is no port")))
    };
    let (local, remote) = match text.split_once(':') {
        None => (number(text)?, number(text)?),
        Some(("", remote)) => (0, number(remote)?),
        Some((local, remote)) => (number(local)?, number(remote)?),
    };
    match remote {
        0 => Err(Error::Usage("remote port must be > 0".into())),
        _ => Ok((local, remote)),
    }
}

fn addresses(names: &[String]) -> Result<Vec<IpAddr>> {
    names
        .iter()
        .map(|name| match name.as_str() {
            "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
            name => name.parse().map_err(|_| {
                Error::Usage(format!("{name:?} is neither an IP address nor localhost"))
            }),
        })
        .collect()
}

/// The pod's port behind a port of a service.
fn target_port(service: &Value, pod: &Value, port: u16) -> Result<u16> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let failed = || {
        let name = targets::name(service);
        Error::Failed(format!(
            "service {name} has no port {port} that leads to the pod"
        ))
    };
    let found = list(&service["spec"]["ports"])
        .into_iter()
        .find(|spec| spec["port"] == port)
        .ok_or_else(failed)?;
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    match &found["targetPort"] {
        Value::String(name) => list(&pod["spec"]["containers"])
            .iter()
            .flat_map(|container| list(&container["ports"]))
            .find(|spec| spec["name"] == *name)
            .and_then(|spec| number(&spec["containerPort"]))
            .ok_or_else(failed),
        Value::Null => Ok(port),
        value => number(value).ok_or_else(failed),
    }
}

/// Each connection has a WebSocket of its own: none waits for another.
async fn accept(listener: TcpListener, cluster: Cluster, path: String, remote: u16) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (socket, peer) = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted?,
        };
        let (cluster, path) = (cluster.clone(), path.clone());
        connections.spawn(async move {
            eprintln!("Handling connection for {remote}");
            if let Err(error) = forward(socket, &cluster, &path).await {
                eprintln!("error: the connection from {peer}: {error}");
            }
        });
    }
}

async fn forward(socket: TcpStream, cluster: &Cluster, path: &str) -> Result<()> {
    let connection = cluster.channels(path).await?;
    let (mut sink, mut incoming) = connection.into_stream().split();
    let (mut read, mut write) = socket.into_split();
    let came = tokio::sync::Notify::new();
    let sending = async {
        let mut chunk = vec![0; 32 * 1024];
        while let Ok(read @ 1..) = read.read(&mut chunk).await {
            let mut message = BytesMut::with_capacity(read + 1);
            message.put_u8(DATA);
            message.put_slice(&chunk[..read]);
            if sink.send(Message::Binary(message.freeze())).await.is_err() {
                return;
            }
        }
        // This protocol has no end of one way alone: what still comes is waited for, as long as something does.
        while tokio::time::timeout(SILENCE, came.notified()).await.is_ok() {}
    };
    let receiving = async {
        let mut failure = Vec::new();
        // Each channel begins with the port.
        let mut begun = [false; 2];
        while let Some(Ok(message)) = incoming.next().await {
            let Message::Binary(bytes) = message else {
                continue;
            };
            came.notify_one();
            let Some((channel, data)) = bytes.split_first() else {
                continue;
            };
            match begun.get_mut(usize::from(*channel)) {
                Some(begun) if !*begun => *begun = true,
                Some(_) if *channel == DATA => write.write_all(data).await?,
                Some(_) if *channel == ERROR => failure.extend_from_slice(data),
                _ => {}
            }
        }
        match failure.is_empty() {
            true => Ok(()),
            false => Err(Error::Failed(
                String::from_utf8_lossy(&failure).into_owned(),
            )),
        }
    };
    tokio::select! {
        biased;
        outcome = receiving => outcome,
        () = sending => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_kubectls() {
        assert_eq!(ports("80").unwrap(), (80, 80));
        assert_eq!(ports("8080:80").unwrap(), (8080, 80));
        assert_eq!(ports(":80").unwrap(), (0, 80));
        for wrong in ["", "x", "80:", "1:0", "70000"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_services_port_leads_to_the_pods() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [
            {"port": 80, "targetPort": "web"}, {"port": 81, "targetPort": 9000}, {"port": 82},
        ]}});
        let pod =
            json!({"spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]}});
        let target = |port| target_port(&service, &pod, port).ok();
        assert_eq!(
            [target(80), target(81), target(82), target(83)],
            [Some(8080), Some(9000), Some(82), None]
        );
    }
}
