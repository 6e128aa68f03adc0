//! Why an object is not healthy, as its Pods and events tell it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::domain::health::Health;
use crate::domain::health::reason;
use crate::domain::name::ApplicationName;
use crate::domain::object::{ObjectKey, Resource};
use crate::watch::places::ClusterId;

/// How long an explanation is good for when it was news. While it stays the same it is good for
/// twice as long each time, up to [`FRESH_MAX`].
const FRESH: Duration = Duration::from_secs(2);
const FRESH_MAX: Duration = Duration::from_secs(30);
/// Longest time for one explanation. No more than [`FRESH`]: so the question about an object ends
/// before the next one about it is asked.
const TIMEOUT: Duration = FRESH;
/// Pods and events that are read for one explanation.
const READ_MAX: usize = 20;
/// Explanations that are remembered; beyond it all are forgotten.
const REMEMBERED: usize = 1000;

/// An object of a cluster that is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) cluster: ClusterId,
    pub(super) object: ObjectKey,
}

/// What Pods and events say of a subject.
pub(super) struct Answer {
    subject: Subject,
    /// The application that owns it.
    application: ApplicationName,
    /// What the subject said of itself when it was asked about.
    health: Health,
    /// None: the cluster did not say it in time.
    text: Option<String>,
}

/// Explanations of the last moments, and the questions that are under way.
#[derive(Default)]
pub(super) struct Explanations {
    known: HashMap<Subject, Known>,
    questions: JoinSet<Answer>,
}

/// What is known of a subject.
struct Known {
    text: Option<String>,
    /// What it said of itself when it was last asked about.
    health: Health,
    asked: Instant,
    /// How long what is known is good for.
    fresh: Duration,
    /// Whether a question about it has come back, with or without an answer.
    answered: bool,
}

impl Explanations {
    /// The last known explanation of the health of an object, at first its own reason. Asks for a
    /// new one when it is time; what cannot be read is left out of it.
    pub(super) fn explain(
        &mut self,
        cluster: &Cluster,
        subject: Subject,
        application: &ApplicationName,
        health: &Health,
        pods: Option<&str>,
    ) -> String {
        let (due, known) = self.look_up(&subject, health, Instant::now());
        let text = known.text.clone().or_else(|| health.reason.clone()).unwrap_or_default();
        if due {
            let (cluster, application) = (cluster.clone(), application.clone());
            let (health, pods) = (health.clone(), pods.map(str::to_owned));
            self.questions.spawn(async move {
                let question = ask(&cluster, &subject.object, &health, pods.as_deref());
                let text = timeout(TIMEOUT, question).await.ok();
                Answer { subject, application, health, text }
            });
        }
        text
    }

    /// Whether the cluster was asked about a subject and has said what it knows, or nothing in time.
    pub(super) fn has_answer(&self, subject: &Subject) -> bool {
        self.known.get(subject).is_some_and(|known| known.answered)
    }

    /// The next answer to a question; none when no question is under way.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        // A question that panicked is asked again when it is time.
        self.questions.join_next().await?.ok()
    }

    /// Takes in an answer; returns the application that it is news for.
    pub(super) fn take(&mut self, answer: Answer) -> Option<ApplicationName> {
        let known = self.known.get_mut(&answer.subject)?;
        if known.health != answer.health {
            // It explains what is so no more: the next question is about what is so now.
            return None;
        }
        let news = answer.text.is_some() && answer.text != known.text;
        known.fresh = if news { FRESH } else { (known.fresh * 2).min(FRESH_MAX) };
        known.text = answer.text.or(known.text.take());
        known.answered = true;
        news.then_some(answer.application)
    }

    /// What is known of a subject, and whether it is time to ask anew.
    fn look_up(&mut self, subject: &Subject, health: &Health, now: Instant) -> (bool, &Known) {
        if self.known.len() >= REMEMBERED && !self.known.contains_key(subject) {
            self.known.clear();
        }
        let mut due = false;
        let known = self.known.entry(subject.clone()).or_insert_with(|| {
            due = true;
            Known { text: None, health: health.clone(), asked: now, fresh: FRESH, answered: false }
        });
        if known.health != *health {
            known.health = health.clone();
            known.fresh = FRESH;
            known.answered = false;
        }
        let age = now.duration_since(known.asked);
        if age > FRESH_MAX * 2 {
            // It was well meanwhile.
            known.text = None;
        }
        if age >= known.fresh {
            due = true;
            known.asked = now;
        }
        (due, known)
    }
}

async fn ask(
    cluster: &Cluster,
    object: &ObjectKey,
    health: &Health,
    selector: Option<&str>,
) -> String {
    let namespace = object.namespace.as_deref();
    let mut found = Vec::new();
    if let Some(selector) = selector {
        let kind = core("Pod", "pods");
        let pods = cluster.list(&kind, namespace, selector, "", READ_MAX);
        found = pods.await.unwrap_or_default();
    }
    let about = match found.first() {
        Some(pod) => {
            format!("involvedObject.name={}", pod["metadata"]["name"].as_str().unwrap_or(""))
        }
        None => format!("involvedObject.kind={},involvedObject.name={}", object.kind, object.name),
    };
    let kind = core("Event", "events");
    let events = cluster.list(&kind, namespace, "", &about, READ_MAX);
    let events = events.await.unwrap_or_default();
    reason::explain(health, &found, &events)
}

fn core(kind: &str, plural: &str) -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_is_asked_for_ever_more_rarely() {
        let subject = Subject {
            cluster: ClusterId { name: "main".parse().unwrap(), generation: 1 },
            object: ObjectKey {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: "web".into(),
            },
        };
        let application: ApplicationName = "shop".parse().unwrap();
        let begin = Instant::now();
        let mut explanations = Explanations::default();
        // The seconds at which the cluster is asked, when each second brings a look.
        let mut asked = |seconds: std::ops::Range<u64>, health: &Health, text: Option<&str>| {
            let mut when = Vec::new();
            for second in seconds {
                let now = begin + Duration::from_secs(second);
                if explanations.look_up(&subject, health, now).0 {
                    when.push(second);
                    let (subject, application) = (subject.clone(), application.clone());
                    let text = text.map(str::to_owned);
                    let health = health.clone();
                    explanations.take(Answer { subject, application, health, text });
                }
            }
            when
        };
        let pulling = Health::progressing("0 of 1 replicas");
        assert_eq!(asked(0..80, &pulling, Some("no such image")), [0, 2, 6, 14, 30, 60]);
        let failed = Health::degraded("deadline exceeded");
        assert_eq!(asked(80..85, &failed, None), [80, 84], "another health is news");
    }

    #[test]
    fn an_answer_in_time_is_kept_when_the_next_is_not() {
        let cluster = ClusterId { name: "main".parse().unwrap(), generation: 1 };
        let object = ObjectKey {
            group: String::new(),
            kind: "Pod".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let subject = Subject { cluster, object };
        let application: ApplicationName = "shop".parse().unwrap();
        let mut explanations = Explanations::default();
        let health = Health::progressing("pending");
        explanations.look_up(&subject, &health, Instant::now());
        let take = |explanations: &mut Explanations, text: Option<&str>| {
            let (subject, application) = (subject.clone(), application.clone());
            let (health, text) = (health.clone(), text.map(str::to_owned));
            explanations.take(Answer { subject, application, health, text })
        };
        assert_eq!(take(&mut explanations, Some("no node")), Some(application.clone()));
        assert_eq!(take(&mut explanations, Some("no node")), None, "no news");
        assert_eq!(take(&mut explanations, None), None);
        let known = explanations.look_up(&subject, &health, Instant::now()).1;
        assert_eq!(known.text.as_deref(), Some("no node"));

        let failed = Health::degraded("BackoffLimitExceeded");
        explanations.look_up(&subject, &failed, Instant::now());
        assert_eq!(take(&mut explanations, Some("exit code 3")), None, "of how it was before");
        assert!(!explanations.has_answer(&subject));
    }
}
