//! `headstay status`

use crate::cli::answer::{Application, Condition, Departed, Status};
use crate::cli::client::{Answer, Client};
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, table};
use crate::domain::object::APPLICATION_LABEL;

/// Shows all applications; exit code 1 when one of them failed or is not healthy, when its cluster or
/// its repository does not answer, or when the store cannot be written to.
pub(super) fn run(args: &ClientArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let Answer { read: status, json } = Client::new(args)?.get::<Status>("/status")?;
    if args.output == Output::Json {
        out.json(&json)?;
    } else {
        let rows: Vec<_> = status.applications.iter().map(row).collect();
        let heading = ["APPLICATION", "SYNC", "HEALTH", "APPLIED", "REVISION", "LAST SYNC"];
        out.table(&heading, &rows)?;
        for application in &status.applications {
            for Condition { kind, message } in &application.conditions {
                out.line("")?;
                out.paragraph(&format!("{}: {kind}: ", application.name), "  ", message)?;
            }
        }
        for Departed { application, cluster, objects } in &status.departed {
            out.line("")?;
            out.line(&format!(
                "{application} left the configuration: {} on cluster {cluster}; put it back, or delete \
                 there what has the label {APPLICATION_LABEL}={application}",
                if *objects == 1 { "1 object stays".to_owned() } else { format!("{objects} objects stay") }
            ))?;
        }
        if let Some(error) = &status.store.error {
            out.line("")?;
            out.line(&format!("nothing is taken in or synced until this is mended: {error}"))?;
        }
        if let Some(error) = &status.configuration.error {
            out.line("")?;
            out.line("the configuration file was refused, the one before is in force:")?;
            out.paragraph("", "", error)?;
        }
    }
    let broken = status.applications.iter().any(is_broken);
    Ok(if broken || !status.store.writable { FAILED } else { DONE })
}

fn row(application: &Application) -> Vec<String> {
    let Application { name, revision, sync_state, health, applied, last_sync, .. } = application;
    vec![
        name.clone(),
        sync_state.clone(),
        health.clone(),
        table::commit(applied.as_ref()),
        revision.clone(),
        last_sync.as_ref().map_or_else(table::nothing, |sync| sync.queued_at.clone()),
    ]
}

/// Whether somebody should look at an application. Of one that was never applied nothing is known, and
/// that is no failure yet.
fn is_broken(application: &Application) -> bool {
    let unavailable = |condition: &Condition| {
        matches!(condition.kind.as_str(), "ClusterUnavailable" | "RepositoryUnavailable")
    };
    application.sync_state == "Failed"
        || match application.health.as_str() {
            "Degraded" | "Missing" => true,
            "Unknown" => application.applied.is_some(),
            _ => false,
        }
        || application.conditions.iter().any(unavailable)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_not_known_to_work_is_broken() {
        let application = |state: &str, health: &str, applied: Value, conditions: &[&str]| {
            let conditions: Vec<_> =
                conditions.iter().map(|kind| json!({"type": kind, "message": ""})).collect();
            json!({"name": "shop", "revision": "main", "syncState": state, "health": health,
                "applied": applied, "lastSync": null, "conditions": conditions})
        };
        let commit = || json!({"id": "a", "message": ""});
        for (state, health, applied, conditions, broken) in [
            ("Synced", "Healthy", commit(), &[][..], false),
            ("Synced", "Progressing", commit(), &["WaitingForHealth"], false),
            ("Unknown", "Unknown", Value::Null, &[], false),
            ("Synced", "Unknown", commit(), &[], true),
            ("Synced", "Missing", commit(), &[], true),
            ("Failed", "Healthy", commit(), &["SyncFailed"], true),
            ("Unknown", "Unknown", Value::Null, &["ClusterUnavailable"], true),
            ("Synced", "Healthy", commit(), &["RepositoryUnavailable"], true),
        ] {
            let told = application(state, health, applied, conditions);
            let read = serde_json::from_value(told.clone()).unwrap();
            assert_eq!(is_broken(&read), broken, "{told}");
        }
    }
}
