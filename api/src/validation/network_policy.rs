//! NetworkPolicies (upstream: `pkg/apis/networking/validation`).

use super::address::Range;
use super::check::{each, port, quoted, selector_with, shown};
use super::format;
use crate::IntOrString;
use crate::field::{Error, ErrorList, Path};
use crate::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use crate::view::List;

const SPEC: Path<'static> = Path::new("spec");
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];
const POLICY_TYPES: &[&str] = &["Ingress", "Egress"];

type Ports<'a> = List<'a, NetworkPolicyPort<'a>>;
type Peers<'a> = List<'a, NetworkPolicyPeer<'a>>;

/// What a policy had before: its ranges are not looked at again, nor are values in selectors if its own was malformed.
#[derive(Clone, Copy, Default)]
struct Before<'a> {
    spec: Option<NetworkPolicySpec<'a>>,
    lenient: bool,
}

impl<'a> Before<'a> {
    fn of(old: NetworkPolicySpec<'a>) -> Before<'a> {
        let mut found = ErrorList::new();
        selector_with(&mut found, &SPEC, old.pod_selector(), true);
        Before {
            spec: Some(old),
            lenient: !found.is_empty(),
        }
    }

    fn has_range(self, range: &str) -> bool {
        let Some(spec) = self.spec else { return false };
        let ingress = spec.ingress().iter().map(|rule| rule.from());
        let egress = spec.egress().iter().map(|rule| rule.to());
        ingress
            .chain(egress)
            .flatten()
            .filter_map(|peer| peer.ip_block())
            .any(|block| block.cidr() == range || block.except().contains(range))
    }

    /// What is wrong with a range that was not there before.
    fn range(self, range: &str) -> format::Messages {
        let messages = format::cidr(range);
        match messages.is_empty() || self.has_range(range) {
            true => Vec::new(),
            false => messages,
        }
    }
}

pub(super) fn create(errors: &mut ErrorList, policy: NetworkPolicy<'_>) {
    check(errors, policy.spec(), Before::default());
}

pub(super) fn update(errors: &mut ErrorList, new: NetworkPolicy<'_>, old: NetworkPolicy<'_>) {
    check(errors, new.spec(), Before::of(old.spec()));
}

fn check(errors: &mut ErrorList, spec: NetworkPolicySpec<'_>, before: Before<'_>) {
    let path = SPEC.child("podSelector");
    selector_with(errors, &path, spec.pod_selector(), !before.lenient);
    let path = SPEC.child("ingress");
    for (at, rule) in spec.ingress().iter().enumerate() {
        let path = path.index(at);
        ports(errors, &path.child("ports"), rule.ports());
        peers(errors, &path.child("from"), rule.from(), before);
    }
    let path = SPEC.child("egress");
    for (at, rule) in spec.egress().iter().enumerate() {
        let path = path.index(at);
        ports(errors, &path.child("ports"), rule.ports());
        peers(errors, &path.child("to"), rule.to(), before);
    }
    types(errors, spec);
    // Said by upstream's declarative rules, which come last.
    let path = SPEC.child("ingress");
    for (at, rule) in spec.ingress().iter().enumerate() {
        empty_ranges(errors, &path.index(at).child("from"), rule.from());
    }
    let path = SPEC.child("egress");
    for (at, rule) in spec.egress().iter().enumerate() {
        empty_ranges(errors, &path.index(at).child("to"), rule.to());
    }
}

fn types(errors: &mut ErrorList, spec: NetworkPolicySpec<'_>) {
    let (path, types) = (SPEC.child("policyTypes"), spec.policy_types());
    if types.len() > POLICY_TYPES.len() {
        errors.push(Error::invalid(
            &path,
            shown(types.node()),
            "may not specify more than two policyTypes",
        ));
        return;
    }
    for (at, kind) in types.iter().enumerate() {
        if !POLICY_TYPES.contains(&kind) {
            let place = path.index(at);
            errors.push(Error::not_supported(&place, quoted(kind), POLICY_TYPES));
        }
    }
}

fn ports(errors: &mut ErrorList, path: &Path<'_>, ports: Ports<'_>) {
    for (at, item) in ports.iter().enumerate() {
        let path = path.index(at);
        if let Some(protocol) = item.protocol()
            && !PROTOCOLS.contains(&protocol)
        {
            let place = path.child("protocol");
            errors.push(Error::not_supported(&place, quoted(protocol), PROTOCOLS));
        }
        let (first, last) = (path.child("port"), path.child("endPort"));
        let mut senseless = |why: &str| {
            if let Some(end) = item.end_port() {
                errors.push(Error::invalid(&last, end, why));
            }
        };
        match item.port() {
            None => senseless("may not be specified when `port` is not specified"),
            Some(IntOrString::String(name)) => {
                senseless("may not be specified when `port` is non-numeric");
                each(errors, &first, &name, format::port_name(&name));
            }
            Some(IntOrString::Int(number)) => {
                port(errors, &first, number);
                if let Some(end) = item.end_port() {
                    if end < number {
                        let why = "must be greater than or equal to `port`";
                        errors.push(Error::invalid(&last, end, why));
                    }
                    port(errors, &last, end);
                }
            }
        }
    }
}

fn peers(errors: &mut ErrorList, path: &Path<'_>, peers: Peers<'_>, before: Before<'_>) {
    for (at, peer) in peers.iter().enumerate() {
        let path = path.index(at);
        let selectors = [
            ("podSelector", peer.pod_selector()),
            ("namespaceSelector", peer.namespace_selector()),
        ];
        let mut selects = false;
        for (field, selector) in selectors {
            if let Some(selector) = selector {
                selects = true;
                selector_with(errors, &path.child(field), selector, !before.lenient);
            }
        }
        match peer.ip_block() {
            Some(block) => {
                ranges(errors, &path.child("ipBlock"), block, before);
                if selects {
                    let why = "may not specify both ipBlock and another peer";
                    errors.push(Error::forbidden(&path, why));
                }
            }
            None if !selects => errors.push(Error::required(&path, "must specify a peer")),
            None => {}
        }
    }
}

fn ranges(errors: &mut ErrorList, path: &Path<'_>, block: IPBlock<'_>, before: Before<'_>) {
    let cidr = block.cidr();
    if cidr.is_empty() {
        return;
    }
    each(errors, &path.child("cidr"), cidr, before.range(cidr));
    let Some(whole) = Range::parse(cidr) else {
        return;
    };
    let path = path.child("except");
    for (at, except) in block.except().iter().enumerate() {
        let place = path.index(at);
        each(errors, &place, except, before.range(except));
        if Range::parse(except).is_some_and(|part| !whole.is_wider_than(part)) {
            let why = "must be a strict subset of `cidr`";
            errors.push(Error::invalid(&place, except, why));
        }
    }
}

fn empty_ranges(errors: &mut ErrorList, path: &Path<'_>, peers: Peers<'_>) {
    for (at, peer) in peers.iter().enumerate() {
        if peer.ip_block().is_some_and(|block| block.cidr().is_empty()) {
            let place = path.index(at);
            errors.push(Error::required(&place.child("ipBlock.cidr"), ""));
        }
    }
}
