//! How fast nodes may be emptied: when many fall silent at once, it is more likely that the network broke than that they all
//! died. Upstream's rules. Pure.

use std::collections::BTreeMap;

/// The numbers by which it is decided; see the flags of the same names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvictionRates {
    /// Nodes a second in a healthy zone.
    pub normal: f64,
    /// Nodes a second in an unhealthy, large zone.
    pub secondary: f64,
    /// Nodes above which a zone is large.
    pub large: usize,
    /// The fraction of silent nodes (three at least) from which a zone is unhealthy.
    pub unhealthy: f64,
}

impl Default for EvictionRates {
    fn default() -> Self {
        EvictionRates {
            normal: 0.1,
            secondary: 0.01,
            large: 50,
            unhealthy: 0.55,
        }
    }
}

/// How a zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Normal,
    Partial,
    Full,
}

/// What may be done in each zone.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// No node anywhere is heard of: then it is us who cannot hear, and nothing is evicted.
    Deaf,
    /// Nodes a second that may be emptied, by zone.
    Rates(BTreeMap<String, f64>),
}

/// Judges by the nodes' zones and whether each is ready.
pub(super) fn judge<'a>(
    nodes: impl Iterator<Item = (&'a str, bool)>,
    rates: &EvictionRates,
) -> Verdict {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (zone, ready) in nodes {
        let (all, silent) = counts.entry(zone).or_default();
        *all += 1;
        *silent += usize::from(!ready);
    }
    let state = |(all, silent): (usize, usize)| match silent {
        _ if silent == all => Zone::Full,
        _ if silent > 2 && silent as f64 / all as f64 >= rates.unhealthy => Zone::Partial,
        _ => Zone::Normal,
    };
    if !counts.is_empty() && counts.values().all(|c| state(*c) == Zone::Full) {
        return Verdict::Deaf;
    }
    let rate = |zone: (&str, (usize, usize))| match state(zone.1) {
        Zone::Normal | Zone::Full => rates.normal,
        Zone::Partial if zone.1.0 > rates.large => rates.secondary,
        Zone::Partial => 0.0,
    };
    Verdict::Rates(
        counts
            .into_iter()
            .map(|zone| (zone.0.to_owned(), rate(zone)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(zones: &[(&'static str, usize, usize)]) -> Verdict {
        let nodes = zones.iter().flat_map(|&(zone, ready, silent)| {
            (0..ready)
                .map(move |_| (zone, true))
                .chain((0..silent).map(move |_| (zone, false)))
        });
        judge(nodes, &EvictionRates::default())
    }

    fn rates(pairs: &[(&str, f64)]) -> Verdict {
        Verdict::Rates(pairs.iter().map(|(z, r)| ((*z).to_owned(), *r)).collect())
    }

    #[test]
    fn few_silent_nodes_are_emptied_at_the_normal_rate() {
        assert_eq!(verdict(&[("a", 8, 2)]), rates(&[("a", 0.1)]));
        assert_eq!(
            verdict(&[("a", 1, 2)]),
            rates(&[("a", 0.1)]),
            "three at least make a zone unhealthy"
        );
    }

    #[test]
    fn an_unhealthy_zone_is_left_alone_if_small_and_emptied_slowly_if_large() {
        assert_eq!(
            verdict(&[("a", 4, 6), ("b", 30, 40)]),
            rates(&[("a", 0.0), ("b", 0.01)])
        );
    }

    #[test]
    fn a_dead_zone_is_emptied_unless_all_are_dead() {
        assert_eq!(
            verdict(&[("a", 0, 5), ("b", 5, 0)]),
            rates(&[("a", 0.1), ("b", 0.1)])
        );
        assert_eq!(verdict(&[("a", 0, 5), ("b", 0, 1)]), Verdict::Deaf);
        assert_eq!(verdict(&[]), rates(&[]));
    }
}
