//! The resources whose objects quotas count.

use api::{core::v1::Service, quota::Evaluator, resource::v1::ResourceClaim};
use runtime::{Informer, Informers, Resource};

use crate::object::usage::Usage;

/// How it is learned that an object is gone, or uses something else.
#[derive(Clone)]
enum Watch {
    /// By what others read of it, too.
    Typed(Informer<Usage>),
    /// By the metadata, which the garbage collector reads as well.
    Metadata(Informer<()>),
}

/// A resource that is counted.
#[derive(Clone)]
pub(super) struct Tracked {
    pub evaluator: Evaluator,
    /// In the form that is needed to count it.
    pub resource: Resource,
    watch: Watch,
}

impl Tracked {
    /// One of those that are followed whole.
    pub(super) fn typed(evaluator: Evaluator, informer: &Informer<Usage>) -> Tracked {
        Tracked {
            evaluator,
            resource: informer.resource().clone(),
            watch: Watch::Typed(informer.clone()),
        }
    }

    /// One whose metadata is followed: `mark` is told the namespaces in which something is gone, or may use something else.
    pub(super) fn by_metadata(
        evaluator: Evaluator,
        resource: &Resource,
        informers: &Informers,
        mark: impl Fn(&Evaluator, &str) + Send + Sync + 'static,
    ) -> Tracked {
        let informer: Informer<()> = informers.informer(resource);
        // Any other object uses the same as long as it is there.
        let changes = matches!(evaluator, Evaluator::Services | Evaluator::Devices);
        let of = evaluator.clone();
        informer.on_change(move |change| {
            if change.old.is_some() && (changes || change.new.is_none()) {
                mark(&of, change.latest().key.namespace());
            }
        });
        let counted = match evaluator {
            Evaluator::Services => Resource::of(Service::TYPE),
            Evaluator::Devices => Resource::of(ResourceClaim::TYPE),
            _ => resource.clone(),
        };
        Tracked {
            evaluator,
            resource: counted,
            watch: Watch::Metadata(informer),
        }
    }

    pub(super) fn is_of(&self, resource: &Resource) -> bool {
        (self.resource.group(), self.resource.plural()) == (resource.group(), resource.plural())
    }

    pub(super) fn is_synced(&self) -> bool {
        match &self.watch {
            Watch::Typed(informer) => informer.is_synced(),
            Watch::Metadata(informer) => informer.is_synced(),
        }
    }

    /// Whether what it is learned by is still kept up to date: the garbage collector ends what is no longer served.
    pub(super) fn is_current(&self, resource: &Resource, informers: &Informers) -> bool {
        match &self.watch {
            Watch::Typed(_) => true,
            Watch::Metadata(informer) => informer.is_same(&informers.informer(resource)),
        }
    }
}
