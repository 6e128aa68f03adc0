//! `headstay diff`

use clap::Args;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::terminal::Terminal;
use crate::cli::{ClientArgs, CommandError, DONE, FAILED, Output, WRONG_USAGE, table};
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
    let diff = Client::new(&args.client)
        .and_then(|client| client.get(&path, "objects"))
        .map_err(|error| CommandError { code: WRONG_USAGE, ..error })?;
    if args.client.output == Output::Json {
        out.json(&diff)?;
    } else {
        for object in diff["objects"].as_array().into_iter().flatten() {
            describe(object, out)?;
        }
    }
    Ok(if diff["same"] == true { DONE } else { FAILED })
}

fn describe(object: &Value, out: &mut Terminal<'_>) -> std::io::Result<()> {
    let sign = match object["action"].as_str() {
        Some("created") => '+',
        Some("pruned") => '-',
        Some("failed") => '!',
        Some("skipped") => '=',
        _ => '~',
    };
    out.line(&format!("{sign} {}", table::object(&object["object"])))?;
    if let Some(message) = object["message"].as_str() {
        out.paragraph("    ", "    ", message)?;
    }
    for field in object["fields"].as_array().into_iter().flatten() {
        let path = table::text(&field["path"]);
        out.line(&format!("    {path}: {} -> {}", field["from"], field["to"]))?;
    }
    Ok(())
}
