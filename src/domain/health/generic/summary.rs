//! What a list of conditions says all together.

use crate::domain::health::Health;
use crate::domain::health::conditions::Condition;
use crate::domain::health::generic::reasons;
use crate::domain::health::generic::states::{Meaning, meaning};
use crate::domain::health::generic::types::{MAIN, Polarity, polarity};
use crate::domain::health::generic::words::Words;

/// Conditions of what runs to its end: what else was true on the way no longer matters then.
const ENDS: [&str; 3] = ["succeeded", "complete", "completed"];

/// What conditions say.
pub(super) enum Summary {
    /// Nothing.
    Silent,
    /// Nothing bad; what else the status says counts too.
    Fine,
    /// It is not there yet; what else the status says may be worse.
    Underway(Health),
    /// The last word: it has failed, or its controller says that it is ready.
    Settled(Health),
}

/// Sums up conditions; `want` is the generation that those which name one must speak of.
///
/// A failure goes first, then what `Ready` says, or `Available` where there is no `Ready`. Beside
/// `Ready: True` nothing counts but a failure, kstatus' `Reconciling`, and that the spec could not be
/// brought to where it belongs (Crossplane's `Synced`).
pub(super) fn sum_up(conditions: &[Condition<'_>], want: Option<i64>) -> Summary {
    let all: Vec<Reading<'_>> = conditions.iter().map(|one| Reading::of(one, want)).collect();
    if all.is_empty() {
        return Summary::Silent;
    }
    let main = MAIN.iter().find_map(|of_type| all.iter().find(|one| one.is(of_type)));
    let is_ready = main.is_some_and(|main| main.is(MAIN[0]) && main.holds());
    let failed = all.iter().filter(|one| !is_ready || one.counts_beside_ready());
    if let Some(failed) =
        failed.filter(|one| one.has_failed(main.is_some())).min_by_key(|one| one.rank())
    {
        return Summary::Settled(Health::degraded(failed.condition.tell()));
    }
    let underway = all.iter().find(|one| one.is_underway(is_ready));
    if let Some(late) = underway.or_else(|| main.filter(|main| !main.holds())) {
        return Summary::Underway(late.progressing());
    }
    if is_ready {
        return Summary::Settled(Health::healthy());
    }
    let has_ended = all.iter().any(|one| ENDS.iter().any(|end| one.is(end)) && one.holds());
    if main.is_none()
        && !has_ended
        && let Some(missing) = all.iter().find(|one| one.is_missing())
    {
        return Summary::Underway(missing.progressing());
    }
    Summary::Fine
}

/// A condition and what its type says.
struct Reading<'a> {
    condition: &'a Condition<'a>,
    polarity: Polarity,
    is_outdated: bool,
}

impl<'a> Reading<'a> {
    fn of(condition: &'a Condition<'a>, want: Option<i64>) -> Self {
        let is_outdated = condition.is_outdated(want);
        Self { condition, polarity: polarity(condition.of_type), is_outdated }
    }

    /// What is most to the point is told: what its own controller calls a failure, then its summary.
    fn rank(&self) -> u8 {
        match self.polarity {
            Polarity::Failure if self.is("stalled") => 0,
            Polarity::Failure | Polarity::Lack => 1,
            Polarity::Main => 2,
            _ => 3,
        }
    }

    fn is(&self, of_type: &str) -> bool {
        Words::of_type(self.condition.of_type).are(&[of_type])
    }

    /// It says yes, and of what is wanted now.
    fn holds(&self) -> bool {
        self.condition.is_true() && !self.is_outdated
    }

    fn counts_beside_ready(&self) -> bool {
        match self.polarity {
            Polarity::Failure | Polarity::Lack => true,
            Polarity::Summary => self.condition.of_type.ends_with("Synced"),
            _ => false,
        }
    }

    /// Whether it says that something went wrong; `summed_up`: there is a condition that sums up.
    fn has_failed(&self, summed_up: bool) -> bool {
        let Condition { status, reason, message, severity, .. } = *self.condition;
        if self.is_outdated {
            return false;
        }
        let is_false = self.condition.is_false();
        // Cluster API and those who follow it say themselves what is only news.
        if is_false && matches!(severity, "Error" | "Info") {
            return severity == "Error";
        }
        match self.polarity {
            Polarity::Failure => self.condition.is_true(),
            Polarity::Lack => self.condition.is_true() && !reasons::is_waiting(reason),
            Polarity::Verdict if is_false && !summed_up => !reasons::is_waiting(reason),
            Polarity::Off | Polarity::Aside => false,
            // Some have a word where others have True or False.
            Polarity::Main if meaning(status) == Some(Meaning::Bad) => true,
            _ if reason.is_empty() => is_false && reasons::is_failing(message),
            _ => is_false && reasons::is_failing(reason),
        }
    }

    /// Whether it says that something is going on. While it is ready, only that its controller has
    /// not yet come to what is wanted now.
    fn is_underway(&self, is_ready: bool) -> bool {
        if self.is_outdated || !self.condition.is_true() {
            return false;
        }
        match self.polarity {
            Polarity::Lack => !is_ready,
            Polarity::Underway if is_ready => self.condition.of_type == "Reconciling",
            // A Deployment and what is made after it are Progressing for ever once they are there.
            Polarity::Underway => !reasons::is_done(self.condition.reason),
            _ => false,
        }
    }

    /// Whether it says that a part is not there yet.
    fn is_missing(&self) -> bool {
        matches!(self.polarity, Polarity::Summary | Polarity::Verdict) && !self.holds()
    }

    fn progressing(&self) -> Health {
        if self.is_outdated {
            let of_type = self.condition.of_type;
            return Health::progressing(format!("condition {of_type} is of an earlier generation"));
        }
        Health::progressing(self.condition.tell())
    }
}
