//! Namespaces that are being deleted: their content goes first, pods before all else, then the finalizer `kubernetes`, and
//! with it the namespace.

use std::{collections::BTreeMap, time::Duration};

use api::{Tree, core::v1 as core, view};
use jiff::Timestamp;
use runtime::{
    Context, Controller, Error, Informer, Informers, Key, Next, Patch, ReconcileError, Resource,
    ResultExt, Wiring,
    client::{DeleteOptions, ListOptions, Propagation, WriteOptions},
};
use serde_json::{Value, json};

use crate::{
    discovery::{Discovery, Served},
    object::{
        condition::{self, Condition},
        namespace::Namespace,
        pod::Pod,
        timestamp,
    },
};

/// The finalizer in a namespace's spec which stands for its content.
const FINALIZER: &str = "kubernetes";

/// How long finalizers of others are given, before it is looked again.
const FINALIZER_SECONDS: u64 = 15;

/// The controller of namespaces that are being deleted.
pub struct Namespaces {
    namespaces: Informer<Namespace>,
    pods: Informer<Pod>,
}

impl Namespaces {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        Namespaces {
            namespaces: informers.informer(&Resource::of(core::Namespace::TYPE)),
            pods: informers.informer(&Resource::of(core::Pod::TYPE)),
        }
    }
}

impl Controller for Namespaces {
    const NAME: &'static str = "namespace-controller";

    fn workers(&self) -> usize {
        10
    }

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch(&self.namespaces, |change, queue| {
            if change.new.is_some_and(|n| n.value.deleting) {
                queue.add(change.latest().key.clone());
            }
        });
        // What it mostly waits for is pods: the last one's going wakes it, instead of a guess at their grace.
        let (namespaces, pods) = (self.namespaces.clone(), self.pods.clone());
        wiring.watch(&self.pods, move |change, queue| {
            let namespace = change.latest().key.namespace();
            let key = Key::cluster(namespace);
            if change.new.is_none()
                && namespaces.get(&key).is_some_and(|n| n.value.deleting)
                && pods.in_namespace(namespace).is_empty()
            {
                queue.add(key);
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let resource = self.namespaces.resource();
        let Some(live) = cx.client.get(resource, key).await.optional()? else {
            return Ok(Next::Done);
        };
        let namespace = core::Namespace::of(&live);
        if namespace.metadata().deletion_timestamp().is_none()
            || namespace.spec().finalizers().is_empty()
        {
            return Ok(Next::Done);
        }
        if namespace.status().phase() != "Terminating" {
            let patch = json!({"metadata": {"uid": namespace.metadata().uid()}, "status": {"phase": "Terminating"}});
            // The change makes the key dirty.
            cx.client
                .patch_status(resource, key, &Patch::Merge(patch))
                .await?;
            return Ok(Next::Retry);
        }
        let discovery = Discovery::read(&cx.client).await?;
        let mut content = Content::default();
        if !discovery.failed.is_empty() {
            let (count, names) = (discovery.failed.len(), discovery.failed.join(", "));
            content.discovery = Some(format!(
                "Discovery failed for some groups, {count} failing: {names}"
            ));
        }
        content.delete_all(cx, key.name(), &discovery).await;
        self.report(cx, key, &live, &content).await?;
        if let Some(error) = content.errors.pop() {
            return Err(error.into());
        }
        if content.discovery.is_some() {
            return Err(ReconcileError::message(
                content.discovery.unwrap_or_default(),
            ));
        }
        if !content.remaining.is_empty() {
            return Ok(Next::After(Duration::from_secs(content.estimate / 2 + 1)));
        }
        self.finalize(cx, key).await?;
        Ok(Next::Done)
    }
}

impl Namespaces {
    /// Writes the conditions, where they have changed.
    async fn report(
        &self,
        cx: &Context,
        key: &Key,
        live: &Tree,
        content: &Content,
    ) -> Result<(), Error> {
        let namespace = core::Namespace::of(live);
        let current: Vec<Condition> = namespace
            .status()
            .conditions()
            .iter()
            .map(|c| Condition {
                r#type: c.type_().to_owned(),
                status: c.status().to_owned(),
                reason: c.reason().to_owned(),
                message: c.message().to_owned(),
                last_transition: timestamp(c.last_transition_time()),
                last_update: None,
            })
            .collect();
        let wanted = content.conditions(&current, cx.clock.now());
        if wanted == current {
            return Ok(());
        }
        let conditions: Vec<Value> = wanted.iter().map(Condition::json).collect();
        let patch = json!({"metadata": {"uid": namespace.metadata().uid()}, "status": {"conditions": conditions}});
        let patched = cx
            .client
            .patch_status(self.namespaces.resource(), key, &Patch::Merge(patch))
            .await;
        patched.optional().map(drop)
    }

    /// Takes the finalizer away, by the subresource which alone may do so.
    async fn finalize(&self, cx: &Context, key: &Key) -> Result<(), Error> {
        let resource = self.namespaces.resource();
        let Some(mut live) = cx.client.get(resource, key).await.optional()? else {
            return Ok(());
        };
        core::NamespaceMut::of(&mut live)
            .spec_mut()
            .retain_finalizers(|f| f != FINALIZER);
        let done = cx
            .client
            .update_subresource(resource, "finalize", &live, &WriteOptions::default())
            .await;
        done.optional().map(drop)
    }
}

/// What was found in a namespace and done about it.
#[derive(Default)]
struct Content {
    /// `resource.group` → objects that are left.
    remaining: BTreeMap<String, usize>,
    /// Finalizers of objects that are left, and on how many they are.
    finalizers: BTreeMap<String, usize>,
    /// Seconds until it may be gone.
    estimate: u64,
    errors: Vec<Error>,
    discovery: Option<String>,
}

impl Content {
    async fn delete_all(&mut self, cx: &Context, namespace: &str, discovery: &Discovery) {
        let mut resources: Vec<&Served> = discovery
            .resources
            .iter()
            .filter(|s| s.resource.namespaced() && s.allows(&["delete", "list"]))
            .collect();
        let is_pods = |s: &Served| s.resource.plural() == "pods" && s.resource.group().is_empty();
        resources.sort_by_key(|s| !is_pods(s));
        for served in resources {
            if let Err(error) = self.delete(cx, namespace, served).await
                && !error.is_not_found()
                && error.code() != 405
            {
                self.errors.push(error);
            }
            // What pods may still need (their secrets, policies, accounts) stays until they are gone.
            if is_pods(served) && !(self.remaining.is_empty() && self.errors.is_empty()) {
                return;
            }
        }
    }

    async fn delete(
        &mut self,
        cx: &Context,
        namespace: &str,
        served: &Served,
    ) -> Result<(), Error> {
        let resource = &served.resource;
        let all = ListOptions::default();
        let before = cx.client.list_all(resource, namespace, &all).await?.items;
        if before.is_empty() {
            return Ok(());
        }
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..Default::default()
        };
        if served.allows(&["deletecollection"]) {
            cx.client
                .delete_collection(resource, namespace, &options, &all)
                .await?;
        } else {
            for object in &before {
                let key = Key::new(namespace, view::metadata(object).name());
                cx.client
                    .delete(resource, &key, &options)
                    .await
                    .optional()?;
            }
        }
        let now = cx.clock.now();
        for object in cx.client.list_all(resource, namespace, &all).await?.items {
            let metadata = view::metadata(&object);
            let name = format!("{}.{}", resource.plural(), resource.group());
            *self.remaining.entry(name).or_default() += 1;
            for finalizer in metadata.finalizers() {
                *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
                self.estimate = self.estimate.max(FINALIZER_SECONDS);
            }
            let due = timestamp(metadata.deletion_timestamp());
            let left = due.map_or(0, |due| due.duration_since(now).as_secs());
            self.estimate = self.estimate.max(u64::try_from(left).unwrap_or(0));
        }
        Ok(())
    }

    /// The conditions as they should be.
    fn conditions(&self, current: &[Condition], now: Timestamp) -> Vec<Condition> {
        let list = |counts: &BTreeMap<String, usize>, noun: &str| {
            let entries = counts
                .iter()
                .map(|(name, count)| format!("{name} {noun} {count} resource instances"));
            entries.collect::<Vec<_>>().join(", ")
        };
        let errors: Vec<String> = self.errors.iter().map(Error::to_string).collect();
        let failed = (!errors.is_empty()).then(|| {
            format!(
                "Failed to delete all resource types, {} remaining: {}",
                errors.len(),
                errors.join(", ")
            )
        });
        let remaining = (!self.remaining.is_empty()).then(|| {
            format!(
                "Some resources are remaining: {}",
                list(&self.remaining, "has")
            )
        });
        let finalizers = (!self.finalizers.is_empty()).then(|| {
            format!(
                "Some content in the namespace has finalizers remaining: {}",
                list(&self.finalizers, "in")
            )
        });
        let rows = [
            (
                "NamespaceDeletionDiscoveryFailure",
                self.discovery.clone().map(|m| ("DiscoveryFailed", m)),
                (
                    "ResourcesDiscovered",
                    "All resources successfully discovered",
                ),
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                None,
                (
                    "ParsedGroupVersions",
                    "All legacy kube types successfully parsed",
                ),
            ),
            (
                "NamespaceDeletionContentFailure",
                failed.map(|m| ("ContentDeletionFailed", m)),
                (
                    "ContentDeleted",
                    "All content successfully deleted, may be waiting on finalization",
                ),
            ),
            (
                "NamespaceContentRemaining",
                remaining.map(|m| ("SomeResourcesRemain", m)),
                ("ContentRemoved", "All content successfully removed"),
            ),
            (
                "NamespaceFinalizersRemaining",
                finalizers.map(|m| ("SomeFinalizersRemain", m)),
                (
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished",
                ),
            ),
        ];
        let mut all = current.to_vec();
        for (r#type, wrong, (good_reason, good_message)) in rows {
            let mut wanted = match wrong {
                Some((reason, message)) => Condition::new(r#type, "True", reason, message, now),
                None => Condition::new(r#type, "False", good_reason, good_message, now),
            };
            let old = condition::find(&all, r#type);
            if let Some(old) = old.filter(|old| old.status == wanted.status) {
                wanted.last_transition = old.last_transition;
            }
            match all.iter_mut().find(|c| c.r#type == r#type) {
                Some(slot) => *slot = wanted,
                None => all.push(wanted),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn conditions_say_what_is_left_and_turn_good_when_nothing_is() {
        let mut content = Content::default();
        content.remaining.insert("pods.".into(), 2);
        content.finalizers.insert("example.com/wait".into(), 1);
        let first = content.conditions(&[], at(1));
        let find = |all: &[Condition], t: &str| condition::find(all, t).cloned().expect("there");
        let left = find(&first, "NamespaceContentRemaining");
        assert_eq!(
            (left.status.as_str(), left.reason.as_str()),
            ("True", "SomeResourcesRemain")
        );
        assert_eq!(
            left.message,
            "Some resources are remaining: pods. has 2 resource instances"
        );
        let held = find(&first, "NamespaceFinalizersRemaining");
        assert!(
            held.message
                .ends_with("example.com/wait in 1 resource instances"),
            "{}",
            held.message
        );

        let second = Content::default().conditions(&first, at(2));
        assert!(second.iter().all(|c| c.status == "False"));
        assert_eq!(
            find(&second, "NamespaceContentRemaining").last_transition,
            Some(at(2))
        );
        assert_eq!(
            find(&second, "NamespaceDeletionContentFailure").last_transition,
            Some(at(1)),
            "was good before"
        );
        assert_eq!(
            Content::default().conditions(&second, at(3)),
            second,
            "nothing changes any more"
        );
    }
}
