//! When an application was applied and when it was checked mean what the document of the API says.

use serde_json::Value;

use crate::world::World;
use crate::world::manifests::config_map;

/// Something that happens to a world.
type Act<'a> = &'a dyn Fn(&World);

#[test]
fn only_a_write_moves_when_it_was_applied_and_every_full_comparison_when_it_was_checked() {
    let world = World::start();
    let settings = |colour: &str| config_map("settings", colour);
    let (red, blue) = (settings("red"), settings("blue"));
    world.apply(&[("apps/shop/settings.yaml", Some(&red))]);
    let ask = |world: &World| {
        world.headstay.wait_for_state(&world.headstay.request_sync(), "Succeeded");
    };
    let commit = |path: &'static str, text: &str| {
        let text = text.to_owned();
        move |world: &World| {
            world.apply(&[(path, Some(&text))]);
        }
    };
    let configure = |world: &World| {
        world.headstay.reconfigure("prune: true", "prune: true, timeout: 9m");
        world.headstay.wait_for_sync("a sync with it", |sync| {
            sync["trigger"] == "configuration" && sync["state"] == "Succeeded"
        });
    };
    // What happens, and whether it writes, and whether it compares in full.
    let acts: [(&str, Act<'_>, bool, bool); 4] = [
        ("a request", &ask, false, true),
        ("a commit of others", &commit("README.md", "# Ours\n"), false, false),
        ("a changed configuration", &configure, false, true),
        ("a commit of its own", &commit("apps/shop/settings.yaml", &blue), true, false),
    ];
    for (what, act, writes, compares) in acts {
        let before = world.headstay.application();
        act(&world);
        let after = world.headstay.application();
        let moved = |key: &str| before[key] != after[key];
        assert_eq!(moved("appliedAt"), writes, "{what}: {before:#} {after:#}");
        assert_eq!(moved("checkedAt"), compares, "{what}: {before:#} {after:#}");
        assert_eq!(after["applied"]["id"], Value::from(world.repository.head("main")), "{what}");
    }
    world.finish();
}
