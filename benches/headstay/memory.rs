//! Memory, and what it costs to do nothing.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::Scale;
use crate::fleet::{File, Setup};
use crate::process::Process;
use crate::table::Row;

/// Objects of the application.
const OBJECTS: u32 = 10_000;
/// Bytes of each.
const BYTES: usize = 1000;
/// Time until memory is taken for steady, in seconds; also the time of idling.
const REST: u32 = 10;

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    let objects = scale.of(OBJECTS, 50);
    let small = measure(1, scale, config_map);
    let large = measure(objects, scale, config_map);
    let slope = slope(&small, &large, objects);
    let mut rows = vec![
        Row::new(
            format!("memory, steady, after {objects} ConfigMaps of 1 kB"),
            format!("{}; after one more check {}", mb(large.fresh), mb(large.steady)),
        )
        .compared(
            format!("1 ConfigMap: {}", mb(small.steady)),
            f64::from(large.steady) / f64::from(small.steady),
        )
        .aim("≤ 64 MB", large.steady.max(large.fresh) <= 64 * 1024),
        Row::new("memory per object, steady", format!("{slope:.2} kB")).aim("≤ 3 kB", slope <= 3.0),
        Row::new("peak of memory, first sync included", mb(large.peak)).compared(
            format!("1 ConfigMap: {}", mb(small.peak)),
            f64::from(large.peak) / f64::from(small.peak),
        ),
        Row::new(
            format!("time on the cores while idle, {objects} ConfigMaps"),
            format!("{:.2} %", large.idle * 100.0),
        )
        .compared(
            format!("1 ConfigMap: {:.2} %", small.idle * 100.0),
            large.idle / small.idle.max(0.0001),
        ),
    ];
    rows.extend(watched(objects, scale));
    rows
}

/// The same with objects that are watched, each of which has its health.
fn watched(objects: u32, scale: Scale) -> [Row; 2] {
    let small = measure(1, scale, deployment);
    let large = measure(objects, scale, deployment);
    let slope = slope(&small, &large, objects);
    [
        Row::new(
            format!("memory, steady, after {objects} watched Deployments"),
            format!("{}; after one more check {}", mb(large.fresh), mb(large.steady)),
        )
        .compared(
            format!("1 Deployment: {}", mb(small.steady)),
            f64::from(large.steady) / f64::from(small.steady),
        )
        .aim("≤ 64 MB", large.steady.max(large.fresh) <= 64 * 1024),
        Row::new("memory per watched object, steady", format!("{slope:.2} kB"))
            .aim("≤ 4 kB", slope <= 4.0),
    ]
}

fn mb(kb: u32) -> String {
    format!("{:.1} MB", f64::from(kb) / 1024.0)
}

/// In kB for each object.
fn slope(small: &Measured, large: &Measured, objects: u32) -> f64 {
    (f64::from(large.steady) - f64::from(small.steady)) / f64::from(objects - 1)
}

/// In kB; `idle` in cores.
struct Measured {
    fresh: u32,
    steady: u32,
    peak: u32,
    idle: f64,
}

fn measure(objects: u32, scale: Scale, file: fn(u32) -> File) -> Measured {
    let rest = Duration::from_secs(scale.of(REST, 1).into());
    let files: Vec<File> = (0..objects).map(file).collect();
    let shop = ["shop".to_owned()];
    let setup = Setup { applications: &shop, files: &files, automated: true, suspended: false };
    let fleet = setup.start();
    let process = Process::find();
    fleet.settle(1);
    sleep(rest);
    let fresh = process.resident();
    fleet.headstay.post("/api/v1/applications/shop/sync", &json!({}));
    fleet.settle(2);
    let busy = process.busy();
    sleep(rest);
    let idle = (process.busy() - busy) / rest.as_secs_f64();
    let measured = Measured { fresh, steady: process.resident(), peak: process.peak(), idle };
    fleet.finish();
    measured
}

/// Without replicas, because there is no node: so it is healthy at once.
fn deployment(n: u32) -> File {
    let content = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: object-{n}}}\nspec:\n  \
         replicas: 0\n  selector: {{matchLabels: {{app: object-{n}}}}}\n  template:\n    \
         metadata: {{labels: {{app: object-{n}}}}}\n    \
         spec: {{containers: [{{name: web, image: web:1}}]}}\n"
    );
    (format!("apps/shop/{n}.yaml"), content)
}

fn config_map(n: u32) -> File {
    let text = "x".repeat(BYTES);
    let content = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: object-{n}}}\ndata: {{text: {text}}}\n"
    );
    (format!("apps/shop/{n}.yaml"), content)
}
