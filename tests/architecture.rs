//! The walls between the rooms: the table of ranks in `src/lib.rs` holds for every `use`, and the
//! heart does no IO, reads no clock and rolls no dice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that are pure, and what must not be heard of in them outside of their tests.
const PURE_ROOMS: [&str; 2] = ["domain", "yaml"];
/// The same for parts of a room.
const PURE_FOLDERS: [&str; 1] = ["src/sandbox/merge/"];
const IMPURE: &str = "tokio kube:: sqlx axum git2 reqwest std::fs std::env std::net SystemTime \
    Instant::now Timestamp::now Zoned::now rand:: RandomState Uuid::now_v7";

#[test]
fn a_room_uses_rooms_of_lower_rank_only() {
    let ranks = ranks();
    let mut wrong = Vec::new();
    for (place, room, line) in lines() {
        let Some(rank) = ranks.get(&room) else {
            wrong.push(format!("{place}: room `{room}` has no rank in src/lib.rs"));
            continue;
        };
        for used in line.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            match ranks.get(&used) {
                None => wrong.push(format!("{place}: `crate::{used}` names no room of src/lib.rs")),
                Some(other) if used != room && other >= rank => wrong.push(format!(
                    "{place} ({room}, rank {rank}) uses {used}, which is of rank {other}"
                )),
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_sandbox_knows_nothing_of_headstay() {
    let known = ["sandbox", "telemetry", "yaml"];
    let wrong: Vec<String> = lines()
        .filter(|(_, room, _)| room == "sandbox")
        .filter(|(_, _, line)| {
            line.split("crate::").skip(1).any(|used| !known.iter().any(|k| used.starts_with(k)))
        })
        .map(|(place, _, line)| format!("{place}: {line}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_heart_is_pure() {
    let pure = |place: &str, room: &str| {
        PURE_ROOMS.contains(&room) || PURE_FOLDERS.iter().any(|folder| place.starts_with(folder))
    };
    let wrong: Vec<String> = lines()
        .filter(|(place, room, _)| pure(place, room))
        .flat_map(|(place, _, line)| {
            let heard = IMPURE.split_whitespace().filter(move |word| line.contains(word));
            heard.map(move |word| format!("{place}: `{word}` is not for a pure room"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `cli/terminal.rs` makes visible what nobody can see in a text. Beside it, `cli/mod.rs` opens the
/// standard output for it, and `cli/demo/folder.rs` writes files.
#[test]
fn commands_write_through_the_terminal() {
    let writing = ["dyn Write", "io::stderr", "write_all", "writeln!(", "stdout().lock", "print"];
    let may = ["src/cli/terminal.rs:", "src/cli/demo/folder.rs:", "src/cli/mod.rs:"];
    let wrong: Vec<String> = lines()
        .filter(|(place, room, _)| room == "cli" && !may.iter().any(|may| place.starts_with(may)))
        .flat_map(|(place, _, line)| {
            let words = writing.iter().filter(move |word| line.contains(*word));
            words.map(move |word| format!("{place}: `{word}` goes around cli/terminal.rs"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of `src/lib.rs`: room → rank.
fn ranks() -> BTreeMap<String, u32> {
    let source = fs::read_to_string("src/lib.rs").unwrap();
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    let ranks: BTreeMap<String, u32> = rows
        .filter_map(|row| row.split_once(" | "))
        .filter_map(|(rank, rooms)| Some((rank.parse().ok()?, rooms)))
        .flat_map(|(rank, rooms)| {
            rooms.split('`').skip(1).step_by(2).map(move |room| (room.to_owned(), rank))
        })
        .collect();
    assert!(ranks.len() > 10, "src/lib.rs has no table of ranks any more: {ranks:?}");
    ranks
}

/// Every line of code in a room, up to the tests in its file: place, room, line.
fn lines() -> impl Iterator<Item = (String, String, String)> {
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    files.into_iter().flat_map(|file| {
        let below_src = file.strip_prefix("src").unwrap();
        let first = below_src.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        let source = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = source
            .lines()
            .enumerate()
            .take_while(|(_, line)| *line != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(n, line)| {
                (format!("{}:{}", file.display(), n + 1), room.clone(), line.to_owned())
            })
            .collect();
        lines
    })
}

/// The files of the rooms: all but the two roots, and files of tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let root = folder == Path::new("src") && matches!(name, "lib.rs" | "main.rs");
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && name != "tests.rs"
            && !root
        {
            files.push(path);
        }
    }
}
