//! Which address families a Service has: out of what it says, what it had, and what the cluster has (KEP-563).

use api::field::{BadValue, Error, ErrorList, Path};

use super::spec::{Family, NONE, Spec};

const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

const SPEC: Path<'static> = Path::new("spec");
const POLICY: Path<'static> = SPEC.child("ipFamilyPolicy");
const FAMILIES: Path<'static> = SPEC.child("ipFamilies");
const ADDRESSES: Path<'static> = SPEC.child("clusterIPs");

/// A list as messages show it.
pub(super) fn shown(list: &[String]) -> BadValue {
    BadValue::Json(if list.is_empty() {
        "null".to_owned()
    } else {
        serde_json::json!(list).to_string()
    })
}

/// A Service that prefers two stacks keeps what it has when the cluster changes, as long as nobody touches these fields.
pub(super) fn is_settled(new: &Spec, old: &Spec) -> bool {
    new.policy.as_deref() == Some(PREFER)
        && old.policy.as_deref().is_none_or(|policy| policy == PREFER)
        && new.kind == old.kind
        && !new.is_external_name()
        && (&new.addresses, &new.families) == (&old.addresses, &old.families)
}

/// Sets policy and families; `cluster` has the families of the cluster, the main one first.
pub(super) fn initialize(
    new: &mut Spec,
    old: Option<&Spec>,
    cluster: &[Family],
) -> Result<(), ErrorList> {
    if new.is_external_name() {
        return Ok(());
    }
    let open = new.address == NONE && !new.selects;
    if new.policy.is_none() {
        let before = old.and_then(|old| old.policy.clone());
        new.policy = before.or_else(|| Some(if open { REQUIRE } else { SINGLE }.to_owned()));
    }
    refuse(well_formed(new))?;
    let mut errors = ErrorList::new();
    if let Some(old) = old {
        shrink(new, old, &mut errors);
    }
    if new.policy() == SINGLE {
        for (many, what) in [
            (new.addresses.len(), "cluster IPs"),
            (new.families.len(), "IP families"),
        ] {
            if many == 2 {
                let why = format!(
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                );
                errors.push(Error::invalid(&POLICY, new.policy(), why));
            }
        }
    }
    infer(new, cluster, &mut errors);
    refuse(errors)?;
    if open {
        // Nobody knows which addresses will stand behind it.
        if new.families.is_empty() {
            new.families = main(cluster)
                .map(|family| family.as_str().to_owned())
                .into_iter()
                .collect();
        }
        complete(new);
        return Ok(());
    }
    refuse(configured(new, cluster))?;
    if new.families.is_empty() {
        new.families = main(cluster)
            .map(|family| family.as_str().to_owned())
            .into_iter()
            .collect();
    }
    if cluster.len() == 2 {
        complete(new);
    }
    Ok(())
}

fn refuse(errors: ErrorList) -> Result<(), ErrorList> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn main(cluster: &[Family]) -> Option<Family> {
    cluster.first().copied()
}

/// Adds the other family, unless one is enough.
fn complete(spec: &mut Spec) {
    if spec.policy() != SINGLE
        && let [one] = spec.families.as_slice()
        && let Some(family) = Family::parse(one)
    {
        spec.families.push(family.other().as_str().to_owned());
    }
}

/// Going to one stack drops the second family and address; dropping them without saying so is refused.
fn shrink(new: &mut Spec, old: &Spec, errors: &mut ErrorList) {
    if new.policy() == SINGLE {
        if new.addresses == old.addresses {
            new.addresses.truncate(1);
        }
        if new.families == old.families {
            new.families.truncate(1);
        }
        return;
    }
    for (before, now, what) in [
        (
            old.addresses.len(),
            new.addresses.len(),
            "must be 'SingleStack' to release the secondary cluster IP",
        ),
        (
            old.families.len(),
            new.families.len(),
            "must be 'SingleStack' to release the secondary IP family",
        ),
    ] {
        if now > 0 && now < before {
            errors.push(Error::invalid(&POLICY, new.policy(), what));
        }
    }
}

/// Families that are not named are those of the addresses that are.
fn infer(spec: &mut Spec, cluster: &[Family], errors: &mut ErrorList) {
    for index in spec.families.len()..spec.addresses.len() {
        // Well-formed before; "None" has no family.
        let Ok(address) = spec.addresses[index].parse() else {
            break;
        };
        let family = Family::of(address);
        match cluster.contains(&family) {
            true => spec.families.push(family.as_str().to_owned()),
            false => errors.push(Error::invalid(
                &ADDRESSES.index(index),
                shown(&spec.addresses),
                format!("{} is not configured on this cluster", family.as_str()),
            )),
        }
    }
}

fn configured(spec: &Spec, cluster: &[Family]) -> ErrorList {
    let mut errors = ErrorList::new();
    if spec.policy() == REQUIRE && cluster.len() < 2 {
        errors.push(Error::invalid(
            &POLICY,
            REQUIRE,
            "this cluster is not configured for dual-stack services",
        ));
    }
    for (index, family) in spec.families.iter().enumerate() {
        if !Family::parse(family).is_some_and(|family| cluster.contains(&family)) {
            errors.push(Error::invalid(
                &FAMILIES.index(index),
                family.as_str(),
                "not configured on this cluster",
            ));
        }
    }
    errors
}

/// What allocation relies on (upstream: `ValidateServiceClusterIPsRelatedFields`).
fn well_formed(spec: &Spec) -> ErrorList {
    let mut errors = ErrorList::new();
    match (spec.address.is_empty(), spec.addresses.first()) {
        (false, None) => errors.push(Error::required(&ADDRESSES, "")),
        (false, Some(first)) if *first != spec.address => {
            errors.push(Error::invalid(
                &ADDRESSES,
                shown(&spec.addresses),
                "first value must match `clusterIP`",
            ));
        }
        (true, Some(_)) => {
            let why = "must be empty when `clusterIP` is not specified";
            errors.push(Error::invalid(&ADDRESSES, shown(&spec.addresses), why));
        }
        _ => {}
    }
    for (index, family) in spec.families.iter().enumerate() {
        if Family::parse(family).is_none() {
            errors.push(Error::not_supported(
                &FAMILIES.index(index),
                family.as_str(),
                &["IPv4", "IPv6"],
            ));
        }
        if spec.families[..index].contains(family) {
            errors.push(Error::duplicate(&FAMILIES.index(index), family.as_str()));
        }
    }
    if !matches!(spec.policy(), "" | SINGLE | PREFER | REQUIRE) {
        errors.push(Error::not_supported(
            &POLICY,
            spec.policy(),
            &[PREFER, REQUIRE, SINGLE],
        ));
    }
    let mut malformed = false;
    for (index, address) in spec.addresses.iter().enumerate() {
        if index == 0 && address == NONE {
            if spec.addresses.len() > 1 {
                malformed = true;
                let why = "'None' must be the first and only value";
                errors.push(Error::invalid(&ADDRESSES, shown(&spec.addresses), why));
            }
        } else if address.parse::<std::net::IpAddr>().is_err() {
            malformed = true;
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(Error::invalid(
                &ADDRESSES.index(index),
                address.as_str(),
                why,
            ));
        }
    }
    if spec.addresses.len() > 2 {
        errors.push(Error::invalid(
            &ADDRESSES,
            shown(&spec.addresses),
            "may only hold up to 2 values",
        ));
    }
    if malformed {
        return errors;
    }
    let found: Vec<Family> = spec
        .addresses
        .iter()
        .filter_map(|a| a.parse().ok())
        .map(Family::of)
        .collect();
    if spec.addresses.len() > 1 && !(found.contains(&Family::V4) && found.contains(&Family::V6)) {
        let why = "may specify no more than one IP for each IP family";
        errors.push(Error::invalid(&ADDRESSES, shown(&spec.addresses), why));
    }
    for (index, (family, wanted)) in found.iter().zip(&spec.families).enumerate() {
        if Family::parse(wanted).is_some_and(|wanted| wanted != *family) {
            let why = format!("expected an {wanted} value as indicated by `ipFamilies[{index}]`");
            errors.push(Error::invalid(
                &ADDRESSES.index(index),
                spec.addresses[index].as_str(),
                why,
            ));
        }
    }
    errors
}

/// Addresses stay for good, but for the second one (upstream: `validateUpgradeDowngradeClusterIPs`).
pub(super) fn unchanged(new: &Spec, old: &Spec) -> Result<(), ErrorList> {
    if new.is_external_name() || old.is_external_name() || new.is_headless() && old.is_headless() {
        return Ok(());
    }
    let mut errors = ErrorList::new();
    let mut refuse = |index: usize, why: &str| {
        errors.push(Error::invalid(
            &ADDRESSES.index(index),
            shown(&new.addresses),
            why,
        ))
    };
    if new.addresses.is_empty() && !old.addresses.is_empty() {
        refuse(0, "primary clusterIP can not be unset");
    }
    let both = old.addresses.len().min(new.addresses.len());
    // With fewer or more than before, only the first one is compared.
    let fixed = if old.addresses.len() == new.addresses.len() {
        both
    } else {
        both.min(1)
    };
    for index in (0..fixed).filter(|&index| old.addresses[index] != new.addresses[index]) {
        refuse(index, "may not change once set");
    }
    self::refuse(errors)
}
