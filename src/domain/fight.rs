//! Fights: an object is put back, somebody else writes it again, and so on. Who notices that it goes
//! on without any commit rests, longer each time, and names it.

use jiff::{SignedDuration, Timestamp};

/// How long it takes until of a write only a third counts.
const COOLING: SignedDuration = SignedDuration::from_hours(1);
/// Writes within a short time that may be an accident: a person, a roll-out, a restart.
const HOT: f64 = 4.0;
/// Below it nothing is left of a fight; a single write is 1.
const COLD: f64 = 1.2;
/// The first rest; each is twice the one before.
const FIRST_REST: SignedDuration = SignedDuration::from_mins(1);
/// A fight is over when this long after a rest nothing had to be put back.
const PEACE: SignedDuration = SignedDuration::from_hours(1);
/// The longest rest.
const MAX_REST: SignedDuration = SignedDuration::from_hours(1);

/// How often an object was put back lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heat {
    level: f64,
    last: Option<Timestamp>,
    rests: u32,
    until: Option<Timestamp>,
}

impl Heat {
    /// Takes in that the object was put back; returns until when it is to be left alone, if it is.
    pub fn put_back(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.level = self.level(now) + 1.0;
        self.last = Some(now);
        let goes_on = self.rests > 0 && self.level > COLD;
        if !goes_on {
            self.rests = 0;
        }
        self.until = None;
        if goes_on || self.level > HOT {
            let doubled = FIRST_REST.saturating_mul(1 << self.rests.min(16));
            self.rests = self.rests.saturating_add(1);
            self.until = now.saturating_add(doubled.min(MAX_REST)).ok();
        }
        self.until
    }

    /// Until when the object is to be left alone, if it is.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| now < *until)
    }

    /// Whether it is left alone, or was until not long ago.
    pub fn is_fight(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now.duration_since(until) < PEACE)
    }

    /// Whether nothing of it is worth to be remembered.
    pub fn is_cold(&self, now: Timestamp) -> bool {
        self.rests_until(now).is_none() && self.level(now) + 1.0 <= COLD
    }

    fn level(&self, now: Timestamp) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let passed = now.duration_since(last).as_secs_f64().max(0.0);
        self.level * (-passed / COOLING.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Puts an object back as often as it is let, every so many seconds, and says when.
    fn fight(every: i64, seconds: i64) -> Vec<i64> {
        let mut heat = Heat::default();
        let mut written = Vec::new();
        for second in (0..seconds).step_by(usize::try_from(every).unwrap()) {
            if heat.rests_until(at(second)).is_none() {
                heat.put_back(at(second));
                written.push(second);
            }
        }
        written
    }

    #[test]
    fn who_fights_rests_longer_each_time() {
        let day = 24 * 3600;
        for every in [2, 30, 300] {
            let written = fight(every, day);
            assert!((5..40).contains(&written.len()), "every {every} s: {} writes", written.len());
            let rests: Vec<_> = written.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(rests.is_sorted(), "{rests:?}");
            assert!(rests.last().unwrap() - 3600 < every, "{rests:?}");
        }
    }

    #[test]
    fn what_is_put_back_now_and_then_is_no_fight() {
        assert_eq!(fight(6 * 3600, 30 * 24 * 3600).len(), 120);
        let mut heat = Heat::default();
        for second in 0..4 {
            assert_eq!(heat.put_back(at(second)), None);
        }
        assert!(heat.put_back(at(4)).is_some() && heat.is_fight(at(5)));
        assert!(heat.is_cold(at(10 * 3600)));
        assert_eq!(heat.put_back(at(10 * 3600)), None, "it begins anew");
    }
}
