//! Which pod and which container a command means.

use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::error::{Error, Result};
use crate::resources::Resources;
use crate::rollouts::history;
use crate::targets;

/// The pods that a selector chooses.
///
/// # Errors
/// When the server refuses.
pub async fn of_selector(cluster: &Cluster, selector: &str) -> Result<Vec<Value>> {
    let path = format!(
        "/api/v1/namespaces/{}/pods{}",
        cluster.namespace,
        query(&[("labelSelector", selector)])
    );
    let mut list = cluster.get(&path).await?;
    Ok(match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    })
}

/// The pod of this name; for KIND/NAME, one of the pods of that object.
///
/// # Errors
/// When there is none.
pub async fn find(cluster: &Cluster, word: &str) -> Result<Value> {
    match word.split_once('/') {
        None => {
            let namespace = &cluster.namespace;
            let path = format!("/api/v1/namespaces/{namespace}/pods/{word}");
            cluster.get(&path).await
        }
        Some((kind, name)) => {
            let resources = Resources::discover(cluster).await?;
            let resource = resources.find(kind)?;
            let object = cluster
                .get(&resource.object_path(&cluster.namespace, name))
                .await?;
            if resource.kind == "Pod" {
                return Ok(object);
            }
            of_object(cluster, word, &object).await
        }
    }
}

/// One pod of those that an object chooses: the youngest that runs.
///
/// # Errors
/// When it chooses none.
pub async fn of_object(cluster: &Cluster, word: &str, object: &Value) -> Result<Value> {
    let labels = &object["spec"]["selector"];
    // Services and replication controllers have bare labels where the others have a selector object.
    let selector = if labels["matchLabels"].is_null() && labels["matchExpressions"].is_null() {
        history::selector(&serde_json::json!({"matchLabels": labels}))?
    } else {
        history::selector(labels)?
    };
    if selector.is_empty() {
        return Err(Error::Usage(format!("{word} chooses no pods")));
    }
    let mut pods = of_selector(cluster, &selector).await?;
    pods.sort_by_key(|pod| {
        (
            pod["status"]["phase"] != "Running",
            std::cmp::Reverse(pod["metadata"]["creationTimestamp"].to_string()),
        )
    });
    let count = pods.len();
    let pod = pods
        .into_iter()
        .next()
        .ok_or_else(|| Error::Failed(format!("{word} has no pods")))?;
    if count > 1 {
        eprintln!("Found {count} pods, using pod/{}", targets::name(&pod));
    }
    Ok(pod)
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().into_iter().flatten();
    let names = containers.filter_map(|container| container["name"].as_str());
    names.map(str::to_owned).collect()
}

/// All containers of a pod, in the order in which they start.
pub fn containers(pod: &Value) -> Vec<String> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.iter().flat_map(|list| names(pod, list)).collect()
}

/// The container that is meant: the one that is wanted, the annotated default, or the first.
///
/// # Errors
/// When the pod has no such container.
pub fn container(pod: &Value, wanted: Option<&str>) -> Result<String> {
    let (all, regular) = (containers(pod), names(pod, "containers"));
    let annotated =
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    match wanted.or(annotated) {
        Some(name) if all.iter().any(|known| known == name) => Ok(name.to_owned()),
        Some(name) => Err(Error::Failed(format!(
            "pod {} has no container {name:?}: it has {}",
            targets::name(pod),
            all.join(", ")
        ))),
        None => {
            if regular.len() > 1 {
                eprintln!(
                    "Defaulted container {:?} out of: {}",
                    regular[0],
                    all.join(", ")
                );
            }
            let first = regular.into_iter().next();
            first.ok_or_else(|| {
                Error::Failed(format!("pod {} has no containers", targets::name(pod)))
            })
        }
    }
}
