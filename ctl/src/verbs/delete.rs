//! `ctl delete`: deletes objects and waits until they are gone.

use std::io::Write;

use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Connection, query};
use crate::error::{Error, Result};
use crate::input::Files;
use crate::resources::{Resource, Resources};
use crate::targets::{self, Selection};
use crate::verbs::apply;

/// Options of `delete`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// KIND NAME…, KIND/NAME…, or KIND with --all or a selector.
    words: Vec<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selection: Selection,
    /// All objects of the resource in the namespace.
    #[arg(long)]
    all: bool,
    /// What becomes of dependents.
    #[arg(long, value_parser = ["background", "foreground", "orphan"], default_value = "background", num_args = 0..=1, default_missing_value = "background")]
    cascade: String,
    /// Seconds that the object has to end; the object's own when negative.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    grace_period: i64,
    /// End at once; with a pod this may leave its processes running.
    #[arg(long)]
    force: bool,
    /// Like --grace-period=1.
    #[arg(long)]
    now: bool,
    /// Go on where an object is not there.
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until the objects are gone.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    wait: bool,
    /// Give up waiting after this time; 0 is never.
    #[arg(long, default_value = "0", value_parser = crate::duration::parse)]
    timeout: std::time::Duration,
    /// server: ask what would happen, and change nothing.
    #[arg(long, value_parser = ["none", "server"], default_value = "none", num_args = 0..=1, default_missing_value = "server")]
    dry_run: String,
    /// name prints only the names.
    #[arg(short, long, value_parser = ["name"])]
    output: Option<String>,
}

impl Args {
    /// The body of the request.
    fn options(&self) -> Result<Value> {
        let policy = match self.cascade.as_str() {
            "foreground" => "Foreground",
            "orphan" => "Orphan",
            _ => "Background",
        };
        let mut options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
        let grace =
            match (self.now, self.force, self.grace_period) {
                (true, _, 0..) => {
                    return Err(Error::Usage("take either --now or --grace-period".into()));
                }
                (true, ..) => 1,
                (false, true, ..0) => 0,
                (false, false, 0) => return Err(Error::Usage(
                    "--grace-period=0 needs --force: it does not wait until processes have ended"
                        .into(),
                )),
                (false, _, given) => given,
            };
        if grace >= 0 {
            options["gracePeriodSeconds"] = grace.into();
        }
        if self.dry_run == "server" {
            options["dryRun"] = json!(["All"]);
        }
        Ok(options)
    }
}

/// An object to delete.
struct Doomed {
    resource: Resource,
    namespace: String,
    name: String,
}

/// Deletes all first, then waits for all.
pub async fn run(
    args: Args,
    cluster: &Cluster,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<()> {
    let options = args.options()?;
    let resources = Resources::discover(cluster).await?;
    let doomed = choose(&args, cluster, connection, &resources).await?;
    if args.force {
        eprintln!("warning: deleted at once: what runs may go on running");
    }
    let (mut failures, mut going) = (Vec::new(), Vec::new());
    for object in doomed {
        let path = object.resource.object_path(&object.namespace, &object.name);
        let body = options.to_string().into_bytes();
        match cluster
            .json(Method::DELETE, &path, Some(("application/json", body)))
            .await
        {
            Ok(answer) => {
                if args.output.is_some() {
                    writeln!(out, "{}", object.resource.object(&object.name))?;
                } else {
                    let scope = if object.resource.namespaced {
                        format!(" from {} namespace", object.namespace)
                    } else {
                        String::new()
                    };
                    let how = if args.force {
                        "force deleted"
                    } else {
                        "deleted"
                    };
                    let note = if args.dry_run == "server" {
                        " (server dry run)"
                    } else {
                        ""
                    };
                    writeln!(
                        out,
                        "{} {how}{scope}{note}",
                        object.resource.object(&object.name)
                    )?;
                }
                out.flush()?;
                let uid = answer["details"]["uid"]
                    .as_str()
                    .or(answer["metadata"]["uid"].as_str())
                    .unwrap_or_default()
                    .to_owned();
                going.push((object, uid));
            }
            Err(error) if error.is_not_found() && args.ignore_not_found => {}
            Err(error) => {
                crate::report(&error);
                failures.push(error);
            }
        }
    }
    if args.wait && args.dry_run != "server" {
        let all_gone = async {
            for (object, uid) in &going {
                gone(cluster, object, uid).await?;
            }
            Ok::<_, Error>(())
        };
        if args.timeout.is_zero() {
            all_gone.await?;
        } else {
            tokio::time::timeout(args.timeout, all_gone)
                .await
                .map_err(|_| Error::TimedOut(format!("not gone within {:?}", args.timeout)))??;
        }
    }
    let count = failures.len();
    match failures.into_iter().next() {
        Some(first) => Err(Error::Several(count, Box::new(first))),
        None => Ok(()),
    }
}

async fn choose(
    args: &Args,
    cluster: &Cluster,
    connection: &Connection,
    resources: &Resources,
) -> Result<Vec<Doomed>> {
    let mut doomed = Vec::new();
    if !args.files.filename.is_empty() {
        for input in args.files.read()? {
            let (resource, _, object) =
                apply::place(resources, cluster, connection.namespace.as_deref(), &input)?;
            doomed.push(Doomed {
                resource,
                namespace: targets::namespace(&object).to_owned(),
                name: targets::name(&object).to_owned(),
            });
        }
        return Ok(doomed);
    }
    for target in targets::parse(resources, &args.words)? {
        if target.names.is_empty() {
            if !args.all && args.selection.is_empty() {
                return Err(Error::Usage(
                    "name what to delete, choose it with -l, or take --all".into(),
                ));
            }
            for object in targets::fetch(cluster, &target, &args.selection).await? {
                doomed.push(Doomed {
                    resource: target.resource.clone(),
                    namespace: targets::namespace(&object).to_owned(),
                    name: targets::name(&object).to_owned(),
                });
            }
        }
        for name in &target.names {
            doomed.push(Doomed {
                resource: target.resource.clone(),
                namespace: cluster.namespace.clone(),
                name: name.clone(),
            });
        }
    }
    Ok(doomed)
}

/// Waits until an object is gone, or another has taken its name.
async fn gone(cluster: &Cluster, object: &Doomed, uid: &str) -> Result<()> {
    loop {
        let now = match cluster
            .get(&object.resource.object_path(&object.namespace, &object.name))
            .await
        {
            Err(error) if error.is_not_found() => return Ok(()),
            now => now?,
        };
        if !uid.is_empty() && now["metadata"]["uid"] != uid {
            return Ok(());
        }
        let field = format!("metadata.name={}", object.name);
        let version = now["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default();
        let query = query(&[
            ("watch", "true"),
            ("fieldSelector", &field),
            ("resourceVersion", version),
        ]);
        let mut events = cluster
            .watch(
                &format!("{}{query}", object.resource.path(Some(&object.namespace))),
                "application/json",
            )
            .await?;
        while let Some(event) = events.next().await {
            match event {
                Ok((kind, _)) if kind == "DELETED" => return Ok(()),
                Ok(_) => {}
                Err(Error::Server { code: 410, .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
}
