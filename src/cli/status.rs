//! `headstay status`

use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, table};

/// Shows all applications; exit code 1 when one of them failed or is not healthy, when its cluster or
/// its repository does not answer, or when the store cannot be written to.
pub(super) fn run(args: &ClientArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let status = Client::new(args)?.get("/status", "applications")?;
    let empty = Vec::new();
    let applications = status["applications"].as_array().unwrap_or(&empty);
    if args.output == Output::Json {
        out.json(&status)?;
    } else {
        let rows: Vec<_> = applications
            .iter()
            .map(|application| {
                vec![
                    table::text(&application["name"]),
                    table::text(&application["syncState"]),
                    table::text(&application["health"]),
                    table::commit(&application["applied"]["id"]),
                    table::text(&application["revision"]),
                    table::text(&application["lastSync"]["queuedAt"]),
                ]
            })
            .collect();
        let heading = ["APPLICATION", "SYNC", "HEALTH", "APPLIED", "REVISION", "LAST SYNC"];
        out.table(&heading, &rows)?;
        for application in applications {
            for condition in application["conditions"].as_array().unwrap_or(&empty) {
                let (kind, message) =
                    (table::text(&condition["type"]), table::text(&condition["message"]));
                let first = format!("{}: {kind}: ", table::text(&application["name"]));
                out.line("")?;
                out.paragraph(&first, "  ", &message)?;
            }
        }
        if let Some(error) = status["store"]["error"].as_str() {
            out.line("")?;
            out.line(&format!("nothing is taken in or synced until this is mended: {error}"))?;
        }
        if let Some(error) = status["configuration"]["error"].as_str() {
            out.line("")?;
            out.line("the configuration file was refused, the one before is in force:")?;
            out.paragraph("", "", error)?;
        }
    }
    let full = status["store"]["writable"] == false;
    let broken = applications.iter().any(is_broken);
    Ok(if broken || full { FAILED } else { DONE })
}

/// Whether somebody should look at an application. Of one that was never applied nothing is known, and
/// that is no failure yet.
fn is_broken(application: &Value) -> bool {
    let unavailable = |condition: &Value| {
        condition["type"] == "ClusterUnavailable" || condition["type"] == "RepositoryUnavailable"
    };
    application["syncState"] == "Failed"
        || match application["health"].as_str() {
            Some("Degraded" | "Missing") => true,
            Some("Unknown") => !application["applied"].is_null(),
            _ => false,
        }
        || application["conditions"].as_array().is_some_and(|all| all.iter().any(unavailable))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_to_work_is_broken() {
        let application = |state: &str, health: &str, applied: Value, conditions: &[&str]| {
            let conditions: Vec<_> =
                conditions.iter().map(|kind| json!({"type": kind, "message": ""})).collect();
            json!({"syncState": state, "health": health, "applied": applied, "conditions": conditions})
        };
        let commit = || json!({"id": "a"});
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
            assert_eq!(is_broken(&told), broken, "{told}");
        }
    }
}
