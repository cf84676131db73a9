//! PersistentVolumeClaims stay while a pod on a node uses them.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection>

use api::{
    Tree,
    core::v1::{PersistentVolumeClaim, Pod},
};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Object, Projection, ReconcileError,
    Resource, Wiring, client::ListOptions,
};

use super::{Hold, Step, set_held, unused};
use crate::object::owner::Owner;

const FINALIZER: &str = "kubernetes.io/pvc-protection";

/// A claim, as this controller sees it.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    hold: Hold,
    bound: bool,
    unused: Option<bool>,
    /// The pod that it was made for, if it is of an ephemeral volume.
    owner: Option<String>,
}

impl Projection for Claim {
    fn project(object: &Tree) -> Self {
        let claim = PersistentVolumeClaim::of(object);
        Claim {
            hold: Hold::read(claim.metadata(), FINALIZER),
            bound: claim.status().phase() == "Bound",
            unused: unused::read(claim),
            owner: Owner::controller_of(claim.metadata()).map(|owner| owner.uid),
        }
    }
}

/// A pod and the claims that it names.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// It has a node. Before that no kubelet starts it on a claim that is going.
    placed: bool,
    /// The kubelet is done with it.
    shut_down: bool,
    /// It ended by itself.
    ended: bool,
    claims: Vec<String>,
    /// Claims made for it: theirs are the names of other people's, too, unless they have it as their owner.
    ephemeral: Vec<String>,
}

impl Projection for User {
    fn project(object: &Tree) -> Self {
        let pod = Pod::of(object);
        let (metadata, spec) = (pod.metadata(), pod.spec());
        let (mut claims, mut ephemeral) = (Vec::new(), Vec::new());
        for volume in spec.volumes().iter() {
            if let Some(claim) = volume.persistent_volume_claim() {
                claims.push(claim.claim_name().to_owned());
            }
            if volume.ephemeral().is_some() {
                ephemeral.push(format!("{}-{}", metadata.name(), volume.name()));
            }
        }
        User {
            placed: !spec.node_name().is_empty(),
            shut_down: metadata.deletion_timestamp().is_some()
                && metadata.deletion_grace_period_seconds() == Some(0),
            ended: matches!(pod.status().phase(), "Succeeded" | "Failed"),
            claims,
            ephemeral,
        }
    }
}

fn names(pod: &Object<User>, name: &str, claim: &Claim) -> (bool, bool) {
    let has = |names: &[String]| names.iter().any(|own| own == name);
    let made_for_it = claim.owner.as_deref() == Some(&*pod.uid) && has(&pod.value.ephemeral);
    (has(&pod.value.claims), made_for_it)
}

/// Whether a pod keeps the claim from going.
fn holds(pod: &Object<User>, name: &str, claim: &Claim) -> bool {
    let (named, made_for_it) = names(pod, name, claim);
    pod.value.placed && (named || made_for_it && !pod.value.shut_down)
}

/// Whether a pod is one for which the claim is not unused.
fn uses(pod: &Object<User>, name: &str, claim: &Claim) -> bool {
    let (named, made_for_it) = names(pod, name, claim);
    !pod.value.ended && (named || made_for_it)
}

/// The controller. Its keys are claims.
pub struct ClaimProtection {
    claims: Informer<Claim>,
    pods: Informer<User>,
}

impl ClaimProtection {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        ClaimProtection {
            claims: informers.informer(&Resource::of(PersistentVolumeClaim::TYPE)),
            pods: informers.informer(&Resource::of(Pod::TYPE)),
        }
    }

    /// Whether any pod of the namespace is such: as the informer knows, and if it knows of none, as the API server does, since a
    /// pod may be newer than what the informer has seen.
    async fn any(
        &self,
        cx: &Context,
        namespace: &str,
        such: impl Fn(&Object<User>) -> bool,
    ) -> Result<bool, ReconcileError> {
        if self
            .pods
            .in_namespace(namespace)
            .iter()
            .any(|pod| such(pod))
        {
            return Ok(true);
        }
        let resource = self.pods.resource();
        let options = ListOptions::default();
        let pods = cx.client.list_all(resource, namespace, &options).await?;
        Ok(pods.items.iter().any(|pod| such(&Object::read(pod))))
    }
}

impl Controller for ClaimProtection {
    const NAME: &'static str = "persistentvolumeclaim-protection-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.claims);
        wiring.watch(&self.pods, |change, queue| {
            for pod in change.states() {
                for claim in pod.value.claims.iter().chain(&pod.value.ephemeral) {
                    queue.add(Key::new(pod.key.namespace(), claim));
                }
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(claim) = self.claims.get(key) else {
            return Ok(Next::Done);
        };
        let (claim, resource) = (&claim.value, self.claims.resource());
        if claim.bound && !claim.hold.deleting {
            let used = |pod: &Object<User>| uses(pod, key.name(), claim);
            let unused = !self.any(cx, key.namespace(), used).await?;
            if claim.unused != Some(unused) {
                unused::set(&cx.client, resource, key, unused, cx.clock.now()).await?;
            }
        }
        let held = match claim.hold.step() {
            Step::Nothing => return Ok(Next::Done),
            Step::Add => true,
            Step::Remove => {
                let holding = |pod: &Object<User>| holds(pod, key.name(), claim);
                if self.any(cx, key.namespace(), holding).await? {
                    return Ok(Next::Done);
                }
                false
            }
        };
        set_held(&cx.client, resource, key, FINALIZER, held).await?;
        Ok(Next::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{self, Strict};

    fn pod(json: &str) -> Object<User> {
        let json = json.as_bytes().to_vec();
        let tree = json::decode(api::Schema::builtin(), Pod::TYPE, json, &mut Strict::new());
        Object::read(&tree.expect("a pod"))
    }

    fn claim(owner: Option<&str>) -> Claim {
        Claim {
            hold: Hold {
                deleting: true,
                held: true,
            },
            bound: true,
            unused: None,
            owner: owner.map(str::to_owned),
        }
    }

    #[test]
    fn a_claim_is_held_by_pods_on_nodes_alone_but_used_by_those_that_wait() {
        let waiting = r#"{"metadata":{"name":"p","uid":"u"},"spec":{"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"c"}}]}}"#;
        let placed = waiting.replace(r#""spec":{"#, r#""spec":{"nodeName":"n","#);
        let ended = placed.replace(r#""spec""#, r#""status":{"phase":"Failed"},"spec""#);
        for (text, held, used) in [
            (waiting, false, true),
            (&placed, true, true),
            (&ended, true, false),
        ] {
            let pod = pod(text);
            assert_eq!(holds(&pod, "c", &claim(None)), held, "{text}");
            assert_eq!(uses(&pod, "c", &claim(None)), used, "{text}");
            assert!(!holds(&pod, "other", &claim(None)));
        }
    }

    #[test]
    fn an_ephemeral_volume_holds_the_claim_that_was_made_for_it() {
        let text = r#"{"metadata":{"name":"p","uid":"u"},"spec":{"nodeName":"n","volumes":[{"name":"v","ephemeral":{}}]}}"#;
        assert!(holds(&pod(text), "p-v", &claim(Some("u"))));
        assert!(!holds(&pod(text), "p-v", &claim(Some("another"))));
        let done = text.replace(r#""uid":"u""#, r#""uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":0"#);
        assert!(!holds(&pod(&done), "p-v", &claim(Some("u"))));
    }
}
