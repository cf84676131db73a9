//! What servers make up by themselves, in the same words for both.
//!
//! A uid becomes `<uid 1>` if it is the first that this server showed in the sequence, and so on; so do generated names, allocated
//! addresses and ports, and continue tokens. A resource version becomes its rank among all that the sequence saw, so that
//! equal ones stay equal and later ones later. Times stay as they are: they are compared by their distance.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::server::Answer;

/// Addresses of Services: of the range that both servers are started with.
const SERVICE_ADDRESSES: &str = "10.96.";

/// Writes the answers of one server to a sequence in words that do not depend on the server.
pub fn normalize(answers: &[Answer]) -> Vec<Answer> {
    let mut names = Names::default();
    let mut versions = BTreeSet::new();
    for answer in answers {
        collect(&answer.body, "", &mut names, &mut versions);
    }
    let ranks: BTreeMap<u64, usize> = versions
        .into_iter()
        .enumerate()
        .map(|(rank, version)| (version, rank + 1))
        .collect();
    answers
        .iter()
        .map(|answer| {
            let mut answer = answer.clone();
            answer.body = rewrite(answer.body, "", &names, &ranks);
            for value in answer.headers.values_mut() {
                *value = names.rewrite(value);
            }
            answer
        })
        .collect()
}

/// What stands for what a server made up.
#[derive(Default)]
struct Names {
    replaced: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    fn add(&mut self, class: &'static str, text: &str) {
        if !text.is_empty() && !self.replaced.contains_key(text) {
            let count = self.counts.entry(class).or_default();
            *count += 1;
            self.replaced
                .insert(text.to_owned(), format!("<{class} {count}>"));
        }
    }

    /// A text with everything replaced that occurs in it; longer ones first, for one may be part of another.
    fn rewrite(&self, text: &str) -> String {
        if let Some(whole) = self.replaced.get(text) {
            return whole.clone();
        }
        let mut found: Vec<(&String, &String)> = self
            .replaced
            .iter()
            .filter(|(old, _)| old.len() > 4 && text.contains(*old))
            .collect();
        found.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        found.into_iter().fold(text.to_owned(), |text, (old, new)| {
            text.replace(old.as_str(), new)
        })
    }
}

/// The uids in a text.
fn uids(text: &str) -> impl Iterator<Item = &str> {
    let is_uid = |part: &&[u8]| {
        part.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    // Uids are ASCII, so that what the windows cut is text.
    let windows = text.as_bytes().windows(36).filter(is_uid);
    windows.filter_map(|part| std::str::from_utf8(part).ok())
}

/// The volume that admission adds for a service account's token.
const TOKEN_VOLUME: &str = "kube-api-access-";

fn collect(value: &Value, field: &str, names: &mut Names, versions: &mut BTreeSet<u64>) {
    match value {
        Value::Object(map) => {
            if let (Some(prefix), Some(name)) = (
                map.get("generateName").and_then(Value::as_str),
                map.get("name").and_then(Value::as_str),
            ) && name.starts_with(prefix)
            {
                names.add("generated", name);
            }
            // In the order of the names, which is the same for both servers.
            let sorted: BTreeMap<_, _> = map.iter().collect();
            for (field, value) in sorted {
                // The version of a list or a bookmark is that of the moment, which other sequences move on.
                let of_the_moment =
                    is_list(map) && field == "metadata" || is_bookmark(map) && field == "object";
                if !of_the_moment {
                    collect(value, field, names, versions);
                }
            }
            collect(
                &map.get("metadata")
                    .map_or(Value::Null, |metadata| metadata["continue"].clone()),
                "continue",
                names,
                versions,
            );
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, field, names, versions)),
        Value::String(text) => match field {
            "name" if text.starts_with(TOKEN_VOLUME) => names.add("volume", text),
            "token" => {
                if let Some(claims) = claims(text) {
                    collect(&claims, "claims", names, versions);
                }
            }
            "resourceVersion" => versions.extend(text.parse::<u64>().ok()),
            "continue" => names.add("continue", text),
            "clusterIP" | "clusterIPs" if text.starts_with(SERVICE_ADDRESSES) => {
                names.add("address", text)
            }
            _ => uids(text).for_each(|uid| names.add("uid", uid)),
        },
        Value::Number(number) if matches!(field, "nodePort" | "healthCheckNodePort") => {
            names.add("port", &number.to_string())
        }
        _ => {}
    }
}

fn rewrite(value: Value, field: &str, names: &Names, ranks: &BTreeMap<u64, usize>) -> Value {
    match value {
        Value::Object(map) => {
            let (list, bookmark) = (is_list(&map), is_bookmark(&map));
            map.into_iter()
                .map(|(name, mut value)| {
                    if list && name == "metadata" {
                        since(&mut value["resourceVersion"], ranks);
                    } else if bookmark && name == "object" {
                        since(&mut value["metadata"]["resourceVersion"], ranks);
                    }
                    let value = rewrite(value, &name, names, ranks);
                    (names.rewrite(&name), value)
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items
                .into_iter()
                .map(|item| rewrite(item, field, names, ranks))
                .collect();
            // The rules of a SelfSubjectRulesReview come in the order of a Go map, another each time.
            if matches!(field, "resourceRules" | "nonResourceRules") {
                items.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::String(text) => match field {
            "resourceVersion" => match text
                .parse::<u64>()
                .ok()
                .and_then(|version| ranks.get(&version))
            {
                Some(rank) => format!("<version {rank}>").into(),
                None => text.into(),
            },
            "token" => claims(&text).map_or_else(
                || text.clone().into(),
                |claims| rewrite(claims, "claims", names, ranks),
            ),
            _ => in_texts(names.rewrite(&text), ranks).into(),
        },
        Value::Number(number) if matches!(field, "nodePort" | "healthCheckNodePort") => {
            names.rewrite(&number.to_string()).into()
        }
        other => other,
    }
}

fn is_list(map: &serde_json::Map<String, Value>) -> bool {
    map.contains_key("items") || map.contains_key("rows")
}

fn is_bookmark(event: &serde_json::Map<String, Value>) -> bool {
    event.get("type").is_some_and(|kind| kind == "BOOKMARK")
}

/// The version of a list or a bookmark, by the last version of an object that it cannot have missed.
fn since(version: &mut Value, ranks: &BTreeMap<u64, usize>) {
    if let Some(number) = version.as_str().and_then(|text| text.parse::<u64>().ok()) {
        let rank = ranks
            .range(..=number)
            .next_back()
            .map_or(0, |(_, rank)| *rank);
        *version = format!("<since version {rank}>").into();
    }
}

/// Resource versions in a message: of an object that it quotes, and of preconditions.
fn in_texts(text: String, ranks: &BTreeMap<u64, usize>) -> String {
    const BEFORE: [&str; 4] = [
        "\"resourceVersion\":\"",
        "\\\"resourceVersion\\\":\\\"",
        "in the precondition (",
        "in record (",
    ];
    // The revision of the moment, as that of a list.
    const NOW: &str = "Too large resource version: ";
    if let Some((_, rest)) = text.split_once(NOW)
        && let Some((head, now)) = rest.split_once(", current: ")
        && let Ok(now) = now.parse::<u64>()
    {
        let rank = ranks.range(..=now).next_back().map_or(0, |(_, rank)| *rank);
        return format!("{NOW}{head}, current: <since version {rank}>");
    }
    BEFORE.iter().fold(text, |text, before| {
        let Some((head, rest)) = text.split_once(before) else {
            return text;
        };
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match rest[..digits]
            .parse::<u64>()
            .ok()
            .and_then(|version| ranks.get(&version))
        {
            Some(rank) => format!("{head}{before}<version {rank}>{}", &rest[digits..]),
            None => text,
        }
    })
}

/// The claims of a JSON Web Token, in place of the token: its signature and key differ.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: Value) -> Answer {
        Answer {
            code: 200,
            headers: BTreeMap::new(),
            body,
        }
    }

    #[test]
    fn two_servers_that_did_the_same_say_the_same() {
        let said = |uid: &str, first: &str, second: &str, name: &str| {
            let made = json!({"metadata": {"uid": uid, "resourceVersion": first, "generateName": "pod-", "name": name}});
            let changed = json!({"metadata": {"uid": uid, "resourceVersion": second, "name": name}, "message": format!("{name} of {uid}")});
            normalize(&[answer(made), answer(changed)])
        };
        let ours = said(
            "2b6c6ff0-aaaa-4f52-8f0e-9d4d6f8a0001",
            "7",
            "9",
            "pod-abcde",
        );
        let theirs = said(
            "f3b0a871-bbbb-4c3d-9b1e-0c5e7a9b0002",
            "203",
            "204",
            "pod-zyxwv",
        );
        assert_eq!(ours, theirs);
        assert_eq!(ours[1].body["message"], "<generated 1> of <uid 1>");
        assert_eq!(ours[1].body["metadata"]["resourceVersion"], "<version 2>");
    }

    #[test]
    fn a_bookmark_says_the_moment() {
        let said = |version: &str, bookmark: &str| {
            let event = |kind: &str, version: &str| json!({"type": kind, "object": {"metadata": {"resourceVersion": version}}});
            normalize(&[answer(json!([
                event("ADDED", version),
                event("BOOKMARK", bookmark)
            ]))])
        };
        assert_eq!(said("7", "7"), said("7", "9"));
        assert_ne!(said("7", "6"), said("7", "9"));
    }

    #[test]
    fn a_version_that_does_not_grow_is_seen() {
        let said = |first: &str, second: &str| {
            let of = |version: &str| answer(json!({"metadata": {"resourceVersion": version}}));
            normalize(&[of(first), of(second)])
        };
        assert_ne!(said("7", "7"), said("8", "9"));
        assert_ne!(said("9", "8"), said("8", "9"));
    }
}
