//! `/api/v1/applications/{name}/diff`: what a sync would change now.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::name::ApplicationName;
use crate::http::App;
use crate::http::api::parse;
use crate::http::problem::Problem;
use crate::sync;
use crate::sync::diff::{Change, Checked};
use crate::sync::error::chain;

/// `GET /api/v1/applications/{name}/diff`: asks Git and the cluster, writes nothing.
pub(in crate::http) async fn diff(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let name: ApplicationName = parse("application", &name)?;
    if !app.context.config.load().applications.contains_key(&name) {
        return Err(Problem::not_found(format!("application {name}")));
    }
    let preview = sync::preview(&app.context, &name).await.map_err(|error| {
        let detail = error.detail();
        tracing::info!(application = %name, error = %chain(&error), "a diff failed");
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    })?;
    let mut objects: Vec<_> =
        preview.objects.iter().filter(|checked| checked.change != Change::None).map(show).collect();
    for object in &preview.stale {
        objects.push(json!({"object": object, "action": "pruned", "fields": []}));
    }
    for (object, message) in &preview.refused {
        objects.push(json!({"object": object, "action": "failed", "message": message}));
    }
    let same = objects.is_empty();
    Ok(Json(
        json!({"application": name, "commit": preview.commit, "same": same, "objects": objects}),
    ))
}

fn show(checked: &Checked) -> Value {
    let action = match checked.change {
        Change::None => "unchanged",
        Change::Leave(_) => "skipped",
        Change::Create => "created",
        Change::Configure | Change::Recreate => "configured",
    };
    let fields = if checked.live.is_some() { checked.fields.as_slice() } else { &[] };
    let fields: Vec<_> = fields
        .iter()
        .map(|field| json!({"path": field.path, "from": field.from, "to": field.to}))
        .collect();
    json!({"object": checked.desired.key, "action": action, "fields": fields})
}
