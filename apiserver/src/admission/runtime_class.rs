//! RuntimeClass: a pod gets the overhead, the node selector and the tolerations of the class that it names.
//! <https://kubernetes.io/docs/concepts/containers/runtime-class/>

use std::collections::BTreeMap;

use api::core::v1::{Pod, PodMut, PodSpecMut, Toleration};
use api::node::v1::RuntimeClass as Class;
use api::view::MapRef;
use api::{Quantity, Tree};
use async_trait::async_trait;

use super::{Attributes, Lookup, Mutate, Operation, Validate};
use crate::status::Status;

const OVERHEAD_DIFFERS: &str =
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const OVERHEAD_WITHOUT_CLASS: &str =
    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";

/// See the module.
pub struct RuntimeClass {
    lookup: Lookup,
}

impl RuntimeClass {
    /// A step that reads classes by `lookup`.
    pub fn new(lookup: Lookup) -> RuntimeClass {
        RuntimeClass { lookup }
    }

    /// The class that the pod names, if it names one.
    async fn class(&self, a: &Attributes<'_>, pod: &Tree) -> Result<Option<Tree>, Status> {
        let Some(name) = Pod::of(pod).spec().runtime_class_name() else {
            return Ok(None);
        };
        match self
            .lookup
            .get_fresh("runtimeclasses/", name, Class::TYPE)
            .await
        {
            Some(class) => Ok(Some(class)),
            None => {
                let why = format!("pod rejected: RuntimeClass {name:?} not found");
                Err(a.forbidden(Some(pod), why))
            }
        }
    }
}

/// Quantities are compared by what they amount to.
fn same(a: MapRef<'_, Quantity>, b: MapRef<'_, Quantity>) -> bool {
    let amounts = |map: MapRef<'_, Quantity>| -> BTreeMap<String, Quantity> {
        map.iter()
            .map(|(name, amount)| (name.to_owned(), amount))
            .collect()
    };
    amounts(a) == amounts(b)
}

fn is_create_of_pod(a: &Attributes<'_>) -> bool {
    a.is("", "pods") && a.operation == Operation::Create
}

#[async_trait]
impl Mutate for RuntimeClass {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        is_create_of_pod(a)
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(class) = self.class(a, new).await? else {
            return Ok(());
        };
        let class = Class::of(&class);
        if let Some(overhead) = class.overhead() {
            let given = Pod::of(new).spec().overhead();
            if !given.is_empty() && !same(given, overhead.pod_fixed()) {
                return Err(a.forbidden(Some(new), OVERHEAD_DIFFERS));
            }
            PodMut::of(new)
                .spec_mut()
                .set_overhead(overhead.pod_fixed());
        }
        let Some(scheduling) = class.scheduling() else {
            return Ok(());
        };
        for (key, value) in scheduling.node_selector().iter() {
            let given = Pod::of(new).spec().node_selector().get(key);
            if let Some(given) = given.filter(|given| *given != value) {
                let why = format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {given}"
                );
                return Err(a.forbidden(Some(new), why));
            }
            PodMut::of(new)
                .spec_mut()
                .node_selector_mut()
                .insert(key, value);
        }
        let added: Vec<Toleration<'_>> = scheduling.tolerations().iter().collect();
        merge_tolerations(PodMut::of(new).spec_mut(), &added);
        Ok(())
    }
}

#[async_trait]
impl Validate for RuntimeClass {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        is_create_of_pod(a)
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(pod) = new else { return Ok(()) };
        let class = self.class(a, pod).await?;
        let overhead = class.as_ref().and_then(|class| Class::of(class).overhead());
        let given = Pod::of(pod).spec().overhead();
        match overhead {
            Some(overhead) if !same(given, overhead.pod_fixed()) => {
                Err(a.forbidden(new, OVERHEAD_DIFFERS))
            }
            None if !given.is_empty() => Err(a.forbidden(new, OVERHEAD_WITHOUT_CLASS)),
            _ => Ok(()),
        }
    }
}

/// Appends the class's tolerations; of two of which one covers the other, the wider one stays, of equal ones the first.
fn merge_tolerations(mut spec: PodSpecMut<'_>, added: &[Toleration<'_>]) {
    let own = spec.view().tolerations().iter().map(Tolerated::read);
    let all: Vec<Tolerated> = own
        .chain(added.iter().copied().map(Tolerated::read))
        .collect();
    let mut kept: Vec<&Tolerated> = Vec::new();
    for (place, toleration) in all.iter().enumerate() {
        let covered = kept.iter().any(|wider| wider.covers(toleration))
            || all[place + 1..]
                .iter()
                .any(|later| later != toleration && later.covers(toleration));
        if !covered {
            kept.push(toleration);
        }
    }
    spec.remove_tolerations();
    for toleration in kept {
        let mut place = spec.push_tolerations();
        if !toleration.key.is_empty() {
            place.set_key(&toleration.key);
        }
        if !toleration.operator.is_empty() {
            place.set_operator(&toleration.operator);
        }
        if !toleration.value.is_empty() {
            place.set_value(&toleration.value);
        }
        if !toleration.effect.is_empty() {
            place.set_effect(&toleration.effect);
        }
        if let Some(seconds) = toleration.seconds {
            place.set_toleration_seconds(seconds);
        }
    }
}

/// A toleration, out of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tolerated {
    key: String,
    operator: String,
    value: String,
    effect: String,
    seconds: Option<i64>,
}

impl Tolerated {
    fn read(toleration: Toleration<'_>) -> Tolerated {
        Tolerated {
            key: toleration.key().to_owned(),
            operator: toleration.operator().to_owned(),
            value: toleration.value().to_owned(),
            effect: toleration.effect().to_owned(),
            seconds: toleration.toleration_seconds(),
        }
    }

    /// Whether all that `other` tolerates is tolerated by this too.
    fn covers(&self, other: &Tolerated) -> bool {
        if self == other {
            return true;
        }
        let every_key = self.key.is_empty() && self.operator == "Exists";
        let every_effect = self.effect.is_empty();
        if self.key != other.key && !every_key || self.effect != other.effect && !every_effect {
            return false;
        }
        let shorter = self.effect == "NoExecute"
            && self
                .seconds
                .is_some_and(|own| other.seconds.is_none_or(|others| others > own));
        if shorter {
            return false;
        }
        match self.operator.as_str() {
            "Exists" => true,
            "Equal" | "" => other.operator == "Equal" && self.value == other.value,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: &str, operator: &str, effect: &str, seconds: Option<i64>) -> Tolerated {
        Tolerated {
            key: key.to_owned(),
            operator: operator.to_owned(),
            value: String::new(),
            effect: effect.to_owned(),
            seconds,
        }
    }

    #[test]
    fn the_wider_one_of_two_tolerations_covers_the_other() {
        let every = toleration("", "Exists", "", None);
        let key = toleration("a", "Exists", "", None);
        let long = toleration("a", "Exists", "NoExecute", None);
        let short = toleration("a", "Exists", "NoExecute", Some(5));
        let equal = toleration("a", "Equal", "NoSchedule", None);
        for (wide, narrow) in [
            (&every, &key),
            (&key, &long),
            (&long, &short),
            (&key, &equal),
        ] {
            assert!(wide.covers(narrow), "{wide:?} {narrow:?}");
            assert!(!narrow.covers(wide), "{narrow:?} {wide:?}");
        }
    }
}
