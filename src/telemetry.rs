//! What the process tells of itself: log lines and metrics.

mod counted;

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::SystemTime;

use crate::domain::sync::{PhaseDuration, Sync, SyncState, Trigger};
use crate::domain::visible;
use crate::telemetry::counted::Counted;

/// Variable that sets what is logged, in the syntax of `tracing`'s `EnvFilter`.
const LOG_VARIABLE: &str = "HEADSTAY_LOG";
/// What is logged without it. The watcher of kube warns of each watch that is refused, which the
/// health of the objects tells in better words.
const LOG_DEFAULT: &str = "info,kube_runtime=error";

/// Starts logging to standard error: text on a terminal, otherwise JSON, one object a line.
pub fn start_logging() {
    let log = tracing_subscriber::fmt().with_env_filter(filter()).with_timer(SystemTime);
    if std::io::stderr().is_terminal() {
        log.with_writer(io::stderr).fmt_fields(debug_fn(spell).delimited(" ")).init();
    } else {
        let log = log.with_writer(|| Escaped(io::stderr())).json();
        log.flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
}

/// Starts logging to a file, as text: for a command whose terminal is for something else.
pub fn start_logging_to(file: File) {
    let log = tracing_subscriber::fmt().with_env_filter(filter()).with_timer(SystemTime);
    let fields = debug_fn(spell).delimited(" ");
    log.with_ansi(false).with_writer(Arc::new(file)).fmt_fields(fields).init();
}

/// Writes a field of a line for people: whatever its value holds, it ends no line, and it is no
/// command to a terminal.
fn spell(line: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = visible::line(&value);
    match field.name() {
        "message" => write!(line, "{value}"),
        name => write!(line, "{name}={value}"),
    }
}

/// Escapes in JSON what a terminal that shows it might obey. Each event is written as a whole.
struct Escaped<W>(W);

impl<W: io::Write> io::Write for Escaped<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(json);
        self.0.write_all(visible::json(&text).as_bytes())?;
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn filter() -> EnvFilter {
    EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .try_from_env()
        .unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT))
}

/// Upper bounds of the buckets of durations, in seconds: from a call to the API server to a roll-out.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    receiver: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    application: String,
    trigger: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TriggerLabels {
    trigger: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HealthLabels {
    application: String,
    health: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncStateLabels {
    application: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApplicationLabels {
    application: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepositoryLabels {
    repository: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    cluster: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    repository: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    cluster: String,
    kind: &'static str,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

fn durations<L: Clone + std::hash::Hash + Eq>() -> Durations<L> {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

/// All metrics of the process, in one registry.
pub struct Metrics {
    registry: Registry,
    deliveries: Counted<DeliveryLabels>,
    refused: Family<StatusLabels, Counter>,
    syncs: Counted<SyncLabels>,
    phases: Durations<PhaseLabels>,
    applied: Durations<TriggerLabels>,
    queue: Family<StateLabels, Gauge>,
    health: Family<HealthLabels, Gauge>,
    sync_state: Family<SyncStateLabels, Gauge>,
    checked_at: Family<ApplicationLabels, Gauge<f64, AtomicU64>>,
    renders: Counted<ApplicationLabels>,
    fetches: Family<FetchLabels, Counter>,
    fetch_failing: Family<RepositoryLabels, Gauge>,
    calls: Family<CallLabels, Counter>,
    unavailable: Family<ClusterLabels, Gauge>,
    config_ok: Gauge,
    suspended: Gauge,
    /// Held during a scrape.
    scrapes: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("headstay");
        let deliveries = Counted::new();
        let text = "Webhook requests by receiver and outcome";
        registry.register("deliveries", text, deliveries.family());
        let refused = Family::default();
        let text = "Requests of the API by somebody who may not make them";
        registry.register("api_refusals", text, refused.clone());
        let syncs = Counted::new();
        let text = "Runs of syncs by application, trigger and state";
        registry.register("syncs", text, syncs.family());
        let phases = durations();
        let text = "Duration of a phase of a sync";
        registry.register_with_unit("phase_duration", text, Unit::Seconds, phases.clone());
        let applied = durations();
        let text =
            "From the request for a sync (the push, for webhooks) until all of it was applied";
        registry.register_with_unit("applied_duration", text, Unit::Seconds, applied.clone());
        let queue = Family::default();
        registry.register("queue", "Syncs that have not ended, by state", queue.clone());
        let health = Family::default();
        let text = "1 for the health that an application has";
        registry.register("application_health", text, health.clone());
        let sync_state = Family::default();
        let text = "1 for where an application stands against Git";
        registry.register("application_sync_state", text, sync_state.clone());
        let checked_at = Family::<ApplicationLabels, Gauge<f64, AtomicU64>>::default();
        let text = "When an application was last compared with Git, in Unix time";
        registry.register_with_unit(
            "application_checked_timestamp",
            text,
            Unit::Seconds,
            checked_at.clone(),
        );
        let renders = Counted::new();
        let text = "Renders of the files of an application, also for the prune of another one";
        registry.register("renders", text, renders.family());
        let fetches = Family::default();
        registry.register("fetches", "Fetches from Git since the start", fetches.clone());
        let fetch_failing = Family::default();
        let text = "1 while the last fetch from a repository failed";
        registry.register("fetch_failing", text, fetch_failing.clone());
        let calls = Family::default();
        registry.register("cluster_calls", "Calls to API servers since the start", calls.clone());
        let unavailable = Family::default();
        let text = "1 while an API server does not answer";
        registry.register("cluster_unavailable", text, unavailable.clone());
        let config_ok = Gauge::default();
        let text = "1 when the configuration file is in force, 0 when its newest state was refused";
        registry.register("configuration_in_force", text, config_ok.clone());
        config_ok.set(1);
        let suspended = Gauge::default();
        let text = "1 while nothing is written to any cluster (`server.suspend`)";
        registry.register("suspended", text, suspended.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs", build);
        Self {
            registry,
            deliveries,
            refused,
            syncs,
            phases,
            applied,
            queue,
            health,
            sync_state,
            checked_at,
            renders,
            fetches,
            fetch_failing,
            calls,
            unavailable,
            config_ok,
            suspended,
            scrapes: Mutex::default(),
        }
    }

    /// Counts a webhook request. Receivers that do not exist are not named: anyone can make them up.
    pub fn delivery(&self, receiver: &str, outcome: &'static str) {
        self.deliveries.count(DeliveryLabels { receiver: receiver.to_owned(), outcome });
    }

    /// Counts a request of the API that was refused for who made it.
    pub fn refused(&self, status: &'static str) {
        self.refused.get_or_create(&StatusLabels { status }).inc();
    }

    /// Counts a run of a sync and the durations of its phases.
    pub fn sync_ran(&self, sync: &Sync, state: SyncState, phases: &[PhaseDuration]) {
        let labels = SyncLabels {
            application: sync.application.to_string(),
            trigger: sync.trigger.as_str(),
            state: state.as_str(),
        };
        self.syncs.count(labels);
        for phase in phases {
            let labels = PhaseLabels { phase: phase.phase.as_str() };
            let seconds = f64::from(phase.duration_ms) / 1000.0;
            self.phases.get_or_create(&labels).observe(seconds);
        }
    }

    /// Counts a render of the files of an application.
    pub fn rendered(&self, application: &str) {
        self.renders.count(ApplicationLabels { application: application.to_owned() });
    }

    /// Takes down how long it took until a commit was applied.
    pub fn applied(&self, trigger: Trigger, took: Duration) {
        let labels = TriggerLabels { trigger: trigger.as_str() };
        self.applied.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Sets how many syncs are in a state.
    pub fn set_queue(&self, state: SyncState, count: u64) {
        let labels = StateLabels { state: state.as_str() };
        self.queue.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets the health of every application; those that are not named are forgotten.
    pub fn set_health(&self, applications: impl IntoIterator<Item = (String, &'static str)>) {
        self.health.clear();
        for (application, health) in applications {
            self.health.get_or_create(&HealthLabels { application, health }).set(1);
        }
    }

    /// Sets where every application stands against Git; those that are not named are forgotten.
    pub fn set_sync_state(&self, applications: impl IntoIterator<Item = (String, &'static str)>) {
        self.sync_state.clear();
        for (application, state) in applications {
            self.sync_state.get_or_create(&SyncStateLabels { application, state }).set(1);
        }
    }

    /// Sets when every application was last checked; those that are not named are forgotten.
    pub fn set_checked_at(&self, applications: impl IntoIterator<Item = (String, Timestamp)>) {
        self.checked_at.clear();
        for (application, at) in applications {
            let seconds = at.as_duration().as_secs_f64();
            self.checked_at.get_or_create(&ApplicationLabels { application }).set(seconds);
        }
    }

    /// Sets how many fetches from each repository there were by outcome, which is counted elsewhere;
    /// those that are not named are forgotten.
    pub fn set_fetches(&self, counts: impl IntoIterator<Item = (String, &'static str, u64)>) {
        self.fetches.clear();
        for (repository, outcome, count) in counts {
            let labels = FetchLabels { repository, outcome };
            self.fetches.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
    }

    /// Sets whether the last fetch from each repository failed; those that are not named are forgotten.
    pub fn set_fetch_failing(&self, repositories: impl IntoIterator<Item = (String, bool)>) {
        self.fetch_failing.clear();
        for (repository, failing) in repositories {
            let labels = RepositoryLabels { repository };
            self.fetch_failing.get_or_create(&labels).set(i64::from(failing));
        }
    }

    /// Sets how many calls each cluster took by kind, which is counted elsewhere; those that are not
    /// named are forgotten.
    pub fn set_calls(&self, counts: impl IntoIterator<Item = (String, &'static str, u64)>) {
        self.calls.clear();
        for (cluster, kind, count) in counts {
            let labels = CallLabels { cluster, kind };
            self.calls.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
    }

    /// Forgets what was counted for applications and receivers that are none of these.
    pub fn keep(&self, applications: &HashSet<&str>, receivers: &HashSet<&str>) {
        self.syncs.keep(|labels| applications.contains(labels.application.as_str()));
        self.renders.keep(|labels| applications.contains(labels.application.as_str()));
        self.deliveries.keep(|DeliveryLabels { receiver, .. }| {
            receiver.is_empty() || receivers.contains(receiver.as_str())
        });
    }

    /// Sets whether each cluster answers; those that are not named are forgotten.
    pub fn set_unavailable(&self, clusters: impl IntoIterator<Item = (String, bool)>) {
        self.unavailable.clear();
        for (cluster, unavailable) in clusters {
            let labels = ClusterLabels { cluster };
            self.unavailable.get_or_create(&labels).set(i64::from(unavailable));
        }
    }

    /// Says whether writes are switched off.
    pub fn set_suspended(&self, suspended: bool) {
        self.suspended.set(i64::from(suspended));
    }

    /// Says whether the newest state of the configuration file is in force.
    pub fn set_configuration_in_force(&self, in_force: bool) {
        self.config_ok.set(i64::from(in_force));
    }

    /// The text that Prometheus reads (`OpenMetrics` 1.0), after what is only looked up for it was
    /// `set`. One scrape at a time: what one has cleared, another would tell as gone.
    pub fn scrape(&self, set: impl FnOnce(&Self)) -> Result<String, std::fmt::Error> {
        let _turn = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        set(self);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_the_configuration_leaves_the_metrics() {
        let metrics = Metrics::new();
        for receiver in ["", "github", "gitlab"] {
            metrics.delivery(receiver, "accepted");
        }
        let told = |receivers: &[&str]| {
            let receivers = receivers.iter().copied().collect();
            let text = metrics.scrape(|metrics| metrics.keep(&HashSet::new(), &receivers));
            let text = text.unwrap();
            ["", "github", "gitlab"].map(|name| text.contains(&format!("receiver=\"{name}\"")))
        };
        assert_eq!(told(&["github", "gitlab"]), [true, true, true]);
        assert_eq!(told(&["github"]), [true, true, false]);
        assert_eq!(told(&["github", "gitlab"]), [true, true, false], "it is not remembered");
    }

    #[test]
    fn no_value_forges_a_line_of_the_log_or_commands_a_terminal() {
        let evil = "a\nINFO all is well \x1b]52;c;aGk=\x07 \u{9b}31m \u{202e}";
        let (read, write) = io::pipe().unwrap();
        let format = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(write));
        let text = format.fmt_fields(debug_fn(spell).delimited(" ")).finish();
        tracing::subscriber::with_default(text, || {
            tracing::info!(of = evil, shown = %evil, "{evil}");
        });
        let told = io::read_to_string(read).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!told.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{told}");
        assert!(told.contains("of=") && told.contains("shown=a\\nINFO"), "{told}");

        let mut json = Vec::new();
        let object = serde_json::json!({ "evil": evil }).to_string() + "\n";
        io::Write::write_all(&mut Escaped(&mut json), object.as_bytes()).unwrap();
        assert!(json.is_ascii());
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["evil"], evil);
    }
}
