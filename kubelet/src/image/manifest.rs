//! The documents that an image consists of, as far as they are needed here; OCI's and Docker's are alike.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::containerd;

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A reference to a blob.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    pub(super) fn is_index(&self) -> bool {
        [INDEX, DOCKER_INDEX].contains(&self.media_type.as_str())
    }

    pub(super) fn is_manifest(&self) -> bool {
        [MANIFEST, DOCKER_MANIFEST].contains(&self.media_type.as_str())
    }
}

impl From<&Descriptor> for containerd::Descriptor {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            annotations: HashMap::new(),
        }
    }
}

/// Which machines a manifest is for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// This machine's, in Go's terms.
    pub(super) fn here() -> Self {
        Self {
            os: "linux".into(),
            architecture: crate::go::architecture().into(),
            variant: String::new(),
        }
    }

    fn fits(&self, wanted: &Self) -> bool {
        self.os == wanted.os && self.architecture == wanted.architecture
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// The manifest for this machine. One without platform is for every machine.
    pub(super) fn choose(&self, name: &str) -> Result<&Descriptor, Error> {
        let here = Platform::here();
        let exact = self.manifests.iter().find(|m| {
            m.platform
                .as_ref()
                .is_some_and(|platform| platform.fits(&here))
        });
        let any = || {
            self.manifests
                .iter()
                .find(|m| m.platform.is_none() && (m.is_manifest() || m.is_index()))
        };
        let platform = format!("{}/{}", here.os, here.architecture);
        exact.or_else(any).ok_or(Error::Platform {
            name: name.to_owned(),
            platform,
        })
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// The labels by which containerd's collector finds what the manifest refers to.
    pub(super) fn references(&self) -> HashMap<String, String> {
        let layers = self.layers.iter().enumerate();
        let layers = layers.map(|(at, layer)| {
            (
                format!("containerd.io/gc.ref.content.l.{at}"),
                layer.digest.clone(),
            )
        });
        layers
            .chain([(
                "containerd.io/gc.ref.content.config".to_owned(),
                self.config.digest.clone(),
            )])
            .collect()
    }
}

/// What an image says about how it wants to be run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Config {
    /// `user[:group]`, names or numbers.
    #[serde(rename = "User", default)]
    pub user: String,
    /// `NAME=value`.
    #[serde(rename = "Env", default, deserialize_with = "nullable")]
    pub env: Vec<String>,
    /// Program and first arguments.
    #[serde(rename = "Entrypoint", default, deserialize_with = "nullable")]
    pub entrypoint: Vec<String>,
    /// Further arguments.
    #[serde(rename = "Cmd", default, deserialize_with = "nullable")]
    pub cmd: Vec<String>,
    /// The working directory.
    #[serde(rename = "WorkingDir", default)]
    pub working_dir: String,
    /// Which signal ends it; SIGTERM if empty.
    #[serde(rename = "StopSignal", default)]
    pub stop_signal: String,
    /// Directories that want a volume of their own.
    #[serde(rename = "Volumes", default, deserialize_with = "nullable")]
    pub volumes: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct ConfigFile {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, deserialize_with = "nullable")]
    pub config: Config,
    pub rootfs: RootFs,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, deserialize_with = "nullable")]
    pub diff_ids: Vec<String>,
}

/// Go writes `null` for what is empty.
fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The names of the snapshots after each layer, as containerd knows them too.
pub(super) fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    diff_ids
        .iter()
        .fold(Vec::new(), |mut chain: Vec<String>, diff| {
            chain.push(match chain.last() {
                Some(parent) => digest(format!("{parent} {diff}").as_bytes()),
                None => diff.clone(),
            });
            chain
        })
}

pub(super) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;

    let hash = sha2::Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn decode<T: for<'de> Deserialize<'de>>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Malformed(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_named_by_all_layers_below() {
        let chain = chain_ids(&["sha256:a".into(), "sha256:b".into()]);
        assert_eq!(chain, ["sha256:a".to_owned(), digest(b"sha256:a sha256:b")]);
    }

    #[test]
    fn null_is_empty_in_a_config() {
        let text = br#"{"config": {"Env": null, "Cmd": ["a"], "Volumes": null}, "rootfs": {"type": "layers", "diff_ids": null}}"#;
        let file: ConfigFile = decode("config", text).unwrap();
        assert_eq!(
            file.config,
            Config {
                cmd: vec!["a".into()],
                ..Default::default()
            }
        );
    }
}
