//! How long a Deployment takes until all its pods run: controllers, scheduler and API server together, on simulated nodes,
//! so that neither containers nor kubelets are what is measured.

use std::io;

use super::{Size, milliseconds};
use crate::bench::control_plane::ControlPlane;
use crate::bench::figures::Figures;
use crate::bench::simulated;
use crate::bench::subject::{ApiServer, Subject};
use crate::load::scenario;

const NAMESPACE: &str = "bench-rollout";

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let server = ApiServer::start(subject).await?;
    let target = server.target.clone();
    scenario::prepare(&target, NAMESPACE).await?;
    let directory = tempfile::tempdir()?;
    let _nodes = simulated::nodes(&server, size.nodes, directory.path()).await?;
    let _control_plane = ControlPlane::start(subject, server)?;
    // One pod first: then every part works, and none is still starting.
    simulated::roll_out(&target, NAMESPACE, "first", 1).await?;
    let took = simulated::roll_out(&target, NAMESPACE, "all", size.replicas).await?;
    figures.add(subject, "rollout-1k", milliseconds(took));
    Ok(())
}
