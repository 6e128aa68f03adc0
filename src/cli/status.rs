//! `headstay status`

use crate::cli::client::Client;
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, table};

/// Shows all applications; exit code 1 when one of them failed or is not healthy, or the
/// store cannot be written to.
pub(super) fn run(args: &ClientArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let status = Client::new(args).get("/status")?;
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
    let broken = applications.iter().any(|application| {
        application["syncState"] == "Failed"
            || matches!(application["health"].as_str(), Some("Degraded" | "Missing"))
    });
    Ok(if broken || full { FAILED } else { DONE })
}
