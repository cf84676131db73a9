//! Services.

use std::net::IpAddr;

use super::address::endpoint_ip;
use super::check::{
    each, ip, label_name, labels, one_of, port, port_or_name, quoted, required, shown, supported,
};
use super::format;
use crate::core::v1::{Service, ServicePort, ServiceSpec};
use crate::field::{BadValue, Error, ErrorList, Path, quote};
use crate::view::{List, View};

const SPEC: Path<'static> = Path::new("spec");
const LOAD_BALANCER: &str = "LoadBalancer";
const EXTERNAL_NAME: &str = "ExternalName";
const NONE: &str = "None";
const FIXED: &str = "may not change once set";
/// A day.
const AFFINITY_SECONDS_MAX: i32 = 86_400;
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY: &str = "service.kubernetes.io/topology-mode";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

fn is_headless(spec: ServiceSpec<'_>) -> bool {
    spec.cluster_ips().len() == 1 && spec.cluster_ips().get(0) == Some(NONE)
}

fn is_external(spec: ServiceSpec<'_>) -> bool {
    match spec.type_() {
        LOAD_BALANCER | "NodePort" => true,
        "ClusterIP" => !spec.external_ips().is_empty(),
        _ => false,
    }
}

fn needs_health_check(spec: ServiceSpec<'_>) -> bool {
    spec.type_() == LOAD_BALANCER && spec.external_traffic_policy() == "Local"
}

/// A service, its metadata apart; `old` is what it was, if it was.
pub(super) fn check(errors: &mut ErrorList, service: Service<'_>, old: Option<Service<'_>>) {
    let spec = service.spec();
    let none = ServiceSpec::at(None);
    let before = old.map_or(none, |old| old.spec());
    // Upstream looks at these before it hands out addresses, and at the rest only if they are well.
    let count = errors.len();
    cluster_ips(errors, spec, before);
    if errors.len() > count {
        return;
    }
    if let Some(old) = old {
        unchanged(errors, spec, old.spec());
    }
    let annotations = service.metadata().annotations();
    if let (Some(mode), Some(hints)) = (annotations.get(TOPOLOGY), annotations.get(HINTS))
        && mode != hints
    {
        errors.push(Error::invalid(
            &Path::new("metadata.annotations").key(TOPOLOGY),
            mode,
            format!("must match annotations[{HINTS}] when both are specified"),
        ));
    }
    by_type(errors, spec);
    ports(errors, spec);
    labels(errors, &SPEC.child("selector"), spec.selector());
    affinity(errors, spec);
    let path = SPEC.child("externalIPs");
    for (at, address) in spec.external_ips().iter().enumerate() {
        let place = path.index(at);
        let count = errors.len();
        ip(errors, &place, address, before.external_ips());
        if errors.len() == count {
            endpoint_ip(errors, &place, address);
        }
    }
    one_of(
        errors,
        &SPEC.child("type"),
        spec.type_(),
        &["ClusterIP", EXTERNAL_NAME, LOAD_BALANCER, "NodePort"],
    );
    port_numbers(errors, spec);
    source_ranges(errors, service, old);
    balancer(errors, spec);
    traffic(errors, spec);
}

fn by_type(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let kind = spec.type_();
    if spec.ports().is_empty() && !is_headless(spec) && kind != EXTERNAL_NAME {
        errors.push(Error::required(&SPEC.child("ports"), ""));
    }
    match kind {
        LOAD_BALANCER | "NodePort" if is_headless(spec) => errors.push(Error::invalid(
            &SPEC.child("clusterIPs").index(0),
            NONE,
            format!("may not be set to 'None' for {kind} services"),
        )),
        EXTERNAL_NAME => {
            const WHY: &str = "may not be set for ExternalName services";
            for (field, set) in [
                ("clusterIPs", !spec.cluster_ips().is_empty()),
                ("ipFamilies", !spec.ip_families().is_empty()),
                ("ipFamilyPolicy", spec.has_ip_family_policy()),
            ] {
                if set {
                    errors.push(Error::forbidden(&SPEC.child(field), WHY));
                }
            }
            let name = spec.external_name();
            let name = name.strip_suffix('.').unwrap_or(name);
            let place = SPEC.child("externalName");
            if required(errors, &place, name) {
                each(errors, &place, name, format::dns_subdomain(name));
            }
        }
        _ => {}
    }
}

fn ports(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let (ports, path) = (spec.ports(), SPEC.child("ports"));
    for (at, item) in ports.iter().enumerate() {
        let place = path.index(at);
        let name = item.name();
        if !name.is_empty() || ports.len() > 1 {
            label_name(errors, &place.child("name"), name);
        }
        if !name.is_empty() && ports.iter().take(at).any(|earlier| earlier.name() == name) {
            errors.push(Error::duplicate(&place.child("name"), name));
        }
        port(errors, &place.child("port"), item.port());
        one_of(
            errors,
            &place.child("protocol"),
            item.protocol(),
            &["SCTP", "TCP", "UDP"],
        );
        port_or_name(errors, &place.child("targetPort"), &item.target_port());
        if let Some(protocol) = item.app_protocol() {
            let place = place.child("appProtocol");
            each(errors, &place, protocol, format::label_key(protocol));
        }
    }
}

fn port_numbers(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let (ports, path) = (spec.ports(), SPEC.child("ports"));
    for (at, item) in ports.iter().enumerate() {
        let place = path.index(at);
        let earlier = |same: &dyn Fn(ServicePort<'_>) -> bool| {
            ports
                .iter()
                .take(at)
                .any(|other| other.protocol() == item.protocol() && same(other))
        };
        if item.node_port() != 0 {
            let node_port = place.child("nodePort");
            if spec.type_() == "ClusterIP" {
                errors.push(Error::forbidden(
                    &node_port,
                    "may not be used when `type` is 'ClusterIP'",
                ));
            }
            if earlier(&|other| other.node_port() == item.node_port()) {
                errors.push(Error::duplicate(&node_port, item.node_port()));
            }
        }
        if earlier(&|other| other.port() == item.port()) {
            let value = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                quote(item.protocol()),
                item.port()
            );
            errors.push(Error::duplicate(&place, BadValue::Json(value)));
        }
    }
}

fn affinity(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let kind = spec.session_affinity();
    one_of(
        errors,
        &SPEC.child("sessionAffinity"),
        kind,
        &["ClientIP", NONE],
    );
    let path = SPEC.child("sessionAffinityConfig");
    let config = spec.session_affinity_config();
    if kind == NONE && config.is_some() {
        errors.push(Error::forbidden(
            &path,
            "must not be set when session affinity is None",
        ));
    }
    if kind != "ClientIP" {
        return;
    }
    let needed =
        |place: &Path<'_>| Error::required(place, "when session affinity type is ClientIP");
    let client = path.child("clientIP");
    let timeout = client.child("timeoutSeconds");
    match config.map(|config| config.client_ip().map(|client| client.timeout_seconds())) {
        None => errors.push(needed(&path)),
        Some(None) => errors.push(needed(&client)),
        Some(Some(None)) => errors.push(needed(&timeout)),
        Some(Some(Some(seconds))) if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) => {
            errors.push(Error::invalid(
                &timeout,
                BadValue::Json(seconds.to_string()),
                format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}"),
            ));
        }
        Some(Some(Some(_))) => {}
    }
}

fn is_v6(address: &str) -> bool {
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_ipv6())
}

fn cluster_ips(errors: &mut ErrorList, spec: ServiceSpec<'_>, old: ServiceSpec<'_>) {
    if spec.type_() == EXTERNAL_NAME {
        return;
    }
    let (path, ips) = (SPEC.child("clusterIPs"), spec.cluster_ips());
    let whole = |why: &str| Error::invalid(&path, shown(ips.node()), why);
    match (spec.cluster_ip(), ips.get(0)) {
        ("", Some(_)) => errors.push(whole("must be empty when `clusterIP` is not specified")),
        ("", None) => {}
        (_, None) => errors.push(Error::required(&path, "")),
        (one, Some(first)) if one != first => {
            errors.push(whole("first value must match `clusterIP`"));
        }
        _ => {}
    }
    families(errors, spec);
    let before = errors.len();
    for (at, address) in ips.iter().enumerate() {
        if at == 0 && address == NONE {
            if ips.len() > 1 {
                errors.push(whole("'None' must be the first and only value"));
            }
            continue;
        }
        ip(errors, &path.index(at), address, old.cluster_ips());
    }
    let malformed = errors.len() > before;
    if ips.len() > 2 {
        errors.push(whole("may only hold up to 2 values"));
    }
    if malformed {
        return;
    }
    let v6 = ips.iter().filter(|address| is_v6(address)).count();
    if ips.len() > 1 && (v6 == 0 || v6 == ips.len()) {
        errors.push(whole("may specify no more than one IP for each IP family"));
    }
    if is_headless(spec) {
        return;
    }
    for (at, (address, family)) in ips.iter().zip(spec.ip_families().iter()).enumerate() {
        let wrong = match family {
            "IPv4" => is_v6(address),
            "IPv6" => !is_v6(address),
            _ => false,
        };
        if wrong {
            errors.push(Error::invalid(
                &path.index(at),
                address,
                format!("expected an {family} value as indicated by `ipFamilies[{at}]`"),
            ));
        }
    }
}

fn families(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let (path, families) = (SPEC.child("ipFamilies"), spec.ip_families());
    for (at, family) in families.iter().enumerate() {
        supported(errors, &path.index(at), family, &["IPv4", "IPv6"]);
        if families.iter().take(at).any(|earlier| earlier == family) {
            errors.push(Error::duplicate(&path.index(at), family));
        }
    }
    let allowed = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if let Some(policy) = spec.ip_family_policy()
        && !allowed.contains(&policy)
    {
        let place = SPEC.child("ipFamilyPolicy");
        errors.push(Error::not_supported(&place, quoted(policy), &allowed));
    }
}

fn source_ranges(errors: &mut ErrorList, service: Service<'_>, old: Option<Service<'_>>) {
    const WHY: &str = "may only be used when `type` is 'LoadBalancer'";
    let spec = service.spec();
    let balanced = spec.type_() == LOAD_BALANCER;
    let ranges = spec.load_balancer_source_ranges();
    if !ranges.is_empty() {
        let path = SPEC.child("LoadBalancerSourceRanges");
        if !balanced {
            errors.push(Error::forbidden(&path, WHY));
        }
        for (at, range) in ranges.iter().enumerate() {
            let range = range.trim();
            let is_old = old.is_some_and(|old| {
                let known = old.spec().load_balancer_source_ranges();
                known.iter().any(|known| known.trim() == range)
            });
            if !is_old {
                each(errors, &path.index(at), range, format::cidr(range));
            }
        }
    } else if let Some(ranges) = service.metadata().annotations().get(SOURCE_RANGES) {
        let path = Path::new("metadata.annotations");
        let path = path.key(SOURCE_RANGES);
        if !balanced {
            errors.push(Error::forbidden(&path, WHY));
        }
        let before = old.and_then(|old| old.metadata().annotations().get(SOURCE_RANGES));
        if before != Some(ranges) && !ranges.trim().is_empty() {
            for range in ranges.trim().split(',').map(str::trim) {
                each(errors, &path, range, format::cidr(range));
            }
        }
    }
}

fn balancer(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    const WHY: &str = "may only be used when `type` is 'LoadBalancer'";
    let balanced = spec.type_() == LOAD_BALANCER;
    match (balanced, spec.allocate_load_balancer_node_ports()) {
        (false, Some(_)) => errors.push(Error::forbidden(
            &SPEC.child("allocateLoadBalancerNodePorts"),
            WHY,
        )),
        (true, None) => errors.push(Error::required(
            &Path::new("allocateLoadBalancerNodePorts"),
            "",
        )),
        _ => {}
    }
    if let Some(class) = spec.load_balancer_class() {
        let place = SPEC.child("loadBalancerClass");
        if balanced {
            each(errors, &place, class, format::label_key(class));
        } else {
            errors.push(Error::forbidden(&place, WHY));
        }
    }
}

fn traffic(errors: &mut ErrorList, spec: ServiceSpec<'_>) {
    let policies = ["Cluster", "Local"];
    let (place, policy) = (
        SPEC.child("externalTrafficPolicy"),
        spec.external_traffic_policy(),
    );
    if is_external(spec) {
        one_of(errors, &place, policy, &policies);
    } else if !policy.is_empty() {
        errors.push(Error::invalid(
            &place,
            policy,
            "may only be set for externally-accessible services",
        ));
    }
    let (place, number) = (
        SPEC.child("healthCheckNodePort"),
        spec.health_check_node_port(),
    );
    if needs_health_check(spec) {
        if number == 0 {
            errors.push(Error::required(&place, ""));
        } else {
            port(errors, &place, number);
        }
    } else if number != 0 {
        errors.push(Error::invalid(
            &place,
            number,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ));
    }
    let place = SPEC.child("internalTrafficPolicy");
    match spec.internal_traffic_policy() {
        None if matches!(spec.type_(), "NodePort" | LOAD_BALANCER | "ClusterIP") => {
            errors.push(Error::required(&place, ""));
        }
        None => {}
        Some(policy) => supported(errors, &place, policy, &policies),
    }
    if let Some(distribution) = spec.traffic_distribution() {
        supported(
            errors,
            &SPEC.child("trafficDistribution"),
            distribution,
            &["PreferClose", "PreferSameZone", "PreferSameNode"],
        );
    }
}

/// What may not change: addresses and families once given, and what a load balancer was made with.
fn unchanged(errors: &mut ErrorList, spec: ServiceSpec<'_>, before: ServiceSpec<'_>) {
    if spec.type_() != EXTERNAL_NAME && before.type_() != EXTERNAL_NAME {
        fixed_ips(errors, spec, before);
        fixed_families(errors, spec, before);
    }
    if spec.type_() == LOAD_BALANCER
        && before.type_() == LOAD_BALANCER
        && spec.load_balancer_class() != before.load_balancer_class()
    {
        let value = spec
            .load_balancer_class()
            .map_or(BadValue::Json("null".to_owned()), quoted);
        errors.push(Error::invalid(
            &SPEC.child("loadBalancerClass"),
            value,
            FIXED,
        ));
    }
    if needs_health_check(before)
        && needs_health_check(spec)
        && spec.health_check_node_port() != before.health_check_node_port()
    {
        errors.push(Error::forbidden(
            &SPEC.child("healthCheckNodePort"),
            "field is immutable",
        ));
    }
}

fn fixed_ips(errors: &mut ErrorList, spec: ServiceSpec<'_>, before: ServiceSpec<'_>) {
    if is_headless(spec) && is_headless(before) {
        return;
    }
    let path = SPEC.child("clusterIPs");
    let (now, was) = (spec.cluster_ips(), before.cluster_ips());
    let changed = |at: usize| Error::invalid(&path.index(at), shown_list(now), FIXED);
    if now.len() == was.len() {
        for (at, (now, was)) in now.iter().zip(was).enumerate() {
            if now != was {
                errors.push(changed(at));
            }
        }
        return;
    }
    if now.is_empty() {
        errors.push(Error::invalid(
            &path.index(0),
            shown_list(now),
            "primary clusterIP can not be unset",
        ));
    } else if !was.is_empty() && now.get(0) != was.get(0) {
        errors.push(changed(0));
    }
    if was.len() > now.len() && now.len() == 1 {
        single_stack(errors, spec, "clusterIP");
    }
}

fn fixed_families(errors: &mut ErrorList, spec: ServiceSpec<'_>, before: ServiceSpec<'_>) {
    if is_headless(spec) || is_headless(before) {
        return;
    }
    let path = SPEC.child("ipFamilies");
    let place = path.index(0);
    let (now, was) = (spec.ip_families(), before.ip_families());
    if now.len() == was.len() {
        for _ in now.iter().zip(was).filter(|(now, was)| now != was) {
            errors.push(Error::invalid(&place, shown_list(now), FIXED));
        }
        return;
    }
    if was.len() > now.len() && spec.cluster_ips().is_empty() {
        errors.push(Error::invalid(
            &place,
            shown_list(now),
            "primary ipFamily can not be unset",
        ));
    }
    if !was.is_empty() && !now.is_empty() && now.get(0) != was.get(0) {
        errors.push(Error::invalid(
            &place,
            shown_list(spec.cluster_ips()),
            FIXED,
        ));
    }
    if was.len() > now.len() && now.len() == 1 {
        single_stack(errors, spec, "ipFamily");
    }
}

fn single_stack(errors: &mut ErrorList, spec: ServiceSpec<'_>, what: &str) {
    if spec.ip_family_policy() != Some("SingleStack") {
        let value = spec
            .ip_family_policy()
            .map_or(BadValue::Json("null".to_owned()), quoted);
        errors.push(Error::invalid(
            &SPEC.child("ipFamilyPolicy"),
            value,
            format!("must be set to 'SingleStack' when releasing the secondary {what}"),
        ));
    }
}

fn shown_list(list: List<'_, str>) -> BadValue {
    shown(list.node())
}
