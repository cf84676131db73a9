//! Reads the checked-in table of resources.

use super::{Group, Kinds, Resource, Storage, Subresource, Verb, Verbs, key};
use crate::schema::{GroupVersionKind, Schema, TypeId};

/// What is wrong with a table of resources, and on which line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct KindsError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Kinds {
    /// Reads a table; its head says what the lines mean.
    ///
    /// # Errors
    /// The first line that is malformed, or names a kind which `schema` lacks.
    pub fn parse(table: &str, schema: &Schema) -> Result<Kinds, KindsError> {
        let mut kinds = Kinds {
            groups: Vec::new(),
            resources: Vec::new(),
            by_resource: Default::default(),
            by_kind: Default::default(),
        };
        for (index, line) in table.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            kinds.line(line, schema).map_err(|what| KindsError {
                line: index + 1,
                what,
            })?;
        }
        for (index, r) in kinds.resources.iter().enumerate() {
            kinds
                .by_resource
                .insert(key(&r.group, &r.version, &r.name), index);
            kinds
                .by_kind
                .insert(key(&r.group, &r.version, &r.kind), index);
        }
        Ok(kinds)
    }

    fn line(&mut self, line: &str, schema: &Schema) -> Result<(), String> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["group", name, versions] => {
                self.groups.push(Group {
                    name: name.trim_matches('"').to_owned(),
                    versions: list(versions),
                });
            }
            ["resource", path, kind, singular, scope, rest @ ..] => {
                self.resources
                    .push(resource(path, kind, singular, scope, rest, schema)?);
            }
            ["sub", name, kind, verbs] => {
                let owner = self
                    .resources
                    .last_mut()
                    .ok_or("a subresource before any resource")?;
                let kind = gvk(kind)?;
                let type_id = type_of(schema, &kind)?;
                let verbs = verbs
                    .strip_prefix("verbs=")
                    .ok_or("a subresource without verbs")?;
                owner.subresources.push(Subresource {
                    name: (*name).to_owned(),
                    kind,
                    verbs: parse_verbs(verbs)?,
                    type_id,
                });
            }
            _ => return Err(format!("neither group, resource nor sub: {line}")),
        }
        Ok(())
    }
}

fn resource(
    path: &str,
    kind: &str,
    singular: &str,
    scope: &str,
    rest: &[&str],
    schema: &Schema,
) -> Result<Resource, String> {
    let GroupVersionKind {
        group,
        version,
        kind: name,
    } = gvk(path)?;
    let kind = GroupVersionKind {
        group,
        version,
        kind: kind.to_owned(),
    };
    let namespaced = match scope {
        "namespaced" => true,
        "cluster" => false,
        _ => return Err(format!("neither namespaced nor cluster: {scope}")),
    };
    let (mut short_names, mut categories, mut verbs) = (Vec::new(), Vec::new(), Verbs::default());
    let (mut stored, mut prefix) = (None, None);
    for word in rest {
        match word
            .split_once('=')
            .ok_or_else(|| format!("no `=` in {word}"))?
        {
            ("short", value) => short_names = list(value),
            ("categories", value) => categories = list(value),
            ("verbs", value) => verbs = parse_verbs(value)?,
            ("storage", value) => {
                stored = Some(value.split_once('/').ok_or("storage without a group")?)
            }
            ("prefix", value) => prefix = Some(value),
            (other, _) => return Err(format!("unknown property {other}")),
        }
    }
    let storage = match (stored, prefix) {
        (Some((group, version)), Some(prefix)) => {
            let kind = GroupVersionKind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.kind.clone(),
            };
            let type_id = type_of(schema, &kind)?;
            Some(Storage {
                group: kind.group,
                version: kind.version,
                prefix: prefix.to_owned(),
                type_id,
            })
        }
        (None, None) => None,
        _ => return Err("storage and prefix belong together".to_owned()),
    };
    let type_id = type_of(schema, &kind)?;
    let list_type_id = if verbs.contains(Verb::List) {
        Some(type_of(
            schema,
            &GroupVersionKind {
                kind: format!("{}List", kind.kind),
                ..kind.clone()
            },
        )?)
    } else {
        None
    };
    Ok(Resource {
        group: kind.group,
        version: kind.version,
        name,
        singular: singular.to_owned(),
        kind: kind.kind,
        namespaced,
        short_names,
        categories,
        verbs,
        storage,
        subresources: Vec::new(),
        columns: Vec::new(),
        type_id,
        list_type_id,
    })
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn parse_verbs(text: &str) -> Result<Verbs, String> {
    text.split(',')
        .map(|word| Verb::parse(word).ok_or_else(|| format!("unknown verb {word}")))
        .collect()
}

fn gvk(text: &str) -> Result<GroupVersionKind, String> {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(group), Some(version), Some(kind)) => Ok(GroupVersionKind {
            group,
            version,
            kind,
        }),
        _ => Err(format!("not <group>/<version>/<name>: {text}")),
    }
}

fn type_of(schema: &Schema, kind: &GroupVersionKind) -> Result<TypeId, String> {
    schema
        .type_of_kind(&kind.group, &kind.version, &kind.kind)
        .ok_or_else(|| {
            format!(
                "the schema lacks {}/{}/{}",
                kind.group, kind.version, kind.kind
            )
        })
}
