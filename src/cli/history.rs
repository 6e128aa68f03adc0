//! `headstay history`

use clap::Args;

use crate::cli::answer::{Application, Summary, Sync, Syncs};
use crate::cli::client::{Answer, Client};
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
    let Answer { read: syncs, json } = client.get::<Syncs>(&path)?;
    if let Some(application) = args.application.as_ref().filter(|_| syncs.items.is_empty()) {
        // One that has no history yet is known all the same; another name is a mistake.
        client.get::<Application>(&format!("/applications/{application}"))?;
    }
    if args.client.output == Output::Json {
        out.json(&json)?;
        return Ok(DONE);
    }
    let rows: Vec<_> = syncs.items.iter().map(row).collect();
    let heading =
        ["QUEUED", "APPLICATION", "STATE", "TRIGGER", "COMMIT", "CHANGES", "MESSAGE", "ID"];
    out.table(&heading, &rows)?;
    Ok(DONE)
}

fn row(sync: &Sync) -> Vec<String> {
    vec![
        sync.queued_at.clone(),
        sync.application.clone(),
        sync.state.clone(),
        trigger(sync),
        table::commit(sync.commit.as_ref()),
        changes(&sync.summary),
        table::cut(told(sync), MESSAGE_WIDTH),
        sync.id.to_string(),
    ]
}

/// What is to be known of a sync in a line: why it failed, or what it brought.
pub(super) fn told(sync: &Sync) -> &str {
    let error = sync.error.as_ref().map(|error| &error.message);
    let told = error.or(sync.commit.as_ref().map(|commit| &commit.message));
    told.map_or("-", |told| table::first_line(told))
}

/// What asked for a sync, and whether it was to write anything.
fn trigger(sync: &Sync) -> String {
    let trigger = sync.trigger.clone();
    if sync.options.dry_run { format!("{trigger} (dry run)") } else { trigger }
}

/// `+2 ~1 -3 !1`: created, configured, pruned, failed.
pub(super) fn changes(summary: &Summary) -> String {
    let Summary { created, configured, pruned, failed } = *summary;
    let signs = [(created, '+'), (configured, '~'), (pruned, '-'), (failed, '!')];
    let parts: Vec<_> = signs
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, sign)| format!("{sign}{count}"))
        .collect();
    if parts.is_empty() { table::nothing() } else { parts.join(" ") }
}
