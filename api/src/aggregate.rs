//! What the containers of a pod ask for, or are limited to, together.

use std::collections::BTreeMap;

use crate::core::v1::{Container, PodSpec, ResourceRequirements};
use crate::quantity::Quantity;
use crate::view::MapRef;

/// Quantities by the names of resources.
pub type Amounts = BTreeMap<String, Quantity>;

/// What the containers' `of` come to: the regular ones and sidecars side by side, or one init container with the sidecars that
/// started before it, whichever is more. (KEP-753)
pub fn of_containers<'a>(
    spec: PodSpec<'a>,
    of: fn(ResourceRequirements<'a>) -> MapRef<'a, Quantity>,
) -> Amounts {
    sum(spec, |container| of(container.resources()))
}

/// As [`of_containers`], of whatever is known of a container.
pub fn sum<'a>(spec: PodSpec<'a>, of: impl Fn(Container<'a>) -> MapRef<'a, Quantity>) -> Amounts {
    let mut all = Amounts::new();
    for container in spec.containers() {
        add(&mut all, of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers() {
        let own = of(container);
        let mut now = sidecars.clone();
        add(&mut now, own);
        if container.restart_policy() == Some("Always") {
            add(&mut all, own);
            sidecars.clone_from(&now);
        }
        raise(&mut peak, now);
    }
    raise(&mut all, peak);
    all
}

/// Adds quantity by quantity.
pub fn add(sum: &mut Amounts, more: MapRef<'_, Quantity>) {
    for (name, more) in more {
        let total = match sum.get(name) {
            // The first that is not nothing says how the sum is written. A sum beyond what can be counted stays as it was.
            Some(sum) if !sum.is_zero() => sum.checked_add(more).unwrap_or(*sum),
            _ => more,
        };
        sum.insert(name.to_owned(), total);
    }
}

/// Raises what is less than in `other`, or absent, to what it is there.
pub fn raise(most: &mut Amounts, other: Amounts) {
    for (name, amount) in other {
        if most.get(&name).is_none_or(|most| amount > *most) {
            most.insert(name, amount);
        }
    }
}
