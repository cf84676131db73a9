//! StorageClasses and VolumeAttributesClasses: a driver, and what it is told.
//! <https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/>

use std::collections::{BTreeMap, BTreeSet};

use super::super::check::{each, quoted, required, same};
use super::super::format;
use super::immutable;
use crate::core::v1::TopologySelectorTerm;
use crate::field::{Error, ErrorList, Path};
use crate::storage::v1::{StorageClass, VolumeAttributesClass};
use crate::view::{List, MapRef};

const PROVISIONER: Path<'static> = Path::new("provisioner");
const PARAMETERS: Path<'static> = Path::new("parameters");
const DRIVER: Path<'static> = Path::new("driverName");
const POLICIES: &[&str] = &["Delete", "Retain"];
const MODES: &[&str] = &["Immediate", "WaitForFirstConsumer"];
/// How many parameters there may be, and how many bytes they may have together.
const PARAMETERS_MAX: usize = 512;
const PARAMETERS_SIZE_MAX: usize = 256 * 1024;

pub(crate) fn storage_class(errors: &mut ErrorList, class: StorageClass<'_>) {
    check(errors, class);
    required(errors, &PROVISIONER, class.provisioner());
}

/// All but whether there is a provisioner: upstream says that at another place in each case.
fn check(errors: &mut ErrorList, class: StorageClass<'_>) {
    driver(errors, &PROVISIONER, class.provisioner());
    parameters(errors, class.parameters());
    if let Some(policy) = class.reclaim_policy()
        && !policy.is_empty()
        && !POLICIES.contains(&policy)
    {
        let path = Path::new("reclaimPolicy");
        errors.push(Error::not_supported(&path, quoted(policy), POLICIES));
    }
    let path = Path::new("volumeBindingMode");
    match class.volume_binding_mode() {
        None => errors.push(Error::required(&path, "")),
        Some(mode) if !MODES.contains(&mode) => {
            errors.push(Error::not_supported(&path, quoted(mode), MODES));
        }
        Some(_) => {}
    }
    topologies(errors, class.allowed_topologies());
}

/// The name of whoever makes the volumes, in whatever case.
fn driver(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !name.is_empty() {
        let name = format::lowercase(name);
        each(errors, path, &name, format::label_key(&name));
    }
}

fn parameters(errors: &mut ErrorList, map: MapRef<'_, str>) {
    if map.len() > PARAMETERS_MAX {
        errors.push(Error::too_long(&PARAMETERS, PARAMETERS_MAX));
        return;
    }
    if map.contains_key("") {
        errors.push(Error::invalid(&PARAMETERS, "", "field can not be empty."));
    }
    let size: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > PARAMETERS_SIZE_MAX {
        errors.push(Error::too_long(&PARAMETERS, PARAMETERS_SIZE_MAX));
    }
}

/// Terms that say the same as one before them are told once each. An empty one counts as such: upstream compares each with as many
/// empty ones as there are terms.
fn topologies(errors: &mut ErrorList, terms: List<'_, TopologySelectorTerm<'_>>) {
    let path = Path::new("allowedTopologies");
    let mut seen: BTreeSet<BTreeMap<&str, BTreeSet<&str>>> = BTreeSet::new();
    for (at, term) in terms.iter().enumerate() {
        let place = path.index(at);
        let place = place.child("matchLabelExpressions");
        let labels = topology(errors, &place, term);
        if labels.is_empty() || !seen.insert(labels) {
            errors.push(Error::duplicate(&place, ""));
        }
    }
}

/// What a term allows of each label; of several expressions for one label the last counts.
fn topology<'a>(
    errors: &mut ErrorList,
    path: &Path<'_>,
    term: TopologySelectorTerm<'a>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut labels = BTreeMap::new();
    for (at, expression) in term.match_label_expressions().iter().enumerate() {
        let place = path.index(at);
        let list = place.child("values");
        if expression.values().is_empty() {
            errors.push(Error::required(&list, ""));
        }
        let mut values = BTreeSet::new();
        for (at, value) in expression.values().iter().enumerate() {
            if !values.insert(value) {
                errors.push(Error::duplicate(&list.index(at), value));
            }
        }
        let (place, key) = (place.child("key"), expression.key());
        each(errors, &place, key, format::label_key(key));
        if labels.insert(key, values).is_some() {
            errors.push(Error::duplicate(&place, key));
        }
    }
    labels
}

/// Volumes are made as the class was when they were asked for, so most of it stays.
pub(crate) fn storage_class_update(
    errors: &mut ErrorList,
    new: StorageClass<'_>,
    old: StorageClass<'_>,
) {
    let moves = new.provisioner() != old.provisioner();
    if !moves {
        required(errors, &PROVISIONER, new.provisioner());
    }
    check(errors, new);
    if moves {
        required(errors, &PROVISIONER, new.provisioner());
        errors.push(immutable(&PROVISIONER));
    }
    if !same(new.parameters().node(), old.parameters().node()) {
        errors.push(immutable(&PARAMETERS));
    }
    for (field, new, old) in [
        ("reclaimPolicy", new.reclaim_policy(), old.reclaim_policy()),
        (
            "volumeBindingMode",
            new.volume_binding_mode(),
            old.volume_binding_mode(),
        ),
    ] {
        if new != old {
            errors.push(immutable(&Path::new(field)));
        }
    }
}

pub(crate) fn attributes_class(errors: &mut ErrorList, class: VolumeAttributesClass<'_>) {
    required(errors, &DRIVER, class.driver_name());
    driver(errors, &DRIVER, class.driver_name());
    parameters(errors, class.parameters());
    if class.parameters().is_empty() {
        let why = "must contain at least one key/value pair";
        errors.push(Error::required(&PARAMETERS, why));
    }
}

/// Nothing of it may change.
pub(crate) fn attributes_class_update(
    errors: &mut ErrorList,
    new: VolumeAttributesClass<'_>,
    old: VolumeAttributesClass<'_>,
) {
    if new.driver_name() != old.driver_name() {
        let why = "updates to driverName are forbidden.";
        errors.push(Error::forbidden(&DRIVER, why));
    }
    if !same(new.parameters().node(), old.parameters().node()) {
        let why = "updates to parameters are forbidden.";
        errors.push(Error::forbidden(&PARAMETERS, why));
    }
    attributes_class(errors, new);
}
