//! `ctl version`.

use std::io::Write;

use serde_json::json;

use crate::cluster::Cluster;
use crate::error::Result;
use crate::output;

/// Options of `version`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only this program's.
    #[arg(long)]
    client: bool,
    /// json or yaml.
    #[arg(short, long, value_parser = ["json", "yaml"])]
    output: Option<String>,
}

/// Shows the versions.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let client = env!("CARGO_PKG_VERSION");
    let server = if args.client {
        None
    } else {
        Some(cluster.get("/version").await?)
    };
    match args.output.as_deref() {
        Some(form) => {
            let all = json!({"clientVersion": {"gitVersion": client}, "serverVersion": server});
            if form == "json" {
                output::json(out, &all)
            } else {
                output::yaml(out, &all)
            }
        }
        None => {
            writeln!(out, "Client Version: v{client}")?;
            if let Some(server) = server {
                writeln!(
                    out,
                    "Server Version: {}",
                    server["gitVersion"].as_str().unwrap_or_default()
                )?;
            }
            Ok(())
        }
    }
}
