//! Which credentials of a pull secret are for which registry.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A login for a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// Those of a pull secret's value (`.dockerconfigjson`, or the older `.dockercfg`) that are for the image: the most specific
/// first. Malformed entries are passed over, as upstream does.
pub fn credentials(secret: &[u8], image: &str) -> Vec<Credentials> {
    let Ok(reference) = super::parse(image) else {
        return Vec::new();
    };
    let entries = match serde_json::from_slice::<DockerConfig>(secret) {
        Ok(config) if !config.auths.is_empty() => config.auths,
        _ => serde_json::from_slice::<BTreeMap<String, Entry>>(secret).unwrap_or_default(),
    };
    let targets = [reference.registry(), reference.resolve_registry()];
    let mut found: Vec<(usize, Credentials)> = entries
        .iter()
        .filter(|(key, _)| {
            targets
                .iter()
                .any(|host| matches(key, host, reference.repository()))
        })
        .filter_map(|(key, entry)| Some((key.len(), login(entry)?)))
        .collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found
        .into_iter()
        .map(|(_, credentials)| credentials)
        .collect()
}

fn login(entry: &Entry) -> Option<Credentials> {
    if !entry.username.is_empty() {
        return Some(Credentials {
            username: entry.username.clone(),
            password: entry.password.clone(),
        });
    }
    let decoded = String::from_utf8(STANDARD.decode(entry.auth.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Credentials {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    })
}

/// A key is `[scheme://]host[:port][/path]`, with `*` for parts of the host's labels; its path is a prefix of the repository.
fn matches(key: &str, host: &str, repository: &str) -> bool {
    let key = key
        .split_once("://")
        .map_or(key, |(_, rest)| rest)
        .trim_end_matches('/');
    let (key_host, key_path) = key.split_once('/').unwrap_or((key, ""));
    // The old address of the default registry's API stands for the whole registry.
    let key_path = if ["v1", "v2"].contains(&key_path) {
        ""
    } else {
        key_path
    };
    let (key_labels, labels): (Vec<_>, Vec<_>) =
        (key_host.split('.').collect(), host.split('.').collect());
    key_labels.len() == labels.len()
        && key_labels
            .iter()
            .zip(&labels)
            .all(|(pattern, label)| glob(pattern, label))
        && (key_path.is_empty()
            || repository == key_path
            || repository.starts_with(&format!("{key_path}/")))
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| glob(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_login_comes_first() {
        let secret = br#"{"auths": {
            "registry.test": {"auth": "YTox"},
            "https://registry.test/team/": {"username": "b", "password": "2"},
            "*.test": {"auth": "Yzoz"},
            "other.test": {"auth": "ZDo0"}
        }}"#;
        let users = |image| {
            credentials(secret, image)
                .into_iter()
                .map(|c| c.username + &c.password)
                .collect::<Vec<_>>()
        };
        assert_eq!(users("registry.test/team/app:1"), ["b2", "a1", "c3"]);
        assert_eq!(users("registry.test/app"), ["a1", "c3"]);
        assert!(users("registry.test:5000/app").is_empty());
    }

    #[test]
    fn the_older_format_is_read_too() {
        let users = credentials(
            br#"{"127.0.0.1:5000": {"auth": "YTpiOmM="}}"#,
            "127.0.0.1:5000/x",
        );
        assert_eq!(
            users,
            [Credentials {
                username: "a".into(),
                password: "b:c".into()
            }]
        );
    }
}
