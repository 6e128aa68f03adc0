//! `headstay man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::{Man, generate_to};

use crate::cli::terminal::Terminal;
use crate::cli::{Cli, CommandError, DONE};

/// Which pages, and where to.
#[derive(Args)]
pub(super) struct ManArgs {
    /// Write the page of every command into this folder, which is made if it is not there
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Prints the manual page, or writes all of them.
pub(super) fn run(args: &ManArgs, out: &mut Terminal<'_>) -> Result<u8, CommandError> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        out.page(&String::from_utf8_lossy(&page))?;
        return Ok(DONE);
    };
    let written =
        std::fs::create_dir_all(folder).and_then(|()| generate_to(Cli::command(), folder));
    written.map_err(|error| {
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
        let folder = folder.path().join("new/man");
        let args = ManArgs { folder: Some(folder.clone()) };
        assert!(run(&args, &mut Terminal::new(&mut Vec::new())).is_ok());
        let commands = Cli::command();
        let shown = commands.get_subcommands().filter(|command| !command.is_hide_set());
        for command in shown {
            let page = folder.join(format!("headstay-{}.1", command.get_name()));
            let page = std::fs::read_to_string(page).unwrap();
            assert!(page.contains(".SH DESCRIPTION"), "{page}");
        }
        let mut main = Vec::new();
        assert!(run(&ManArgs { folder: None }, &mut Terminal::new(&mut main)).is_ok());
        assert!(String::from_utf8(main).unwrap().contains("headstay\\-serve(1)"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let args = ManArgs { folder: Some("/dev/null/man".into()) };
        let error = run(&args, &mut Terminal::new(&mut Vec::new())).err().unwrap();
        assert!(error.message.contains("`/dev/null/man`"), "{}", error.message);
    }
}
