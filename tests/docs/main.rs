//! The commands of README and documentation are typed, and what they print is what the pages show.
//!
//! | file | what it holds |
//! |---|---|
//! | `main.rs` | which pages there are, and the few of which nothing is run |
//! | `readme.rs`, `pages.rs`, `deploying.rs` | how each page is followed, and what happens beside it |
//! | `page.rs` | the blocks of a page: `sh`, `console`, files, and output |
//! | `play.rs`, `session.rs`, `town.rs` | who follows it; the shell; what there is around it |
//! | `compare.rs` | when output is the same: `…` stands for anything, ids and times have a shape |
//! | `messages.rs` | the messages of `docs/troubleshooting.md` are those of the code |
//!
//! A block of `sh` is typed, and each of its commands must succeed; one of `text` or `json` below it
//! is what the last of them printed. In a block of `console` each command is followed by its output. A
//! block of `yaml` whose first line is `# name.yaml` is that file. A page is one shell, and a block
//! that none of this fits must be left out for a reason.
//!
//! What is otherwise than on the pages (`Town::here`): the repository is a private one on a host of this
//! machine, and Headstay listens on another port. `headstay` is the program that Cargo built for the
//! tests, and a `cargo` that builds it has nothing to do.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "the log of the program, when a story failed")]
#![expect(unreachable_pub, reason = "the parts of the world are public to the stories")]

mod compare;
mod deploying;
mod messages;
mod page;
mod pages;
mod play;
mod readme;
#[path = "../e2e/world/kube_apiserver.rs"]
mod server;
mod session;
mod town;
#[expect(dead_code, reason = "the stories need more of it")]
#[path = "../e2e/world/mod.rs"]
mod world;

use std::path::Path;

use crate::page::ROOT;
use crate::play::Play;

/// Where pages are, below the root of the repository.
const FOLDERS: [&str; 4] = ["", "docs", "deploy", "deploy/systemd"];
/// Who follows them.
const PLAYS: [&str; 4] = [
    include_str!("main.rs"),
    include_str!("readme.rs"),
    include_str!("pages.rs"),
    include_str!("deploying.rs"),
];

#[test]
fn every_page_with_a_block_is_followed() {
    let mut forgotten = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let page = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
            if path.extension().is_some_and(|extension| extension == "md")
                && page::steps(page).iter().any(|step| step.language.is_some())
                && !PLAYS.iter().any(|play| play.contains(&format!("Play::of(\"{page}\")")))
            {
                forgotten.push(page.to_owned());
            }
        }
    }
    assert!(forgotten.is_empty(), "tests/docs has no `Play::of` these pages: {forgotten:?}");
}

#[test]
fn what_is_not_run_is_told_with_the_reason() {
    Play::of("ARCHITECTURE.md").without("Git host ──POST", "it is a drawing").nowhere();
    Play::of("CONTRIBUTING.md").without("cargo clippy", "these are the tests").nowhere();
    Play::of("docs/benchmarks.md").without("$ cargo bench", "it takes minutes").nowhere();
    Play::of("deploy/systemd/README.md")
        .without("sudo install", "it changes the machine")
        .without("listen: 127.0.0.1:8080", "it names what only systemd provides; packages::unit")
        .without("sudo systemctl", "it changes the machine")
        .nowhere();
}
