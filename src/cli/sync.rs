//! `headstay sync`

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::answer::{ObjectResult, Status, Sync};
use crate::cli::client::{Answer, Client};
use crate::cli::terminal::{Terminal, say_beside};
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output};
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
    let path = format!("/applications/{}/sync", args.application);
    let Answer { read: mut sync, mut json } = client.post::<Sync>(&path, &body)?;
    let id = sync.id;
    if args.wait && !args.dry_run && client.get::<Status>("/status")?.read.suspended {
        let why = "because server.suspend is set: nothing is written until it is unset";
        say_beside(&format!("sync {id} waits, {why}"), []);
    }
    let mut told = None;
    while args.wait && !is_at_rest(&sync) {
        std::thread::sleep(PAUSE);
        Answer { read: sync, json } = client.get(&format!("/syncs/{id}"))?;
        if sync.state == "Retrying" && told != Some(sync.attempt) {
            told = Some(sync.attempt);
            say_beside(&retried(&sync), []);
        }
    }
    if args.client.output == Output::Json {
        out.json(&json)?;
    } else {
        describe(&sync, out)?;
    }
    let good = !args.wait || sync.state == "Succeeded";
    Ok(if good { DONE } else { FAILED })
}

/// Why a sync goes on waiting, and until when.
fn retried(sync: &Sync) -> String {
    let next = sync.next_attempt_at.as_deref().unwrap_or("once");
    let error = sync.error.as_ref().map_or("-", |error| &error.message);
    format!("sync {} is tried again at {next}: {error}", sync.id)
}

/// Whether nothing more happens without a person.
fn is_at_rest(sync: &Sync) -> bool {
    let state = sync.state.as_str();
    matches!(state, "Succeeded" | "Failed" | "Superseded" | "Cancelled" | "Blocked")
}

fn describe(sync: &Sync, out: &mut Terminal<'_>) -> std::io::Result<()> {
    let Sync { id, state, application, .. } = sync;
    let dry_run = if sync.options.dry_run { " (dry run)" } else { "" };
    out.line(&format!("sync {id} of application {application}{dry_run}: {state}"))?;
    for ObjectResult { object, action, message } in &sync.objects {
        let message = message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        out.paragraph(&format!("  {action:<10} {object}"), "      ", &message)?;
    }
    if let Some(error) = &sync.error {
        out.paragraph("  ", "  ", &error.message)?;
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
        let id = "01a209e4-e79b-71c2-92da-330b4772b233";
        let summary = json!({"created": 1, "configured": 0, "pruned": 0, "failed": 0});
        let mut sync = json!({"id": id, "application": "shop", "state": "Succeeded",
            "trigger": "manual", "queuedAt": "", "attempt": 1, "summary": summary,
            "options": {"dryRun": true}, "objects": [object]});
        for first in [
            format!("sync {id} of application shop (dry run): Succeeded"),
            format!("sync {id} of application shop: Succeeded"),
        ] {
            let mut out = Vec::new();
            let read = serde_json::from_value(sync.clone()).unwrap();
            describe(&read, &mut Terminal::new(&mut out)).unwrap();
            let told = String::from_utf8(out).unwrap();
            assert_eq!(told, format!("{first}\n  created    ConfigMap settings\n"));
            sync["options"]["dryRun"] = json!(false);
        }
    }
}
