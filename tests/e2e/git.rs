//! What repositories, hosts and the ways to them can be like.

use serde_json::json;

use crate::world::manifests::config_map;
use crate::world::{World, assert_tells};

const SETTINGS: &str = "apps/shop/settings.yaml";

#[test]
fn a_revision_that_was_asked_for_and_is_not_there_fails_at_once_and_can_be_asked_for_again() {
    let world = World::start();
    let ask = |revision: &str| {
        let wish = json!({"revision": revision});
        let sync = world.headstay.post("/api/v1/applications/shop/sync", &wish);
        sync["id"].as_str().unwrap().to_owned()
    };

    for revision in ["next", "0123456789012345678901234567890123456789"] {
        let sync = world.headstay.wait_for_state(&ask(revision), "Failed");
        assert_tells(&sync, &format!("`{revision}`: check `revision`"));
        assert_eq!(sync["error"]["class"], "permanent");
        assert_eq!(sync["attempt"], 1);
    }
    let changes = [(SETTINGS, Some(&*config_map("settings", "red")))];
    world.repository.commit_to("next", None, &changes);
    world.headstay.wait_for_state(&ask("next"), "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}
