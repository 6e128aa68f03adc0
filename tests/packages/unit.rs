//! The unit for systemd, and its page.

use std::collections::BTreeSet;
use std::path::Path;

use crate::parts::ROOT;

#[test]
fn the_unit_loads_every_secret_that_its_page_shows() {
    let read = |file| std::fs::read_to_string(Path::new(ROOT).join("deploy/systemd").join(file));
    let (unit, page) = (read("headstay.service").unwrap(), read("README.md").unwrap());
    let loaded: BTreeSet<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("LoadCredential="))
        .map(|line| line.split_once(':').unwrap().0)
        .collect();
    let shown = page.split("/run/credentials/headstay.service/").skip(1);
    let shown = shown.map(|rest| rest.split(['}', '\n']).next().unwrap());
    assert_eq!(shown.collect::<BTreeSet<_>>(), loaded);
}
