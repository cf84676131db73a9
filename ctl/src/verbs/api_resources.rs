//! `ctl api-resources`: what the server has.

use std::io::Write;

use crate::cluster::Cluster;
use crate::error::Result;
use crate::output::table::Table;
use crate::resources::Resources;

/// Options of `api-resources`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only those of this group; empty is the core group.
    #[arg(long)]
    api_group: Option<String>,
    /// Only those in namespaces (true) or outside of them (false).
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    namespaced: Option<bool>,
    /// Only those with these verbs.
    #[arg(long, value_delimiter = ',')]
    verbs: Vec<String>,
    /// wide or name.
    #[arg(short, long, value_parser = ["wide", "name"])]
    output: Option<String>,
    /// Leave the header out.
    #[arg(long)]
    no_headers: bool,
}

/// Shows the resources.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let resources = Resources::discover(cluster).await?;
    let wide = args.output.as_deref() == Some("wide");
    let mut header = vec!["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"];
    if wide {
        header.extend(["VERBS", "CATEGORIES"]);
    }
    let mut table = Table::new(&header);
    for resource in resources.iter() {
        let chosen = args
            .api_group
            .as_ref()
            .is_none_or(|group| *group == resource.group)
            && args
                .namespaced
                .is_none_or(|namespaced| namespaced == resource.namespaced)
            && args.verbs.iter().all(|verb| resource.verbs.contains(verb));
        if !chosen {
            continue;
        }
        if args.output.as_deref() == Some("name") {
            writeln!(out, "{}", resource.qualified())?;
            continue;
        }
        let mut row = vec![
            resource.plural.clone(),
            resource.short_names.join(","),
            resource.api_version(),
            resource.namespaced.to_string(),
            resource.kind.clone(),
        ];
        if wide {
            row.extend([resource.verbs.join(","), resource.categories.join(",")]);
        }
        table.push(row);
    }
    if args.output.as_deref() == Some("name") {
        Ok(())
    } else {
        table.print(out, !args.no_headers, &mut Vec::new())
    }
}
