//! `ctl describe`: objects in full, with their events and, of a failing pod, the last lines of its log.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::describe;
use crate::duration;
use crate::error::Result;
use crate::output::table::Table;
use crate::resources::Resources;
use crate::rollouts::trouble;
use crate::targets::{self, Selection};
use crate::verbs::events::last_seen;

/// Options of `describe`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// RESOURCE [NAME…] or RESOURCE/NAME….
    #[arg(required = true)]
    words: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// With events.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    show_events: bool,
}

/// Shows each object.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let resources = Resources::discover(cluster).await?;
    let mut first = true;
    for target in targets::parse(&resources, &args.words)? {
        for object in targets::fetch(cluster, &target, &args.selection).await? {
            if !std::mem::take(&mut first) {
                writeln!(out, "\n")?;
            }
            describe::object(&object, out)?;
            if object["kind"] == "Pod" {
                trouble::tell_once(cluster, &object, &mut BTreeMap::new(), out).await?;
            }
            if args.show_events && target.resource.kind != "Event" {
                events(cluster, &object, out).await?;
            }
        }
    }
    if first {
        eprintln!("No resources found");
    }
    Ok(())
}

async fn events(cluster: &Cluster, object: &Value, out: &mut dyn Write) -> Result<()> {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let name = targets::name(object);
    // Events about a Node carry the node's name in place of its uid.
    let by = if object["kind"] == "Node" {
        format!("involvedObject.kind=Node,involvedObject.name={name}")
    } else {
        format!("involvedObject.uid={uid}")
    };
    let path = match targets::namespace(object) {
        "" => "/api/v1/events".to_owned(),
        namespace => format!("/api/v1/namespaces/{namespace}/events"),
    };
    let list = cluster
        .get(&format!("{path}{}", query(&[("fieldSelector", &by)])))
        .await?;
    let mut all: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
    all.sort_by(|left, right| last_seen(left).cmp(last_seen(right)));
    if all.is_empty() {
        return describe::none(out, "Events");
    }
    writeln!(out, "Events:")?;
    let mut table = Table::new(&["  AGE", "TYPE", "REASON", "FROM", "MESSAGE"]);
    for event in all {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let count = event["series"]["count"]
            .as_i64()
            .or(event["count"].as_i64())
            .unwrap_or(1);
        let age = duration::since(last_seen(event));
        let from = event["source"]["component"]
            .as_str()
            .filter(|from| !from.is_empty())
            .map_or_else(|| text(&event["reportingComponent"]), str::to_owned);
        table.push([
            if count > 1 {
                format!("  {age} (x{count})")
            } else {
                format!("  {age}")
            },
            text(&event["type"]),
            text(&event["reason"]),
            from,
            text(&event["message"]).trim().to_owned(),
        ]);
    }
    table.print(out, true, &mut Vec::new())
}
