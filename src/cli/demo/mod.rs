//! `headstay demo`: what Headstay does, as a story on one machine with nothing else installed.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the order: everything is made, the story told, everything ended |
//! | `story.rs` | the steps, and what must come out of each |
//! | `view.rs`, `wait.rs` | what can be seen of it; waiting for it |
//! | `shop.rs`, `shop/` | what is in the repository, and how it changes |
//! | `repository.rs`, `hook.rs` | the repository; what happens when somebody pushes by hand |
//! | `delivery.rs`, `api.rs` | what a Git host sends; calls to Headstay |
//! | `place.rs` | the cluster: the sandbox, or that of somebody |
//! | `hand.rs` | people with a kubeconfig |
//! | `consent.rs`, `clean_up.rs` | before and after a story on a cluster of somebody |
//! | `folder.rs`, `screen.rs`, `next.rs` | where everything is kept; what people see, and can do next |

mod api;
mod broken;
mod clean_up;
mod consent;
mod delivery;
mod folder;
mod hand;
pub(super) mod hook;
mod next;
mod place;
mod repository;
mod screen;
mod shop;
mod story;
mod view;
mod wait;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::SignalKind;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::cli::demo::api::Api;
use crate::cli::demo::broken::Broken;
use crate::cli::demo::folder::{Folder, FolderError};
use crate::cli::demo::place::{Opened, Place};
use crate::cli::demo::repository::Repository;
use crate::cli::demo::screen::Screen;
use crate::cli::demo::shop::{PRODUCTION, Shop};
use crate::cli::demo::story::Story;
use crate::cli::demo::view::View;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, DONE};
use crate::domain::error::chain;
use crate::runtime::{RuntimeError, Server, stop_on};
use crate::telemetry;

/// How long threads that do not end by themselves are waited for at the end.
const THREADS_DEADLINE: Duration = Duration::from_secs(1);

/// What ends it: Ctrl-C, `kill`, and the end of the terminal.
const END: [SignalKind; 3] =
    [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];

/// How to play it.
#[derive(Args)]
pub(super) struct DemoArgs {
    /// End after the story instead of staying up
    #[arg(long)]
    once: bool,
    /// Where everything is kept: a folder that is empty or not there; else a new temporary one
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Play on the cluster of this context of your kubeconfig, in namespaces that are deleted at
    /// the end
    #[arg(long, value_name = "CONTEXT")]
    cluster: Option<String>,
    /// With --cluster: do not ask before
    #[arg(long, requires = "cluster")]
    yes: bool,
}

/// Plays the story; exit code 1 when it does not come out as it is told.
pub(super) fn run(args: &DemoArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let Some(place) = Place::choose(args.cluster.as_deref())? else {
        return Err(CommandError::wrong_usage(
            "this build has no sandbox to play in: name a cluster with --cluster CONTEXT",
        ));
    };
    if !args.yes && !place.consent(out)? {
        out.line("Nothing was done.")?;
        return Ok(DONE);
    }
    let folder = Folder::make(args.folder.as_deref()).map_err(|error| failed(&error.into()))?;
    let log = folder.make_log().map_err(|error| failed(&error.into()))?;
    telemetry::start_logging_to(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut screen = Screen::of_stdout(out);
    let played = runtime.block_on(play(args.once, &folder, place, &mut screen));
    runtime.shutdown_timeout(THREADS_DEADLINE);
    if let Err(error) = played {
        let more = vec![format!("The log is {}", folder.log().display())];
        return Err(CommandError { more, ..failed(&error) });
    }
    screen.heading(&format!("All that is left is the folder {}", folder.path().display()))?;
    Ok(DONE)
}

fn failed(error: &Broken) -> CommandError {
    let message = format!("demo: {}", chain(error));
    match error {
        Broken::Folder(FolderError::NotEmpty(_) | FolderError::Unfit(_)) => {
            CommandError::wrong_usage(message)
        }
        _ => CommandError::failed(message),
    }
}

/// Makes everything, tells the story, and ends everything, whatever became of it.
async fn play(
    once: bool,
    folder: &Folder,
    place: Place,
    screen: &mut Screen<'_>,
) -> Result<(), Broken> {
    let asked = stop_on(&END)?;
    let place = tokio::select! {
        opened = place.open(folder) => opened?,
        () = asked.cancelled() => return Err(Broken::Stopped),
    };
    let told = tell(once, folder, &place, screen, &asked).await;
    if let Err(error) = &told
        && !matches!(error, Broken::Stopped)
    {
        // If nobody reads that, all the same everything is to be ended.
        _ = screen.bad(&chain(error));
    }
    let ended = place.end(folder, screen).await;
    told.and(ended)
}

/// Tells the story, with a Headstay that serves as long as it takes.
async fn tell(
    once: bool,
    folder: &Folder,
    place: &Opened,
    screen: &mut Screen<'_>,
    asked: &CancellationToken,
) -> Result<(), Broken> {
    let shop = Shop::new(&place.suffix);
    let repository = Repository::create(&folder.repository())?;
    let secret = folder.make_secret()?;
    let head = repository.commit("Open the shop", shop.files())?;
    let configuration = folder.configuration_for(&shop, &place.instance, &place.keys);
    folder::write(&folder.configuration(), &configuration)?;
    let began = Instant::now();
    let server = Server::open(&folder.configuration()).await?;
    let api = Api::new(format!("http://{}", server.address()));
    let program = std::env::current_exe()?;
    deliver_pushes(&repository, &program, &api, folder)?;

    let quit = CancellationToken::new();
    let mut serving = tokio::spawn(server.run(quit.clone()));
    let namespace = shop.namespace(PRODUCTION);
    let view = View { api, hand: &place.hand, namespace };
    let mut story = Story { screen, shop, repository, secret, view, head, began };
    let perform = async {
        introduce(&mut story, folder, place)?;
        story.tell().await?;
        if !once {
            next::show(&mut story, &program, folder, place)?;
            asked.cancelled().await;
        }
        Ok(())
    };
    let told = tokio::select! {
        biased;
        told = perform => told,
        () = asked.cancelled() => Err(Broken::Stopped),
        ended = &mut serving => Err(ended_early(ended)),
    };
    quit.cancel();
    if serving.is_finished() {
        return told;
    }
    told.and(match serving.await {
        Ok(ended) => ended.map_err(Broken::from),
        Err(_) => Err(Broken::Ended),
    })
}

/// Has a push by hand delivered as a Git host would.
fn deliver_pushes(
    repository: &Repository,
    program: &Path,
    api: &Api,
    folder: &Folder,
) -> Result<(), Broken> {
    let secret = folder.secret();
    let words = ["demo-hook", "--server", &api.server, "--secret"].map(std::ffi::OsStr::new);
    let words: Vec<_> = std::iter::once(program.as_os_str())
        .chain(words)
        .chain([secret.as_os_str()])
        .map(std::ffi::OsStr::to_string_lossy)
        .collect();
    repository.after_push(&words)?;
    Ok(())
}

fn introduce(story: &mut Story<'_, '_>, folder: &Folder, place: &Opened) -> Result<(), Broken> {
    let repository = story.repository.path().display().to_string();
    let screen = &mut *story.screen;
    screen.title("Headstay holds clusters at Git’s HEAD")?;
    screen.pair("cluster", &place.description)?;
    screen.pair("repository", &format!("{repository}, with apps/staging and apps/production"))?;
    screen.pair("headstay", &format!("{}, in this process", story.view.api.server))?;
    screen.pair("folder", &format!("{}: all that is kept", folder.path().display()))?;
    Ok(())
}

fn ended_early(ended: Result<Result<(), RuntimeError>, JoinError>) -> Broken {
    match ended {
        Ok(Err(error)) => error.into(),
        _ => Broken::Ended,
    }
}
