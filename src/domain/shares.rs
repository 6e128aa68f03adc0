//! Who takes the next worker. A cluster that is slow holds on to what it has: so what is free is not
//! given to it alone while there are others.

use std::collections::HashMap;
use std::hash::Hash;

/// Which of those who wait, in the order in which they came, takes a worker now; none: nothing is free,
/// or what is free is kept for others.
///
/// Of `number` workers each cluster has `held` some. Who has none takes one that is free. Who has some
/// takes another only if as many stay free as it has, or as there are other clusters that have none,
/// whichever is less. So one that holds many leaves some to the next, and that one to the next after
/// it; where all `clusters` are at work, or there is one alone, nothing is left idle. Who has the
/// fewest comes first.
pub fn next<'a, C: Eq + Hash + 'a>(
    number: usize,
    clusters: usize,
    held: &HashMap<C, usize>,
    waiting: impl IntoIterator<Item = &'a C>,
) -> Option<usize> {
    let free = number.saturating_sub(held.values().sum());
    let of = |cluster: &C| held.get(cluster).copied().unwrap_or(0);
    let without_any = clusters.saturating_sub(held.values().filter(|held| **held > 0).count());
    let may_take = |own: usize| free > 0 && (own == 0 || free > own.min(without_any));
    waiting
        .into_iter()
        .enumerate()
        .map(|(nth, cluster)| (of(cluster), nth))
        .filter(|(own, _)| may_take(*own))
        .min()
        .map(|(_, nth)| nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each cluster gets when it asks for more than there is, one after the other.
    fn greedy(number: usize, clusters: usize, names: &[&'static str]) -> Vec<usize> {
        let mut held = HashMap::new();
        for name in names {
            while next(number, clusters, &held, [name]) == Some(0) {
                *held.entry(*name).or_default() += 1;
            }
        }
        names.iter().map(|name| held.get(name).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn a_cluster_that_takes_all_it_can_leaves_some_to_the_next() {
        for (number, clusters, names, shares) in [
            (4, 1, &["a"][..], &[4][..]),
            (4, 2, &["a", "b"], &[3, 1]),
            (4, 10, &["a", "b", "c"], &[2, 1, 1]),
            (8, 3, &["a", "b", "c"], &[6, 1, 1]),
            (16, 40, &["a", "b", "c", "d", "e"], &[8, 4, 2, 1, 1]),
            (2, 40, &["a", "b"], &[1, 1]),
            (1, 2, &["a", "b"], &[1, 0]),
        ] {
            assert_eq!(greedy(number, clusters, names), shares, "{number} for {clusters}");
        }
    }

    #[test]
    fn who_has_the_fewest_comes_first_and_then_who_came_first() {
        let held = |held: &[(&'static str, usize)]| held.iter().copied().collect();
        for (holders, waiting, taken) in [
            (&[][..], &["a", "b"][..], Some(0)),
            (&[("a", 1)], &["a", "a", "b", "b"], Some(2)),
            (&[("a", 1), ("b", 1)], &["b", "a"], Some(0)),
            (&[("a", 2), ("b", 1)], &["a", "b"], None),
            (&[("a", 3), ("b", 1)], &["c"], None),
            // The last one is kept for whoever has none.
            (&[("a", 3)], &["a"], None),
            (&[("a", 3)], &["a", "c"], Some(1)),
            (&[], &[], None),
        ] {
            assert_eq!(next(4, 3, &held(holders), waiting), taken, "{holders:?} {waiting:?}");
        }
    }
}
