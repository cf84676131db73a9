//! What the files of `configMap`, `secret`, `downwardAPI` and `projected` volumes hold.

use std::collections::BTreeMap;
use std::time::Duration;

use api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccountTokenProjection, Volume,
};
use api::view::List;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::atomic::{File, Payload};
use super::pod_certificates::{Certificates, Source};
use crate::objects::{Objects, Token};
use crate::pod_facts::{self, Facts};

const DEFAULT_MODE: u32 = 0o644;

/// A pod's tokens by audience and by how many seconds they were asked for, with when each was issued.
#[derive(Debug, Default)]
struct TokenCache(BTreeMap<(String, i64), (Timestamp, Token)>);

impl TokenCache {
    /// The one at hand, until it has lived four fifths of its time, or a day.
    fn get(&self, audience: &str, seconds: i64, now: Timestamp) -> Option<String> {
        let (issued, token) = self.0.get(&(audience.to_owned(), seconds))?;
        let life = token.expires.duration_since(*issued);
        let refresh = (life * 4 / 5).min(SignedDuration::from_hours(24));
        (now.duration_since(*issued) < refresh).then(|| token.token.clone())
    }

    fn insert(&mut self, audience: &str, seconds: i64, now: Timestamp, token: Token) {
        self.0.insert((audience.to_owned(), seconds), (now, token));
    }
}

/// What was given to a pod, and is good for a while.
#[derive(Debug, Default)]
pub struct Kept {
    tokens: Mutex<TokenCache>,
    certificates: Certificates,
}

/// All files of the volume. The error is for people.
pub async fn of(
    objects: &Objects,
    pod: Pod<'_>,
    volume: Volume<'_>,
    facts: &Facts,
    kept: &Kept,
    max_age: Duration,
) -> Result<Payload, String> {
    let namespace = pod.metadata().namespace();
    let mut payload = Payload::new();
    if let Some(source) = volume.config_map() {
        let data = config_map(
            objects,
            namespace,
            source.name(),
            source.optional(),
            max_age,
        )
        .await?;
        let what = format!("configmap {:?}", source.name());
        add(
            &mut payload,
            data,
            source.items(),
            mode(source.default_mode()),
            source.optional(),
            &what,
        )?;
    } else if let Some(source) = volume.secret() {
        let data = secret(
            objects,
            namespace,
            source.secret_name(),
            source.optional(),
            max_age,
        )
        .await?;
        let what = format!("secret {:?}", source.secret_name());
        add(
            &mut payload,
            data,
            source.items(),
            mode(source.default_mode()),
            source.optional(),
            &what,
        )?;
    } else if let Some(source) = volume.downward_api() {
        downward(
            &mut payload,
            pod,
            source.items(),
            mode(source.default_mode()),
            facts,
        )?;
    } else if let Some(projected) = volume.projected() {
        let default = mode(projected.default_mode());
        for (index, source) in projected.sources().iter().enumerate() {
            if let Some(source) = source.config_map() {
                let data = config_map(
                    objects,
                    namespace,
                    source.name(),
                    source.optional(),
                    max_age,
                )
                .await?;
                add(
                    &mut payload,
                    data,
                    source.items(),
                    default,
                    source.optional(),
                    &format!("configmap {:?}", source.name()),
                )?;
            } else if let Some(source) = source.secret() {
                let data = secret(
                    objects,
                    namespace,
                    source.name(),
                    source.optional(),
                    max_age,
                )
                .await?;
                add(
                    &mut payload,
                    data,
                    source.items(),
                    default,
                    source.optional(),
                    &format!("secret {:?}", source.name()),
                )?;
            } else if let Some(source) = source.downward_api() {
                downward(&mut payload, pod, source.items(), default, facts)?;
            } else if let Some(source) = source.service_account_token() {
                let token = token(objects, pod, source, facts.now, &kept.tokens).await?;
                own(&mut payload, pod, source.path(), default, token);
            } else if let Some(source) = source.cluster_trust_bundle() {
                let anchors = objects.trust_bundles.anchors(source).await?;
                own(&mut payload, pod, source.path(), default, anchors);
            } else if let Some(projection) = source.pod_certificate() {
                let source = Source {
                    pod,
                    volume: volume.name(),
                    index,
                    projection,
                };
                let bundle = objects.pod_certificates.bundle(&kept.certificates, source);
                let bundle = bundle.await?;
                let both = format!("{}{}", bundle.key, bundle.chain);
                for (path, text) in [
                    (projection.credential_bundle_path(), both),
                    (projection.key_path(), bundle.key),
                    (projection.certificate_chain_path(), bundle.chain),
                ] {
                    if !path.is_empty() {
                        own(&mut payload, pod, path, default, text);
                    }
                }
            }
        }
    }
    Ok(payload)
}

fn mode(mode: Option<i32>) -> u32 {
    mode.and_then(|mode| u32::try_from(mode).ok())
        .unwrap_or(DEFAULT_MODE)
}

type Data = Option<BTreeMap<String, Vec<u8>>>;

async fn config_map(
    objects: &Objects,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
    max_age: Duration,
) -> Result<Data, String> {
    let Some(tree) = objects
        .config_map(namespace, name, max_age)
        .await
        .map_err(|error| error.to_string())?
    else {
        return if optional == Some(true) {
            Ok(None)
        } else {
            Err(format!("configmap {name:?} not found"))
        };
    };
    let map = ConfigMap::of(&tree);
    let text = map
        .data()
        .iter()
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    let binary = map
        .binary_data()
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_vec()));
    Ok(Some(text.chain(binary).collect()))
}

async fn secret(
    objects: &Objects,
    namespace: &str,
    name: &str,
    optional: Option<bool>,
    max_age: Duration,
) -> Result<Data, String> {
    let Some(tree) = objects
        .secret(namespace, name, max_age)
        .await
        .map_err(|error| error.to_string())?
    else {
        return if optional == Some(true) {
            Ok(None)
        } else {
            Err(format!("secret {name:?} not found"))
        };
    };
    Ok(Some(
        Secret::of(&tree)
            .data()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_vec()))
            .collect(),
    ))
}

fn add(
    payload: &mut Payload,
    data: Data,
    items: List<'_, KeyToPath<'_>>,
    default: u32,
    optional: Option<bool>,
    what: &str,
) -> Result<(), String> {
    let Some(data) = data else { return Ok(()) };
    if items.is_empty() {
        payload.extend(data.into_iter().map(|(key, bytes)| {
            (
                key,
                File {
                    bytes,
                    mode: default,
                    uid: None,
                },
            )
        }));
        return Ok(());
    }
    for item in items {
        match data.get(item.key()) {
            Some(bytes) => {
                let file = File {
                    bytes: bytes.clone(),
                    mode: item.mode().map_or(default, |m| mode(Some(m))),
                    uid: None,
                };
                payload.insert(item.path().to_owned(), file);
            }
            None if optional == Some(true) => {}
            None => {
                return Err(format!(
                    "{what} references non-existent config key: {}",
                    item.key()
                ));
            }
        }
    }
    Ok(())
}

fn downward(
    payload: &mut Payload,
    pod: Pod<'_>,
    items: List<'_, DownwardAPIVolumeFile<'_>>,
    default: u32,
    facts: &Facts,
) -> Result<(), String> {
    for item in items {
        let text = if let Some(reference) = item.field_ref() {
            pod_facts::field(pod, reference.field_path(), facts)?
        } else if let Some(selector) = item.resource_field_ref() {
            let name = selector.container_name();
            let mut all = pod
                .spec()
                .containers()
                .iter()
                .chain(pod.spec().init_containers());
            let container = all
                .find(|container| container.name() == name)
                .ok_or_else(|| format!("container {name} not found"))?;
            pod_facts::resource(container, selector, facts)?
        } else {
            return Err(format!("{}: names no source", item.path()));
        };
        let mode = item.mode().map_or(default, |m| mode(Some(m)));
        payload.insert(
            item.path().to_owned(),
            File {
                bytes: text.into_bytes(),
                mode,
                uid: None,
            },
        );
    }
    Ok(())
}

/// The pod's token: the one at hand while it is good, else a new one.
async fn token(
    objects: &Objects,
    pod: Pod<'_>,
    source: ServiceAccountTokenProjection<'_>,
    now: Timestamp,
    tokens: &Mutex<TokenCache>,
) -> Result<String, String> {
    let (audience, seconds) = (
        source.audience(),
        source.expiration_seconds().unwrap_or(3600),
    );
    let known = tokens.lock().get(audience, seconds, now);
    if let Some(token) = known {
        return Ok(token);
    }
    let (metadata, account) = (pod.metadata(), pod.spec().service_account_name());
    let account = if account.is_empty() {
        "default"
    } else {
        account
    };
    let asked = objects.token(
        metadata.namespace(),
        account,
        audience,
        seconds,
        (metadata.name(), metadata.uid()),
    );
    let token = asked
        .await
        .map_err(|error| format!("failed to fetch token: {error}"))?;
    let text = token.token.clone();
    tokens.lock().insert(audience, seconds, now, token);
    Ok(text)
}

/// A file that belongs to the user that all containers run as, or to the pod's group; readable by all if neither is known.
fn own(payload: &mut Payload, pod: Pod<'_>, path: &str, default: u32, text: String) {
    let (uid, mode) = access(pod, default);
    let file = File {
        bytes: text.into_bytes(),
        mode,
        uid,
    };
    payload.insert(path.to_owned(), file);
}

fn access(pod: Pod<'_>, default: u32) -> (Option<u32>, u32) {
    let of_pod = pod.spec().security_context();
    let pod_user = of_pod.and_then(|security| security.run_as_user());
    let mut users = pod
        .spec()
        .containers()
        .iter()
        .chain(pod.spec().init_containers())
        .map(|container| {
            container
                .security_context()
                .and_then(|security| security.run_as_user())
                .or(pod_user)
        });
    let first = users.next().flatten();
    let shared = first.filter(|first| users.all(|user| user == Some(*first)));
    let uid = shared.and_then(|uid| u32::try_from(uid).ok());
    let grouped = of_pod.is_some_and(|security| security.fs_group().is_some());
    (
        uid,
        if uid.is_some() || grouped {
            0o600
        } else {
            default
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_audience_and_its_time_until_most_of_that_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = |text: &str, life| Token {
            token: text.into(),
            expires: at(life),
        };
        let mut cache = TokenCache::default();
        cache.insert("a", 600, at(0), token("short", 600));
        cache.insert("a", 864_000, at(0), token("long", 864_000));
        let get = |audience: &str, seconds, now| cache.get(audience, seconds, at(now));
        assert_eq!(get("a", 600, 479).as_deref(), Some("short"));
        assert_eq!(get("a", 600, 480), None);
        assert_eq!(get("a", 864_000, 86_399).as_deref(), Some("long"));
        assert_eq!(get("a", 864_000, 86_400), None);
        assert_eq!(get("a", 3600, 1), None);
        assert_eq!(get("", 600, 1), None);
    }
}
