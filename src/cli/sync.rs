//! `headstay sync`

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::terminal::{Terminal, say_beside};
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, table};
use crate::domain::name::ApplicationName;

/// Pause between two looks at a sync that is waited for.
const PAUSE: Duration = Duration::from_millis(200);

/// What to sync, and how.
#[derive(Args)]
pub(super) struct SyncArgs {
    /// The application
    application: ApplicationName,
    /// A branch, tag, range of versions or commit (its full id) instead of the configured one, this once
    #[arg(long)]
    revision: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Prune (or not), whatever the configuration says
    #[arg(long)]
    prune: Option<bool>,
    /// Take over what another installation of Headstay holds of what Git names
    #[arg(long)]
    adopt: bool,
    /// Wait until the sync has ended; exit code 1 unless it succeeded
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Asks for a sync, and waits for its end where that is wanted.
pub(super) fn run(args: &SyncArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let client = Client::new(&args.client)?;
    let body = json!({
        "revision": args.revision,
        "dryRun": args.dry_run,
        "prune": args.prune,
        "adopt": args.adopt,
    });
    let mut sync = client.post(&format!("/applications/{}/sync", args.application), &body, "id")?;
    let id = table::text(&sync["id"]);
    if args.wait && !args.dry_run && client.get("/status", "applications")?["suspended"] == true {
        let why = "because server.suspend is set: nothing is written until it is unset";
        say_beside(&format!("sync {id} waits, {why}"), []);
    }
    let mut told = Value::Null;
    while args.wait && !is_at_rest(&sync) {
        std::thread::sleep(PAUSE);
        sync = client.get(&format!("/syncs/{id}"), "id")?;
        if sync["state"] == "Retrying" && sync["attempt"] != told {
            told = sync["attempt"].clone();
            say_beside(&retried(&sync), []);
        }
    }
    if args.client.output == Output::Json {
        out.json(&sync)?;
    } else {
        describe(&sync, out)?;
    }
    let good = !args.wait || sync["state"] == "Succeeded";
    Ok(if good { DONE } else { FAILED })
}

/// Why a sync goes on waiting, and until when.
fn retried(sync: &Value) -> String {
    let (id, next) = (table::text(&sync["id"]), table::text(&sync["nextAttemptAt"]));
    format!("sync {id} is tried again at {next}: {}", table::text(&sync["error"]["message"]))
}

/// Whether nothing more happens without a person.
fn is_at_rest(sync: &Value) -> bool {
    let state = sync["state"].as_str();
    matches!(state, Some("Succeeded" | "Failed" | "Superseded" | "Cancelled" | "Blocked"))
}

fn describe(sync: &Value, out: &mut Terminal<'_>) -> std::io::Result<()> {
    let (id, state) = (table::text(&sync["id"]), table::text(&sync["state"]));
    let dry_run = if sync["options"]["dryRun"] == true { " (dry run)" } else { "" };
    let application = table::text(&sync["application"]);
    out.line(&format!("sync {id} of application {application}{dry_run}: {state}"))?;
    for object in sync["objects"].as_array().into_iter().flatten() {
        let action = table::text(&object["action"]);
        let message =
            object["message"].as_str().map(|text| format!(": {text}")).unwrap_or_default();
        let first = format!("  {action:<10} {}", table::object(object));
        out.paragraph(&first, "      ", &message)?;
    }
    if let Some(error) = sync["error"]["message"].as_str() {
        out.paragraph("  ", "  ", error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_told_as_one() {
        let object =
            json!({"group": "", "kind": "ConfigMap", "name": "settings", "action": "created"});
        let mut sync = json!({"id": "1", "application": "shop", "state": "Succeeded",
            "options": {"dryRun": true}, "objects": [object]});
        for first in [
            "sync 1 of application shop (dry run): Succeeded",
            "sync 1 of application shop: Succeeded",
        ] {
            let mut out = Vec::new();
            describe(&sync, &mut Terminal::new(&mut out)).unwrap();
            let told = String::from_utf8(out).unwrap();
            assert_eq!(told, format!("{first}\n  created    ConfigMap settings\n"));
            sync["options"]["dryRun"] = json!(false);
        }
    }
}
