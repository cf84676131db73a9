//! Which nodes a pod wants, and which other pods near it.

use super::super::check::{each, label_values, operator, selector};
use super::super::format;
use super::spread::label_keys;
use crate::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PodAffinityTerm, WeightedPodAffinityTerm,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// All affinities of a pod.
pub(super) fn check(errors: &mut ErrorList, path: &Path<'_>, affinity: Option<Affinity<'_>>) {
    let Some(affinity) = affinity else { return };
    if let Some(nodes) = affinity.node_affinity() {
        node_affinity(errors, &path.child("nodeAffinity"), nodes);
    }
    if let Some(pods) = affinity.pod_affinity() {
        let place = path.child("podAffinity");
        let required = pods.required_during_scheduling_ignored_during_execution();
        let preferred = pods.preferred_during_scheduling_ignored_during_execution();
        terms(errors, &place.child(REQUIRED), required);
        weighted(errors, &place.child(PREFERRED), preferred);
    }
    if let Some(pods) = affinity.pod_anti_affinity() {
        let place = path.child("podAntiAffinity");
        let required = pods.required_during_scheduling_ignored_during_execution();
        let preferred = pods.preferred_during_scheduling_ignored_during_execution();
        terms(errors, &place.child(REQUIRED), required);
        weighted(errors, &place.child(PREFERRED), preferred);
    }
}

fn node_affinity(errors: &mut ErrorList, path: &Path<'_>, affinity: NodeAffinity<'_>) {
    if let Some(required) = affinity.required_during_scheduling_ignored_during_execution() {
        node_selector(errors, &path.child(REQUIRED), required, true);
    }
    let place = path.child(PREFERRED);
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution();
    for (at, term) in preferred.iter().enumerate() {
        let place = place.index(at);
        weight(errors, &place, term.weight());
        node_term(errors, &place.child("preference"), term.preference(), false);
    }
}

/// The nodes that a pod must be on, or that a volume can be reached from. `strict`: the values must be labels'.
pub(crate) fn node_selector(
    errors: &mut ErrorList,
    path: &Path<'_>,
    selector: NodeSelector<'_>,
    strict: bool,
) {
    let place = path.child("nodeSelectorTerms");
    let terms = selector.node_selector_terms();
    if terms.is_empty() {
        errors.push(Error::required(
            &place,
            "must have at least one node selector term",
        ));
    }
    for (at, term) in terms.iter().enumerate() {
        node_term(errors, &place.index(at), term, strict);
    }
}

fn weight(errors: &mut ErrorList, path: &Path<'_>, weight: i32) {
    if !(1..=100).contains(&weight) {
        errors.push(Error::invalid(
            &path.child("weight"),
            weight,
            "must be in the range 1-100",
        ));
    }
}

/// `strict`: the values must be labels'; upstream does not look at them where they are mere preferences.
fn node_term(errors: &mut ErrorList, path: &Path<'_>, term: NodeSelectorTerm<'_>, strict: bool) {
    let place = path.child("matchExpressions");
    for (at, requirement) in term.match_expressions().iter().enumerate() {
        let place = place.index(at);
        let (key, values) = (requirement.key(), requirement.values());
        operator(errors, &place, requirement.operator(), values.len(), true);
        each(errors, &place.child("key"), key, format::label_key(key));
        if strict {
            label_values(errors, &place.child("values"), values);
        }
    }
    let place = path.child("matchFields");
    for (at, requirement) in term.match_fields().iter().enumerate() {
        node_field(errors, &place.index(at), requirement);
    }
}

fn node_field(errors: &mut ErrorList, path: &Path<'_>, requirement: NodeSelectorRequirement<'_>) {
    let values = requirement.values();
    match requirement.operator() {
        "In" | "NotIn" if values.len() != 1 => errors.push(Error::required(
            &path.child("values"),
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        )),
        "In" | "NotIn" => {}
        other => errors.push(Error::invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        )),
    }
    if requirement.key() == "metadata.name" {
        let place = path.child("values");
        for (at, value) in values.iter().enumerate() {
            each(
                errors,
                &place.index(at),
                value,
                format::dns_subdomain(value),
            );
        }
    } else {
        errors.push(Error::invalid(
            &path.child("key"),
            requirement.key(),
            "not a valid field selector key",
        ));
    }
}

fn terms(errors: &mut ErrorList, path: &Path<'_>, terms: List<'_, PodAffinityTerm<'_>>) {
    for (at, item) in terms.iter().enumerate() {
        term(errors, &path.index(at), item);
    }
}

fn weighted(errors: &mut ErrorList, path: &Path<'_>, terms: List<'_, WeightedPodAffinityTerm<'_>>) {
    for (at, item) in terms.iter().enumerate() {
        let place = path.index(at);
        weight(errors, &place, item.weight());
        term(
            errors,
            &place.child("podAffinityTerm"),
            item.pod_affinity_term(),
        );
    }
}

fn term(errors: &mut ErrorList, path: &Path<'_>, term: PodAffinityTerm<'_>) {
    selector(errors, &path.child("labelSelector"), term.label_selector());
    selector(
        errors,
        &path.child("namespaceSelector"),
        term.namespace_selector(),
    );
    for namespace in term.namespaces() {
        let messages = format::dns_label(namespace);
        each(errors, &path.child("namespace"), namespace, messages);
    }
    let (matching, mismatching) = (term.match_label_keys(), term.mismatch_label_keys());
    label_keys(errors, path, matching, mismatching, term.label_selector());
    let key = term.topology_key();
    if key.is_empty() {
        errors.push(Error::required(
            &path.child("topologyKey"),
            "can not be empty",
        ));
    }
    each(
        errors,
        &path.child("topologyKey"),
        key,
        format::label_key(key),
    );
}
