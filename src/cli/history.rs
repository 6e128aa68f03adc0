//! `headstay history`

use clap::Args;

use crate::cli::client::Client;
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, Output, table};
use crate::domain::name::ApplicationName;
use crate::store::Page;

/// Most of a message that is shown, in characters: one long error would widen every row.
const MESSAGE_WIDTH: usize = 80;

/// What of the history to show.
#[derive(Args)]
pub(super) struct HistoryArgs {
    /// Only syncs of this application
    application: Option<ApplicationName>,
    /// How many
    #[arg(
        long,
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(Page::LIMIT_MAX)),
    )]
    limit: u32,
    #[command(flatten)]
    client: ClientArgs,
}

/// Shows the newest syncs.
pub(super) fn run(args: &HistoryArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let mut path = format!("/syncs?limit={}", args.limit);
    if let Some(application) = &args.application {
        path.push_str("&application=");
        path.push_str(application.as_str());
    }
    let client = Client::new(&args.client)?;
    let syncs = client.get(&path, "items")?;
    let is_empty = syncs["items"].as_array().is_none_or(Vec::is_empty);
    if let Some(application) = args.application.as_ref().filter(|_| is_empty) {
        // One that has no history yet is known all the same; another name is a mistake.
        client.get(&format!("/applications/{application}"), "name")?;
    }
    if args.client.output == Output::Json {
        out.json(&syncs)?;
        return Ok(DONE);
    }
    let empty = Vec::new();
    let rows: Vec<_> = syncs["items"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|sync| {
            let told = sync["error"]["message"].as_str().or(sync["commit"]["message"].as_str());
            vec![
                table::text(&sync["queuedAt"]),
                table::text(&sync["application"]),
                table::text(&sync["state"]),
                trigger(sync),
                table::commit(&sync["commit"]["id"]),
                changes(&sync["summary"]),
                table::cut(table::first_line(told.unwrap_or("-")), MESSAGE_WIDTH),
                table::text(&sync["id"]),
            ]
        })
        .collect();
    let heading =
        ["QUEUED", "APPLICATION", "STATE", "TRIGGER", "COMMIT", "CHANGES", "MESSAGE", "ID"];
    out.table(&heading, &rows)?;
    Ok(DONE)
}

/// What asked for a sync, and whether it was to write anything.
fn trigger(sync: &serde_json::Value) -> String {
    let trigger = table::text(&sync["trigger"]);
    if sync["options"]["dryRun"] == true { format!("{trigger} (dry run)") } else { trigger }
}

/// `+2 ~1 -3 !1`: created, configured, pruned, failed.
pub(super) fn changes(summary: &serde_json::Value) -> String {
    let signs = [("created", '+'), ("configured", '~'), ("pruned", '-'), ("failed", '!')];
    let parts: Vec<_> = signs
        .iter()
        .filter_map(|(name, sign)| {
            let count = summary[*name].as_u64().filter(|count| *count > 0)?;
            Some(format!("{sign}{count}"))
        })
        .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(" ") }
}
