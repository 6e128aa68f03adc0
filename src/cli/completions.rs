//! `headstay completions`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::terminal::Terminal;
use crate::cli::{Cli, CommandError, DONE, NAME};

/// For which shell.
#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script that completes the command line in a shell.
pub(super) fn run(args: &CompletionsArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    // Into memory first, because it panics where it cannot write.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), NAME, &mut script);
    out.page(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_script_of_every_shell_knows_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            assert!(
                run(&CompletionsArgs { shell: *shell }, &mut Terminal::new(&mut script)).is_ok()
            );
            let script = String::from_utf8(script).unwrap();
            for word in ["serve", "history", "dry-run"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
