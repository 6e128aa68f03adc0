//! The configurations that people copy are good.

use super::good;

/// The README's quick start.
const README: &str = include_str!("../../../README.md");
/// The `ConfigMap` of the manifests; its text is indented by four spaces.
const MANIFEST: &str = include_str!("../../../deploy/settings.yaml");

#[test]
fn the_quick_start_is_good_and_short() {
    let (_, rest) = README.split_once("```yaml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    assert_eq!(good(text).applications.len(), 1);
    assert!(text.lines().count() <= 20, "{text}");
}

#[test]
fn the_manifests_hold_a_good_configuration_that_wants_a_token() {
    let (_, indented) = MANIFEST.split_once("headstay.yaml: |\n").unwrap();
    let lines = indented.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let config = good(&lines.collect::<Vec<_>>().join("\n"));
    assert!(!config.server.tokens.is_empty(), "in a Pod nobody is on loopback");
}
