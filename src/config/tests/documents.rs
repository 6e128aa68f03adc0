//! The configurations that people copy are good.

use super::good;

/// The README's quick start.
const README: &str = include_str!("../../../README.md");
/// That of the plain manifests.
const MANIFESTS: &str = include_str!("../../../deploy/kustomize/base/headstay.yaml");
/// How to run it under systemd.
const SYSTEMD: &str = include_str!("../../../deploy/systemd/README.md");

#[test]
fn the_quick_start_is_good_and_short() {
    let text = first_yaml(README);
    assert_eq!(good(text).applications.len(), 1);
    assert!(text.lines().count() <= 20, "{text}");
}

#[test]
fn what_is_installed_wants_a_token() {
    for text in [MANIFESTS, first_yaml(SYSTEMD)] {
        let config = good(text);
        assert!(!config.server.tokens.is_empty(), "behind a proxy nobody is on loopback");
        assert_eq!(config.applications.len(), 1);
    }
}

fn first_yaml(page: &str) -> &str {
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0
}
