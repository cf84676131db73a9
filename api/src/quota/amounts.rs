//! Arithmetic on quantities by name.

use crate::Quantity;
use crate::aggregate::Amounts;
use crate::quantity::Format;
use crate::view::MapRef;

/// A map of quantities, owned.
pub fn read(map: MapRef<'_, Quantity>) -> Amounts {
    map.iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .collect()
}

/// Both together. A sum beyond what can be counted stays as it was.
pub fn total(a: &Amounts, b: &Amounts) -> Amounts {
    let mut sum = a.clone();
    for (name, more) in b {
        sum.entry(name.clone())
            .and_modify(|sum| *sum = sum.checked_add(*more).unwrap_or(*sum))
            .or_insert(*more);
    }
    sum
}

/// How much more `a` is than `b`, name by name; nothing where it is less.
pub fn at_least_zero_difference(a: &Amounts, b: &Amounts) -> Amounts {
    let zero = Quantity::from_units(0, Format::DecimalSI);
    let names = a.keys().chain(b.keys());
    names
        .map(|name| {
            let less = b.get(name).copied().unwrap_or_default();
            let more = a.get(name).and_then(|amount| amount.checked_sub(less));
            (
                name.clone(),
                more.filter(|m| m.signum() > 0).unwrap_or(zero),
            )
        })
        .collect()
}

/// The quantities whose name is such.
pub fn masked(amounts: &Amounts, such: impl Fn(&str) -> bool) -> Amounts {
    let kept = amounts.iter().filter(|(name, _)| such(name));
    kept.map(|(name, amount)| (name.clone(), *amount)).collect()
}

/// The names of which `amounts` has more than `bounds` allow, where these say anything.
pub fn exceeding<'a>(amounts: &'a Amounts, bounds: &Amounts) -> Vec<&'a str> {
    let over = |(name, amount): &(&String, &Quantity)| {
        bounds.get(*name).is_some_and(|bound| *amount > bound)
    };
    amounts
        .iter()
        .filter(over)
        .map(|(n, _)| n.as_str())
        .collect()
}

/// The names of which there is less than nothing.
pub fn negative(amounts: &Amounts) -> Vec<&str> {
    let below = amounts.iter().filter(|(_, amount)| amount.signum() < 0);
    below.map(|(name, _)| name.as_str()).collect()
}

/// Whether both have the same names and amounts.
pub fn is_same(amounts: &Amounts, map: MapRef<'_, Quantity>) -> bool {
    amounts.len() == map.len() && map.iter().all(|(n, a)| amounts.get(n) == Some(&a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(text: &str) -> Amounts {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, amount)| (name.to_owned(), amount.parse().unwrap()))
            .collect()
    }

    fn shown(amounts: &Amounts) -> String {
        let pairs: Vec<String> = amounts.iter().map(|(n, a)| format!("{n}={a}")).collect();
        pairs.join(",")
    }

    #[test]
    fn sums_and_differences_are_by_name() {
        let (a, b) = (amounts("cpu=1,memory=1Gi"), amounts("cpu=500m,pods=1"));
        assert_eq!(shown(&total(&a, &b)), "cpu=1500m,memory=1Gi,pods=1");
        assert_eq!(
            shown(&at_least_zero_difference(&a, &b)),
            "cpu=500m,memory=1Gi,pods=0"
        );
        assert_eq!(shown(&masked(&a, |name| name == "cpu")), "cpu=1");
    }

    #[test]
    fn what_exceeds_is_named() {
        let used = amounts("cpu=2,memory=1Gi,pods=3");
        assert_eq!(exceeding(&used, &amounts("cpu=1,pods=3")), ["cpu"]);
        assert_eq!(exceeding(&used, &amounts("")), Vec::<&str>::new());
        assert_eq!(negative(&amounts("cpu=-1,pods=0")), ["cpu"]);
    }
}
