//! `headstay demo-hook`: what git runs in the demo's repository after a push by hand. It delivers the
//! push as a Git host does, and tells who pushed what became of it.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio::time::sleep;

use crate::cli::demo::api::{Api, ApiError};
use crate::cli::demo::delivery::Delivery;
use crate::cli::demo::screen::took;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, DONE, table};
use crate::domain::error::chain;

/// Longest time for which git, and who pushed, wait for a sync to be applied.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(10);
/// Refs of one push that are told of: as many as GitHub tells of.
const REFS: usize = 5;

/// Where to deliver.
#[derive(Args)]
pub(in crate::cli) struct HookArgs {
    /// Address of the server
    #[arg(long)]
    server: String,
    /// File with the secret of the webhook
    #[arg(long)]
    secret: PathBuf,
}

/// Delivers what git tells on standard input: a line `BEFORE AFTER REF` for each ref.
pub(in crate::cli) fn run(args: &HookArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let secret = std::fs::read_to_string(&args.secret).map_err(|error| {
        CommandError::failed(format!("read the secret in {}: {error}", args.secret.display()))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let api = Api::new(args.server.clone());
    for line in io::stdin().lock().lines().take(REFS) {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        let [before, after, reference] = words[..] else {
            return Err(CommandError::wrong_usage(format!("`{line}` is not `BEFORE AFTER REF`")));
        };
        let delivery = Delivery::of_push(reference, before, after, secret.trim());
        let delivered = runtime.block_on(deliver(&api, &delivery, out))?;
        delivered.map_err(|error| {
            CommandError::failed(format!("{}; does the demo still run?", chain(&error)))
        })?;
    }
    Ok(DONE)
}

async fn deliver(
    api: &Api,
    delivery: &Delivery,
    out: &mut Terminal<'_>,
) -> io::Result<Result<(), ApiError>> {
    let sent = Instant::now();
    let answer = match api.deliver(delivery).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    let took = took(answer.took);
    out.line(&format!("headstay answers {} after {took}", answer.status.as_u16()))?;
    for told in [&answer.body["reason"], &answer.body["detail"]] {
        if let Some(told) = told.as_str() {
            out.paragraph("  ", "  ", told)?;
        }
    }
    for sync in answer.body["syncs"].as_array().into_iter().flatten() {
        let (name, id) = (table::text(&sync["application"]), table::text(&sync["id"]));
        match wait(api, &id, sent).await {
            Ok(told) => out.paragraph(&format!("  {name}: "), "    ", &told)?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// Waits until a sync is applied or does not get there, and says which.
async fn wait(api: &Api, id: &str, sent: Instant) -> Result<String, ApiError> {
    loop {
        let sync = api.get(&format!("/syncs/{id}")).await?;
        if let Some(told) = outcome(&sync, sent.elapsed()) {
            return Ok(told);
        }
        if sent.elapsed() > PATIENCE {
            return Ok(format!("still {}; see `headstay status`", table::text(&sync["state"])));
        }
        sleep(POLL).await;
    }
}

/// What is to be told of a sync, once there is something.
fn outcome(sync: &Value, since: Duration) -> Option<String> {
    let error = sync["error"]["message"].as_str().map(|error| format!("refused: {error}"));
    match sync["state"].as_str() {
        // An error is that of an attempt before.
        Some("Queued" | "Running") => None,
        _ if error.is_some() => error,
        Some("Waiting" | "Succeeded") => Some(format!("applied after {}", took(since))),
        _ => Some(table::text(&sync["state"])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_pushed_is_told_when_there_is_something_to_tell() {
        let failed = json!({"state": "Failed", "error": {"message": "a.yaml:3: no"}});
        for (sync, told) in [
            (json!({"state": "Running", "error": null}), None),
            (json!({"state": "Waiting", "error": null}), Some("applied after 57 ms")),
            (json!({"state": "Superseded", "error": null}), Some("Superseded")),
            (json!({"state": "Running", "error": {"message": "an earlier attempt"}}), None),
            (failed, Some("refused: a.yaml:3: no")),
        ] {
            assert_eq!(outcome(&sync, Duration::from_millis(57)).as_deref(), told);
        }
    }
}
