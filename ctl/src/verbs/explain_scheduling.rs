//! `ctl explain-scheduling`: for each node, why the scheduler did or did not place a pod there, of its actual last decision.

use std::io::Write;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::output::style::{self, Tone};
use crate::output::table::Table;

/// Where the scheduler's decisions are served, relative to the API server.
const DECISIONS: &str = "/debug/scheduling";

/// Options of `explain-scheduling`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The pod.
    pod: String,
    /// json or yaml: the decision as the scheduler keeps it.
    #[arg(short, long, value_parser = ["json", "yaml"])]
    output: Option<String>,
}

/// Shows the last decision about a pod.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let pod = args
        .pod
        .strip_prefix("pod/")
        .or(args.pod.strip_prefix("pods/"))
        .unwrap_or(&args.pod);
    // The pod first: a wrong name is told as such, not as a missing decision.
    let object = cluster
        .get(&format!(
            "/api/v1/namespaces/{}/pods/{pod}",
            cluster.namespace
        ))
        .await?;
    let decision = match cluster
        .get(&format!("{DECISIONS}/{}/{pod}", cluster.namespace))
        .await
    {
        Err(error) if error.is_not_found() => {
            return Err(Error::Failed(match object["spec"]["nodeName"].as_str() {
                Some(node) => format!(
                    "pod {pod} is on node {node}; the scheduler keeps no decision about it (it was placed by somebody else, or long ago)"
                ),
                None => format!("the scheduler has made no decision about pod {pod} yet"),
            }));
        }
        decision => decision?,
    };
    match args.output.as_deref() {
        Some("json") => return crate::output::json(out, &decision),
        Some(_) => return crate::output::yaml(out, &decision),
        None => {}
    }
    print(pod, &decision, out)
}

fn print(pod: &str, decision: &Value, out: &mut dyn Write) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let chosen = text(&decision["node"]);
    let head = match decision["result"].as_str() {
        Some("Placed") => style::paint(&format!("pod {pod} was placed on {chosen}"), Tone::Good),
        Some("Unsupported") => {
            let fields = texts(&decision["fields"]).join(", ");
            style::paint(
                &format!("pod {pod} asks for what this scheduler does not support: {fields}"),
                Tone::Bad,
            )
        }
        _ => style::paint(
            &format!(
                "pod {pod} could not be placed: {}",
                text(&decision["message"])
            ),
            Tone::Bad,
        ),
    };
    writeln!(out, "{head}")?;
    let mut table = Table::new(&["NODE", "RESULT", "WHY"]);
    for node in decision["nodes"].as_array().into_iter().flatten() {
        let name = text(&node["name"]);
        let reasons = texts(&node["reasons"]);
        let (result, why) = if node["fits"] == true {
            let scores: Vec<String> = node["scores"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|score| score["score"].as_i64().unwrap_or(0) != 0)
                .map(|score| {
                    format!(
                        "{} {} x {}",
                        text(&score["plugin"]),
                        score["score"],
                        score["weight"]
                    )
                })
                .collect();
            let why = match node["total"].as_i64() {
                Some(total) if !scores.is_empty() => {
                    format!("score {total}: {}", scores.join(", "))
                }
                Some(total) => format!("score {total}"),
                None => "the only node that fits".to_owned(),
            };
            (if name == chosen { "chosen" } else { "fits" }, why)
        } else if reasons.is_empty() {
            ("not asked", "enough nodes had been found".to_owned())
        } else {
            ("refused", reasons.join("; "))
        };
        table.push([name, result.to_owned(), why]);
    }
    table.print(out, true, &mut Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_reason() {
        let decision = serde_json::json!({"result": "Placed", "node": "n2", "nodes": [
            {"name": "n1", "fits": false, "reasons": ["Insufficient cpu"]},
            {"name": "n2", "fits": true, "total": 90, "scores": [{"plugin": "ImageLocality", "score": 9, "weight": 1}]},
            {"name": "n3", "fits": true, "total": 80}, {"name": "n4", "fits": false},
        ]});
        let mut out = Vec::new();
        print("web", &decision, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "placed on n2",
            "n1     refused     Insufficient cpu",
            "n2     chosen      score 90: ImageLocality 9 x 1",
            "n3     fits",
            "n4     not asked",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
