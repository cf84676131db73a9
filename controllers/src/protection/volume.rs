//! PersistentVolumes stay while a claim is bound to them.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection>

use api::{Tree, core::v1::PersistentVolume};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Projection, ReconcileError, Resource,
    Wiring,
};

use super::{Hold, Step, set_held};

const FINALIZER: &str = "kubernetes.io/pv-protection";

/// A volume, as this controller sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume {
    hold: Hold,
    bound: bool,
}

impl Projection for Volume {
    fn project(object: &Tree) -> Self {
        let volume = PersistentVolume::of(object);
        Volume {
            hold: Hold::read(volume.metadata(), FINALIZER),
            bound: volume.status().phase() == "Bound",
        }
    }
}

/// The controller. Its keys are volumes.
pub struct VolumeProtection {
    volumes: Informer<Volume>,
}

impl VolumeProtection {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        VolumeProtection {
            volumes: informers.informer(&Resource::of(PersistentVolume::TYPE)),
        }
    }
}

impl Controller for VolumeProtection {
    const NAME: &'static str = "persistentvolume-protection-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        wiring.watch_own(&self.volumes);
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(volume) = self.volumes.get(key) else {
            return Ok(Next::Done);
        };
        let held = match volume.value.hold.step() {
            Step::Nothing => return Ok(Next::Done),
            Step::Remove if volume.value.bound => return Ok(Next::Done),
            step => step == Step::Add,
        };
        let resource = self.volumes.resource();
        set_held(&cx.client, resource, key, FINALIZER, held).await?;
        Ok(Next::Done)
    }
}
