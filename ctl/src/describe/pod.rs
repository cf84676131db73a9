//! A pod: where it is, how it fares, its containers.

use std::io::Write;

use serde_json::Value;

use super::{conditions, outline, pair, text};
use crate::duration;
use crate::error::Result;
use crate::output::style::{self, Tone};
use crate::rollouts::trouble;

/// Shows what is particular to a pod, and then all of its spec.
pub(super) fn describe(pod: &Value, out: &mut dyn Write) -> Result<()> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let node = match text(&spec["nodeName"]) {
        "" => "<none>".to_owned(),
        name => format!("{name} ({})", text(&status["hostIP"])),
    };
    pair(out, "Node", &node)?;
    let phase = text(&status["phase"]);
    pair(
        out,
        "Status",
        &style::of_status(phase).map_or_else(|| phase.to_owned(), |tone| style::paint(phase, tone)),
    )?;
    let addresses: Vec<&str> = status["podIPs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|address| text(&address["ip"]))
        .collect();
    let addresses = if addresses.is_empty() {
        "<none>".to_owned()
    } else {
        addresses.join(", ")
    };
    pair(out, "Addresses", &addresses)?;
    pair(out, "QoS class", text(&status["qosClass"]))?;
    if let Some(trouble) = trouble::of_pod(pod) {
        pair(
            out,
            "Trouble",
            &style::paint(&style::harmless(&trouble.text), Tone::Bad),
        )?;
    }
    conditions(out, &status["conditions"])?;
    for (title, list, states) in [
        ("Init containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
    ] {
        let all = spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
        if all.is_empty() {
            continue;
        }
        pair(out, title, "")?;
        for container in all {
            let state = status[states]
                .as_array()
                .into_iter()
                .flatten()
                .find(|state| state["name"] == container["name"]);
            describe_container(container, state.unwrap_or(&Value::Null), out)?;
        }
    }
    let mut rest = spec.as_object().cloned().unwrap_or_default();
    for known in ["nodeName", "containers", "initContainers"] {
        rest.remove(known);
    }
    pair(out, "Spec", "")?;
    outline(out, &rest, 1)
}

fn describe_container(container: &Value, status: &Value, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "  {}:", text(&container["name"]))?;
    writeln!(out, "    State: {}", state(&status["state"]))?;
    if status["lastState"]
        .as_object()
        .is_some_and(|last| !last.is_empty())
    {
        writeln!(out, "    Last state: {}", state(&status["lastState"]))?;
    }
    writeln!(
        out,
        "    Ready: {}, restarts: {}",
        status["ready"].as_bool().unwrap_or(false),
        status["restartCount"].as_i64().unwrap_or(0)
    )?;
    if status["imageID"].is_string() {
        writeln!(out, "    Image ID: {}", text(&status["imageID"]))?;
    }
    let mut rest = container.as_object().cloned().unwrap_or_default();
    rest.remove("name");
    outline(out, &rest, 2)
}

fn state(state: &Value) -> String {
    if let Some(started) = state["running"]["startedAt"].as_str() {
        return format!("running for {}", duration::since(started));
    }
    let because = |part: &Value| {
        let all: Vec<&str> = [text(&part["reason"]), text(&part["message"])]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        style::harmless(&all.join(": "))
    };
    if state["terminated"].is_object() {
        let ended = &state["terminated"];
        return format!(
            "ended with exit code {} {} ago ({})",
            ended["exitCode"],
            duration::since(text(&ended["finishedAt"])),
            because(ended)
        );
    }
    if state["waiting"].is_object() {
        format!("waiting ({})", because(&state["waiting"]))
    } else {
        "unknown".to_owned()
    }
}
