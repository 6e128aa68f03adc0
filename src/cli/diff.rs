//! `headstay diff`

use clap::Args;

use crate::cli::answer::{Diff, FieldChange, ObjectDiff};
use crate::cli::client::{Answer, Client};
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, WRONG_USAGE};
use crate::domain::name::ApplicationName;

/// What to compare.
#[derive(Args)]
pub(super) struct DiffArgs {
    /// The application
    application: ApplicationName,
    #[command(flatten)]
    client: ClientArgs,
}

/// Shows what a sync would change: 0 nothing, 1 something, 2 it could not be found out.
pub(super) fn run(args: &DiffArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let path = format!("/applications/{}/diff", args.application);
    let Answer { read: diff, json } = Client::new(&args.client)
        .and_then(|client| client.get::<Diff>(&path))
        .map_err(|error| CommandError { code: WRONG_USAGE, ..error })?;
    if args.client.output == Output::Json {
        out.json(&json)?;
    } else {
        for object in &diff.objects {
            describe(object, out)?;
        }
    }
    Ok(if diff.same { DONE } else { FAILED })
}

fn describe(diff: &ObjectDiff, out: &mut Terminal<'_>) -> std::io::Result<()> {
    let sign = match diff.action.as_str() {
        "created" => '+',
        "pruned" => '-',
        "failed" => '!',
        "skipped" => '=',
        _ => '~',
    };
    out.line(&format!("{sign} {}", diff.object))?;
    if let Some(message) = &diff.message {
        out.paragraph("    ", "    ", message)?;
    }
    for FieldChange { path, from, to } in &diff.fields {
        out.line(&format!("    {path}: {from} -> {to}"))?;
    }
    if diff.more_fields > 0 {
        out.line(&format!("    … and {} more", diff.more_fields))?;
    }
    Ok(())
}
