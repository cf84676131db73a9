//! `ctl scale`: sets the number of replicas through the `scale` subresource.

use std::io::Write;

use http::Method;
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::resources::Resources;
use crate::targets;

/// Options of `scale`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// KIND/NAME…, or KIND NAME….
    #[arg(required = true)]
    words: Vec<String>,
    /// How many there are to be.
    #[arg(long)]
    replicas: u32,
    /// Only if there are so many now.
    #[arg(long)]
    current_replicas: Option<i64>,
    /// Only if the object is of this version.
    #[arg(long)]
    resource_version: Option<String>,
}

/// Scales each object named.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let resources = Resources::discover(cluster).await?;
    for target in targets::parse(&resources, &args.words)? {
        let resource = &target.resource;
        if !resource.subresources.iter().any(|sub| sub == "scale") {
            return Err(Error::Usage(format!(
                "{} cannot be scaled",
                resource.qualified()
            )));
        }
        if target.names.is_empty() {
            return Err(Error::Usage(
                "name what to scale, such as deployment/web".into(),
            ));
        }
        for name in &target.names {
            let path = format!("{}/scale", resource.object_path(&cluster.namespace, name));
            let mut patch = json!({"spec": {"replicas": args.replicas}});
            if args.current_replicas.is_some() || args.resource_version.is_some() {
                let scale = cluster.get(&path).await?;
                let now = scale["spec"]["replicas"].as_i64().unwrap_or(0);
                if args.current_replicas.is_some_and(|wanted| wanted != now) {
                    return Err(Error::Failed(format!(
                        "{} has {now} replicas, not those of --current-replicas",
                        resource.object(name)
                    )));
                }
                // What was compared must still hold when the server writes.
                let version = args
                    .resource_version
                    .as_deref()
                    .or(scale["metadata"]["resourceVersion"].as_str());
                patch["metadata"] = json!({"resourceVersion": version});
            }
            let body = patch.to_string().into_bytes();
            cluster
                .json(
                    Method::PATCH,
                    &path,
                    Some(("application/merge-patch+json", body)),
                )
                .await?;
            writeln!(out, "{} scaled", resource.object(name))?;
        }
    }
    Ok(())
}
