//! `/api/v1/applications/{name}/diff`: what a sync would change now.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::domain::error::chain;
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::sync::{Action, ObjectResult};
use crate::http::App;
use crate::http::api::shorten::{Room, Shown};
use crate::http::extract::Segment;
use crate::http::problem::Problem;
use crate::sync;
use crate::sync::checked::{Change, Checked};
use crate::sync::diff::Preview;

/// What a sync of an application would change now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApplicationDiff")]
pub(in crate::http) struct Diff {
    application: ApplicationName,
    /// The commit that its revision points to.
    commit: CommitId,
    /// Whether nothing would change.
    same: bool,
    /// The objects that would change, or are left alone although they differ.
    objects: Vec<ObjectDiff>,
}

/// What a sync would change of one object.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectDiff {
    object: ObjectKey,
    /// What would be done.
    action: Action,
    /// The fields that differ, of an object that is there; not given where the API server refuses
    /// the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Shown>>,
    /// How many fields more differ than an answer has room for; not given: none.
    #[serde(skip_serializing_if = "is_zero")]
    more_fields: u32,
    /// Why it would fail, or is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// `GET /api/v1/applications/{name}/diff`: asks Git and the cluster, writes nothing.
pub(in crate::http) async fn diff(
    State(app): State<App>,
    Segment(name): Segment<ApplicationName>,
) -> Result<Json<Diff>, Problem> {
    let config = app.context.config.load();
    if !config.applications.contains_key(&name) {
        return Err(Problem::not_found(format!("application {name}")));
    }
    let _turn = app
        .diffs
        .begin(&name)
        .map_err(|detail| Problem::new(StatusCode::TOO_MANY_REQUESTS, detail))?;
    let preview = sync::preview(&app.context, &name).await.map_err(|error| {
        let detail = error.detail();
        tracing::info!(application = %name, error = %chain(&error), "a diff failed");
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    })?;
    Ok(Json(answer(name, preview)))
}

/// Diffs that are made at once: each holds all objects of a commit, and those of the cluster.
const DIFFS_MAX: usize = 4;

/// The diffs that are being made: one of each application at most, since each is a fetch and a call
/// to the cluster for every object; and [`DIFFS_MAX`] of all.
#[derive(Default)]
pub(in crate::http) struct Diffs {
    running: Mutex<HashSet<ApplicationName>>,
}

/// Ends when it is dropped, also where the client went away.
struct Turn<'a> {
    diffs: &'a Diffs,
    name: ApplicationName,
}

impl Diffs {
    /// Begins a diff, or says why not now.
    fn begin(&self, name: &ApplicationName) -> Result<Turn<'_>, String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains(name) {
            return Err(format!("a diff of application {name} is being made; try again"));
        }
        if running.len() >= DIFFS_MAX {
            return Err(format!("{DIFFS_MAX} diffs are being made; try again"));
        }
        running.insert(name.clone());
        Ok(Turn { diffs: self, name: name.clone() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = self.diffs.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.name);
    }
}

/// What is left alone on purpose is shown, but is no difference: no sync would change it.
fn answer(application: ApplicationName, preview: Preview) -> Diff {
    let Preview { commit, objects, refused, stale } = preview;
    let mut room = Room::default();
    let differ = objects.into_iter().filter(|checked| !checked.change.is_none());
    let checked = differ.map(|checked| show(checked, &mut room));
    let stale = stale.into_iter().map(|ObjectResult { object, action, message, .. }| ObjectDiff {
        object,
        action,
        fields: Some(Vec::new()),
        more_fields: 0,
        message,
    });
    let refused = refused.into_iter().map(|(object, message)| ObjectDiff {
        object,
        action: Action::Failed,
        fields: None,
        more_fields: 0,
        message: Some(message),
    });
    let objects: Vec<_> = checked.chain(stale).chain(refused).collect();
    let same = objects.iter().all(|object| object.action == Action::Skipped);
    Diff { application, commit, same, objects }
}

fn show(checked: Checked, room: &mut Room) -> ObjectDiff {
    let new = checked.change == Change::Create;
    let (fields, more_fields) = room.take(if new { Vec::new() } else { checked.fields });
    let (action, message) = checked.change.told();
    let object = checked.desired.key;
    ObjectDiff { object, action, fields: Some(fields), more_fields, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(object: ObjectKey, action: Action) -> ObjectResult {
        ObjectResult { object, action, fields: Vec::new(), message: None }
    }

    fn preview(stale: &[(&str, Action)], refused: &[&str]) -> Preview {
        let key = |name: &&str| ObjectKey {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: (*name).to_owned(),
        };
        Preview {
            commit: "0123456789012345678901234567890123456789".parse().unwrap(),
            objects: Vec::new(),
            refused: refused.iter().map(|name| (key(name), "no".to_owned())).collect(),
            stale: stale.iter().map(|(name, action)| result(key(name), *action)).collect(),
        }
    }

    #[test]
    fn only_what_a_sync_would_change_is_a_difference() {
        let shop: ApplicationName = "shop".parse().unwrap();
        let kept = ("old", Action::Skipped);
        for (preview, same, actions) in [
            (preview(&[], &[]), true, &[][..]),
            (preview(&[("old", Action::Pruned)], &[]), false, &[Action::Pruned]),
            (preview(&[kept], &[]), true, &[Action::Skipped]),
            (preview(&[kept], &["bad"]), false, &[Action::Skipped, Action::Failed]),
        ] {
            let answer = answer(shop.clone(), preview);
            let told: Vec<_> = answer.objects.iter().map(|object| object.action).collect();
            assert_eq!((answer.same, &*told), (same, actions));
        }
    }

    #[test]
    fn one_diff_of_an_application_is_made_at_once() {
        let (shop, blog) = ("shop".parse().unwrap(), "blog".parse().unwrap());
        let diffs = Diffs::default();
        let first = diffs.begin(&shop);
        assert!(first.is_ok() && diffs.begin(&shop).is_err() && diffs.begin(&blog).is_ok());
        drop(first);
        assert!(diffs.begin(&shop).is_ok());
    }

    #[test]
    fn a_few_diffs_are_made_at_once_whatever_they_are_of() {
        let diffs = Diffs::default();
        let names = (0..=DIFFS_MAX).map(|nth| format!("app-{nth}").parse().unwrap());
        let names: Vec<ApplicationName> = names.collect();
        let (last, others) = names.split_last().unwrap();
        let mut turns: Vec<_> = others.iter().map(|name| diffs.begin(name).unwrap()).collect();
        assert!(diffs.begin(last).is_err());
        turns.pop();
        assert!(diffs.begin(last).is_ok());
    }
}
