//! IPAddresses, by which Services hold their cluster IPs (upstream: `pkg/apis/networking/validation`).

use super::check::{IMMUTABLE, each, path_segment, required, same, shown};
use super::format;
use crate::field::{Error, ErrorList, Path};
use crate::networking::v1::{IPAddress, ParentReference};
use crate::view::View;

const PARENT: Path<'static> = Path::new("spec.parentRef");

pub(super) fn create(errors: &mut ErrorList, address: IPAddress<'_>) {
    let Some(parent) = address.spec().parent_ref() else {
        errors.push(Error::required(&PARENT, ""));
        return;
    };
    parts(errors, parent, well_formed);
    // Said by upstream's declarative rules, which come last.
    required(errors, &PARENT.child("resource"), parent.resource());
    required(errors, &PARENT.child("name"), parent.name());
}

/// An address stays with whom it was given to. What is missing in a changed reference upstream's older rules say, where it is.
pub(super) fn update(errors: &mut ErrorList, new: IPAddress<'_>, old: IPAddress<'_>) {
    let (parent, before) = (new.spec().parent_ref(), old.spec().parent_ref());
    match parent {
        Some(parent) => parts(errors, parent, path_segment),
        None => errors.push(Error::required(&PARENT, "")),
    }
    if !same(parent.and_then(View::node), before.and_then(View::node)) {
        errors.push(Error::invalid(&PARENT, shown(None), IMMUTABLE));
    }
}

/// `needed`: the check of those parts that must be there.
fn parts(
    errors: &mut ErrorList,
    parent: ParentReference<'_>,
    needed: fn(&mut ErrorList, &Path<'_>, &str),
) {
    let group = parent.group();
    if !group.is_empty() {
        let place = PARENT.child("group");
        each(errors, &place, group, format::dns_subdomain(group));
    }
    needed(errors, &PARENT.child("resource"), parent.resource());
    needed(errors, &PARENT.child("name"), parent.name());
    well_formed(errors, &PARENT.child("namespace"), parent.namespace());
}

fn well_formed(errors: &mut ErrorList, path: &Path<'_>, text: &str) {
    each(errors, path, text, format::path_segment(text, false));
}
