//! RuntimeClasses: what runs a pod's containers, what that costs, and on which nodes it is.
//! <https://kubernetes.io/docs/concepts/containers/runtime-class/>

use std::collections::BTreeSet;

use super::check::{IMMUTABLE, each, internal, labels, required};
use super::{format, pod};
use crate::core::v1::Toleration;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::node::v1::RuntimeClass;
use crate::view::{List, View};

const HANDLER: Path<'static> = Path::new("handler");

/// What upstream's newer rules say of the handler stands behind all else.
pub(super) fn create(errors: &mut ErrorList, class: RuntimeClass<'_>) {
    check(errors, class);
    let handler = class.handler();
    if required(errors, &HANDLER, handler) {
        each(errors, &HANDLER, handler, format::short_name(handler));
    }
}

/// All but the handler.
fn check(errors: &mut ErrorList, class: RuntimeClass<'_>) {
    if let Some(overhead) = class.overhead() {
        pod::overhead(errors, &Path::new("overhead"), overhead.pod_fixed());
    }
    if let Some(scheduling) = class.scheduling() {
        let path = Path::new("scheduling");
        labels(
            errors,
            &path.child("nodeSelector"),
            scheduling.node_selector(),
        );
        tolerations(errors, &path.child("tolerations"), scheduling.tolerations());
    }
}

/// Those that differ in their seconds alone are one.
fn tolerations(errors: &mut ErrorList, path: &Path<'_>, list: List<'_, Toleration<'_>>) {
    pod::tolerations(errors, path, list);
    let mut seen = BTreeSet::new();
    for (at, item) in list.iter().enumerate() {
        let key = (item.key(), item.operator(), item.value(), item.effect());
        if !seen.insert(key) {
            errors.push(Error::duplicate(&path.index(at), internal(item.node())));
        }
    }
}

/// The handler stays: the newer rules refuse another one whatever it is, and of one that stays the older ones speak.
pub(super) fn update(errors: &mut ErrorList, new: RuntimeClass<'_>, old: RuntimeClass<'_>) {
    let (handler, changes) = (new.handler(), new.handler() != old.handler());
    if !handler.is_empty() {
        each(errors, &HANDLER, handler, format::dns_label(handler));
    } else if !changes {
        errors.push(Error::required(&HANDLER, ""));
    }
    check(errors, new);
    if changes {
        let nothing = BadValue::Json("null".to_owned());
        errors.push(Error::invalid(&HANDLER, nothing, IMMUTABLE));
        required(errors, &HANDLER, handler);
    }
}
