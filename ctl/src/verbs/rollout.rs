//! `ctl rollout`: follow a rollout live, go back, look at revisions, restart, pause, resume.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, query};
use crate::duration;
use crate::error::{Error, Result};
use crate::output;
use crate::output::style::{self, Tone};
use crate::output::table::Table;
use crate::resources::{Resource, Resources};
use crate::rollouts::history::{self, Revision};
use crate::rollouts::progress::{self, Progress};
use crate::rollouts::trouble;
use crate::targets;

const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// How often pods are looked at while a rollout is followed; the workload itself is watched.
const PODS_EVERY: Duration = Duration::from_secs(1);

/// What to do with a rollout.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Follow it until it is done
    Status(Status),
    /// Go back to an earlier revision
    Undo(Undo),
    /// Show the revisions
    History(History),
    /// Replace all pods by new ones
    Restart(One),
    /// Let changes wait
    Pause(One),
    /// Let changes go on
    Resume(One),
}

/// The object meant.
#[derive(clap::Args, Clone, Debug)]
pub struct One {
    /// KIND/NAME or KIND NAME.
    #[arg(required = true)]
    words: Vec<String>,
}

/// Options of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Status {
    #[command(flatten)]
    one: One,
    /// Go on until the rollout is done.
    #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    watch: bool,
    /// Give up after this time; 0 is never.
    #[arg(long, default_value = "0", value_parser = duration::parse)]
    timeout: Duration,
}

/// Options of `undo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Undo {
    #[command(flatten)]
    one: One,
    /// The revision to go back to; 0 is the one before.
    #[arg(long, default_value_t = 0)]
    to_revision: i64,
}

/// Options of `history`.
#[derive(clap::Args, Clone, Debug)]
pub struct History {
    #[command(flatten)]
    one: One,
    /// Show one revision's pod template.
    #[arg(long, default_value_t = 0)]
    revision: i64,
}

/// Carries a rollout verb out.
pub async fn run(verb: Verb, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let resources = Resources::discover(cluster).await?;
    match verb {
        Verb::Status(args) => status(args, &resources, cluster, out).await,
        Verb::Undo(args) => undo(&args, &resources, cluster, out).await,
        Verb::History(args) => show_history(&args, &resources, cluster, out).await,
        Verb::Restart(one) => restart(&one, &resources, cluster, out).await,
        Verb::Pause(one) => pause(&one, &resources, cluster, true, out).await,
        Verb::Resume(one) => pause(&one, &resources, cluster, false, out).await,
    }
}

type Judge = fn(&Value) -> Progress;

fn judge(resource: &Resource) -> Result<Judge> {
    match resource.qualified().as_str() {
        "deployments.apps" => Ok(progress::deployment),
        "daemonsets.apps" => Ok(progress::daemon_set),
        "statefulsets.apps" => Ok(progress::stateful_set),
        other => Err(Error::Usage(format!(
            "{other} have no rollout: take a deployment, daemonset or statefulset"
        ))),
    }
}

async fn status(
    args: Status,
    resources: &Resources,
    cluster: &Cluster,
    out: &mut dyn Write,
) -> Result<()> {
    let (resource, name) = targets::parse_one(resources, &args.one.words)?;
    let judge = judge(&resource)?;
    let following = follow(cluster, &resource, &name, judge, args.watch, out);
    if args.timeout.is_zero() {
        return following.await;
    }
    match tokio::time::timeout(args.timeout, following).await {
        Ok(result) => result,
        Err(_) => Err(Error::TimedOut(format!(
            "{} was not rolled out within {:?}",
            resource.object(&name),
            args.timeout
        ))),
    }
}

async fn follow(
    cluster: &Cluster,
    resource: &Resource,
    name: &str,
    judge: Judge,
    to_the_end: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let mut said = String::new();
    let mut told = BTreeMap::new();
    loop {
        let object = cluster
            .get(&resource.object_path(&cluster.namespace, name))
            .await?;
        let version = object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if say(judge(&object), &mut said, out)? || !to_the_end {
            return Ok(());
        }
        let selector = history::selector(&object["spec"]["selector"])?;
        let field = format!("metadata.name={name}");
        let query = query(&[
            ("watch", "true"),
            ("fieldSelector", &field),
            ("resourceVersion", &version),
        ]);
        let mut events = cluster
            .watch(
                &format!("{}{query}", resource.path(Some(&cluster.namespace))),
                "application/json",
            )
            .await?;
        let mut clock = tokio::time::interval(PODS_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = events.next() => match event {
                    // The server ends every watch after some time: begin again.
                    None | Some(Err(Error::Server { code: 410, .. })) => break,
                    Some(Err(error)) => return Err(error),
                    Some(Ok((kind, _))) if kind == "DELETED" => return Err(Error::Failed(format!("{} was deleted", resource.object(name)))),
                    Some(Ok((_, object))) => {
                        if say(judge(&object), &mut said, out)? {
                            return Ok(());
                        }
                    }
                },
                _ = clock.tick() => {
                    let path = format!("/api/v1/namespaces/{}/pods{}", cluster.namespace, crate::cluster::query(&[("labelSelector", &selector)]));
                    let pods = cluster.get(&path).await?;
                    for pod in pods["items"].as_array().into_iter().flatten() {
                        trouble::tell_once(cluster, pod, &mut told, out).await?;
                    }
                    out.flush()?;
                }
            }
        }
    }
}

/// Prints a step once; true when the rollout is done.
fn say(progress: Progress, said: &mut String, out: &mut dyn Write) -> Result<bool> {
    let (text, tone, done) = match progress {
        Progress::Failed(text) => return Err(Error::Failed(text)),
        Progress::Underway(text) => (text, Tone::Waiting, false),
        Progress::Done(text) => (text, Tone::Good, true),
    };
    if *said != text {
        writeln!(out, "{}", style::paint(&text, tone))?;
        out.flush()?;
        *said = text;
    }
    Ok(done)
}

/// A workload and its revisions.
async fn revisions(
    words: &[String],
    resources: &Resources,
    cluster: &Cluster,
) -> Result<(Resource, String, Value, Vec<Revision>)> {
    let (resource, name) = targets::parse_one(resources, words)?;
    // Whatever rolls out has revisions.
    judge(&resource)?;
    let object = cluster
        .get(&resource.object_path(&cluster.namespace, &name))
        .await?;
    let is_deployment = resource.qualified() == "deployments.apps";
    let revisions = history::of(cluster, &object, is_deployment).await?;
    Ok((resource, name, object, revisions))
}

async fn undo(
    args: &Undo,
    resources: &Resources,
    cluster: &Cluster,
    out: &mut dyn Write,
) -> Result<()> {
    let (resource, name, object, all) = revisions(&args.one.words, resources, cluster).await?;
    if object["spec"]["paused"] == true {
        return Err(Error::Failed(format!(
            "{} is paused: run ctl rollout resume first",
            resource.object(&name)
        )));
    }
    let revision = history::target(&all, args.to_revision)?;
    let template = &revision.template;
    if object["spec"]["template"] == *template {
        writeln!(
            out,
            "{} skipped rollback (current template already matches revision {})",
            resource.object(&name),
            revision.number
        )?;
        return Ok(());
    }
    // The test makes the server refuse if somebody changed what is asked for meanwhile. The status may change: it does all the
    // time while a rollout goes on, which is when one wants to go back.
    let patch = json!([
        {"op": "test", "path": "/metadata/generation", "value": object["metadata"]["generation"]},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]);
    let patched = patch_object(cluster, &resource, &name, JSON_PATCH, &patch).await;
    patched.map_err(|error| match error {
        Error::Server {
            code: 422, reason, ..
        } if reason == "Invalid" => Error::Failed(format!(
            "{} was not rolled back: somebody changed it meanwhile, or revision {} is not valid any more",
            resource.object(&name),
            revision.number
        )),
        other => other,
    })?;
    writeln!(
        out,
        "{} rolled back to revision {}",
        resource.object(&name),
        revision.number
    )?;
    Ok(())
}

async fn show_history(
    args: &History,
    resources: &Resources,
    cluster: &Cluster,
    out: &mut dyn Write,
) -> Result<()> {
    let (resource, name, _, all) = revisions(&args.one.words, resources, cluster).await?;
    if args.revision != 0 {
        let revision = history::target(&all, args.revision)?;
        writeln!(
            out,
            "{} with revision #{}",
            resource.object(&name),
            revision.number
        )?;
        return output::yaml(out, &revision.template);
    }
    writeln!(out, "{}", resource.object(&name))?;
    let mut table = Table::new(&["REVISION", "CHANGE-CAUSE"]);
    for revision in &all {
        table.push([
            revision.number.to_string(),
            revision.change_cause().to_owned(),
        ]);
    }
    table.print(out, true, &mut Vec::new())
}

async fn restart(
    one: &One,
    resources: &Resources,
    cluster: &Cluster,
    out: &mut dyn Write,
) -> Result<()> {
    let (resource, name) = targets::parse_one(resources, &one.words)?;
    judge(&resource)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the user's own time, as kubectl writes it"
    )]
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}}});
    patch_object(cluster, &resource, &name, STRATEGIC, &patch).await?;
    writeln!(out, "{} restarted", resource.object(&name))?;
    Ok(())
}

async fn pause(
    one: &One,
    resources: &Resources,
    cluster: &Cluster,
    paused: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let (resource, name) = targets::parse_one(resources, &one.words)?;
    if resource.qualified() != "deployments.apps" {
        return Err(Error::Usage(format!(
            "{} cannot be paused: only deployments can",
            resource.qualified()
        )));
    }
    let patch = json!({"spec": {"paused": if paused { json!(true) } else { Value::Null }}});
    patch_object(cluster, &resource, &name, MERGE, &patch).await?;
    writeln!(
        out,
        "{} {}",
        resource.object(&name),
        if paused { "paused" } else { "resumed" }
    )?;
    Ok(())
}

async fn patch_object(
    cluster: &Cluster,
    resource: &Resource,
    name: &str,
    kind: &str,
    patch: &Value,
) -> Result<Value> {
    let path = format!(
        "{}?fieldManager=ctl",
        resource.object_path(&cluster.namespace, name)
    );
    cluster
        .json(
            Method::PATCH,
            &path,
            Some((kind, patch.to_string().into_bytes())),
        )
        .await
}
