//! `ctl wait`: until objects have a condition, a value, exist, or are gone.

use std::io::Write;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::duration;
use crate::error::{Error, Result};
use crate::output::jsonpath::{Path, plain};
use crate::resources::{Resource, Resources};
use crate::targets::{self, Selection};

/// Options of `wait`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// KIND/NAME…, KIND NAME…, or KIND with --all or a selector.
    #[arg(required = true)]
    words: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// All objects of the resource.
    #[arg(long)]
    all: bool,
    /// condition=NAME[=VALUE], jsonpath='{PATH}'[=VALUE], create, or delete.
    #[arg(long = "for", value_name = "WHAT")]
    what: String,
    /// Give up after this time.
    #[arg(long, default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
}

/// What is waited for.
#[derive(Clone, Debug)]
enum Goal {
    Condition(String, String),
    Value(Path, Option<String>),
    Created,
    Deleted,
}

impl Goal {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Usage(format!(
                "--for {text}: take condition=NAME[=VALUE], jsonpath='{{PATH}}'[=VALUE], create or delete"
            ))
        };
        if let Some(condition) = text.strip_prefix("condition=") {
            let (name, value) = condition.split_once('=').unwrap_or((condition, "True"));
            return if name.is_empty() {
                Err(wrong())
            } else {
                Ok(Self::Condition(name.to_owned(), value.to_owned()))
            };
        }
        if let Some(rest) = text.strip_prefix("jsonpath=") {
            let rest = rest.trim_matches('\'');
            // An equals sign may stand in a filter, so the value begins after the closing brace.
            let end = rest
                .rfind('}')
                .map_or_else(|| rest.find('=').unwrap_or(rest.len()), |at| at + 1);
            let value = rest[end..]
                .strip_prefix('=')
                .map(|value| value.trim_matches('\'').to_owned());
            return Ok(Self::Value(
                Path::parse(rest[..end].trim_end_matches('\''))?,
                value,
            ));
        }
        match text {
            "create" => Ok(Self::Created),
            "delete" => Ok(Self::Deleted),
            _ => Err(wrong()),
        }
    }

    fn met(&self, object: Option<&Value>) -> bool {
        let Some(object) = object else {
            return matches!(self, Self::Deleted);
        };
        match self {
            Self::Created => true,
            Self::Deleted => false,
            Self::Condition(name, value) => object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|condition| {
                    let same = |left: &Value, right: &str| {
                        left.as_str()
                            .is_some_and(|left| left.eq_ignore_ascii_case(right))
                    };
                    // A condition about an older spec says nothing of this one.
                    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
                    let fresh = condition["observedGeneration"]
                        .as_i64()
                        .is_none_or(|seen| seen >= generation);
                    fresh && same(&condition["type"], name) && same(&condition["status"], value)
                }),
            Self::Value(path, value) => {
                let found = path.find(object);
                match value {
                    Some(value) => found.first().is_some_and(|first| plain(first) == *value),
                    None => !found.is_empty(),
                }
            }
        }
    }
}

/// Waits for each object in turn, within one time limit for all.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let goal = Goal::parse(&args.what)?;
    let resources = Resources::discover(cluster).await?;
    let limit = tokio::time::Instant::now() + args.timeout;
    for target in targets::parse(&resources, &args.words)? {
        let objects = if target.names.is_empty() {
            if !args.all && args.selection.is_empty() {
                return Err(Error::Usage(
                    "name objects, choose them with -l, or take --all".into(),
                ));
            }
            let objects = targets::fetch(cluster, &target, &args.selection).await?;
            if objects.is_empty() && !matches!(goal, Goal::Deleted) {
                return Err(Error::Failed(format!(
                    "no matching {} found",
                    target.resource.qualified()
                )));
            }
            objects
                .iter()
                .map(|object| {
                    (
                        targets::namespace(object).to_owned(),
                        targets::name(object).to_owned(),
                    )
                })
                .collect()
        } else {
            target
                .names
                .iter()
                .map(|name| (cluster.namespace.clone(), name.clone()))
                .collect::<Vec<_>>()
        };
        for (namespace, name) in objects {
            match tokio::time::timeout_at(
                limit,
                one(cluster, &target.resource, &namespace, &name, &goal),
            )
            .await
            {
                Err(_) => {
                    return Err(Error::TimedOut(format!(
                        "{}: waited {:?} for {}",
                        target.resource.object(&name),
                        args.timeout,
                        args.what
                    )));
                }
                Ok(result) => result?,
            }
            let state = if matches!(goal, Goal::Deleted) {
                "deleted"
            } else {
                "condition met"
            };
            writeln!(out, "{} {state}", target.resource.object(&name))?;
            out.flush()?;
        }
    }
    Ok(())
}

async fn one(
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    name: &str,
    goal: &Goal,
) -> Result<()> {
    loop {
        let (object, version) = match cluster.get(&resource.object_path(namespace, name)).await {
            Ok(object) => {
                let version = object["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                (Some(object), version)
            }
            Err(error) if error.is_not_found() && matches!(goal, Goal::Deleted) => return Ok(()),
            Err(error) if error.is_not_found() && matches!(goal, Goal::Created) => {
                (None, String::new())
            }
            Err(error) => return Err(error),
        };
        if goal.met(object.as_ref()) {
            return Ok(());
        }
        let field = format!("metadata.name={name}");
        let mut pairs = vec![("watch", "true"), ("fieldSelector", field.as_str())];
        if !version.is_empty() {
            pairs.push(("resourceVersion", &version));
        }
        let path = format!("{}{}", resource.path(Some(namespace)), query(&pairs));
        let mut events = cluster.watch(&path, "application/json").await?;
        loop {
            match events.next().await {
                None | Some(Err(Error::Server { code: 410, .. })) => break,
                Some(Err(error)) => return Err(error),
                Some(Ok((kind, object))) => {
                    let there = (kind != "DELETED").then_some(&object);
                    if goal.met(there) {
                        return Ok(());
                    }
                    if there.is_none() {
                        return Err(Error::Failed(format!(
                            "{} was deleted",
                            resource.object(name)
                        )));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals_are_read_and_judged() {
        let pod = json!({"metadata": {"generation": 2}, "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Old", "status": "True", "observedGeneration": 1},
        ]}});
        for (text, met) in [
            ("condition=Ready", true),
            ("condition=ready=true", true),
            ("condition=Ready=False", false),
            ("condition=Old", false),
            ("jsonpath='{.status.phase}'=Running", true),
            ("jsonpath={.status.phase}=Failed", false),
            (
                "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True",
                true,
            ),
            ("jsonpath={.status.podIP}", false),
            ("jsonpath=.status.phase=Running", true),
            ("create", true),
            ("delete", false),
        ] {
            assert_eq!(Goal::parse(text).unwrap().met(Some(&pod)), met, "{text}");
        }
        assert!(Goal::parse("delete").unwrap().met(None));
        for wrong in ["", "condition=", "ready"] {
            assert!(Goal::parse(wrong).is_err(), "{wrong}");
        }
    }
}
