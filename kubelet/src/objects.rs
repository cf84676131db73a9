//! ConfigMaps, Secrets, tokens, trust bundles and certificates that pods refer to: read or asked for when they are needed, and
//! shared for a short while by all that need them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::core::v1::{ConfigMap, Secret};
use api::tree::Tree;
use http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;
use runtime::{Client, Key, Resource, ResultExt};
use serde_json::json;
use tokio::time::Instant;

use crate::volume::{PodCertificates, TrustBundles};

/// When it was read, and what was found.
type Read = (Instant, Option<Arc<Tree>>);

/// What is kept: everything that was asked for lately.
pub struct Objects {
    client: Client,
    config_maps: Resource,
    secrets: Resource,
    cache: Mutex<BTreeMap<(Resource, Key), Read>>,
    /// Those that `clusterTrustBundle` sources ask for.
    pub trust_bundles: TrustBundles,
    /// Those that `podCertificate` sources ask for.
    pub pod_certificates: PodCertificates,
}

/// A token of a service account, bound to a pod.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl Objects {
    /// Reads through this client; trust bundles and certificates have ways of their own.
    pub fn new(
        client: Client,
        trust_bundles: TrustBundles,
        pod_certificates: PodCertificates,
    ) -> Self {
        let (config_maps, secrets) = (Resource::of(ConfigMap::TYPE), Resource::of(Secret::TYPE));
        Self {
            client,
            config_maps,
            secrets,
            cache: Mutex::default(),
            trust_bundles,
            pod_certificates,
        }
    }

    /// A ConfigMap, as it was not longer than `max_age` ago; `None` if it does not exist.
    ///
    /// # Errors
    /// When the API server does not answer or forbids it.
    pub async fn config_map(
        &self,
        namespace: &str,
        name: &str,
        max_age: Duration,
    ) -> Result<Option<Arc<Tree>>, runtime::Error> {
        self.get(&self.config_maps, Key::new(namespace, name), max_age)
            .await
    }

    /// A Secret, as it was not longer than `max_age` ago; `None` if it does not exist.
    ///
    /// # Errors
    /// When the API server does not answer or forbids it.
    pub async fn secret(
        &self,
        namespace: &str,
        name: &str,
        max_age: Duration,
    ) -> Result<Option<Arc<Tree>>, runtime::Error> {
        self.get(&self.secrets, Key::new(namespace, name), max_age)
            .await
    }

    async fn get(
        &self,
        resource: &Resource,
        key: Key,
        max_age: Duration,
    ) -> Result<Option<Arc<Tree>>, runtime::Error> {
        let known = self
            .cache
            .lock()
            .get(&(resource.clone(), key.clone()))
            .cloned();
        if let Some((read, object)) = known
            && read.elapsed() <= max_age
        {
            return Ok(object);
        }
        let asked = Instant::now();
        let object = self
            .client
            .get(resource, &key)
            .await
            .optional()?
            .map(Arc::new);
        let mut cache = self.cache.lock();
        // What nobody asked for in ten minutes is dropped.
        cache.retain(|_, (read, _)| read.elapsed() < Duration::from_secs(600));
        cache.insert((resource.clone(), key), (asked, object.clone()));
        Ok(object)
    }

    /// A new token of the pod's service account (the TokenRequest API), which ends with the pod.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
        seconds: i64,
        pod: (&str, &str),
    ) -> Result<Token, runtime::Error> {
        let audiences: Vec<&str> = [audience]
            .into_iter()
            .filter(|audience| !audience.is_empty())
            .collect();
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod.0, "uid": pod.1},
            },
        });
        let path =
            format!("/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token");
        let answer = self.client.json(Method::POST, path, Some(&request)).await?;
        let status = &answer["status"];
        let expires = status["expirationTimestamp"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        Ok(Token {
            token: status["token"].as_str().unwrap_or_default().to_owned(),
            expires,
        })
    }
}
