//! Files of one volume that would lie upon one another.

use super::Warnings;
use crate::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};
use crate::view::{List, View as _};

/// A file, and where it comes from if the volume has several sources.
#[derive(Clone, PartialEq)]
struct File {
    path: String,
    source: String,
}

impl File {
    fn shown(&self) -> String {
        match self.source.as_str() {
            "" => format!("\"{}\"", self.path),
            source => format!("\"{}\" ({source})", self.path),
        }
    }

    fn lies_upon(&self, other: &File) -> bool {
        let within = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !self.path.is_empty()
            && !other.path.is_empty()
            && (within(&self.path, &other.path) || within(&other.path, &self.path))
    }
}

/// The files of one volume so far.
#[derive(Default)]
struct Files(Vec<File>);

impl Files {
    fn add(&mut self, out: &mut Warnings, volume: &str, kind: &str, path: &str, source: &str) {
        let file = File {
            path: path.trim_end_matches('/').to_owned(),
            source: source.to_owned(),
        };
        for other in self.0.iter().filter(|other| file.lies_upon(other)) {
            out.push(format!(
                "volume \"{volume}\" ({kind}): overlapping paths: {} with {}",
                file.shown(),
                other.shown()
            ));
        }
        self.0.push(file);
    }
}

fn keys<'a>(items: List<'a, KeyToPath<'a>>) -> Vec<&'a str> {
    items.iter().map(|item| item.path()).collect()
}

fn fields<'a>(items: List<'a, DownwardAPIVolumeFile<'a>>) -> Vec<&'a str> {
    items.iter().map(|item| item.path()).collect()
}

pub(super) fn volume(out: &mut Warnings, volume: Volume<'_>) {
    let name = volume.name();
    let mut plain = |kind: String, paths: Vec<&str>| {
        let mut files = Files::default();
        for path in paths {
            files.add(out, name, &kind, path, "");
        }
    };
    if let Some(map) = volume.config_map() {
        plain(format!("ConfigMap \"{}\"", map.name()), keys(map.items()));
    }
    if let Some(secret) = volume.secret() {
        plain(
            format!("Secret \"{}\"", secret.secret_name()),
            keys(secret.items()),
        );
    }
    if let Some(downward) = volume.downward_api() {
        plain("DownwardAPI".to_owned(), fields(downward.items()));
    }
    let Some(projected) = volume.projected() else {
        return;
    };
    let mut files = Files::default();
    for source in projected.sources() {
        if source.node().is_none_or(|node| node.is_empty()) {
            out.push(format!(
                "volume \"{name}\" (Projected) has no sources provided"
            ));
            continue;
        }
        for (path, from) in projection(source) {
            files.add(out, name, "Projected", path, &from);
        }
    }
}

/// The files of one source, each with what it comes from.
fn projection<'a>(source: VolumeProjection<'a>) -> Vec<(&'a str, String)> {
    let all = |paths: Vec<&'a str>, from: String| {
        let files = paths.into_iter().map(|path| (path, from.clone()));
        files.collect()
    };
    if let Some(map) = source.config_map().filter(|map| !map.items().is_empty()) {
        return all(keys(map.items()), format!("ConfigMap \"{}\"", map.name()));
    }
    if let Some(secret) = source.secret().filter(|secret| !secret.items().is_empty()) {
        return all(
            keys(secret.items()),
            format!("Secret \"{}\"", secret.name()),
        );
    }
    if let Some(downward) = source.downward_api().filter(|d| !d.items().is_empty()) {
        return all(fields(downward.items()), "DownwardAPI".to_owned());
    }
    if let Some(token) = source.service_account_token() {
        return vec![(token.path(), "ServiceAccountToken".to_owned())];
    }
    if let Some(bundle) = source.cluster_trust_bundle() {
        let name = bundle.name().or(bundle.signer_name()).unwrap_or_default();
        return vec![(bundle.path(), format!("ClusterTrustBundle \"{name}\""))];
    }
    let Some(certificate) = source.pod_certificate() else {
        return Vec::new();
    };
    [
        (certificate.certificate_chain_path(), "chain"),
        (certificate.key_path(), "key"),
        (certificate.credential_bundle_path(), "credential bundle"),
    ]
    .into_iter()
    .filter(|(path, _)| !path.is_empty())
    .map(|(path, what)| (path, format!("PodCertificate {what}")))
    .collect()
}
