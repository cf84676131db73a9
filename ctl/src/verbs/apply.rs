//! `ctl apply`: server-side apply of files. <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use std::io::Write;

use http::Method;
use serde_json::Value;

use crate::cluster::{Cluster, Connection, query};
use crate::error::{Error, Result};
use crate::input::{Files, Input};
use crate::output;
use crate::resources::{Resource, Resources};
use crate::targets;

/// The media type of an apply patch.
const APPLY: &str = "application/apply-patch+yaml";

/// Options of `apply`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Take over fields that others own.
    #[arg(long)]
    force_conflicts: bool,
    /// Under which name to own the fields.
    #[arg(long, default_value = "ctl")]
    field_manager: String,
    /// server: ask what would happen, and change nothing.
    #[arg(long, value_parser = ["none", "server"], default_value = "none", num_args = 0..=1, default_missing_value = "server")]
    dry_run: String,
    /// What the server does about unknown and doubled fields.
    #[arg(long, value_parser = ["strict", "warn", "ignore"], default_value = "strict")]
    validate: String,
    /// Accepted for kubectl's sake: apply is server-side always.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", hide = true)]
    server_side: Option<bool>,
    /// Form of output: json, yaml, name, jsonpath=…
    #[arg(short, long)]
    output: Option<String>,
}

/// What an apply did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was not there before.
    Created,
    /// It changed.
    Configured,
    /// It was like that already.
    Unchanged,
}

/// How to apply one object.
pub struct Options<'a> {
    /// Take over fields that others own.
    pub force: bool,
    /// Owner of the fields.
    pub manager: &'a str,
    /// Change nothing.
    pub dry_run: bool,
    /// `Strict`, `Warn` or `Ignore`.
    pub validation: &'a str,
}

/// Applies one object; gives what happened and the object as it is now.
pub async fn apply(
    cluster: &Cluster,
    path: &str,
    object: &Value,
    options: &Options<'_>,
) -> Result<(Effect, Value)> {
    let before = match cluster.get(path).await {
        Ok(before) => Some(before),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error),
    };
    let mut pairs = vec![
        ("fieldManager", options.manager),
        ("fieldValidation", options.validation),
    ];
    if options.force {
        pairs.push(("force", "true"));
    }
    if options.dry_run {
        pairs.push(("dryRun", "All"));
    }
    let body = serde_json::to_vec(object).map_err(|error| Error::Protocol(error.to_string()))?;
    let after = cluster
        .json(
            Method::PATCH,
            &format!("{path}{}", query(&pairs)),
            Some((APPLY, body)),
        )
        .await?;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    let effect = match before {
        None => Effect::Created,
        // A dry run does not move the version, so the objects themselves are compared.
        Some(before) if options.dry_run && differs(before.clone(), after.clone()) => {
            Effect::Configured
        }
        Some(before) if !options.dry_run && version(&before) != version(&after) => {
            Effect::Configured
        }
        Some(_) => Effect::Unchanged,
    };
    Ok((effect, after))
}

fn differs(mut before: Value, mut after: Value) -> bool {
    output::without_managed_fields(&mut before);
    output::without_managed_fields(&mut after);
    before != after
}

/// Where an input's object belongs: its resource, its URL path, and the object with its namespace filled in.
pub fn place(
    resources: &Resources,
    cluster: &Cluster,
    explicit: Option<&str>,
    input: &Input,
) -> Result<(Resource, String, Value)> {
    let mut object = input.object.clone();
    let text = |field: &str| input.object[field].as_str().unwrap_or_default();
    let resource = resources
        .of_object(text("apiVersion"), text("kind"))?
        .clone();
    let wrong = |what: String| Error::Document {
        place: input.place.clone(),
        what,
    };
    let name = targets::name(&object).to_owned();
    if name.is_empty() {
        return Err(wrong(format!("{} has no metadata.name", text("kind"))));
    }
    let own = targets::namespace(&object).to_owned();
    if resource.namespaced {
        if let Some(explicit) = explicit
            && !own.is_empty()
            && own != explicit
        {
            return Err(wrong(format!(
                "{} is of namespace {own:?}, and --namespace says {explicit:?}",
                resource.object(&name)
            )));
        }
        let namespace = if own.is_empty() {
            cluster.namespace.clone()
        } else {
            own
        };
        object["metadata"]["namespace"] = namespace.clone().into();
        let path = resource.object_path(&namespace, &name);
        return Ok((resource, path, object));
    }
    let path = resource.object_path("", &name);
    Ok((resource, path, object))
}

/// Applies each object in the order of the files. One that fails does not keep the others back.
pub async fn run(
    args: Args,
    cluster: &Cluster,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<()> {
    if args.server_side == Some(false) {
        return Err(Error::Usage(
            "ctl applies on the server only; for client-side apply use kubectl".into(),
        ));
    }
    let form = args
        .output
        .as_deref()
        .map(|form| output::parse(Some(form)))
        .transpose()?;
    let inputs = args.files.read()?;
    let mut resources = Resources::discover(cluster).await?;
    let validation = match args.validate.as_str() {
        "warn" => "Warn",
        "ignore" => "Ignore",
        _ => "Strict",
    };
    let options = Options {
        force: args.force_conflicts,
        manager: &args.field_manager,
        dry_run: args.dry_run == "server",
        validation,
    };
    let (mut failures, mut shown) = (Vec::new(), Vec::new());
    for input in &inputs {
        let mut placed = place(&resources, cluster, connection.namespace.as_deref(), input);
        if placed.is_err() {
            // A definition applied just before may have brought the kind.
            resources = Resources::discover(cluster).await?;
            placed = place(&resources, cluster, connection.namespace.as_deref(), input);
        }
        let applied = match placed {
            Ok((resource, path, object)) => apply(cluster, &path, &object, &options)
                .await
                .map(|done| (resource, done)),
            Err(error) => Err(error),
        };
        match applied {
            Ok((resource, (effect, object))) => {
                if form.is_some() {
                    shown.push(object);
                } else {
                    let done = match effect {
                        Effect::Created => "created",
                        Effect::Configured => "configured",
                        Effect::Unchanged => "unchanged",
                    };
                    let note = if options.dry_run {
                        " (server dry run)"
                    } else {
                        ""
                    };
                    writeln!(
                        out,
                        "{} {done}{note}",
                        resource.object(targets::name(&object))
                    )?;
                }
            }
            Err(error) => {
                crate::report(&error);
                failures.push(error);
            }
        }
    }
    if let Some(form) = form {
        super::get::print(&form, shown, inputs.len() > 1, true, out)?;
    }
    let count = failures.len();
    match failures.into_iter().next() {
        Some(first) => Err(Error::Several(count, Box::new(first))),
        None => Ok(()),
    }
}
