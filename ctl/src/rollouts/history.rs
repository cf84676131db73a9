//! A Deployment's revisions, which are its ReplicaSets.

use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::error::{Error, Result};
use crate::targets;

/// Under which annotation a ReplicaSet keeps its revision.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Why a revision was made, if somebody wrote it down.
pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
/// The label that tells the ReplicaSets of one Deployment apart.
const HASH: &str = "pod-template-hash";

/// One revision.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// Its ReplicaSet.
    pub replica_set: Value,
}

impl Revision {
    /// The pod template, without the label that the controller adds.
    pub fn template(&self) -> Value {
        let mut template = self.replica_set["spec"]["template"].clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        template
    }

    /// Why it was made.
    pub fn change_cause(&self) -> &str {
        self.replica_set["metadata"]["annotations"][CHANGE_CAUSE]
            .as_str()
            .unwrap_or("<none>")
    }
}

/// Renders a label selector object as the API takes it in a query.
pub fn selector(object: &Value) -> Result<String> {
    let mut parts = Vec::new();
    if let Some(labels) = object["matchLabels"].as_object() {
        parts.extend(
            labels
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())),
        );
    }
    for expression in object["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values = || {
            let all = expression["values"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            all.iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(",")
        };
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values()),
            Some("NotIn") => format!("{key} notin ({})", values()),
            Some("Exists") => key.to_owned(),
            Some("DoesNotExist") => format!("!{key}"),
            other => {
                return Err(Error::Protocol(format!(
                    "a selector with the operator {other:?}"
                )));
            }
        });
    }
    Ok(parts.join(","))
}

/// The revisions of a Deployment, oldest first.
pub async fn of_deployment(cluster: &Cluster, deployment: &Value) -> Result<Vec<Revision>> {
    let selector = selector(&deployment["spec"]["selector"])?;
    let namespace = targets::namespace(deployment);
    let path = format!(
        "/apis/apps/v1/namespaces/{namespace}/replicasets{}",
        query(&[("labelSelector", &selector)])
    );
    let mut list = cluster.get(&path).await?;
    let Value::Array(items) = list["items"].take() else {
        return Ok(Vec::new());
    };
    let uid = &deployment["metadata"]["uid"];
    let owned = |set: &Value| {
        set["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|owner| owner["controller"] == true && &owner["uid"] == uid)
    };
    let mut revisions: Vec<Revision> = items
        .into_iter()
        .filter(owned)
        .filter_map(|replica_set| {
            let number = replica_set["metadata"]["annotations"][REVISION]
                .as_str()?
                .parse()
                .ok()?;
            Some(Revision {
                number,
                replica_set,
            })
        })
        .collect();
    revisions.sort_by_key(|revision| revision.number);
    Ok(revisions)
}

/// The revision to go back to: the one named, or (0) the one before the newest.
pub fn target(revisions: &[Revision], wanted: i64) -> Result<&Revision> {
    if wanted == 0 {
        let index = revisions
            .len()
            .checked_sub(2)
            .ok_or_else(|| Error::Failed("there is no earlier revision to go back to".into()))?;
        return Ok(&revisions[index]);
    }
    revisions
        .iter()
        .find(|revision| revision.number == wanted)
        .ok_or_else(|| {
            let known: Vec<String> = revisions
                .iter()
                .map(|revision| revision.number.to_string())
                .collect();
            Error::Failed(format!(
                "there is no revision {wanted}: there are {}",
                known.join(", ")
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn revision(number: i64) -> Revision {
        Revision {
            number,
            replica_set: json!({"spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}}}}),
        }
    }

    #[test]
    fn going_back_means_the_revision_before_the_newest() {
        let all = [revision(1), revision(3), revision(4)];
        assert_eq!(target(&all, 0).unwrap().number, 3);
        assert_eq!(target(&all, 1).unwrap().number, 1);
        assert!(target(&all, 2).unwrap_err().to_string().contains("1, 3, 4"));
        assert!(target(&all[..1], 0).is_err());
    }

    #[test]
    fn the_controllers_label_is_no_part_of_a_revision() {
        assert_eq!(
            revision(1).template(),
            json!({"metadata": {"labels": {"app": "web"}}})
        );
    }

    #[test]
    fn selectors_are_rendered_for_a_query() {
        let object = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "DoesNotExist"},
        ]});
        assert_eq!(selector(&object).unwrap(), "a=b,c in (d,e),!f");
    }
}
