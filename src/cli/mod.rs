//! The command line: one file per command.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; `diff`: 0 the same, 1
//! differences, 2 error, as kubectl's.

mod answer;
mod check;
mod client;
mod completions;
mod demo;
mod diff;
mod history;
mod man;
mod serve;
mod status;
mod sync;
mod table;
mod terminal;

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::terminal::{Terminal, say_beside};
use crate::config::problem::ConfigErrors;

/// Everything went well.
const DONE: u8 = 0;
/// It did not work.
const FAILED: u8 = 1;
/// The command or the configuration is wrong.
const WRONG_USAGE: u8 = 2;

/// What the program is called.
const NAME: &str = "headstay";

/// What it says of itself: its version, and the commit that it was built from where the build said
/// so (`HEADSTAY_COMMIT`).
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("HEADSTAY_COMMIT") {
        None | Some("") => version.to_owned(),
        Some(commit) => format!("{version} ({commit})"),
    }
});

/// Holds clusters at Git's HEAD.
#[derive(Parser)]
#[command(name = NAME, version = VERSION.as_str(), about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: take webhooks, keep clusters at their commits
    Serve(ConfigArgs),
    /// Play what Headstay does, as a story on this machine
    Demo(demo::DemoArgs),
    /// Deliver what git tells a hook of the demo's repository
    #[command(hide = true)]
    DemoHook(demo::hook::HookArgs),
    /// Validate the configuration and say everything that is wrong with it
    Check(check::CheckArgs),
    /// Show the state of all applications
    Status(ClientArgs),
    /// Show the syncs of the past, newest first
    History(history::HistoryArgs),
    /// Ask for a sync of an application
    Sync(sync::SyncArgs),
    /// Show what a sync of an application would change now
    Diff(diff::DiffArgs),
    /// Print the script that completes this command line in a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
}

/// Where the configuration is.
#[derive(Args)]
struct ConfigArgs {
    /// The configuration: a file, or a folder of `*.yaml` files
    #[arg(long, env = "HEADSTAY_CONFIG", default_value = "config/headstay.yaml")]
    config: PathBuf,
}

/// Where a server is that listens where the configuration's default says.
const SERVER: &str = "http://127.0.0.1:8080";

/// How a running server is reached.
#[derive(Args)]
struct ClientArgs {
    /// Address of the server
    #[arg(
        long,
        env = "HEADSTAY_SERVER",
        hide_env_values = true,
        default_value = SERVER,
        value_parser = |text: &str| -> Result<String, Infallible> {
            // A variable that is empty is as good as none.
            Ok(if text.is_empty() { SERVER } else { text }.to_owned())
        }
    )]
    server: String,
    /// Bearer token; better given in the environment than on the command line
    #[arg(long, env = "HEADSTAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs; of a running server, as its API answers
    Json,
}

/// A command ended without doing its work.
struct CommandError {
    code: u8,
    /// One line.
    message: String,
    /// Further lines.
    more: Vec<String>,
}

impl CommandError {
    fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), more: Vec::new() }
    }

    fn wrong_usage(message: impl Into<String>) -> Self {
        Self { code: WRONG_USAGE, message: message.into(), more: Vec::new() }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        // Who reads the output has enough, as `head` has: that is no failure.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: DONE, ..Self::failed("nobody reads on") };
        }
        Self::failed(format!("write the output: {error}"))
    }
}

impl From<ConfigErrors> for CommandError {
    fn from(errors: ConfigErrors) -> Self {
        let more = errors.lines().collect();
        Self { more, ..Self::wrong_usage("the configuration is wrong") }
    }
}

/// Runs a command and says how it ended.
pub fn run(cli: Cli) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let mut out = Terminal::new(&mut stdout);
    let ended = match cli.command {
        Command::Serve(args) => {
            drop(stdout);
            serve::run(&args.config)
        }
        Command::Demo(args) => demo::run(&args, &mut out),
        Command::DemoHook(args) => demo::hook::run(&args, &mut out),
        Command::Check(args) => check::run(&args, &mut out),
        Command::Status(args) => status::run(&args, &mut out),
        Command::History(args) => history::run(&args, &mut out),
        Command::Sync(args) => sync::run(&args, &mut out),
        Command::Diff(args) => diff::run(&args, &mut out),
        Command::Completions(args) => completions::run(&args, &mut out),
        Command::Man(args) => man::run(&args, &mut out),
    };
    let code = ended.unwrap_or_else(|error| {
        if error.code != DONE {
            say_beside(&error.message, &error.more);
        }
        error.code
    });
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use clap::CommandFactory;

    use super::{CommandError, DONE, FAILED};

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        for (kind, code) in [(ErrorKind::BrokenPipe, DONE), (ErrorKind::StorageFull, FAILED)] {
            let error = CommandError::from(Error::from(kind));
            assert_eq!(error.code, code, "{kind}");
        }
    }
}
