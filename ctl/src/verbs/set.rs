//! `ctl set image`: gives containers other images.

use std::io::Write;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::resources::Resources;
use crate::targets;

/// What to set.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// The images of containers
    Image(Image),
}

/// Options of `set image`.
#[derive(clap::Args, Clone, Debug)]
pub struct Image {
    /// KIND/NAME (or KIND NAME), then CONTAINER=IMAGE…; * means all containers.
    #[arg(required = true)]
    words: Vec<String>,
}

/// Where the pod template of a kind is.
fn pod_spec(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Pod" => Some(&["spec"]),
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        "Deployment"
        | "ReplicaSet"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "ReplicationController" => Some(&["spec", "template", "spec"]),
        _ => None,
    }
}

/// The strategic merge patch that gives the containers their images, or `None` if they have them already.
fn patch(object: &Value, path: &[&str], images: &[(String, String)]) -> Result<Option<Value>> {
    let spec = object
        .pointer(&format!("/{}", path.join("/")))
        .unwrap_or(&Value::Null);
    let mut changes = serde_json::Map::new();
    let mut known = Vec::new();
    let mut found = vec![false; images.len()];
    for list in ["containers", "initContainers"] {
        let mut changed = Vec::new();
        for container in spec[list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            known.push(name.to_owned());
            for (index, (wanted, image)) in images.iter().enumerate() {
                if wanted == name || wanted == "*" {
                    found[index] = true;
                    if container["image"] != image.as_str() {
                        changed.push(json!({"name": name, "image": image}));
                    }
                }
            }
        }
        if !changed.is_empty() {
            changes.insert(list.to_owned(), changed.into());
        }
    }
    if let Some(index) = found.iter().position(|found| !found) {
        return Err(Error::Failed(format!(
            "there is no container {:?}: there are {}",
            images[index].0,
            known.join(", ")
        )));
    }
    if changes.is_empty() {
        return Ok(None);
    }
    Ok(Some(path.iter().rev().fold(
        Value::Object(changes),
        |inner, key| json!({ *key: inner }),
    )))
}

/// Carries `set` out.
pub async fn run(verb: Verb, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let Verb::Image(args) = verb;
    let (images, words): (Vec<String>, Vec<String>) =
        args.words.into_iter().partition(|word| word.contains('='));
    let images: Vec<(String, String)> = images
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, image)| (name.to_owned(), image.to_owned()))
        .collect();
    if images.is_empty()
        || images
            .iter()
            .any(|(name, image)| name.is_empty() || image.is_empty())
    {
        return Err(Error::Usage(
            "say which container is to have which image, such as web=registry/web:2".into(),
        ));
    }
    let resources = Resources::discover(cluster).await?;
    let (resource, name) = targets::parse_one(&resources, &words)?;
    let path = pod_spec(&resource.kind)
        .ok_or_else(|| Error::Usage(format!("{} have no containers", resource.qualified())))?;
    let url = resource.object_path(&cluster.namespace, &name);
    let object = cluster.get(&url).await?;
    if let Some(patch) = patch(&object, path, &images)? {
        let body = patch.to_string().into_bytes();
        cluster
            .json(
                Method::PATCH,
                &format!("{url}?fieldManager=ctl"),
                Some(("application/strategic-merge-patch+json", body)),
            )
            .await?;
        writeln!(out, "{} image updated", resource.object(&name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_that_change_are_patched() {
        let object = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]}}}});
        let path = pod_spec("Deployment").unwrap();
        let images = |name: &str, image: &str| vec![(name.to_owned(), image.to_owned())];
        assert_eq!(
            patch(&object, path, &images("a", "x:2")).unwrap().unwrap(),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x:2"}]}}}})
        );
        assert_eq!(patch(&object, path, &images("a", "x:1")).unwrap(), None);
        assert!(
            patch(&object, path, &images("c", "x:1"))
                .unwrap_err()
                .to_string()
                .contains("a, b")
        );
        assert_eq!(patch(&object, path, &images("*", "z")).unwrap().unwrap()["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
    }
}
