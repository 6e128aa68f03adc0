//! The same commit again: nothing is written, and it costs the same however many objects there are.

use serde_json::json;

use crate::Scale;
use crate::fleet::{Fleet, Setup};
use crate::scrape::{self, Calls};
use crate::table::Row;
use crate::world::manifests::config_map;

/// Objects of the application, few and many.
const OBJECTS: [u32; 2] = [10, 1000];

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    let [few, many] = OBJECTS.map(|objects| count(scale.of(objects, objects / 10)));
    let row = |what: &str, few: Calls, many: Calls| {
        let [least, most] = OBJECTS.map(|objects| scale.of(objects, objects / 10));
        Row::new(
            format!("the same commit again, by {what}, {most} objects"),
            format!("{} calls, {} writes", many.all, many.writes),
        )
        .compared(
            format!("{least} objects: {} calls, {} writes", few.all, few.writes),
            f64::from(many.all) / f64::from(few.all.max(1)),
        )
        .aim(
            "0 writes, calls independent of the number of objects",
            many.writes + few.writes == 0 && few.all == many.all,
        )
    };
    vec![
        row("a repeated webhook", few.webhook, many.webhook),
        row("a manual sync or the timer's check", few.manual, many.manual),
    ]
}

struct Counted {
    webhook: Calls,
    manual: Calls,
}

fn count(objects: u32) -> Counted {
    let files: Vec<_> = (0..objects)
        .map(|n| (format!("apps/shop/{n}.yaml"), config_map(&format!("object-{n}"), "blue")))
        .collect();
    let shop = ["shop".to_owned()];
    let setup = Setup { applications: &shop, files: &files, automated: true, suspended: false };
    let fleet = setup.start();
    fleet.settle(1);
    let webhook = calls(&fleet, 2, || drop(fleet.announce()));
    let manual = calls(&fleet, 3, || {
        fleet.headstay.post("/api/v1/applications/shop/sync", &json!({}));
    });
    fleet.finish();
    Counted { webhook, manual }
}

/// The calls that one more sync makes.
fn calls(fleet: &Fleet, ran: u32, ask: impl FnOnce()) -> Calls {
    let before = scrape::calls(&fleet.kubernetes, "configmaps");
    ask();
    fleet.settle(ran);
    scrape::calls(&fleet.kubernetes, "configmaps").since(before)
}
