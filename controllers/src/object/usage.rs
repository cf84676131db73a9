//! What quotas see of pods and claims: not how much they use, but whether that has changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use api::{
    Time, Tree,
    core::v1::{PersistentVolumeClaim, Pod},
    quota::{self, Evaluator},
};
use jiff::Timestamp;
use runtime::Projection;

/// A fingerprint of what an object uses and of the scopes that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage(u64);

impl Projection for Usage {
    fn project(object: &Tree) -> Self {
        let mut hasher = DefaultHasher::new();
        // Long ago nothing had outstayed its deletion.
        let now = Time::from(Timestamp::UNIX_EPOCH);
        match object.type_id() {
            Pod::TYPE => {
                quota::is_terminating(Pod::of(object)).hash(&mut hasher);
                for (name, amount) in Evaluator::Pods.usage(object, now) {
                    (name, amount.to_string()).hash(&mut hasher);
                }
            }
            PersistentVolumeClaim::TYPE => {
                quota::attributes_classes(PersistentVolumeClaim::of(object)).hash(&mut hasher);
                for (name, amount) in Evaluator::Claims.usage(object, now) {
                    (name, amount.to_string()).hash(&mut hasher);
                }
            }
            _ => {}
        }
        Usage(hasher.finish())
    }
}
