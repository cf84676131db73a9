//! PriorityLevelConfigurations: how many requests of a level run at a time (upstream: `pkg/apis/flowcontrol/validation`).

use super::check::{enumerated, internal, quoted};
use super::flow_schema::condition_types;
use super::format;
use crate::field::{Error, ErrorList, Path};
use crate::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, LimitedPriorityLevelConfiguration,
    PriorityLevelConfiguration, PriorityLevelConfigurationSpec, QueuingConfiguration,
};
use crate::view::View;

const SPEC: Path<'static> = Path::new("spec");
/// The name of the one level of the type that follows.
const EXEMPT_NAME: &str = "exempt";
const EXEMPT: &str = "Exempt";
const LIMITED: &str = "Limited";
const QUEUE: &str = "Queue";
const REJECT: &str = "Reject";
const QUEUES_MAX: i32 = 10_000_000;
/// Bits of a request's hash by which its queues are chosen.
const HASH_BITS: f64 = 60.0;
/// Said in v1beta3 alone that zero shares are meant: here they say it themselves.
const ZERO_SHARES: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

pub(super) fn check(errors: &mut ErrorList, level: PriorityLevelConfiguration<'_>) {
    let (meta, spec) = (level.metadata(), level.spec());
    let (name, ty) = (meta.name(), spec.type_());
    if meta.annotations().contains_key(ZERO_SHARES) {
        let why = format!("annotation '{ZERO_SHARES}' is forbidden");
        errors.push(Error::forbidden(&Path::new("metadata.annotations"), why));
    }
    let path = SPEC.child("type");
    if (name == EXEMPT_NAME) != (ty == EXEMPT) {
        let why = "must be 'Exempt' if and only if `name` is 'exempt'";
        errors.push(Error::invalid(&path, quoted(ty), why));
    }
    match (ty, spec.exempt(), spec.limited()) {
        (EXEMPT, Some(given), _) => exempt(errors, &SPEC.child("exempt"), given),
        (LIMITED, _, Some(given)) => limited(errors, &SPEC.child("limited"), given),
        ("" | EXEMPT | LIMITED, _, _) => {}
        _ => enumerated(errors, &path, ty, &[EXEMPT, LIMITED]),
    }
    fixed(errors, name, spec);
    status(errors, level);
    unions(errors, spec);
}

pub(super) fn status(errors: &mut ErrorList, level: PriorityLevelConfiguration<'_>) {
    let conditions = level.status().conditions();
    let types: Vec<&str> = conditions.iter().map(|c| c.type_()).collect();
    condition_types(errors, &types);
}

/// The levels that every server has are the same everywhere, but for what is exempt.
fn fixed(errors: &mut ErrorList, name: &str, spec: PriorityLevelConfigurationSpec<'_>) {
    let (is_fixed, what) = match name {
        EXEMPT_NAME => (
            spec.type_() == EXEMPT && spec.limited().is_none(),
            " except the 'spec.exempt' field",
        ),
        "catch-all" => {
            let is_fixed = |given: LimitedPriorityLevelConfiguration<'_>| {
                let response = given.limit_response();
                (given.nominal_concurrency_shares(), given.lendable_percent()) == (Some(5), Some(0))
                    && given.borrowing_limit_percent().is_none()
                    && (response.type_(), response.queuing().is_none()) == (REJECT, true)
            };
            let others = spec.type_() == LIMITED && spec.exempt().is_none();
            (others && spec.limited().is_some_and(is_fixed), "")
        }
        _ => return,
    };
    if !is_fixed {
        let why = format!("spec of '{name}'{what} must equal the fixed value");
        errors.push(Error::invalid(&SPEC, internal(spec.node()), why));
    }
}

fn exempt(errors: &mut ErrorList, path: &Path<'_>, level: ExemptPriorityLevelConfiguration<'_>) {
    shares(errors, path, level.nominal_concurrency_shares());
    percent(errors, path, level.lendable_percent());
}

fn limited(errors: &mut ErrorList, path: &Path<'_>, level: LimitedPriorityLevelConfiguration<'_>) {
    shares(errors, path, level.nominal_concurrency_shares());
    let (place, response) = (path.child("limitResponse"), level.limit_response());
    match (response.type_(), response.queuing()) {
        (QUEUE, Some(given)) => queuing(errors, &place.child("queuing"), given),
        ("" | QUEUE | REJECT, _) => {}
        (ty, _) => enumerated(errors, &place.child("type"), ty, &[QUEUE, REJECT]),
    }
    percent(errors, path, level.lendable_percent());
    if let Some(percent) = level.borrowing_limit_percent()
        && percent < 0
    {
        let place = path.child("borrowingLimitPercent");
        let why = "if specified, must be a non-negative integer";
        errors.push(Error::invalid(&place, percent, why));
    }
}

fn shares(errors: &mut ErrorList, path: &Path<'_>, shares: Option<i32>) {
    if let Some(shares) = shares
        && shares < 0
    {
        let place = path.child("nominalConcurrencyShares");
        let why = "must be a non-negative integer";
        errors.push(Error::invalid(&place, shares, why));
    }
}

fn percent(errors: &mut ErrorList, path: &Path<'_>, percent: Option<i32>) {
    if let Some(percent) = percent
        && !(0..=100).contains(&percent)
    {
        let place = path.child("lendablePercent");
        errors.push(Error::invalid(&place, percent, format::range(0, 100)));
    }
}

fn queuing(errors: &mut ErrorList, path: &Path<'_>, given: QueuingConfiguration<'_>) {
    const POSITIVE: &str = "must be positive";
    let (queues, hand) = (given.queues(), given.hand_size());
    let length = given.queue_length_limit();
    if length <= 0 {
        let place = path.child("queueLengthLimit");
        errors.push(Error::invalid(&place, length, POSITIVE));
    }
    let place = path.child("queues");
    if queues <= 0 {
        errors.push(Error::invalid(&place, queues, POSITIVE));
    } else if queues > QUEUES_MAX {
        let why = format!("must not be greater than {QUEUES_MAX}");
        errors.push(Error::invalid(&place, queues, why));
    }
    let place = path.child("handSize");
    let why = match hand {
        ..=0 => POSITIVE.to_owned(),
        _ if hand > queues => format!("should not be greater than queues ({queues})"),
        _ if hash_bits(queues, hand) > HASH_BITS => format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        ),
        _ => return,
    };
    errors.push(Error::invalid(&place, hand, why));
}

/// How many bits it takes to deal a hand of that many queues.
fn hash_bits(queues: i32, hand: i32) -> f64 {
    (f64::from(queues).log2() * f64::from(hand)).ceil()
}

/// Which parts go with which types: marks on upstream's types, which are told after all the rest.
fn unions(errors: &mut ErrorList, spec: PriorityLevelConfigurationSpec<'_>) {
    let ty = spec.type_();
    if ty != EXEMPT && spec.exempt().is_some() {
        errors.push(Error::forbidden(&SPEC.child("exempt"), ""));
    }
    let limited = SPEC.child("limited");
    part(errors, &limited, ty == LIMITED, spec.limited().is_some());
    if ty.is_empty() {
        errors.push(Error::required(&SPEC.child("type"), ""));
    }
    let Some(given) = spec.limited() else { return };
    let (path, response) = (limited.child("limitResponse"), given.limit_response());
    let (queue, ty) = (path.child("queuing"), response.type_());
    part(errors, &queue, ty == QUEUE, response.queuing().is_some());
    if ty.is_empty() {
        errors.push(Error::required(&path.child("type"), ""));
    }
}

fn part(errors: &mut ErrorList, path: &Path<'_>, wanted: bool, given: bool) {
    match (wanted, given) {
        (true, false) => errors.push(Error::required(path, "")),
        (false, true) => errors.push(Error::forbidden(path, "")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_takes_no_more_bits_than_a_hash_has() {
        for (queues, hand, fits) in [
            (64, 8, true),
            (1024, 6, true),
            (1025, 6, false),
            (64, 11, false),
        ] {
            assert_eq!(
                hash_bits(queues, hand) <= HASH_BITS,
                fits,
                "{queues} {hand}"
            );
        }
    }
}
