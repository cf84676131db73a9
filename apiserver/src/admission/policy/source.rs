//! Where policies come from: compiled once, and shared by all writes until policies or bindings change.

use std::sync::Arc;

use api::{Tree, TypeId};
use arc_swap::ArcSwap;
use store::Revision;

use super::compiled::{Binding, Policy, Rules};
use crate::admission::Lookup;
use crate::codec::object::decode_as;
use crate::view::Object;

/// A policy that is bound.
pub struct Bound<R> {
    revision: Revision,
    /// The policy.
    pub policy: Arc<Policy<R>>,
    /// Its bindings, by name.
    pub bindings: Vec<Arc<Binding>>,
}

/// All policies that are bound, by name, at revisions of both resources.
struct Compiled<R> {
    revisions: Option<(Revision, Revision)>,
    all: Arc<[Bound<R>]>,
}

/// Gives policies.
pub struct Source<R> {
    lookup: Lookup,
    compiled: ArcSwap<Compiled<R>>,
}

impl<R: Rules> Source<R> {
    /// Policies that `lookup` finds.
    pub fn new(lookup: Lookup) -> Source<R> {
        let compiled = Compiled {
            revisions: None,
            all: Arc::new([]),
        };
        Source {
            lookup,
            compiled: ArcSwap::from_pointee(compiled),
        }
    }

    /// The policies that are bound, by name. Who finds them changed compiles what has changed; who comes at the same time does so
    /// as well, and nobody waits.
    pub fn bound(&self) -> Arc<[Bound<R>]> {
        let policies = self.lookup.snapshot(R::POLICIES);
        let bindings = self.lookup.snapshot(R::BINDINGS);
        let (Some(policies), Some(bindings)) = (policies, bindings) else {
            return Arc::new([]);
        };
        let revisions = Some((policies.revision(), bindings.revision()));
        let before = self.compiled.load();
        if before.revisions == revisions {
            return Arc::clone(&before.all);
        }
        let read = |object: &Arc<Object>| tree(object, R::BINDING);
        let mut all: Vec<Bound<R>> = Vec::new();
        for binding in bindings.from("").filter_map(read) {
            let binding = Arc::new(R::binding(&binding));
            if let Some(known) = all.iter_mut().find(|b| b.policy.name == binding.policy) {
                known.bindings.push(binding);
                continue;
            }
            // A binding may be there before its policy.
            let Some(object) = policies.get(&binding.policy) else {
                continue;
            };
            if let Some(policy) = compile(&before.all, object) {
                all.push(Bound {
                    revision: object.revision(),
                    policy,
                    bindings: vec![binding],
                });
            }
        }
        all.sort_by(|a, b| a.policy.name.cmp(&b.policy.name));
        let all: Arc<[Bound<R>]> = all.into();
        self.compiled.store(Arc::new(Compiled {
            revisions,
            all: Arc::clone(&all),
        }));
        all
    }
}

fn tree(object: &Arc<Object>, ty: TypeId) -> Option<Tree> {
    decode_as(object.value(), ty)
}

/// The policy as it was compiled before, if it has not changed since.
fn compile<R: Rules>(before: &[Bound<R>], object: &Arc<Object>) -> Option<Arc<Policy<R>>> {
    let same = |bound: &&Bound<R>| {
        bound.revision == object.revision() && bound.policy.name == object.name()
    };
    match before.iter().find(same) {
        Some(bound) => Some(Arc::clone(&bound.policy)),
        None => Some(Arc::new(R::policy(&tree(object, R::POLICY)?))),
    }
}
