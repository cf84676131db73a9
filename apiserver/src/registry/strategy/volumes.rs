//! PersistentVolumes: when their phase last changed is kept by the server.

use api::Tree;
use api::tree::Value;

use super::Rules;
use crate::registry::meta;

/// See the module.
pub struct Volumes;

const TRANSITION: &str = "lastPhaseTransitionTime";

impl Rules for Volumes {
    fn prepare_create(&self, new: &mut Tree, now: i64) {
        meta::ensure(&mut new.root_mut(), "status", |status| {
            meta::set(status, "phase", "Pending");
            meta::set(status, TRANSITION, Value::Time(now));
        });
    }

    fn prepare_status(&self, new: &mut Tree, old: &Tree, now: i64) {
        let phase = |tree: &Tree| {
            tree.root()
                .path("status.phase")
                .and_then(|p| p.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let at = |tree: &Tree| {
            tree.root()
                .path("status")
                .and_then(|s| s.get(TRANSITION))
                .and_then(|t| t.as_i64())
        };
        let changed = phase(new) != phase(old);
        let time = match at(new) {
            None if changed => Some(now),
            None => at(old),
            given if changed && given == at(old) => Some(now),
            given => given,
        };
        if let Some(time) = time {
            meta::ensure(&mut new.root_mut(), "status", |status| {
                meta::set(status, TRANSITION, Value::Time(time))
            });
        }
    }
}
