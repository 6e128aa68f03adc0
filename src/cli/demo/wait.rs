//! Waiting for what is to come, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Terminal;
    use crate::domain::error::chain;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_told_with_what_was_there_instead() {
        let mut out = Vec::new();
        let mut out = Terminal::new(&mut out);
        let mut screen = Screen::of_stdout(&mut out);
        let look = async || Err::<(), _>("2 of 3 replicas".to_owned());
        let error = until(&mut screen, "the shop to open", look).await.unwrap_err();
        let told = "waited 120 s in vain for the shop to open; last seen: 2 of 3 replicas";
        assert_eq!(chain(&error), told);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_late_is_waited_for() {
        let mut out = Vec::new();
        let mut out = Terminal::new(&mut out);
        let mut screen = Screen::of_stdout(&mut out);
        let mut looks = 0;
        let look = async || {
            looks += 1;
            if looks == 1000 { Ok(looks) } else { Err("nothing".to_owned()) }
        };
        assert_eq!(until(&mut screen, "it", look).await.unwrap(), 1000);
    }
}
