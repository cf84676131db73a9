//! `ctl get`: shows objects, once or as they change.

use std::collections::BTreeMap;
use std::io::Write;

use futures::StreamExt as _;
use http::Method;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::input::Files;
use crate::output::jsonpath::{Path, plain};
use crate::output::{self, Format, table};
use crate::resources::{Resource, Resources};
use crate::rollouts::trouble;
use crate::targets::{self, Selection, Target};

/// Options of `get`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// RESOURCE [NAME…], RESOURCE/NAME…, or several resources with commas.
    words: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    files: Files,
    /// wide, yaml, json, name, jsonpath=TEMPLATE, custom-columns=SPEC.
    #[arg(short, long)]
    output: Option<String>,
    /// Go on showing what changes.
    #[arg(short, long)]
    watch: bool,
    /// Show only what changes from now on.
    #[arg(long)]
    watch_only: bool,
    /// Sort by what this path leads to, such as .metadata.creationTimestamp.
    #[arg(long, value_name = "PATH")]
    sort_by: Option<String>,
    /// Leave the header out.
    #[arg(long)]
    no_headers: bool,
    /// Show managedFields in yaml and json.
    #[arg(long)]
    show_managed_fields: bool,
    /// Add a column of labels.
    #[arg(long)]
    show_labels: bool,
    /// Add columns for these labels.
    #[arg(short = 'L', long, value_delimiter = ',')]
    label_columns: Vec<String>,
    /// Say nothing where nothing is found.
    #[arg(long)]
    ignore_not_found: bool,
    /// Read a URL path as it is.
    #[arg(long, value_name = "PATH")]
    raw: Option<String>,
}

/// Shows objects.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = &args.raw {
        let answer = cluster.send(Method::GET, path, "*/*", None).await?;
        let bytes = cluster.bytes(answer).await?;
        out.write_all(&bytes)?;
        return Ok(());
    }
    let format = output::parse(args.output.as_deref())?;
    let resources = Resources::discover(cluster).await?;
    let targets = if args.files.filename.is_empty() {
        targets::parse(&resources, &args.words)?
    } else {
        of_files(&resources, &args.files)?
    };
    if args.watch || args.watch_only {
        let [target] = targets.as_slice() else {
            return Err(Error::Usage(
                "--watch follows one resource at a time".into(),
            ));
        };
        return watch(&args, cluster, target, &format, out).await;
    }
    match format {
        Format::Table { wide } => tables(&args, cluster, &targets, wide, out).await,
        _ => {
            let mut objects = Vec::new();
            let several = targets.len() > 1 || targets.iter().any(|target| target.names.len() != 1);
            for target in &targets {
                match targets::fetch(cluster, target, &args.selection).await {
                    Err(error) if args.ignore_not_found && error.is_not_found() => {}
                    fetched => objects.extend(fetched?),
                }
            }
            if objects.is_empty() && args.ignore_not_found && !several {
                return Ok(());
            }
            sort(&args, &mut objects)?;
            print(&format, objects, several, !args.show_managed_fields, out)
        }
    }
}

fn of_files(resources: &Resources, files: &Files) -> Result<Vec<Target>> {
    files
        .read()?
        .iter()
        .map(|input| {
            let text = |field: &str| input.object[field].as_str().unwrap_or_default();
            let resource = resources
                .of_object(text("apiVersion"), text("kind"))?
                .clone();
            Ok(Target {
                resource,
                names: vec![targets::name(&input.object).to_owned()],
            })
        })
        .collect()
}

fn sort(args: &Args, objects: &mut [Value]) -> Result<()> {
    let Some(path) = &args.sort_by else {
        return Ok(());
    };
    let path = Path::parse(path)?;
    objects.sort_by(|left, right| compare(&path, left, right));
    Ok(())
}

fn compare(path: &Path, left: &Value, right: &Value) -> std::cmp::Ordering {
    let (left, right) = (path.find(left), path.find(right));
    match (left.first(), right.first()) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left
            .as_f64()
            .partial_cmp(&right.as_f64())
            .unwrap_or(std::cmp::Ordering::Equal),
        (left, right) => left
            .map(|value| plain(value))
            .cmp(&right.map(|value| plain(value))),
    }
}

/// Prints objects in any form but a table of the server's.
pub fn print(
    format: &Format,
    mut objects: Vec<Value>,
    several: bool,
    hide_managed: bool,
    out: &mut dyn Write,
) -> Result<()> {
    if hide_managed {
        objects.iter_mut().for_each(output::without_managed_fields);
    }
    match format {
        Format::Yaml => output::yaml(out, &output::as_one(objects, several)),
        Format::Json => output::json(out, &output::as_one(objects, several)),
        Format::JsonPath(template) => {
            write!(
                out,
                "{}",
                template.render(&output::as_one(objects, several))?
            )?;
            Ok(())
        }
        Format::Columns(columns) => columns.table(&objects).print(out, true, &mut Vec::new()),
        Format::Name | Format::Table { .. } => {
            for object in &objects {
                writeln!(out, "{}", name(object))?;
            }
            Ok(())
        }
    }
}

/// `deployment.apps/web`, out of the object alone.
fn name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    match version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", targets::name(object)),
        None => format!("{kind}/{}", targets::name(object)),
    }
}

/// Columns that the user adds to the server's.
fn add_columns(args: &Args, table: &mut table::Table, objects: &[Value]) {
    let labels = |object: &Value| {
        object["metadata"]["labels"]
            .as_object()
            .cloned()
            .unwrap_or_default()
    };
    if args.selection.all_namespaces
        && objects
            .iter()
            .any(|object| !targets::namespace(object).is_empty())
    {
        table.prefix(
            "NAMESPACE",
            objects
                .iter()
                .map(|object| targets::namespace(object).to_owned()),
        );
    }
    for label in &args.label_columns {
        table
            .header
            .push(label.rsplit('/').next().unwrap_or(label).to_uppercase());
        for (row, object) in table.rows.iter_mut().zip(objects) {
            row.push(labels(object).get(label).map(plain).unwrap_or_default());
        }
    }
    if args.show_labels {
        table.header.push("LABELS".into());
        for (row, object) in table.rows.iter_mut().zip(objects) {
            let all: Vec<String> = labels(object)
                .iter()
                .map(|(name, value)| format!("{name}={}", plain(value)))
                .collect();
            row.push(if all.is_empty() {
                "<none>".into()
            } else {
                all.join(",")
            });
        }
    }
}

async fn tables(
    args: &Args,
    cluster: &Cluster,
    targets: &[Target],
    wide: bool,
    out: &mut dyn Write,
) -> Result<()> {
    // Sorting needs the whole object in each row; otherwise its metadata is enough.
    let include = if args.sort_by.is_some() {
        "Object"
    } else {
        "Metadata"
    };
    let mut printed = false;
    for target in targets {
        let mut shown = table::Table::default();
        let mut objects = Vec::new();
        for path in paths(args, cluster, target, &[("includeObject", include)])? {
            let answer = match cluster
                .json_as(Method::GET, &path, table::ACCEPT, None)
                .await
            {
                Err(error) if args.ignore_not_found && error.is_not_found() => continue,
                answer => answer?,
            };
            let (part, of_part) = table::read(&answer, wide);
            shown.header = part.header;
            shown.rows.extend(part.rows);
            objects.extend(of_part);
        }
        if shown.rows.is_empty() {
            continue;
        }
        if let Some(path) = &args.sort_by {
            let path = Path::parse(path)?;
            let mut order: Vec<usize> = (0..objects.len()).collect();
            order.sort_by(|left, right| compare(&path, &objects[*left], &objects[*right]));
            shown.rows = order
                .iter()
                .map(|index| shown.rows[*index].clone())
                .collect();
            objects = order.iter().map(|index| objects[*index].clone()).collect();
        }
        if targets.len() > 1 {
            for row in &mut shown.rows {
                if let Some(first) = row.first_mut() {
                    *first = target.resource.object(first);
                }
            }
            if printed {
                writeln!(out)?;
            }
        }
        add_columns(args, &mut shown, &objects);
        shown.print(out, !args.no_headers, &mut Vec::new())?;
        printed = true;
    }
    if !printed && !args.ignore_not_found {
        let place = match targets {
            [target] if !target.resource.namespaced => String::new(),
            _ if args.selection.all_namespaces => String::new(),
            _ => format!(" in {} namespace", cluster.namespace),
        };
        eprintln!("No resources found{place}");
    }
    Ok(())
}

fn paths(
    args: &Args,
    cluster: &Cluster,
    target: &Target,
    query: &[(&str, &str)],
) -> Result<Vec<String>> {
    if target.names.is_empty() {
        let namespace = (!args.selection.all_namespaces).then_some(cluster.namespace.as_str());
        return Ok(vec![format!(
            "{}{}",
            target.resource.path(namespace),
            args.selection.query(query)
        )]);
    }
    if args.selection.all_namespaces {
        return Err(Error::Usage(
            "an object is named in one namespace: leave out either the name or --all-namespaces"
                .into(),
        ));
    }
    if !args.selection.is_empty() {
        return Err(Error::Usage("take either names or a selector".into()));
    }
    let query = crate::cluster::query(query);
    Ok(target
        .names
        .iter()
        .map(|name| {
            format!(
                "{}{query}",
                target.resource.object_path(&cluster.namespace, name)
            )
        })
        .collect())
}

/// Where a watch of a target begins: its path, with one name as a field selector.
fn watch_path(
    args: &Args,
    cluster: &Cluster,
    target: &Target,
    more: &[(&str, &str)],
) -> Result<String> {
    let namespace = (!args.selection.all_namespaces).then_some(cluster.namespace.as_str());
    let mut selection = args.selection.clone();
    match target.names.as_slice() {
        [] => {}
        [name] => selection.field_selector = Some(format!("metadata.name={name}")),
        _ => return Err(Error::Usage("--watch follows one object or all".into())),
    }
    Ok(format!(
        "{}{}",
        target.resource.path(namespace),
        selection.query(more)
    ))
}

async fn watch(
    args: &Args,
    cluster: &Cluster,
    target: &Target,
    format: &Format,
    out: &mut dyn Write,
) -> Result<()> {
    let (accept, wide) = match format {
        Format::Table { wide } => (table::ACCEPT, *wide),
        _ => ("application/json", false),
    };
    let mut widths = Vec::new();
    let mut header = !args.no_headers;
    let mut told = BTreeMap::new();
    loop {
        let list_path = watch_path(args, cluster, target, &[("includeObject", "Object")])?;
        let list = cluster
            .json_as(Method::GET, &list_path, accept, None)
            .await?;
        let mut version = list["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !args.watch_only {
            show(
                args,
                cluster,
                &target.resource,
                format,
                (list, wide),
                &mut header,
                &mut widths,
                &mut told,
                out,
            )
            .await?;
        }
        // A server ends every watch after some time: go on from where it ended; only an expired version needs a new list.
        'watch: loop {
            let more = [
                ("includeObject", "Object"),
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("resourceVersion", version.as_str()),
            ];
            let path = watch_path(args, cluster, target, &more)?;
            let mut events = match cluster.watch(&path, accept).await {
                Err(Error::Server { code: 410, .. }) => break 'watch,
                events => events?,
            };
            while let Some(event) = events.next().await {
                let (kind, object) = match event {
                    Err(Error::Server { code: 410, .. }) => break 'watch,
                    event => event?,
                };
                let seen = newest_version(&object);
                if !seen.is_empty() {
                    version = seen;
                }
                if kind != "BOOKMARK" {
                    show(
                        args,
                        cluster,
                        &target.resource,
                        format,
                        (object, wide),
                        &mut header,
                        &mut widths,
                        &mut told,
                        out,
                    )
                    .await?;
                    out.flush()?;
                }
            }
        }
    }
}

/// The resource version of an event's object, be it a Table or the object itself.
fn newest_version(object: &Value) -> String {
    let own = &object["metadata"]["resourceVersion"];
    let of_row = &object["rows"][0]["object"]["metadata"]["resourceVersion"];
    own.as_str()
        .filter(|version| !version.is_empty())
        .or(of_row.as_str())
        .unwrap_or_default()
        .to_owned()
}

#[allow(clippy::too_many_arguments)]
async fn show(
    args: &Args,
    cluster: &Cluster,
    resource: &Resource,
    format: &Format,
    (object, wide): (Value, bool),
    header: &mut bool,
    widths: &mut Vec<usize>,
    told: &mut BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<()> {
    if !matches!(format, Format::Table { .. }) {
        let objects = match object["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![object],
        };
        for object in objects {
            print(format, vec![object], false, !args.show_managed_fields, out)?;
            if matches!(format, Format::Yaml) {
                writeln!(out, "---")?;
            }
        }
        return Ok(());
    }
    let (mut shown, objects) = table::read(&object, wide);
    if shown.rows.is_empty() {
        return Ok(());
    }
    add_columns(args, &mut shown, &objects);
    shown.print(out, *header, widths)?;
    *header = false;
    if resource.kind == "Pod" {
        for pod in &objects {
            trouble::tell_once(cluster, pod, told, out).await?;
        }
    }
    Ok(())
}
