//! `ctl create`: from files, or the most usual kinds from the command line.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Subcommand;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, Connection, query};
use crate::error::{Error, Result};
use crate::input::{Files, Input};
use crate::output;
use crate::resources::Resources;
use crate::targets;
use crate::verbs::{apply, get};

/// Options of `create`.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    kind: Option<Kind>,
}

/// What all ways of creating share.
#[derive(clap::Args, Clone, Debug)]
pub struct How {
    /// client: only show the object; server: ask what would happen, and change nothing.
    #[arg(long, value_parser = ["none", "client", "server"], default_value = "none")]
    dry_run: String,
    /// Form of output: json, yaml, name, jsonpath=….
    #[arg(short, long)]
    output: Option<String>,
    /// Under which name to own the fields.
    #[arg(long, default_value = "ctl-create")]
    field_manager: String,
}

/// Kinds that can be made from the command line.
#[derive(Subcommand, Clone, Debug)]
pub enum Kind {
    /// A namespace
    #[command(alias = "ns")]
    Namespace(Named),
    /// A service account
    #[command(alias = "sa", name = "serviceaccount")]
    ServiceAccount(Named),
    /// A ConfigMap of literals and files
    #[command(alias = "cm", name = "configmap")]
    ConfigMap(Data),
    /// A Secret
    #[command(subcommand)]
    Secret(Secret),
    /// A Deployment of one container
    #[command(alias = "deploy")]
    Deployment(Deployment),
}

/// Only a name.
#[derive(clap::Args, Clone, Debug)]
pub struct Named {
    /// Its name.
    name: String,
    #[command(flatten)]
    how: How,
}

/// A name, and data.
#[derive(clap::Args, Clone, Debug)]
pub struct Data {
    /// Its name.
    name: String,
    /// KEY=VALUE.
    #[arg(long, value_name = "KEY=VALUE")]
    from_literal: Vec<String>,
    /// [KEY=]FILE.
    #[arg(long, value_name = "[KEY=]FILE")]
    from_file: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Types of Secrets.
#[derive(Subcommand, Clone, Debug)]
pub enum Secret {
    /// Of literals and files
    Generic(Data),
}

/// A Deployment.
#[derive(clap::Args, Clone, Debug)]
pub struct Deployment {
    /// Its name.
    name: String,
    /// The container's image.
    #[arg(long)]
    image: String,
    /// How many pods.
    #[arg(short, long, default_value_t = 1)]
    replicas: u32,
    /// A port that the container listens on.
    #[arg(long)]
    port: Option<u16>,
    /// The container's command.
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// The pairs of a ConfigMap or Secret, in their order.
fn pairs(data: &Data) -> Result<Vec<(String, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for literal in &data.from_literal {
        let (key, value) = literal.split_once('=').ok_or_else(|| {
            Error::Usage(format!("--from-literal {literal}: write it like KEY=VALUE"))
        })?;
        pairs.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    for file in &data.from_file {
        let (key, path) = match file.split_once('=') {
            Some((key, path)) => (key, path),
            None => (file.rsplit('/').next().unwrap_or(file), file.as_str()),
        };
        let bytes = std::fs::read(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        pairs.push((key.to_owned(), bytes));
    }
    for (index, (key, _)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(other, _)| other == key) {
            return Err(Error::Usage(format!("the key {key:?} is given twice")));
        }
    }
    Ok(pairs)
}

fn config_map(data: &Data) -> Result<Value> {
    let (mut text, mut binary) = (Map::new(), Map::new());
    for (key, bytes) in pairs(data)? {
        match String::from_utf8(bytes) {
            Ok(value) => text.insert(key, value.into()),
            Err(error) => binary.insert(key, BASE64_STANDARD.encode(error.as_bytes()).into()),
        };
    }
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": data.name}});
    for (field, map) in [("data", text), ("binaryData", binary)] {
        if !map.is_empty() {
            object[field] = map.into();
        }
    }
    Ok(object)
}

fn secret(data: &Data) -> Result<Value> {
    let encoded: Map<String, Value> = pairs(data)?
        .into_iter()
        .map(|(key, bytes)| (key, BASE64_STANDARD.encode(bytes).into()))
        .collect();
    Ok(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": data.name}, "type": "Opaque", "data": encoded}),
    )
}

fn deployment(args: &Deployment) -> Value {
    // A container is called after its image, without registry, tag and digest.
    let image = args.image.rsplit('/').next().unwrap_or(&args.image);
    let container = image
        .split(['@', ':'])
        .next()
        .unwrap_or(image)
        .replace(['_', '.'], "-")
        .to_lowercase();
    let mut template = json!({"name": container, "image": args.image});
    if let Some(port) = args.port {
        template["ports"] = json!([{"containerPort": port}]);
    }
    if !args.command.is_empty() {
        template["command"] = json!(args.command);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": args.name, "labels": {"app": args.name}},
        "spec": {
            "replicas": args.replicas,
            "selector": {"matchLabels": {"app": args.name}},
            "template": {"metadata": {"labels": {"app": args.name}}, "spec": {"containers": [template]}},
        },
    })
}

/// Creates objects.
pub async fn run(
    args: Args,
    cluster: &Cluster,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<()> {
    let named = |kind: &str, args: &Named| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": args.name}});
    let (objects, how) = match &args.kind {
        None => (args.files.read()?, &args.how),
        Some(kind) => {
            let (object, how) = match kind {
                Kind::Namespace(args) => (named("Namespace", args), &args.how),
                Kind::ServiceAccount(args) => (named("ServiceAccount", args), &args.how),
                Kind::ConfigMap(data) => (config_map(data)?, &data.how),
                Kind::Secret(Secret::Generic(data)) => (secret(data)?, &data.how),
                Kind::Deployment(args) => (deployment(args), &args.how),
            };
            (
                vec![Input {
                    place: "the command line".into(),
                    object,
                }],
                how,
            )
        }
    };
    let form = how
        .output
        .as_deref()
        .map(|form| output::parse(Some(form)))
        .transpose()?;
    if how.dry_run == "client" {
        let objects: Vec<Value> = objects.into_iter().map(|input| input.object).collect();
        let form = form.unwrap_or(output::Format::Name);
        let several = objects.len() > 1;
        return get::print(&form, objects, several, true, out);
    }
    let resources = Resources::discover(cluster).await?;
    let mut failures = Vec::new();
    let mut created = Vec::new();
    for input in objects {
        match create(&resources, cluster, connection, how, &input).await {
            Ok((shown, object)) => {
                if form.is_none() {
                    let note = if how.dry_run == "server" {
                        " (server dry run)"
                    } else {
                        ""
                    };
                    writeln!(out, "{shown} created{note}")?;
                }
                created.push(object);
            }
            Err(error) => {
                crate::report(&error);
                failures.push(error);
            }
        }
    }
    if let Some(form) = form {
        let several = created.len() > 1;
        get::print(&form, created, several, true, out)?;
    }
    let count = failures.len();
    match failures.into_iter().next() {
        Some(first) => Err(Error::Several(count, Box::new(first))),
        None => Ok(()),
    }
}

async fn create(
    resources: &Resources,
    cluster: &Cluster,
    connection: &Connection,
    how: &How,
    input: &Input,
) -> Result<(String, Value)> {
    let generated = input.object["metadata"]["generateName"].is_string()
        && targets::name(&input.object).is_empty();
    let mut named = input.clone();
    if generated {
        // The server makes the name; the path of the collection does not need one.
        named.object["metadata"]["name"] = "generated".into();
    }
    let (resource, _, mut object) =
        apply::place(resources, cluster, connection.namespace.as_deref(), &named)?;
    if generated && let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("name");
    }
    let mut options = vec![
        ("fieldManager", how.field_manager.as_str()),
        ("fieldValidation", "Strict"),
    ];
    if how.dry_run == "server" {
        options.push(("dryRun", "All"));
    }
    let path = format!(
        "{}{}",
        resource.path(Some(targets::namespace(&object))),
        query(&options)
    );
    let created = cluster
        .json(
            Method::POST,
            &path,
            Some(("application/json", object.to_string().into_bytes())),
        )
        .await?;
    Ok((resource.object(targets::name(&created)), created))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(literals: &[&str]) -> Data {
        Data {
            name: "n".into(),
            from_literal: literals.iter().map(|text| (*text).to_owned()).collect(),
            from_file: Vec::new(),
            how: How {
                dry_run: "none".into(),
                output: None,
                field_manager: "m".into(),
            },
        }
    }

    #[test]
    fn literals_become_data() {
        assert_eq!(
            config_map(&data(&["a=b=c"])).unwrap()["data"],
            json!({"a": "b=c"})
        );
        assert_eq!(
            secret(&data(&["a=b"])).unwrap()["data"],
            json!({"a": "Yg=="})
        );
        assert!(config_map(&data(&["a"])).is_err());
        assert!(config_map(&data(&["a=1", "a=2"])).is_err());
    }

    #[test]
    fn a_container_is_called_after_its_image() {
        let args = Deployment {
            name: "web".into(),
            image: "host:5000/team/My_App:1.2".into(),
            replicas: 2,
            port: Some(80),
            command: vec![],
            how: data(&[]).how,
        };
        assert_eq!(
            deployment(&args)["spec"]["template"]["spec"]["containers"][0]["name"],
            "my-app"
        );
    }
}
