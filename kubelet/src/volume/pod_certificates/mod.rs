//! Certificates of a pod's own, for `podCertificate` sources of projected volumes (KEP-4317): a key is made on the node, a
//! PodCertificateRequest asks the signer to sign for it, and what it answers is written beside the key, again before it ends.
//!
//! What was asked for is not kept over a restart of the kubelet: everything is asked for anew then, as upstream does.

mod key;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::certificates::v1::PodCertificateRequest;
use api::core::v1::{Node, Pod, PodCertificateProjection, ServiceAccount};
use http::Method;
use jiff::SignedDuration;
use parking_lot::Mutex;
use runtime::events::{ObjectRef, Recorder};
use runtime::{Client, Informer, Informers, Key, Random, Resource, Scope, SharedClock};
use serde_json::json;
use tokio::sync::Notify;

pub use key::is_supported;
use state::{Answer, Asked, State};

/// How long a new request is waited for before the pod's other affairs are seen to. Signers are quick, most of the time.
const PATIENCE: Duration = Duration::from_secs(1);
/// Renewals of many pods are spread over so many seconds.
const JITTER: u64 = 5 * 60;

/// Where a pod's sources stand, by volume and place in its list.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<BTreeMap<(String, usize), State>>);

/// How the certificates of a node's pods are asked for.
pub struct PodCertificates {
    client: Client,
    informers: Informers,
    recorder: Recorder,
    clock: SharedClock,
    random: Random,
    node: String,
    /// The node's requests, once a pod has asked for one.
    started: Mutex<Option<Informer<Answer>>>,
    changed: Arc<Notify>,
}

/// What the files of a source hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The private key in PEM.
    pub key: String,
    /// The certificate, and those between it and the signer's root, in PEM.
    pub chain: String,
}

/// One source of one pod.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The pod.
    pub pod: Pod<'a>,
    /// The volume's name.
    pub volume: &'a str,
    /// Its place in the volume's list.
    pub index: usize,
    /// What is asked for.
    pub projection: PodCertificateProjection<'a>,
}

impl PodCertificates {
    /// For the pods of `node`. Nothing is asked for before one needs it.
    pub fn new(
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: SharedClock,
        random: Random,
        node: &str,
    ) -> Self {
        Self {
            client,
            informers,
            recorder,
            clock,
            random,
            node: node.to_owned(),
            started: Mutex::default(),
            changed: Arc::default(),
        }
    }

    /// What the files of a source hold now; a request is made if it is time for one.
    ///
    /// # Errors
    /// When there is no certificate yet, or will be none: for people.
    pub async fn bundle(&self, known: &Certificates, source: Source<'_>) -> Result<Bundle, String> {
        let place = (source.volume.to_owned(), source.index);
        let mut state = known.0.lock().get(&place).cloned().unwrap_or_default();
        let informer = self.informer();
        self.look(&mut state, &informer, source);
        let mut failed = None;
        if state.wants(self.clock.now()) {
            match self.ask(source).await {
                Ok(asked) => {
                    let key = Key::new(source.pod.metadata().namespace(), &asked.name);
                    state.asked = Some(asked);
                    // Before anything is waited for: a worker that ends here must not ask again.
                    known.0.lock().insert(place.clone(), state.clone());
                    self.answered(&informer, &key).await;
                    self.look(&mut state, &informer, source);
                }
                Err(why) => failed = Some(why),
            }
        }
        let bundle = state.bundle().map(|(key, chain)| Bundle {
            key: key.to_owned(),
            chain: chain.to_owned(),
        });
        known.0.lock().insert(place, state);
        match (bundle, failed) {
            (Err(why), Some(failed)) => Err(format!("{why}: {failed}")),
            // What is there is good until it is renewed.
            (bundle, _) => bundle,
        }
    }

    /// Takes in what is seen of the source's request.
    fn look(&self, state: &mut State, informer: &Informer<Answer>, source: Source<'_>) {
        let metadata = source.pod.metadata();
        let namespace = metadata.namespace();
        let seen = state
            .asked
            .as_ref()
            .and_then(|asked| informer.get(&Key::new(namespace, &asked.name)));
        let told = state.see(
            namespace,
            seen.as_ref().map(|object| &object.value),
            self.clock.now(),
            self.jitter(),
        );
        for (reason, message) in told {
            let key = Key::new(namespace, metadata.name());
            let pod = ObjectRef::new(&Resource::of(Pod::TYPE), &key, metadata.uid());
            self.recorder.warning(pod, &reason, message);
        }
    }

    /// Until the request is answered, or patience ends.
    async fn answered(&self, informer: &Informer<Answer>, key: &Key) {
        let answered = async {
            loop {
                let changed = self.changed.notified();
                let seen = informer.get(key);
                if seen.is_some_and(|object| object.value != Answer::Pending) {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, answered).await;
    }

    /// Makes a key and a request.
    async fn ask(&self, source: Source<'_>) -> Result<Asked, String> {
        let (metadata, projection) = (source.pod.metadata(), source.projection);
        let (namespace, name) = (metadata.namespace(), metadata.name());
        let account = match source.pod.spec().service_account_name() {
            "" => "default",
            account => account,
        };
        let uid_of = async |resource: Resource, key: Key, what: &str| {
            let object = self.client.get(&resource, &key).await;
            object.map_err(|error| format!("while fetching {what}: {error}"))
        };
        let resource = Resource::of(ServiceAccount::TYPE);
        let object = uid_of(resource, Key::new(namespace, account), "service account").await?;
        let account_uid = ServiceAccount::of(&object).metadata().uid().to_owned();
        let resource = Resource::of(Node::TYPE);
        let object = uid_of(resource, Key::cluster(&self.node), "node").await?;
        let node_uid = Node::of(&object).metadata().uid().to_owned();

        let key_type = projection.key_type().to_owned();
        let made = tokio::task::spawn_blocking(move || key::Key::generate(&key_type)).await;
        let made = made
            .map_err(|error| error.to_string())
            .and_then(|made| made)
            .map_err(|error| format!("while generating keypair: {error}"))?;

        let annotations: BTreeMap<&str, &str> = projection.user_annotations().iter().collect();
        let mut request = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "PodCertificateRequest",
            "metadata": {
                "namespace": namespace,
                "generateName": "req-",
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": metadata.uid()}],
            },
            "spec": {
                "signerName": projection.signer_name(),
                "podName": name,
                "podUID": metadata.uid(),
                "serviceAccountName": account,
                "serviceAccountUID": account_uid,
                "nodeName": self.node,
                "nodeUID": node_uid,
                "stubPKCS10Request": base64(&made.request),
                "unverifiedUserAnnotations": annotations,
            },
        });
        if let Some(seconds) = projection.max_expiration_seconds() {
            request["spec"]["maxExpirationSeconds"] = seconds.into();
        }
        let path = Resource::of(PodCertificateRequest::TYPE).collection_path(namespace);
        let answer = self.client.json(Method::POST, path, Some(&request)).await;
        let answer =
            answer.map_err(|error| format!("while creating PodCertificateRequest: {error}"))?;
        let name = answer["metadata"]["name"].as_str().unwrap_or_default();
        Ok(Asked::new(
            name.to_owned(),
            made.pem,
            self.clock.now(),
            self.jitter(),
        ))
    }

    fn jitter(&self) -> SignedDuration {
        let seconds = self.random.below(JITTER);
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
    }

    fn informer(&self) -> Informer<Answer> {
        let mut started = self.started.lock();
        started
            .get_or_insert_with(|| {
                let resource = Resource::of(PodCertificateRequest::TYPE);
                let scope = Scope {
                    fields: format!("spec.nodeName={}", self.node),
                    ..Scope::default()
                };
                let informer = self.informers.scoped(&resource, scope);
                let changed = self.changed.clone();
                informer.on_change(move |_| changed.notify_waiters());
                self.informers.start();
                informer
            })
            .clone()
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
