//! The Dockerfile, as far as it goes without an engine and without a build; `scripts/check-image` goes
//! on from there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::parts::ROOT;
use crate::world::leash;

#[test]
fn what_stands_in_for_the_sources_is_all_that_cargo_asks_for() {
    let dockerfile = fs::read_to_string(Path::new(ROOT).join("Dockerfile")).unwrap();
    let dockerfile = dockerfile.replace("\\\n", "");
    let stubs = dockerfile.lines().find(|line| line.starts_with("RUN mkdir -p src ")).unwrap();
    let (stubs, build) = stubs["RUN ".len()..].split_once("&& cargo build").unwrap();
    assert!(build.contains("--locked --no-default-features"), "{build}");

    let folder = leash::folder("image");
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(Path::new(ROOT).join(file), folder.join(file)).unwrap();
    }
    let host = std::env::consts::ARCH;
    let script =
        format!("{stubs} && cargo fetch --offline --locked --target {host}-unknown-linux-gnu");
    let asked = Command::new("sh").args(["-ec", &script]).current_dir(&folder).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
}
