//! `headstay serve`

use std::path::Path;

use crate::cli::{CommandError, DONE};
use crate::runtime::{self, RuntimeError};
use crate::sync::error::chain;
use crate::telemetry;

/// Runs the server until it is asked to stop.
pub(super) fn run(config: &Path) -> Result<u8, CommandError> {
    telemetry::start_logging();
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failed(format!("start the runtime: {error}")))?;
    match tokio.block_on(runtime::serve(config)) {
        Ok(()) => Ok(DONE),
        Err(RuntimeError::Config(errors)) => {
            Err(CommandError::wrong_usage(format!("the configuration is wrong\n{errors}")))
        }
        Err(error) => Err(CommandError::failed(chain(&error))),
    }
}
