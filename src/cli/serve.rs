//! `headstay serve`

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::SignalKind;

use crate::cli::{CommandError, DONE};
use crate::domain::error::chain;
use crate::runtime::{RuntimeError, Server, stop_on};
use crate::sync::worker::CLAIMS_MAX;
use crate::telemetry;

/// Most threads for what blocks. A fetch that hangs holds one, and each sync that is claimed may be in
/// such a fetch; as many as tokio has by default are left for the store, files and parsing. One that is
/// not needed is not started.
const BLOCKING_THREADS: usize = CLAIMS_MAX + 512;
/// How long threads that do not end by themselves, as in a fetch that stalls, are waited for at the
/// end. What they had to make durable is, and what they leave behind is made anew.
const THREADS_DEADLINE: Duration = Duration::from_secs(2);

/// Runs the server until it is asked to stop.
pub(super) fn run(config: &Path) -> Result<u8, CommandError> {
    telemetry::start_logging();
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| CommandError::failed(format!("start the runtime: {error}")))?;
    let served = tokio.block_on(async {
        let stop = stop_on(&[SignalKind::terminate(), SignalKind::interrupt()])?;
        Server::open(config).await?.run(stop).await
    });
    tokio.shutdown_timeout(THREADS_DEADLINE);
    match served {
        Ok(()) => Ok(DONE),
        Err(RuntimeError::Config(errors)) => Err(errors.into()),
        Err(error) => Err(CommandError::failed(chain(&error))),
    }
}
