//! The words after a verb: `pods`, `pod web`, `deploy/web rs/web-1`, `pods,services`, and the options that choose objects.

use clap::Args;
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::error::{Error, Result};
use crate::resources::{Resource, Resources};

/// Options that choose among objects.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// Label selector, such as app=web,tier!=db.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Field selector, such as spec.nodeName=n1.
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl Selection {
    /// As a query string, with further pairs.
    pub fn query(&self, more: &[(&str, &str)]) -> String {
        let mut pairs = more.to_vec();
        if let Some(selector) = &self.selector {
            pairs.push(("labelSelector", selector));
        }
        if let Some(selector) = &self.field_selector {
            pairs.push(("fieldSelector", selector));
        }
        query(&pairs)
    }

    /// True if it narrows at all.
    pub fn is_empty(&self) -> bool {
        self.selector.is_none() && self.field_selector.is_none()
    }
}

/// One resource, with the names of its objects; none means all that the selection leaves.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource.
    pub resource: Resource,
    /// Names, in the order given.
    pub names: Vec<String>,
}

/// Reads the words after a verb.
pub fn parse(resources: &Resources, words: &[String]) -> Result<Vec<Target>> {
    let Some(first) = words.first() else {
        return Err(Error::Usage(
            "name a resource, such as pods or deployment/web: see ctl api-resources".into(),
        ));
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| slashed(resources, word)).collect();
    }
    let names = words[1..].to_vec();
    let mut targets = Vec::new();
    for word in first.split(',').filter(|word| !word.is_empty()) {
        let of_category = resources.category(word);
        if of_category.is_empty() {
            targets.push(Target {
                resource: resources.find(word)?.clone(),
                names: names.clone(),
            });
        } else {
            targets.extend(of_category.into_iter().map(|resource| Target {
                resource: resource.clone(),
                names: names.clone(),
            }));
        }
    }
    Ok(targets)
}

fn slashed(resources: &Resources, word: &str) -> Result<Target> {
    match word.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Target {
                resource: resources.find(kind)?.clone(),
                names: vec![name.to_owned()],
            })
        }
        _ => Err(Error::Usage(format!(
            "{word:?} is not of the form KIND/NAME; with one such word all must be"
        ))),
    }
}

/// Exactly one object, as `rollout`, `logs` or `scale` need it.
pub fn parse_one(resources: &Resources, words: &[String]) -> Result<(Resource, String)> {
    match parse(resources, words)?.as_slice() {
        [Target { resource, names }] if names.len() == 1 => {
            Ok((resource.clone(), names[0].clone()))
        }
        _ => Err(Error::Usage(
            "name exactly one object, such as deployment/web".into(),
        )),
    }
}

/// Reads the objects of a target: each by its name, or the list that the selection leaves.
pub async fn fetch(
    cluster: &Cluster,
    target: &Target,
    selection: &Selection,
) -> Result<Vec<Value>> {
    if target.names.is_empty() {
        let namespace = (!selection.all_namespaces).then_some(cluster.namespace.as_str());
        let mut list = cluster
            .get(&format!(
                "{}{}",
                target.resource.path(namespace),
                selection.query(&[])
            ))
            .await?;
        let Value::Array(mut items) = list["items"].take() else {
            return Ok(Vec::new());
        };
        for item in &mut items {
            // Elements of a list come without the two fields that say what they are.
            item["apiVersion"] = target.resource.api_version().into();
            item["kind"] = target.resource.kind.clone().into();
        }
        return Ok(items);
    }
    if selection.all_namespaces {
        return Err(Error::Usage(
            "an object is named in one namespace: leave out either the name or --all-namespaces"
                .into(),
        ));
    }
    let mut objects = Vec::new();
    for name in &target.names {
        objects.push(
            cluster
                .get(&target.resource.object_path(&cluster.namespace, name))
                .await?,
        );
    }
    Ok(objects)
}

/// An object's name.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// An object's namespace; empty where it has none.
pub fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::sample;

    fn read(words: &[&str]) -> Result<Vec<(String, Vec<String>)>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(parse(&sample(), &words)?
            .into_iter()
            .map(|target| (target.resource.plural, target.names))
            .collect())
    }

    #[test]
    fn words_are_read_as_kubectl_reads_them() {
        let names = |all: &[&str]| {
            all.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(read(&["po"]).unwrap(), [("pods".to_owned(), names(&[]))]);
        assert_eq!(
            read(&["po", "a", "b"]).unwrap(),
            [("pods".to_owned(), names(&["a", "b"]))]
        );
        assert_eq!(read(&["po,no"]).unwrap().len(), 2);
        assert_eq!(read(&["all"]).unwrap().len(), 2);
        assert_eq!(
            read(&["po/a", "deploy/b"]).unwrap()[1],
            ("deployments".to_owned(), names(&["b"]))
        );
        for wrong in [&[][..], &["po/a", "b"], &["po/"], &["nothing"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
