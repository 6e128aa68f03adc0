//! What repositories, hosts and the ways to them can be like.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::world::manifests::config_map;
use crate::world::proxy::Proxy;
use crate::world::ssh_host::{SshHost, make_key};
use crate::world::tls_front::TlsFront;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{World, assert_tells, leash};

const SETTINGS: &str = "apps/shop/settings.yaml";

#[test]
fn a_revision_that_was_asked_for_and_is_not_there_fails_at_once_and_can_be_asked_for_again() {
    let world = World::start();
    let ask = |revision: &str| {
        let request = json!({"revision": revision});
        let sync = world.headstay.post("/api/v1/applications/shop/sync", &request);
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

#[test]
fn over_ssh_only_the_right_key_and_the_right_host_will_do() {
    let (world, host, folder) = (World::start(), SshHost::start(), leash::folder("keys"));
    let [key, known_hosts] = ["key", "known-hosts"].map(|name| folder.join(name));
    fs::write(&key, host.key()).unwrap();
    // As in a volume of Kubernetes: ssh itself would not take a key that all can read.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&known_hosts, host.known_hosts()).unwrap();
    for name in ["another-key", "another-host"] {
        make_key(&folder.join(name));
    }
    let another_key = fs::read_to_string(folder.join("another-key")).unwrap();
    let another_host = fs::read_to_string(folder.join("another-host.pub")).unwrap();
    let place = host.known_hosts().split_once(' ').unwrap().0.to_owned();

    world.reach_repository_by(
        &host.url(&world.repository),
        &format!(
            "auth: {{sshKey: {{file: {}}}, knownHosts: {{file: {}}}}}",
            key.display(),
            known_hosts.display()
        ),
    );
    world.apply(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));

    for (number, (file, content, told)) in [
        (&known_hosts, format!("{place} {another_host}"), "is not in `knownHosts`"),
        (&known_hosts, format!("elsewhere {another_host}"), "is not in `knownHosts`"),
        (&key, another_key, "Permission denied (publickey). Check `sshKey`"),
        (&key, "no key".to_owned(), "what `sshKey` holds cannot be used as a key"),
    ]
    .into_iter()
    .enumerate()
    {
        let right = fs::read_to_string(file).unwrap();
        fs::write(file, content).unwrap();
        let colour = format!("red-{number}");
        let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", &colour)))]);
        let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
        assert_tells(&sync, told);
        fs::write(file, right).unwrap();
        world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    }
    fs::remove_file(&key).unwrap();
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "grey")))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "secret file ");
    world.finish();
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named_and_for_its_names_only() {
    let world = World::start();
    let (front, ca) = (TlsFront::start(&world.git), leash::folder("ca").join("ca.pem"));
    fs::write(&ca, front.authority()).unwrap();
    let keys = format!("auth: {{token: {{env: GIT_TOKEN}}}}, ca: {}", ca.display());
    let named = format!("ca: {}, ", ca.display());
    world.reach_repository_by(&front.url("localhost", &world.repository), &keys);
    world.apply(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));

    for (right, wrong, told) in [
        (&*named, "# none\n ", "name the file of the right one in `ca`"),
        ("https://localhost:", "https://127.0.0.1:", "it is for other hosts: localhost"),
    ] {
        world.headstay.reconfigure(right, wrong);
        let sync = world.headstay.wait_for_sync(told, |sync| {
            sync["trigger"] == "configuration" && sync["state"] == "Retrying"
        });
        assert_tells(&sync, told);
        assert_eq!(sync["error"]["phase"], "fetch");
        world.headstay.reconfigure(wrong, right);
        world.headstay.wait_until_through(sync["id"].as_str().unwrap());
    }
    world.finish();
}

#[test]
fn a_proxy_is_used_and_named_while_it_is_down() {
    let world = World::start();
    let (front, proxy) = (TlsFront::start(&world.git), Proxy::start());
    let ca = leash::folder("ca").join("ca.pem");
    fs::write(&ca, front.authority()).unwrap();
    let url = front.url("localhost", &world.repository);
    let keys = format!(
        "auth: {{token: {{env: GIT_TOKEN}}}}, ca: {}, proxy: \"{}\"",
        ca.display(),
        proxy.url()
    );
    world.reach_repository_by(&url, &keys);
    let host = url.split('/').nth(2).unwrap();
    assert!(proxy.targets().iter().any(|target| target == host), "{:?}", proxy.targets());

    proxy.down();
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, &format!("{host} (by the proxy {})", proxy.url()));
    proxy.up();
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn the_mirror_of_a_repository_that_left_the_configuration_is_removed() {
    let world = World::start();
    let named = |name: &str| {
        let url = &world.repository.url;
        format!(
            "name: {name}, url: \"{url}\", auth: {{token: {{env: GIT_TOKEN}}}}, timeout: 2s}}]
applications:
  - name: shop
    repository: {name}\n"
        )
    };
    world.headstay.reconfigure(&named("fleet"), &named("armada"));
    world.headstay.wait_for_sync("the repository by its new name", |sync| {
        sync["trigger"] == "configuration" && sync["state"] == "Succeeded"
    });
    let [old, new] = ["fleet", "armada"]
        .map(|name| world.headstay.folder().join(format!("data/repositories/{name}.git")));
    assert!(old.exists(), "for a day");

    // The day is over.
    let mut notes = git2::Config::open(&old.join("config")).unwrap();
    notes.set_str("headstay.unconfiguredSince", "2001-01-01T00:00:00Z").unwrap();
    world.headstay.terminate();
    world.headstay.restart();
    wait_until("the mirror to be gone", DEADLINE, || !old.exists());
    assert!(new.exists());
    world.finish();
}
