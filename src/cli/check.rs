//! `headstay check`

use std::io::Write;

use clap::Args;

use crate::cli::{CommandError, ConfigArgs, DONE};
use crate::config;

/// What to check.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the JSON Schema of the configuration instead
    #[arg(long)]
    schema: bool,
}

/// Validates the configuration: exit code 2 when it is wrong.
pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<u8, CommandError> {
    if args.schema {
        writeln!(out, "{:#}", config::schema::json_schema())?;
        return Ok(DONE);
    }
    let path = &args.config.config;
    let config = config::read::load(path).map_err(|errors| {
        CommandError::wrong_usage(format!("the configuration is wrong\n{errors}"))
    })?;
    writeln!(
        out,
        "{}: good (applications: {}, repositories: {}, clusters: {}, receivers: {})",
        path.display(),
        config.applications.len(),
        config.repositories.len(),
        config.clusters.len(),
        config.receivers.len()
    )?;
    Ok(DONE)
}
