//! What is wrong with a pod, in one sentence, and the last lines that its container printed.

use std::collections::BTreeMap;
use std::io::Write;

use http::Method;
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::error::Result;
use crate::output::style::{self, Tone};
use crate::targets;

/// How many lines of a failing container's log are shown.
const LINES: &str = "5";

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One sentence.
    pub text: String,
    /// The container whose log tells more, and whether it is the log of its previous run.
    pub log: Option<(String, bool)>,
}

/// Reasons for which a container waits in a healthy start.
const HARMLESS: [&str; 3] = ["ContainerCreating", "PodInitializing", ""];

/// Looks at a pod; `None` if nothing is wrong that the user could mend.
pub fn of_pod(pod: &Value) -> Option<Trouble> {
    let name = targets::name(pod);
    let status = &pod["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            let called = text(&container["name"]);
            let waiting = &container["state"]["waiting"];
            let reason = text(&waiting["reason"]);
            if !HARMLESS.contains(&reason.as_str()) {
                let has_run = !container["lastState"]["terminated"].is_null();
                return Some(Trouble {
                    text: sentence(
                        &format!("pod {name}, container {called}"),
                        &reason,
                        &text(&waiting["message"]),
                    ),
                    log: has_run.then_some((called, true)),
                });
            }
            let ended = &container["state"]["terminated"];
            if ended["exitCode"].as_i64().is_some_and(|code| code != 0) {
                let reason = format!(
                    "{} (exit code {})",
                    text(&ended["reason"]),
                    ended["exitCode"]
                );
                return Some(Trouble {
                    text: sentence(
                        &format!("pod {name}, container {called}"),
                        &reason,
                        &text(&ended["message"]),
                    ),
                    log: Some((called, false)),
                });
            }
        }
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        if condition["type"] == "PodScheduled" && condition["status"] == "False" {
            return Some(Trouble {
                text: sentence(
                    &format!("pod {name}"),
                    &text(&condition["reason"]),
                    &text(&condition["message"]),
                ),
                log: None,
            });
        }
    }
    if status["phase"] == "Failed" {
        return Some(Trouble {
            text: sentence(
                &format!("pod {name}"),
                &text(&status["reason"]),
                &text(&status["message"]),
            ),
            log: None,
        });
    }
    None
}

fn sentence(who: &str, reason: &str, message: &str) -> String {
    let mut text = who.to_owned();
    for part in [reason, message] {
        if !part.is_empty() {
            text.push_str(": ");
            text.push_str(part);
        }
    }
    text
}

/// Tells what is wrong with a pod, with the last lines of its log, unless that was told before.
pub async fn tell_once(
    cluster: &Cluster,
    pod: &Value,
    told: &mut BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<()> {
    let Some(trouble) = of_pod(pod) else {
        return Ok(());
    };
    let key = format!("{}/{}", targets::namespace(pod), targets::name(pod));
    // A back-off counts its seconds in the message: the same trouble is told once.
    let gist: String = trouble
        .text
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .collect();
    if told
        .insert(key, gist.clone())
        .is_some_and(|before| before == gist)
    {
        return Ok(());
    }
    writeln!(
        out,
        "  {}",
        style::paint(&style::harmless(&trouble.text), Tone::Bad)
    )?;
    if let Some((container, previous)) = &trouble.log {
        for line in last_lines(cluster, pod, container, *previous).await {
            writeln!(
                out,
                "  {} {}",
                style::paint("|", Tone::Dim),
                style::harmless(&line)
            )?;
        }
    }
    Ok(())
}

/// The last lines of a container; none where the log cannot be read, since it only illustrates.
async fn last_lines(
    cluster: &Cluster,
    pod: &Value,
    container: &str,
    previous: bool,
) -> Vec<String> {
    let query = query(&[
        ("container", container),
        ("tailLines", LINES),
        ("previous", if previous { "true" } else { "false" }),
    ]);
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log{query}",
        targets::namespace(pod),
        targets::name(pod)
    );
    let Ok(answer) = cluster.send(Method::GET, &path, "*/*", None).await else {
        return Vec::new();
    };
    let Ok(bytes) = cluster.bytes(answer).await else {
        return Vec::new();
    };
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({"metadata": {"name": "web-1", "namespace": "a"}, "status": status})
    }

    #[test]
    fn a_pod_that_starts_has_no_trouble() {
        assert_eq!(
            of_pod(&pod(
                json!({"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]})
            )),
            None
        );
        assert_eq!(
            of_pod(&pod(
                json!({"containerStatuses": [{"name": "c", "state": {"running": {}}}]})
            )),
            None
        );
    }

    #[test]
    fn a_crash_points_to_the_previous_log() {
        let trouble = of_pod(&pod(json!({"containerStatuses": [
            {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}, "lastState": {"terminated": {"exitCode": 1}}},
        ]})))
        .unwrap();
        assert_eq!(
            trouble.text,
            "pod web-1, container c: CrashLoopBackOff: back-off 10s"
        );
        assert_eq!(trouble.log, Some(("c".to_owned(), true)));
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let trouble = of_pod(&pod(json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}))).unwrap();
        assert_eq!(trouble.text, "pod web-1: Unschedulable: 0/1 nodes");
    }
}
