//! A cluster that is slow holds up itself alone.

use std::time::Duration;

use headstay::sandbox::fault::{Effect, Fault};

use crate::world::Setup;
use crate::world::api_server::{ApiServer, User};
use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};

/// Applications on the cluster that is slow: more than there are workers.
const SLOW: usize = 4;

#[test]
fn a_slow_cluster_does_not_hold_all_workers() {
    let world = Setup { limits: "workers: 2", ..Setup::default() }.start();
    let slow = ApiServer::own();
    let namespace = &world.namespace;
    // It answers that it is ready, and lets who asks it about objects wait.
    let request = format!("PATCH /api/v1/namespaces/{namespace}/");
    let effect = Effect::Delay(Duration::from_hours(1));
    for times in [1, usize::MAX] {
        slow.sandbox().faults().plan(Fault { request: request.clone(), skip: 0, times, effect });
    }
    let kubeconfig = slow.kubeconfig(User::Admin);
    let applications = (0..SLOW).map(|nth| {
        format!(
            "  - {{name: slow-{nth}, repository: fleet, path: apps/shop, cluster: slow, namespace: \
             {namespace}}}\n"
        )
    });
    let applications = applications.collect::<Vec<_>>().concat();
    world.headstay.reconfigure(
        "clusters: [",
        &format!("clusters: [{{name: slow, kubeconfig: {}}}, ", kubeconfig.display()),
    );
    world.headstay.reconfigure("applications:\n", &format!("applications:\n{applications}"));
    let is_slow = |application: &serde_json::Value| {
        application.as_str().is_some_and(|name| name.starts_with("slow-"))
    };
    wait_until("a sync that waits for the slow cluster", DEADLINE, || {
        slow.sandbox().faults().left() == 1
    });

    for colour in ["red", "green"] {
        let settings = config_map("settings", colour);
        let pushed = world.push(&[("apps/shop/settings.yaml", Some(&settings))]);
        world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
        assert_eq!(world.colour("settings").as_deref(), Some(colour));
    }
    let syncs = world.headstay.syncs();
    let slow: Vec<_> = syncs.iter().filter(|sync| is_slow(&sync["application"])).collect();
    assert!(slow.len() >= SLOW && slow.iter().all(|sync| sync["error"].is_null()), "{slow:#?}");
    world.finish();
}
