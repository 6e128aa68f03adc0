//! The rule for all kinds that have no rule of their own, so for all custom ones. No code is written
//! per kind: it reads what most controllers say in one form or another, and what it does not
//! understand it leaves alone. `docs/health.md` tells it for those who write controllers.
//!
//! | file | what it reads |
//! |---|---|
//! | `suspension` | what is switched off on purpose |
//! | `summary` | conditions, by `types` (what True means) and `reasons` (failed, or not yet) |
//! | `states` | the word in `status.phase`, `status.state` and the like |
//! | `figures` | errors, flags and counts |
//! | `silence` | that nothing is said where something is expected |
//! | `words` | names in any spelling, word by word |

mod figures;
mod reasons;
mod silence;
pub(super) mod states;
mod summary;
mod suspension;
mod types;
mod words;

use serde_json::Value;

use crate::domain::health::conditions::{self, Condition};
use crate::domain::health::expectation::Expectation;
use crate::domain::health::generic::states::Meaning;
use crate::domain::health::generic::summary::{Summary, sum_up};
use crate::domain::health::{Health, field};

/// Lists of the status whose entries have conditions of their own, one for each parent, listener or
/// the like (Gateway API and its kin), and entries of each that are read.
const NESTED_MAX: usize = 64;

/// Judges an object by what its status says. `want` is the generation that it must speak of; where the
/// status as a whole names none, each condition that does is held to it (own).
///
/// Conditions are kstatus' language and go first; `Ready: True` is the last word of a controller, and
/// nothing weaker overrules it. An object whose status says nothing is healthy once it exists
/// (kstatus), unless its kind lets expect that somebody will say something (own).
pub(super) fn generic(object: &Value, want: Option<i64>, expectation: Expectation) -> Health {
    let want = want.filter(|_| conditions::observed_generation(object).is_none());
    let own = conditions::all(object);
    if let Some(suspended) = suspension::suspended(object, &own) {
        return suspended;
    }
    let own_summary = match sum_up(&own, want) {
        Summary::Settled(health) => return health,
        other => other,
    };
    let nested = match nested(object, want) {
        Some(Summary::Settled(health)) => return health,
        other => other,
    };
    let state = states::read(object);
    match &state {
        Some(state) if state.meaning == Meaning::Bad => {
            return Health::degraded(with_message(object, state.to_string()));
        }
        Some(state) if state.meaning == Meaning::Off => {
            return Health::suspended(state.to_string());
        }
        _ => {}
    }
    for summary in [Some(own_summary), nested].into_iter().flatten() {
        if let Summary::Underway(health) = summary {
            return health;
        }
    }
    match &state {
        Some(state) if state.meaning == Meaning::Underway => {
            return Health::progressing(with_message(object, state.to_string()));
        }
        _ => {}
    }
    // An error that is still told of what has come to its end well is that of an earlier attempt.
    let figures = figures::read(object).filter(|health| !health.is_bad() || state.is_none());
    figures.or_else(|| silence::silence(object, &own, expectation)).unwrap_or_else(Health::healthy)
}

/// What the conditions of the entries say: the first that has failed, else the first that is not there
/// yet. That one entry is ready says nothing of the object.
fn nested(object: &Value, want: Option<i64>) -> Option<Summary> {
    let mut worst = None;
    for entry in entries(object) {
        let listed: Vec<Condition<'_>> = conditions::read(field::list(entry, "/conditions"));
        match sum_up(&listed, want) {
            Summary::Settled(health) if health.is_bad() => return Some(Summary::Settled(health)),
            Summary::Underway(health) => worst = worst.or(Some(Summary::Underway(health))),
            _ => {}
        }
    }
    worst
}

/// The entries of lists of the status that have conditions.
fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    let status = object.get("status").and_then(Value::as_object);
    let lists = status.into_iter().flatten().filter_map(|(_, value)| value.as_array());
    let entries = lists.flat_map(|list| list.iter().take(NESTED_MAX));
    entries.filter(|entry| !field::list(entry, "/conditions").is_empty())
}

/// What the status says in a sentence, if it has one.
fn with_message(object: &Value, text: String) -> String {
    const SENTENCES: [&str; 4] = ["message", "statusMessage", "phaseReason", "reason"];
    let sentence =
        SENTENCES.iter().find_map(|name| field::text(object, &format!("/status/{name}")));
    match sentence {
        Some(sentence) => format!("{text}: {sentence}"),
        None => text,
    }
}

#[cfg(test)]
mod tests;
