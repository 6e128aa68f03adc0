//! Faults on request, for tests: what goes wrong between a client and an API server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Something that goes wrong, for requests of a kind.
#[derive(Debug, Clone)]
pub struct Fault {
    /// A part of the requests that it is for, as `PATCH /api/v1/namespaces/shop/configmaps`: method,
    /// a space, path and query.
    pub request: String,
    /// How many of them it leaves alone first.
    pub skip: usize,
    /// How many it is for after that.
    pub times: usize,
    /// What goes wrong.
    pub effect: Effect,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The request is only looked at after this time.
    Delay(Duration),
    /// It is refused with this code, and has no effect.
    Refuse(u16),
    /// The connection ends without an answer, and the request has no effect.
    HangUp,
    /// The connection ends without an answer, but the request has had its effect.
    HangUpAfter,
    /// The second half of the answer comes this much later than the first.
    SlowBody(Duration),
    /// A list shows what was there so many writes ago.
    Stale(u64),
    /// The next events of a watch are lost.
    LoseEvents,
    /// The next events of a watch come in the opposite order, when there are several.
    ReverseEvents,
}

impl Effect {
    fn is_of_events(self) -> bool {
        matches!(self, Self::LoseEvents | Self::ReverseEvents)
    }
}

/// The faults that are yet to happen.
#[derive(Debug)]
pub struct Faults {
    planned: Mutex<Vec<Planned>>,
    /// Moves when all watches are to end.
    watches: watch::Sender<u64>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    happened: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self { planned: Mutex::default(), watches: watch::Sender::new(0) }
    }
}

impl Faults {
    /// Plans a fault.
    pub fn plan(&self, fault: Fault) {
        self.with(|planned| planned.push(Planned { fault, happened: false }));
    }

    /// Forgets what is yet to happen; says how many of the faults have not happened once.
    pub fn clear(&self) -> usize {
        self.with(|planned| planned.drain(..).filter(|planned| !planned.happened).count())
    }

    /// How many of them may yet happen.
    pub fn left(&self) -> usize {
        self.with(|planned| planned.len())
    }

    /// Ends all watches that are on their way. Their clients may come back where they were.
    pub fn end_watches(&self) {
        self.watches.send_modify(|round| *round += 1);
    }

    /// Moves when all watches are to end.
    pub(super) fn watches(&self) -> watch::Receiver<u64> {
        self.watches.subscribe()
    }

    /// What happens to a request.
    pub(super) fn of_request(&self, request: &str) -> Option<Effect> {
        self.take(request, |effect| !effect.is_of_events())
    }

    /// What happens to events of a watch.
    pub(super) fn of_events(&self, request: &str) -> Option<Effect> {
        self.take(request, Effect::is_of_events)
    }

    fn take(&self, request: &str, fits: impl Fn(Effect) -> bool) -> Option<Effect> {
        self.with(|planned| {
            let fits = |Planned { fault, .. }: &Planned| {
                fits(fault.effect) && request.contains(&fault.request)
            };
            let at = planned.iter().position(fits)?;
            let Planned { fault, happened } = &mut planned[at];
            if fault.skip > 0 {
                fault.skip -= 1;
                return None;
            }
            let effect = fault.effect;
            *happened = true;
            fault.times = fault.times.saturating_sub(1);
            if fault.times == 0 {
                planned.remove(at);
            }
            Some(effect)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Planned>) -> T) -> T {
        act(&mut self.planned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_planned_to_the_requests_that_it_is_for() {
        let faults = Faults::default();
        let effect = Effect::Refuse(503);
        faults.plan(Fault { request: "PATCH /api/v1".into(), skip: 1, times: 2, effect });
        let happens = |request| faults.of_request(request) == Some(effect);
        let seen = [
            "PATCH /api/v1/a",
            "GET /api/v1/a",
            "PATCH /api/v1/b",
            "PATCH /api/v1/a",
            "PATCH /api/v1/a",
        ];
        assert_eq!(seen.map(happens), [false, false, true, true, false]);
        assert_eq!((faults.left(), faults.clear()), (0, 0));
    }
}
