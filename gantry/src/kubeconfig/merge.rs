//! Adds a context to a kubeconfig document and takes it out again. Pure: text in, text out.

use serde_yaml::{Mapping, Value};

/// Why a kubeconfig could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The document is not YAML.
    #[error("the kubeconfig is not YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The document is YAML, but not of the shape that kubectl reads.
    #[error("the kubeconfig is not of the form that kubectl reads: {0}")]
    Shape(&'static str),
}

/// The lists of a kubeconfig whose elements are found by name.
const LISTS: [&str; 3] = ["clusters", "users", "contexts"];

/// Puts the first cluster and user of `admin` into `existing` under the name `context`, and makes it the current one.
/// Everything else of `existing` stays; an earlier context of that name is replaced.
pub fn merge(existing: Option<&str>, admin: &str, context: &str) -> Result<String, MergeError> {
    let mut target = parse(existing.unwrap_or_default())?;
    let source = parse(admin)?;
    for (list, payload) in [("clusters", "cluster"), ("users", "user")] {
        let body = first(&source, list, payload)?;
        put_named(&mut target, list, context, payload, body)?;
    }
    let mut pair = Mapping::new();
    pair.insert("cluster".into(), context.into());
    pair.insert("user".into(), context.into());
    put_named(
        &mut target,
        "contexts",
        context,
        "context",
        Value::Mapping(pair),
    )?;
    target.insert("current-context".into(), context.into());
    Ok(serde_yaml::to_string(&target)?)
}

/// Takes the context out, with the cluster and the user of its name. The current context, if it was this one, becomes
/// `previous`, or none. Gives `None` when nothing is left that is worth a file.
pub fn remove(
    existing: &str,
    context: &str,
    previous: Option<&str>,
) -> Result<Option<String>, MergeError> {
    let mut target = parse(existing)?;
    let mut left = false;
    for list in LISTS {
        if let Some(Value::Sequence(items)) = target.get_mut(list) {
            items.retain(|item| name_of(item) != Some(context));
            left |= !items.is_empty();
        }
    }
    if current_context(&target) == Some(context) {
        target.insert(
            "current-context".into(),
            previous.unwrap_or_default().into(),
        );
    }
    Ok(if left {
        Some(serde_yaml::to_string(&target)?)
    } else {
        None
    })
}

/// The current context of a document, if it names one.
pub fn current(existing: &str) -> Result<Option<String>, MergeError> {
    Ok(current_context(&parse(existing)?)
        .filter(|name| !name.is_empty())
        .map(str::to_owned))
}

fn current_context(document: &Mapping) -> Option<&str> {
    document.get("current-context").and_then(Value::as_str)
}

fn parse(text: &str) -> Result<Mapping, MergeError> {
    match serde_yaml::from_str(text)? {
        Value::Mapping(mapping) => Ok(mapping),
        Value::Null => {
            let mut empty = Mapping::new();
            empty.insert("apiVersion".into(), "v1".into());
            empty.insert("kind".into(), "Config".into());
            Ok(empty)
        }
        _ => Err(MergeError::Shape("the document is not a mapping")),
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

fn first(document: &Mapping, list: &str, payload: &str) -> Result<Value, MergeError> {
    document
        .get(list)
        .and_then(Value::as_sequence)
        .and_then(|items| items.first())
        .and_then(|item| item.get(payload))
        .cloned()
        .ok_or(MergeError::Shape(
            "the admin kubeconfig has no cluster or no user",
        ))
}

fn put_named(
    target: &mut Mapping,
    list: &str,
    name: &str,
    payload: &str,
    body: Value,
) -> Result<(), MergeError> {
    let slot = target.entry(list.into()).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Sequence(Vec::new());
    }
    let items = slot.as_sequence_mut().ok_or(MergeError::Shape(
        "clusters, users and contexts must be lists",
    ))?;
    items.retain(|item| name_of(item) != Some(name));
    let mut item = Mapping::new();
    item.insert("name".into(), name.into());
    item.insert(payload.into(), body);
    items.push(Value::Mapping(item));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster: {server: 'https://127.0.0.1:6443'}\nusers:\n- name: u\n  user: {client-certificate-data: AA==}\n";
    const OTHER: &str = "apiVersion: v1\nkind: Config\npreferences: {colors: true}\nclusters:\n- name: work\n  cluster: {server: 'https://w'}\nusers:\n- name: me\n  user: {token: t}\ncontexts:\n- name: work\n  context: {cluster: work, user: me, namespace: n}\ncurrent-context: work\n";

    #[test]
    fn merging_into_nothing_makes_a_whole_kubeconfig() {
        let merged = parse(&merge(None, ADMIN, "gantry").unwrap()).unwrap();
        assert_eq!(merged.get("kind").unwrap(), "Config");
        assert_eq!(current_context(&merged), Some("gantry"));
        assert_eq!(
            merged["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:6443"
        );
        assert_eq!(merged["contexts"][0]["context"]["user"], "gantry");
    }

    #[test]
    fn other_contexts_are_preserved_and_come_back_as_current() {
        let merged = merge(Some(OTHER), ADMIN, "gantry").unwrap();
        assert_eq!(current(&merged).unwrap().as_deref(), Some("gantry"));
        let back = remove(&merged, "gantry", Some("work")).unwrap().unwrap();
        assert_eq!(parse(&back).unwrap(), parse(OTHER).unwrap());
    }

    #[test]
    fn merging_twice_is_merging_once() {
        let once = merge(Some(OTHER), ADMIN, "gantry").unwrap();
        assert_eq!(merge(Some(&once), ADMIN, "gantry").unwrap(), once);
    }

    #[test]
    fn removing_the_only_context_leaves_no_file() {
        let merged = merge(None, ADMIN, "gantry").unwrap();
        assert_eq!(remove(&merged, "gantry", None).unwrap(), None);
    }

    #[test]
    fn what_is_not_a_kubeconfig_is_refused() {
        assert!(matches!(
            merge(Some("- a\n- b\n"), ADMIN, "gantry"),
            Err(MergeError::Shape(_))
        ));
        assert!(matches!(
            merge(Some("clusters: 7\n"), ADMIN, "gantry"),
            Err(MergeError::Shape(_))
        ));
        assert!(matches!(
            merge(Some("a: [\n"), ADMIN, "gantry"),
            Err(MergeError::Yaml(_))
        ));
    }
}
