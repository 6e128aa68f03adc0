//! The configurations that people copy are good.

use std::collections::HashSet;

use super::{good, read};
use crate::config::schema::json_schema;

/// How each Git host is set up.
const WEBHOOKS: &str = include_str!("../../../docs/webhooks.md");
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
fn every_git_host_has_a_receiver_to_copy() {
    let blocks = WEBHOOKS.split("```yaml\n").skip(1);
    let files: Vec<_> = blocks
        .filter_map(|rest| rest.split_once("```"))
        .map(|(text, _)| ("c.yaml", text))
        .collect();
    // The last one changes the secret of the first.
    let (changed, files) = files.split_last().unwrap();
    let receivers = read(files).unwrap_or_else(|errors| panic!("{errors}")).receivers;
    let shown: HashSet<_> = receivers.values().map(|receiver| receiver.provider).collect();
    let providers = json_schema()["$defs"]["Provider"]["oneOf"].as_array().unwrap().len();
    assert_eq!((shown.len(), receivers.len()), (providers, providers));
    assert_eq!(good(changed.1).receivers.len(), 1);
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
