//! VolumeAttributesClasses stay while a volume or a claim names them (KEP-3751).
//! <https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/>

use std::collections::BTreeSet;

use api::{
    Tree,
    core::v1::{PersistentVolume, PersistentVolumeClaim},
    storage::v1::VolumeAttributesClass,
};
use runtime::{
    Change, Context, Controller, Informer, Informers, Key, Next, Projection, ReconcileError,
    Resource, Wiring,
};

use super::{Hold, Step, set_held};

const FINALIZER: &str = "kubernetes.io/vac-protection";
/// The index of volumes and claims by the classes that they name.
const BY_CLASS: &str = "attributes class";

impl Projection for Hold {
    fn project(object: &Tree) -> Self {
        Hold::read(VolumeAttributesClass::of(object).metadata(), FINALIZER)
    }
}

/// The class of a volume.
#[derive(Debug, Clone)]
struct OfVolume(Option<String>);

impl Projection for OfVolume {
    fn project(object: &Tree) -> Self {
        let class = PersistentVolume::of(object)
            .spec()
            .volume_attributes_class_name();
        OfVolume(named(class))
    }
}

/// The classes of a claim: the one that is wanted, the one that it has, and the one that it is on the way to.
#[derive(Debug, Clone)]
struct OfClaim(BTreeSet<String>);

impl Projection for OfClaim {
    fn project(object: &Tree) -> Self {
        let claim = PersistentVolumeClaim::of(object);
        let status = claim.status();
        let target = status
            .modify_volume_status()
            .map(|status| status.target_volume_attributes_class_name());
        let classes = [
            claim.spec().volume_attributes_class_name(),
            status.current_volume_attributes_class_name(),
            target,
        ];
        OfClaim(classes.into_iter().filter_map(named).collect())
    }
}

fn named(class: Option<&str>) -> Option<String> {
    class.filter(|class| !class.is_empty()).map(str::to_owned)
}

/// The controller. Its keys are classes.
pub struct ClassProtection {
    classes: Informer<Hold>,
    volumes: Informer<OfVolume>,
    claims: Informer<OfClaim>,
}

impl ClassProtection {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let volumes = informers.informer::<OfVolume>(&Resource::of(PersistentVolume::TYPE));
        let claims = informers.informer::<OfClaim>(&Resource::of(PersistentVolumeClaim::TYPE));
        volumes.add_index(BY_CLASS, |volume| volume.value.0.iter().cloned().collect());
        claims.add_index(BY_CLASS, |claim| claim.value.0.iter().cloned().collect());
        ClassProtection {
            classes: informers.informer(&Resource::of(VolumeAttributesClass::TYPE)),
            volumes,
            claims,
        }
    }

    fn is_used(&self, class: &str) -> bool {
        self.volumes.count_by_index(BY_CLASS, class) > 0
            || self.claims.count_by_index(BY_CLASS, class) > 0
    }
}

/// The classes that an object names no more: they may be free now.
fn dropped<P>(
    change: Change<'_, P>,
    classes: impl Fn(&P) -> BTreeSet<String>,
) -> impl Iterator<Item = Key> {
    let old = change.old.map(|object| classes(&object.value));
    let new = change.new.map(|object| classes(&object.value));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    old.into_iter()
        .filter(move |class| !new.contains(class))
        .map(|class| Key::cluster(&class))
}

impl Controller for ClassProtection {
    const NAME: &'static str = "volumeattributesclass-protection-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.classes);
        wiring.watch(&self.volumes, |change, queue| {
            dropped(change, |volume| volume.0.iter().cloned().collect())
                .for_each(|key| queue.add(key));
        });
        wiring.watch(&self.claims, |change, queue| {
            dropped(change, |claim| claim.0.clone()).for_each(|key| queue.add(key));
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(class) = self.classes.get(key) else {
            return Ok(Next::Done);
        };
        let held = match class.value.step() {
            Step::Nothing => return Ok(Next::Done),
            Step::Remove if self.is_used(key.name()) => return Ok(Next::Done),
            step => step == Step::Add,
        };
        let resource = self.classes.resource();
        set_held(&cx.client, resource, key, FINALIZER, held).await?;
        Ok(Next::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::core::v1::PersistentVolumeClaimMut;
    use runtime::Object;

    fn claim(spec: &str, current: &str, target: &str) -> Object<OfClaim> {
        let mut tree = Tree::new(PersistentVolumeClaim::TYPE);
        let mut claim = PersistentVolumeClaimMut::of(&mut tree);
        claim.spec_mut().set_volume_attributes_class_name(spec);
        let mut status = claim.status_mut();
        status.set_current_volume_attributes_class_name(current);
        status
            .modify_volume_status_mut()
            .set_target_volume_attributes_class_name(target);
        Object::read(&tree)
    }

    #[test]
    fn a_claim_uses_what_it_wants_has_and_gets_and_lets_go_of_what_it_names_no_more() {
        let (old, new) = (claim("a", "b", "c"), claim("a", "a", ""));
        let classes = |claim: &OfClaim| claim.0.clone();
        assert_eq!(classes(&old.value).len(), 3);
        let names = |old, new| {
            dropped(Change { old, new }, classes)
                .map(|key| key.name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Some(&old), Some(&new)), ["b", "c"]);
        assert_eq!(names(Some(&new), None), ["a"]);
        assert!(names(None, Some(&old)).is_empty());
    }
}
