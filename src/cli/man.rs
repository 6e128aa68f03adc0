//! `headstay man`

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::{Man, generate_to};

use crate::cli::{Cli, CommandError, DONE};

/// Which pages, and where to.
#[derive(Args)]
pub(super) struct ManArgs {
    /// Write the page of every command into this folder
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Prints the manual page, or writes all of them.
pub(super) fn run(args: &ManArgs, out: &mut dyn Write) -> Result<u8, CommandError> {
    let Some(folder) = &args.folder else {
        Man::new(Cli::command()).render(out)?;
        return Ok(DONE);
    };
    generate_to(Cli::command(), folder).map_err(|error| {
        CommandError::failed(format!("write the manual into `{}`: {error}", folder.display()))
    })?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let args = ManArgs { folder: Some(folder.path().to_owned()) };
        assert!(run(&args, &mut Vec::new()).is_ok());
        let commands = Cli::command();
        let shown = commands.get_subcommands().filter(|command| !command.is_hide_set());
        for command in shown {
            let page = folder.path().join(format!("headstay-{}.1", command.get_name()));
            let page = std::fs::read_to_string(page).unwrap();
            assert!(page.contains(".SH DESCRIPTION"), "{page}");
        }
        let mut main = Vec::new();
        assert!(run(&ManArgs { folder: None }, &mut main).is_ok());
        assert!(String::from_utf8(main).unwrap().contains("headstay\\-serve(1)"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let args = ManArgs { folder: Some("/nowhere".into()) };
        let error = run(&args, &mut Vec::new()).err().unwrap();
        assert!(error.message.contains("`/nowhere`"), "{}", error.message);
    }
}
