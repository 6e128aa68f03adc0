//! Waiting for what is to come, with a deadline.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cli::demo::broken::Broken;
use crate::cli::demo::screen::Screen;

/// Longest time that anything in the story may take: an image may have to be pulled.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks: short, because it adds to what is measured.
const POLL: Duration = Duration::from_millis(4);
/// Time after which people are told what is waited for, and between two times.
const TELL: Duration = Duration::from_millis(200);

/// Looks until there is something to return; the error of a look is what it saw instead.
pub(super) async fn until<T>(
    screen: &mut Screen<'_>,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Broken> {
    let began = Instant::now();
    let mut tell = TELL;
    loop {
        let seen = match look().await {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        let since = began.elapsed();
        if since > PATIENCE {
            return Err(Broken::InVain { what: what.to_owned(), within: PATIENCE, seen });
        }
        if since > tell {
            screen.waiting(what, since)?;
            tell = since + TELL;
        }
        sleep(POLL).await;
    }
}
