//! Alerts and dashboard against the metrics that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use headstay::domain::health::HealthStatus;
use serde_json::Value;

use crate::parts::{ROOT, part, read_yaml};
use crate::world::World;
use crate::world::call::{agent, call};
use crate::world::manifests::config_map;
use crate::world::webhook::Webhook;

/// Labels that Prometheus itself sets.
const SCRAPED: [&str; 2] = ["job", "instance"];

#[test]
fn alerts_and_dashboard_ask_for_what_is_measured() {
    let metrics = Metrics::read(measured());
    let expression = |rule: Value| rule["expr"].as_str().unwrap().replace('\n', " ");
    let mut expressions: Vec<_> = rules().map(expression).collect();
    expressions.extend(dashboard());
    assert!(expressions.len() > 20, "{expressions:?}");
    for (text, read) in expressions.iter().zip(read_expressions(&expressions)) {
        let selectors = read["selectors"].as_array().unwrap();
        let names = selectors.iter().map(|selector| selector["metric"].as_str().unwrap());
        let labels: BTreeSet<_> = names.flat_map(|name| metrics.labels(name, text)).collect();
        for label in read["labels"].as_array().unwrap() {
            let label = label.as_str().unwrap();
            assert!(labels.contains(label) || SCRAPED.contains(&label), "`{label}` in {text}");
        }
        for selector in selectors {
            for matcher in selector["matchers"].as_array().unwrap() {
                metrics.assert_seen(selector, matcher, text);
            }
        }
    }
}

#[test]
fn the_page_names_every_metric_with_its_labels_and_every_alert() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `headstay_"));
    let told: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').collect();
            (words(cells[1]).pop_first().unwrap(), words(cells[2]))
        })
        .collect();
    let mut families = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, labels) in Metrics::read(measured()).0 {
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
        let labels = labels.into_keys().filter(|label| label != "le");
        families.entry(family.to_owned()).or_default().extend(labels);
    }
    assert_eq!(told, families);

    let alerts = rules().map(|rule| rule["alert"].as_str().unwrap().to_owned());
    let told = words(&page).into_iter().filter(|word| word.starts_with("Headstay"));
    assert_eq!(told.collect::<BTreeSet<_>>(), alerts.collect());
}

/// What stands between backticks.
fn words(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_rules_for_the_operator_are_the_plain_ones() {
    let plain = read_yaml(&std::fs::read(grafana("rules.yaml")).unwrap());
    let wrapped = read_yaml(&std::fs::read(grafana("prometheus-rule.yaml")).unwrap());
    assert_eq!(wrapped[0]["spec"], plain[0]);
}

/// The text of `/metrics` of a Headstay to which everything has happened that alerts are about.
fn measured() -> &'static str {
    static MEASURED: OnceLock<String> = OnceLock::new();
    MEASURED.get_or_init(run_world)
}

fn run_world() -> String {
    let world = World::start();
    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    let broken = Some("kind: [");
    let pushed = world.push(&[("apps/shop/settings.yaml", broken)]);
    world.headstay.wait_for_state(&pushed.sync, "Failed");
    let mut forged = Webhook::push(&world.repository, "main");
    forged.signature = forged.signature.map(|signature| signature.replace('a', "b"));
    assert_eq!(world.headstay.deliver(&forged).status, 401);
    assert_eq!(world.headstay.get_as(None, "/api/v1/status").status, 401);
    world.headstay.limit_files("0");
    assert_eq!(world.headstay.deliver(&Webhook::push(&world.repository, "main")).status, 503);
    world.headstay.limit_files("unlimited");
    let url = format!("http://{}/metrics", world.headstay.address());
    let text = call(&agent(), "GET", &url, &[], None).unwrap().text;
    world.finish_despite(&[
        "the store did not answer",
        "the store gives no work",
        "could not record",
    ]);
    text
}

/// What each metric has for labels, and their values.
struct Metrics(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Metrics {
    fn read(text: &str) -> Self {
        let mut metrics = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let seen = metrics.entry(name.to_owned()).or_default();
            for label in labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty())
            {
                let (label, value) = label.split_once("=\"").unwrap();
                let value = value.trim_end_matches('"').to_owned();
                seen.entry(label.to_owned()).or_default().insert(value);
            }
        }
        Self(metrics)
    }

    #[track_caller]
    fn labels<'a>(&'a self, metric: &str, expression: &str) -> impl Iterator<Item = &'a str> {
        let labels = self.0.get(metric);
        let labels = labels.unwrap_or_else(|| panic!("no metric `{metric}`: {expression}"));
        labels.keys().map(String::as_str)
    }

    /// Each value that a matcher names has been seen, or is a health that there is.
    fn assert_seen(&self, selector: &Value, matcher: &Value, expression: &str) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (metric, label) = (text(&selector["metric"]), text(&matcher["label"]));
        let values = self.0[&metric].get(&label);
        let values = values.unwrap_or_else(|| panic!("no label `{label}`: {expression}"));
        for value in text(&matcher["pattern"]).split('|').filter(|value| *value != ".*") {
            let is_health = label == "health"
                && serde_json::from_value::<HealthStatus>(Value::from(value)).is_ok();
            assert!(values.contains(value) || is_health, "no `{label}` is `{value}`: {expression}");
        }
    }
}

/// The alerts.
fn rules() -> impl Iterator<Item = Value> {
    let rules = read_yaml(&std::fs::read(grafana("rules.yaml")).unwrap());
    rules[0]["groups"][0]["rules"].as_array().unwrap().clone().into_iter()
}

/// The expressions of the dashboard, with what Grafana puts in.
fn dashboard() -> Vec<String> {
    let dashboard = std::fs::read(grafana("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let text = |target: &Value| target["expr"].as_str().unwrap().to_owned();
    targets
        .map(text)
        .map(|text| text.replace("$__rate_interval", "5m").replace("$application", ".*"))
        .collect()
}

/// What Prometheus's parser sees in the expressions; it judges the files of rules as well.
fn read_expressions(expressions: &[String]) -> Vec<Value> {
    let mut promql = Command::new(part("promql"))
        .arg(grafana("rules.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = promql.stdin.take().unwrap();
    input.write_all(expressions.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = promql.wait_with_output().unwrap();
    assert!(output.status.success(), "its own words are above");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn grafana(file: &str) -> PathBuf {
    Path::new(ROOT).join("deploy/grafana").join(file)
}
