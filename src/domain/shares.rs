//! Who takes the next worker. A cluster that is slow holds on to what it has, and so does a repository
//! that takes long to render: so what is free is not given to one of them alone while there are others.

use std::collections::HashMap;
use std::hash::Hash;

/// What clusters have of the workers, or repositories.
#[derive(Debug)]
pub struct Held<P> {
    /// How many of them there are.
    parties: usize,
    /// What each has, if it has any.
    held: HashMap<P, usize>,
}

impl<P> Default for Held<P> {
    fn default() -> Self {
        Self { parties: 0, held: HashMap::new() }
    }
}

impl<P: Eq + Hash + Clone> Held<P> {
    /// Of so many as there are now.
    pub fn among(&mut self, parties: usize) {
        self.parties = parties;
    }

    /// One takes a worker.
    pub fn take(&mut self, party: &P) {
        *self.held.entry(party.clone()).or_default() += 1;
    }

    /// One gives a worker back.
    pub fn give_back(&mut self, party: &P) {
        if let Some(held) = self.held.get_mut(party) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(party);
            }
        }
    }

    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn of(&self, party: &P) -> usize {
        self.held.get(party).copied().unwrap_or(0)
    }

    /// Who has none takes one that is free. Who has some takes another only if as many stay free as it
    /// has, or as there are others that have none, whichever is less.
    fn may_take(&self, free: usize, party: &P) -> bool {
        let (own, without_any) = (self.of(party), self.parties.saturating_sub(self.held.len()));
        free > 0 && (own == 0 || free > own.min(without_any))
    }
}

/// Which of those who wait, in the order in which they came, takes a worker now; none: nothing is free,
/// or what is free is kept for others.
///
/// Of `number` workers, the cluster and the repository of who waits must both be such as may take one
/// more. So one that holds many leaves some to the next, and that one to the next after it; where all are
/// at work, or there is one alone, nothing is left idle. Who has the fewest comes first.
pub fn next<'a, C, R>(
    number: usize,
    clusters: &Held<C>,
    repositories: &Held<R>,
    waiting: impl IntoIterator<Item = (&'a C, &'a R)>,
) -> Option<usize>
where
    C: Eq + Hash + Clone + 'a,
    R: Eq + Hash + Clone + 'a,
{
    let free = number.saturating_sub(clusters.held.values().sum());
    waiting
        .into_iter()
        .enumerate()
        .filter(|(_, (cluster, repository))| {
            clusters.may_take(free, cluster) && repositories.may_take(free, repository)
        })
        .map(|(nth, (cluster, repository))| {
            (clusters.of(cluster), repositories.of(repository), nth)
        })
        .min()
        .map(|(.., nth)| nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(parties: usize, held: &[(&'static str, usize)]) -> Held<&'static str> {
        Held { parties, held: held.iter().copied().collect() }
    }

    /// Who is next of those who wait on some clusters, if all are of one repository, and the same the
    /// other way round: it makes no difference.
    fn next_of(number: usize, of: &Held<&'static str>, waiting: &[&'static str]) -> Option<usize> {
        let all = of.held.values().sum();
        let one = held(1, &[("one", all)][..usize::from(all > 0)]);
        let found = next(number, of, &one, waiting.iter().map(|name| (name, &"one")));
        assert_eq!(next(number, &one, of, waiting.iter().map(|name| (&"one", name))), found);
        found
    }

    /// What each gets when it asks for more than there is, one after the other.
    fn greedy(number: usize, parties: usize, names: &[&'static str]) -> Vec<usize> {
        let mut of = held(parties, &[]);
        for name in names {
            while next_of(number, &of, &[name]) == Some(0) {
                of.take(name);
            }
        }
        names.iter().map(|name| of.of(name)).collect()
    }

    #[test]
    fn who_takes_all_it_can_leaves_some_to_the_next() {
        for (number, parties, names, shares) in [
            (4, 1, &["a"][..], &[4][..]),
            (4, 2, &["a", "b"], &[3, 1]),
            (4, 10, &["a", "b", "c"], &[2, 1, 1]),
            (8, 3, &["a", "b", "c"], &[6, 1, 1]),
            (16, 40, &["a", "b", "c", "d", "e"], &[8, 4, 2, 1, 1]),
            (2, 40, &["a", "b"], &[1, 1]),
            (1, 2, &["a", "b"], &[1, 0]),
        ] {
            assert_eq!(greedy(number, parties, names), shares, "{number} for {parties}");
        }
    }

    #[test]
    fn who_has_the_fewest_comes_first_and_then_who_came_first() {
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
            assert_eq!(next_of(4, &held(3, holders), waiting), taken, "{holders:?} {waiting:?}");
        }
    }

    #[test]
    fn a_repository_leaves_some_to_others_of_its_cluster() {
        let (clusters, repositories) = (held(2, &[("near", 3)]), held(5, &[("slow", 3)]));
        for (waiting, taken) in [
            (&[("near", "slow")][..], None),
            (&[("far", "slow")], None),
            // The last one is kept for the other cluster.
            (&[("near", "quick")], None),
            (&[("near", "slow"), ("far", "quick")], Some(1)),
        ] {
            let waiting = waiting.iter().map(|(cluster, repository)| (cluster, repository));
            assert_eq!(next(4, &clusters, &repositories, waiting), taken);
        }
        let alone = held(1, &[("near", 3)]);
        assert_eq!(
            next(4, &alone, &repositories, [(&"near", &"slow"), (&"near", &"quick")]),
            Some(1)
        );
    }
}
