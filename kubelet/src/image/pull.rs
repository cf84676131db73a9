//! Pulling: whom to ask, by which login, and what is asked for.

use std::collections::HashMap;
use std::path::PathBuf;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use super::hosts::{self, Host};
use super::manifest::{
    self, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, Index, MANIFEST, Manifest,
};
use super::{Credentials, Error, ImageInfo, Images};
use crate::containerd::{self, Containerd, Lease};

const LAYERS_AT_ONCE: usize = 3;
const ACCEPTED: [&str; 4] = [INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST];

/// How registries are spoken to.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// Hosts (with port) that speak plain HTTP, beside those on loopback.
    pub plain_http: Vec<String>,
    /// The directory with a `hosts.toml` for each registry whose mirrors are to be asked.
    pub config_dir: Option<PathBuf>,
}

/// How to pull.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// Tried one after the other; anonymously at last.
    pub credentials: Vec<Credentials>,
    /// How registries are spoken to.
    pub registries: Registries,
}

impl Images {
    /// Pulls the image from its registry or a mirror of it, unpacks it, and lets its name lead to it.
    ///
    /// # Errors
    /// When the name is malformed, all who may be asked refuse all logins or have no variant for this machine, or containerd
    /// refuses.
    pub async fn pull(&self, name: &str, options: &PullOptions) -> Result<ImageInfo, Error> {
        let reference = super::parse(name)?;
        let name = reference.whole();
        let turn = self.turn(&name);
        let _turn = turn.lock().await;
        let lease = format!("gantry-pull-{}", manifest::digest(name.as_bytes()));
        let lease = self
            .containerd
            .create_lease(&lease, self.clock.now())
            .await?;
        let pulled = match self
            .fetch_from_any(&reference, &name, options, &lease)
            .await
        {
            Ok(()) => self.unpack_pulled(&name).await,
            Err(error) => Err(error),
        };
        // What the image's name leads to stays; the rest of a failed pull may go, and is fetched again.
        self.containerd.delete_lease(&lease).await?;
        pulled
    }

    async fn unpack_pulled(&self, name: &str) -> Result<ImageInfo, Error> {
        let found = self.find(name).await;
        if found.is_err() {
            // Who finds the name takes the image for whole, and does not pull it again.
            self.containerd.delete_image(name, false).await?;
        }
        found?.ok_or_else(|| Error::registry(name)("it vanished while it was unpacked".to_owned()))
    }

    async fn fetch_from_any(
        &self,
        reference: &Reference,
        name: &str,
        options: &PullOptions,
        lease: &Lease,
    ) -> Result<(), Error> {
        let failed = Error::registry(name);
        let hosts = options.registries.hosts(reference).await.map_err(failed)?;
        let is_known = reference.digest().is_some();
        let mut failures = Vec::new();
        for host in hosts.iter().filter(|host| host.resolves || is_known) {
            let fetched = self.fetch_by_any_login(reference, name, host, options, lease);
            match fetched.await {
                Ok(()) => return Ok(()),
                // The next one would not help.
                Err(error @ Error::Containerd(_)) => return Err(error),
                Err(error) => failures.push((&host.address, error)),
            }
        }
        if failures.len() == 1 {
            return Err(failures.remove(0).1);
        }
        let reasons = failures.iter().map(|(address, error)| match error {
            Error::Registry { reason, .. } => format!("{address}: {reason}"),
            other => format!("{address}: {other}"),
        });
        Err(failed(match &*reasons.collect::<Vec<_>>() {
            [] => "its registry's hosts.toml names nobody who may be asked".to_owned(),
            reasons => reasons.join("; "),
        }))
    }

    async fn fetch_by_any_login(
        &self,
        reference: &Reference,
        name: &str,
        host: &Host,
        options: &PullOptions,
        lease: &Lease,
    ) -> Result<(), Error> {
        let failed = Error::registry(name);
        let mut reference = reference.clone();
        if host.address != reference.resolve_registry() {
            reference.set_mirror_registry(host.address.clone());
        }
        // They are for the registry; a mirror need not know them.
        let logins = options.credentials.iter().filter(|_| host.is_registry);
        let logins = logins.map(|c| RegistryAuth::Basic(c.username.clone(), c.password.clone()));
        // The first refusal is the one worth telling: the others were guesses.
        let mut first = None;
        for auth in logins.chain([RegistryAuth::Anonymous]) {
            // One for each: it remembers what it was let in with.
            let client = options.registries.client(host).await.map_err(failed)?;
            let fetched = self.fetch_leased(&client, &reference, name, &auth, lease);
            match fetched.await {
                Ok(()) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    async fn fetch_leased(
        &self,
        client: &Client,
        reference: &Reference,
        name: &str,
        auth: &RegistryAuth,
        lease: &Lease,
    ) -> Result<(), Error> {
        let containerd = self.containerd.leased(lease);
        let failed = |error: OciDistributionError| {
            Error::registry(name)(match &error {
                // Which login was refused is what has to be put right.
                OciDistributionError::UnauthorizedError { url } => {
                    format!("401 Unauthorized {}: {url}", whose(auth))
                }
                other => explain(other),
            })
        };
        let (bytes, _) = client
            .pull_manifest_raw(reference, auth, &ACCEPTED)
            .await
            .map_err(failed)?;
        let document: serde_json::Value = manifest::decode("manifest", &bytes)?;
        let is_index = document.get("manifests").is_some();
        let fallback = if is_index { INDEX } else { MANIFEST };
        let target = Descriptor::of(document["mediaType"].as_str().unwrap_or(fallback), &bytes);
        if let Some(digest) = reference.digest().filter(|digest| *digest != target.digest) {
            let reason = format!("asked for {digest}, got {}", target.digest);
            return Err(Error::registry(name)(reason));
        }

        let (manifest, manifest_bytes) = if is_index {
            let index: Index = manifest::decode("index", &bytes)?;
            let chosen = index.choose(name)?.clone();
            let by_digest = reference.clone_with_digest(chosen.digest.clone());
            let (chosen_bytes, _) = client
                .pull_manifest_raw(&by_digest, auth, &ACCEPTED)
                .await
                .map_err(failed)?;
            (chosen, chosen_bytes)
        } else {
            (target.clone(), bytes.clone())
        };
        let document: Manifest = manifest::decode("manifest", &manifest_bytes)?;

        let mut blobs: Vec<&Descriptor> =
            document.layers.iter().chain([&document.config]).collect();
        blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
        blobs.dedup_by(|a, b| a.digest == b.digest);
        let mut copies = FuturesUnordered::new();
        let mut failure = None;
        for blob in blobs {
            if copies.len() >= LAYERS_AT_ONCE {
                failure = copies.next().await.and_then(Result::err);
            }
            if failure.is_some() {
                break;
            }
            copies.push(self.copy(&containerd, client, reference, blob, name));
        }
        // None is left half-written: whoever writes the blob next would meet it.
        while let Some(copied) = copies.next().await {
            failure = failure.or(copied.err());
        }
        if let Some(error) = failure {
            return Err(error);
        }
        self.put(
            &containerd,
            &manifest,
            document.references(),
            manifest_bytes,
        )
        .await?;
        if is_index {
            let label = HashMap::from([(
                "containerd.io/gc.ref.content.m.0".to_owned(),
                manifest.digest,
            )]);
            self.put(&containerd, &target, label, bytes).await?;
        }
        Ok(containerd
            .put_image(name, (&target).into(), HashMap::new())
            .await?)
    }

    /// Copies a blob into the content store, unless it is there: one at a time, whichever images have it.
    async fn copy(
        &self,
        containerd: &Containerd,
        client: &Client,
        reference: &Reference,
        blob: &Descriptor,
        name: &str,
    ) -> Result<(), Error> {
        let turn = self.turn(&blob.digest);
        let _turn = turn.lock().await;
        if containerd.keep_content(&blob.digest).await? {
            return Ok(());
        }
        let failed = Error::registry(name);
        let descriptor = OciDescriptor {
            media_type: blob.media_type.clone(),
            digest: blob.digest.clone(),
            size: i64::try_from(blob.size).unwrap_or(i64::MAX),
            ..Default::default()
        };
        let stream = client.pull_blob_stream(reference, &descriptor).await;
        let stream = stream.map_err(|error| failed(explain(&error)))?.stream;
        let written = containerd
            .write_content(&blob.digest, blob.size, HashMap::new(), stream)
            .await;
        match written {
            // The registry's fault, not containerd's.
            Err(containerd::Error::Source(reason)) => Err(failed(reason)),
            written => Ok(written?),
        }
    }
}

impl Registries {
    /// Whom to ask for the image, one after the other.
    async fn hosts(&self, reference: &Reference) -> Result<Vec<Host>, String> {
        let address = reference.resolve_registry();
        match &self.config_dir {
            Some(dir) => hosts::of(dir, reference.registry(), address).await,
            None => Ok(vec![Host::registry(address)]),
        }
    }

    async fn client(&self, host: &Host) -> Result<Client, String> {
        // The registry client asks for the process's default; whoever set it first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = host.plain.unwrap_or_else(|| {
            is_loopback(&host.address) || self.plain_http.contains(&host.address)
        });
        let mut extra_root_certificates = Vec::new();
        for path in &host.ca {
            let data = tokio::fs::read(path).await;
            extra_root_certificates.push(Certificate {
                encoding: CertificateEncoding::Pem,
                data: data.map_err(|error| format!("{}: {error}", path.display()))?,
            });
        }
        let config = ClientConfig {
            protocol: if plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            accept_invalid_certificates: host.skip_verify,
            extra_root_certificates,
            connect_timeout: Some(std::time::Duration::from_secs(30)),
            read_timeout: Some(std::time::Duration::from_secs(60)),
            ..Default::default()
        };
        Client::try_from(config).map_err(|error| explain(&error))
    }
}

/// How the registry was asked.
fn whose(auth: &RegistryAuth) -> String {
    match auth {
        RegistryAuth::Anonymous => "without a login".to_owned(),
        RegistryAuth::Basic(user, _) => format!("with the login of {user:?}"),
        RegistryAuth::Bearer(_) => "with a token".to_owned(),
    }
}

/// The error and what it comes from.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_plain_by_itself() {
        for plain in [
            "localhost:5000",
            "127.0.0.1:5000",
            "localhost",
            "[::1]:5000",
        ] {
            assert!(is_loopback(plain), "{plain}");
        }
        for tls in ["registry.test", "10.0.0.1:5000", "localhost.test:80"] {
            assert!(!is_loopback(tls), "{tls}");
        }
    }
}
