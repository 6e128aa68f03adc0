//! `/api/v1/applications/{name}/diff`: what a sync would change now.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::name::ApplicationName;
use crate::http::App;
use crate::http::api::parse;
use crate::http::problem::Problem;
use crate::sync;
use crate::sync::checked::{Change, Checked};
use crate::sync::diff::Preview;
use crate::sync::error::chain;

/// `GET /api/v1/applications/{name}/diff`: asks Git and the cluster, writes nothing.
pub(in crate::http) async fn diff(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let name: ApplicationName = parse("application", &name)?;
    let config = app.context.config.load();
    let Some(application) = config.applications.get(&name) else {
        return Err(Problem::not_found(format!("application {name}")));
    };
    let _turn = app.diffs.begin(&name).ok_or_else(|| {
        let detail = format!("a diff of application {name} is being made; try again");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
    })?;
    let preview = sync::preview(&app.context, &name).await.map_err(|error| {
        let detail = error.detail();
        tracing::info!(application = %name, error = %chain(&error), "a diff failed");
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    })?;
    Ok(Json(answer(&name, &preview, application.sync.prune)))
}

/// The diffs that are being made: one of each application at most, since each is a fetch and a call
/// to the cluster for every object.
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
    /// Begins a diff; none while there is one of this application.
    fn begin(&self, name: &ApplicationName) -> Option<Turn<'_>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(name.clone()).then(|| Turn { diffs: self, name: name.clone() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = self.diffs.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.name);
    }
}

/// What is left alone on purpose is shown, but is no difference: no sync would change it.
fn answer(name: &ApplicationName, preview: &Preview, prunes: bool) -> Value {
    let checked = preview.objects.iter().filter(|checked| !checked.change.is_none());
    let mut objects: Vec<_> = checked.map(show).collect();
    for object in &preview.stale {
        objects.push(if prunes {
            json!({"object": object, "action": "pruned", "fields": []})
        } else {
            let message = "Git no longer names it, and the application does not prune";
            json!({"object": object, "action": "skipped", "fields": [], "message": message})
        });
    }
    for (object, message) in &preview.refused {
        objects.push(json!({"object": object, "action": "failed", "message": message}));
    }
    let same = objects.iter().all(|object| object["action"] == "skipped");
    json!({"application": name, "commit": preview.commit, "same": same, "objects": objects})
}

fn show(checked: &Checked) -> Value {
    let (action, message) = match &checked.change {
        Change::None(_) => ("unchanged", None),
        Change::Leave(why, _) => ("skipped", Some(why)),
        Change::Create => ("created", None),
        Change::Configure(_) | Change::Recreate(_) => ("configured", None),
    };
    let fields = if checked.change.live().is_some() { checked.fields.as_slice() } else { &[] };
    let fields: Vec<_> = fields
        .iter()
        .map(|field| json!({"path": field.path, "from": field.from, "to": field.to}))
        .collect();
    let mut shown = json!({"object": checked.desired.key, "action": action, "fields": fields});
    if let Some(message) = message {
        shown["message"] = json!(message);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::ObjectKey;

    fn preview(stale: &[&str], refused: &[&str]) -> Preview {
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
            stale: stale.iter().map(key).collect(),
        }
    }

    #[test]
    fn only_what_a_sync_would_change_is_a_difference() {
        let shop: ApplicationName = "shop".parse().unwrap();
        for (preview, prunes, same, actions) in [
            (preview(&[], &[]), true, true, json!([])),
            (preview(&["old"], &[]), true, false, json!(["pruned"])),
            (preview(&["old"], &[]), false, true, json!(["skipped"])),
            (preview(&["old"], &["bad"]), false, false, json!(["skipped", "failed"])),
        ] {
            let answer = answer(&shop, &preview, prunes);
            let told: Vec<_> = answer["objects"].as_array().unwrap().iter().collect();
            let told: Vec<_> = told.into_iter().map(|object| &object["action"]).collect();
            assert_eq!((&answer["same"], json!(told)), (&json!(same), actions));
        }
    }

    #[test]
    fn one_diff_of_an_application_is_made_at_once() {
        let (shop, blog) = ("shop".parse().unwrap(), "blog".parse().unwrap());
        let diffs = Diffs::default();
        let first = diffs.begin(&shop);
        assert!(first.is_some() && diffs.begin(&shop).is_none() && diffs.begin(&blog).is_some());
        drop(first);
        assert!(diffs.begin(&shop).is_some());
    }
}
