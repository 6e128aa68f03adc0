//! What the fetches of a repository say of its host: nobody asks it in between.

use jiff::{SignedDuration, Timestamp};

use crate::domain::error::chain;
use crate::source::error::FetchError;

/// Time after which a fetch that brings a mirror up to date is told of.
const LONG: SignedDuration = SignedDuration::from_secs(10);

/// A repository cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When the first fetch began that did not succeed.
    pub since: Timestamp,
    /// What came of the last one.
    pub reason: String,
}

/// How often the remote of a repository was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetches {
    /// Fetches that brought the mirror up to date.
    pub succeeded: u64,
    /// Those that did not.
    pub failed: u64,
    /// Whether the last one did not.
    pub failing: bool,
}

/// The fetches of a repository for which its remote was asked.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    fetches: Fetches,
    /// When the one began that is under way.
    begun: Option<Timestamp>,
    /// Since when, and why, they fail.
    failing: Option<Outage>,
}

impl Attempts {
    /// A fetch begins. That of a new mirror may take its time: it is not told of before it ends.
    pub(super) fn begin(&mut self, now: Timestamp, new: bool) {
        self.begun = (!new).then_some(now);
    }

    /// The fetch that began then has ended.
    pub(super) fn end(&mut self, begun: Timestamp, error: Option<&FetchError>) {
        self.begun = None;
        let Fetches { succeeded, failed, failing } = &mut self.fetches;
        *failing = error.is_some();
        *(if *failing { failed } else { succeeded }) += 1;
        self.failing = error.map(|error| {
            let since = self.failing.as_ref().map_or(begun, |outage| outage.since);
            Outage { since, reason: chain(error) }
        });
    }

    /// How many there were.
    pub(super) fn fetches(&self) -> Fetches {
        self.fetches
    }

    /// Fetches fail, or one has been under way for long.
    pub(super) fn outage(&self, now: Timestamp) -> Option<Outage> {
        let long = || {
            let since = self.begun.filter(|begun| now.duration_since(*begun) >= LONG)?;
            Some(Outage { since, reason: "a fetch is under way and does not end".to_owned() })
        };
        self.failing.clone().or_else(long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_first_fetch_that_fails_until_one_succeeds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let error = FetchError::Url("no scheme");
        let mut attempts = Attempts::default();
        let since = |attempts: &Attempts, now| attempts.outage(at(now)).map(|outage| outage.since);
        // When a fetch begins and ends, whether it fails, and since when there is an outage then.
        for (begun, ended, fails, outage) in [
            (0, 1, false, None),
            (10, 12, true, Some(10)),
            (20, 21, true, Some(10)),
            (30, 31, false, None),
        ] {
            attempts.begin(at(begun), false);
            attempts.end(at(begun), fails.then_some(&error));
            assert_eq!(since(&attempts, ended), outage.map(at), "at {ended}");
        }
        attempts.begin(at(40), false);
        assert_eq!((since(&attempts, 49), since(&attempts, 50)), (None, Some(at(40))));
        attempts.end(at(40), None);
        attempts.begin(at(60), true);
        assert_eq!(since(&attempts, 600), None, "a first fetch");
    }
}
