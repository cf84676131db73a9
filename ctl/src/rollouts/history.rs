//! A workload's revisions: a Deployment's are its ReplicaSets, those of the others ControllerRevisions.

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
    /// The pod template, without what the controller adds.
    pub template: Value,
    cause: Option<String>,
}

impl Revision {
    /// That of a Deployment's ReplicaSet.
    fn of_replica_set(mut set: Value) -> Option<Revision> {
        let number = set["metadata"]["annotations"][REVISION]
            .as_str()?
            .parse()
            .ok()?;
        let mut template = set["spec"]["template"].take();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        Some(Revision {
            number,
            template,
            cause: cause(&set),
        })
    }

    /// That of a ControllerRevision: what it holds is a patch of the template.
    fn of_controller_revision(mut revision: Value) -> Option<Revision> {
        let number = revision["revision"].as_i64()?;
        let mut template = revision.pointer_mut("/data/spec/template")?.take();
        template.as_object_mut()?.remove("$patch");
        Some(Revision {
            number,
            template,
            cause: cause(&revision),
        })
    }

    /// Why it was made.
    pub fn change_cause(&self) -> &str {
        self.cause.as_deref().unwrap_or("<none>")
    }
}

fn cause(object: &Value) -> Option<String> {
    let cause = object["metadata"]["annotations"][CHANGE_CAUSE].as_str();
    cause.map(str::to_owned)
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

/// The revisions of a workload, oldest first. Of a Deployment, or else of a kind with ControllerRevisions.
pub async fn of(cluster: &Cluster, workload: &Value, is_deployment: bool) -> Result<Vec<Revision>> {
    let selector = selector(&workload["spec"]["selector"])?;
    let namespace = targets::namespace(workload);
    let resource = if is_deployment {
        "replicasets"
    } else {
        "controllerrevisions"
    };
    let path = format!(
        "/apis/apps/v1/namespaces/{namespace}/{resource}{}",
        query(&[("labelSelector", &selector)])
    );
    let mut list = cluster.get(&path).await?;
    let Value::Array(items) = list["items"].take() else {
        return Ok(Vec::new());
    };
    let uid = &workload["metadata"]["uid"];
    let owned = |object: &Value| {
        object["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|owner| owner["controller"] == true && &owner["uid"] == uid)
    };
    let read = if is_deployment {
        Revision::of_replica_set
    } else {
        Revision::of_controller_revision
    };
    let mut revisions: Vec<Revision> = items.into_iter().filter(owned).filter_map(read).collect();
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
            template: json!({}),
            cause: None,
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
    fn what_the_controllers_add_is_no_part_of_a_revision() {
        let template = json!({"metadata": {"labels": {"app": "web"}}});
        let set = Revision::of_replica_set(json!({
            "metadata": {"annotations": {REVISION: "7"}},
            "spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}}},
        }));
        let set = set.unwrap();
        assert_eq!((set.number, &set.template), (7, &template));
        assert_eq!(set.change_cause(), "<none>");
        let revision = Revision::of_controller_revision(json!({
            "metadata": {"annotations": {CHANGE_CAUSE: "why"}},
            "data": {"spec": {"template": {"$patch": "replace", "metadata": {"labels": {"app": "web"}}}}},
            "revision": 3,
        }));
        let revision = revision.unwrap();
        assert_eq!((revision.number, &revision.template), (3, &template));
        assert_eq!(revision.change_cause(), "why");
        let other = json!({"data": {"anything": 1}, "revision": 3});
        assert!(Revision::of_controller_revision(other).is_none());
    }

    #[test]
    fn selectors_are_rendered_for_a_query() {
        let object = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "DoesNotExist"},
        ]});
        assert_eq!(selector(&object).unwrap(), "a=b,c in (d,e),!f");
    }
}
