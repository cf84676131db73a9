//! `ctl events`: what happened, in its order.

use std::io::Write;

use futures::StreamExt as _;
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::duration;
use crate::error::{Error, Result};
use crate::output::table::Table;
use crate::resources::Resources;
use crate::targets;

/// Options of `events`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only those of this object: KIND/NAME.
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Go on showing what happens.
    #[arg(short, long)]
    watch: bool,
    /// Only these types, such as Warning.
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// Leave the header out.
    #[arg(long)]
    no_headers: bool,
}

/// When an event was last seen, out of the fields that its writers fill in.
pub fn last_seen(event: &Value) -> &str {
    [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["firstTimestamp"],
        &event["metadata"]["creationTimestamp"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or_default()
}

/// The cells of an event, without its namespace.
fn cells(event: &Value) -> [String; 5] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["involvedObject"];
    let count = event["series"]["count"]
        .as_i64()
        .or(event["count"].as_i64())
        .unwrap_or(1);
    let age = duration::since(last_seen(event));
    [
        if count > 1 {
            format!("{age} (x{count})")
        } else {
            age
        },
        text(&event["type"]),
        text(&event["reason"]),
        format!("{}/{}", text(&object["kind"]), text(&object["name"])),
        text(&event["message"]).trim().to_owned(),
    ]
}

/// Shows events, oldest first.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let mut fields = Vec::new();
    if let Some(about) = &args.about {
        let resources = Resources::discover(cluster).await?;
        let (resource, name) = targets::parse_one(&resources, std::slice::from_ref(about))?;
        fields.push(format!(
            "involvedObject.kind={},involvedObject.name={name}",
            resource.kind
        ));
    }
    let selector = fields.join(",");
    let path = if args.all_namespaces {
        "/api/v1/events".to_owned()
    } else {
        format!("/api/v1/namespaces/{}/events", cluster.namespace)
    };
    let mut pairs = Vec::new();
    if !selector.is_empty() {
        pairs.push(("fieldSelector", selector.as_str()));
    }
    let mut list = cluster.get(&format!("{path}{}", query(&pairs))).await?;
    let version = list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut events = match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    events.sort_by(|left, right| last_seen(left).cmp(last_seen(right)));
    let wanted = |event: &Value| {
        args.types.is_empty()
            || args.types.iter().any(|kind| {
                event["type"]
                    .as_str()
                    .is_some_and(|own| own.eq_ignore_ascii_case(kind))
            })
    };
    events.retain(|event| wanted(event));
    let mut widths = Vec::new();
    if events.is_empty() && !args.watch {
        eprintln!(
            "No events found{}",
            if args.all_namespaces {
                String::new()
            } else {
                format!(" in {} namespace", cluster.namespace)
            }
        );
        return Ok(());
    }
    table(&args, &events).print(out, !args.no_headers, &mut widths)?;
    if !args.watch {
        return Ok(());
    }
    out.flush()?;
    pairs.extend([("watch", "true"), ("resourceVersion", version.as_str())]);
    let mut changes = cluster
        .watch(&format!("{path}{}", query(&pairs)), "application/json")
        .await?;
    while let Some(change) = changes.next().await {
        let (kind, event) = change?;
        if kind != "DELETED" && wanted(&event) {
            table(&args, std::slice::from_ref(&event)).print(out, false, &mut widths)?;
            out.flush()?;
        }
    }
    Err(Error::Failed(
        "the server ended the watch: run the command again".into(),
    ))
}

fn table(args: &Args, events: &[Value]) -> Table {
    let mut table = Table::new(&["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for event in events {
        table.push(cells(event));
    }
    if args.all_namespaces {
        table.prefix(
            "NAMESPACE",
            events
                .iter()
                .map(|event| targets::namespace(event).to_owned()),
        );
    }
    table
}
