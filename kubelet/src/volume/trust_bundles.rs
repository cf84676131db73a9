//! Trust anchors for `clusterTrustBundle` sources of projected volumes (KEP-3257): of one ClusterTrustBundle, or of all of a signer
//! that a selector selects; each once, in an order that says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::certificates::v1::ClusterTrustBundle;
use api::core::v1::ClusterTrustBundleProjection;
use api::meta::v1;
use api::selector::label::LabelSelector;
use api::tree::Tree;
use parking_lot::Mutex;
use runtime::{Informer, Informers, Key, Object, Projection, Random, Resource};
use sha2::{Digest, Sha256};

/// How long the first volume waits for the bundles to be known.
const SYNC: Duration = Duration::from_secs(10);

/// All trust bundles, once a pod has asked for one.
pub struct TrustBundles {
    informers: Informers,
    started: Mutex<Option<Informer<Bundle>>>,
    /// What the order is made of: the same as long as the kubelet runs, another after that, so that nobody relies on it.
    salt: String,
}

/// What is kept of a ClusterTrustBundle.
#[derive(Debug, Default)]
struct Bundle {
    labels: BTreeMap<String, String>,
    signer: String,
    /// Its certificates, in DER.
    anchors: Vec<Vec<u8>>,
}

impl Projection for Bundle {
    fn project(object: &Tree) -> Self {
        let bundle = ClusterTrustBundle::of(object);
        let labels = bundle.metadata().labels();
        Self {
            labels: labels
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            signer: bundle.spec().signer_name().to_owned(),
            anchors: api::pem::blocks(bundle.spec().trust_bundle())
                .into_iter()
                .map(|block| block.bytes)
                .collect(),
        }
    }
}

impl TrustBundles {
    /// Nothing is asked for before a pod needs it.
    pub fn new(informers: Informers, random: &Random) -> Self {
        Self {
            informers,
            started: Mutex::default(),
            salt: random.uuid(),
        }
    }

    /// The anchors that a source asks for, in PEM; nothing, where it may be missing.
    ///
    /// # Errors
    /// When there is none and it is not optional, or the bundles are not known yet: for people, in upstream's words.
    pub async fn anchors(
        &self,
        source: ClusterTrustBundleProjection<'_>,
    ) -> Result<String, String> {
        let informer = self.informer();
        let _ = tokio::time::timeout(SYNC, informer.synced()).await;
        if !informer.is_synced() {
            return Err("ClusterTrustBundle informer has not yet synced".to_owned());
        }
        let optional = source.optional() == Some(true);
        let bundles = match (source.name(), source.signer_name()) {
            (Some(name), _) => match informer.get(&Key::cluster(name)) {
                Some(bundle) => vec![bundle],
                None if optional => return Ok(String::new()),
                None => {
                    return Err(format!(
                        "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io {name:?} not found"
                    ));
                }
            },
            (None, Some(signer)) => {
                let selected = select(&informer.list(), signer, source.label_selector())?;
                if selected.is_empty() && !optional {
                    return Err(
                        "combination of signerName and labelSelector matched zero ClusterTrustBundles".to_owned(),
                    );
                }
                selected
            }
            (None, None) => {
                return Err(
                    "ClusterTrustBundle projection requires either name or signerName to be set"
                        .to_owned(),
                );
            }
        };
        Ok(merge(
            bundles.iter().map(|bundle| &bundle.value),
            &self.salt,
        ))
    }

    fn informer(&self) -> Informer<Bundle> {
        let mut started = self.started.lock();
        started
            .get_or_insert_with(|| {
                let resource = Resource::of(ClusterTrustBundle::TYPE);
                let informer = self.informers.informer(&resource);
                self.informers.start();
                informer
            })
            .clone()
    }
}

type Shared = std::sync::Arc<Object<Bundle>>;

/// The bundles of the signer that the selector selects: without one, none.
fn select(
    all: &[Shared],
    signer: &str,
    selector: Option<v1::LabelSelector<'_>>,
) -> Result<Vec<Shared>, String> {
    let Some(selector) = selector else {
        return Ok(Vec::new());
    };
    let selector = LabelSelector::of(selector)
        .map_err(|why| format!("while parsing label selector: {why}"))?;
    let selected = all.iter().filter(|bundle| {
        let labels = &bundle.value.labels;
        bundle.value.signer == signer && selector.matches(|key| labels.get(key).map(String::as_str))
    });
    Ok(selected.cloned().collect())
}

/// The certificates of all bundles, each once, in PEM. Their order depends on the salt and on nothing else: a file does not change
/// for bundles that hold the same.
fn merge<'a>(bundles: impl Iterator<Item = &'a Bundle>, salt: &str) -> String {
    let mut anchors: BTreeSet<(_, &[u8])> = BTreeSet::new();
    for anchor in bundles.flat_map(|bundle| &bundle.anchors) {
        let rank = Sha256::new_with_prefix(salt)
            .chain_update(anchor)
            .finalize();
        anchors.insert((<[u8; 32]>::from(rank), anchor));
    }
    anchors
        .into_iter()
        .map(|(_, anchor)| api::pem::encode("CERTIFICATE", anchor))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::meta::v1::LabelSelectorMut;

    fn bundle(anchors: &[&str]) -> Bundle {
        Bundle {
            anchors: anchors
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect(),
            ..Bundle::default()
        }
    }

    #[test]
    fn anchors_are_merged_each_once_in_an_order_of_the_salt() {
        let merged = |bundles: &[Bundle], salt: &str| {
            let text = merge(bundles.iter(), salt);
            let blocks = api::pem::blocks(&text);
            blocks
                .into_iter()
                .map(|block| String::from_utf8(block.bytes).unwrap())
                .collect::<Vec<_>>()
        };
        let (ab, ba) = (
            [bundle(&["a", "b", "c"]), bundle(&["c", "d", "e"])],
            [bundle(&["e", "d", "c"]), bundle(&["c", "b", "b", "a"])],
        );
        let order = merged(&ab, "salt");
        assert_eq!(merged(&ba, "salt"), order);
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, ["a", "b", "c", "d", "e"]);
        let others: BTreeSet<Vec<String>> =
            (0..20).map(|salt| merged(&ab, &salt.to_string())).collect();
        assert!(others.len() > 1, "{others:?}");
        assert_eq!(merge([].into_iter(), "salt"), "");
    }

    #[test]
    fn a_selector_that_is_there_and_empty_selects_all() {
        let mut tree = Tree::new(v1::LabelSelector::TYPE);
        assert!(
            LabelSelector::of(v1::LabelSelector::of(&tree))
                .unwrap()
                .is_empty()
        );
        let mut view = LabelSelectorMut::of(&mut tree);
        let mut expression = view.push_match_expressions();
        expression.set_key("alive");
        expression.set_operator("Exists");
        let selector = LabelSelector::of(v1::LabelSelector::of(&tree)).unwrap();
        assert!(selector.matches(|key| (key == "alive").then_some("")));
        assert!(!selector.matches(|_| None));
        assert!(select(&[], "s", None).unwrap().is_empty());
    }
}
