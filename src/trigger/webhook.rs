//! A verified delivery: which applications it concerns, and why not, where it concerns none.

use crate::config::Config;
use crate::domain::delivery::{Event, Outcome, Push};
use crate::domain::matching::{self, Follower, KnownRepository};
use crate::domain::sync::{SyncOptions, SyncRequest, Trigger};

/// What follows from a delivery.
#[derive(Debug, PartialEq)]
pub struct Consequence {
    /// Whether anything follows.
    pub outcome: Outcome,
    /// The syncs to ask for.
    pub requests: Vec<SyncRequest>,
    /// Why nothing follows, or what was left aside.
    pub reason: Option<String>,
}

/// Decides what follows from an event. Nothing in it chooses a commit: it only names the
/// applications whose repository is worth a look.
pub fn decide(config: &Config, event: &Event) -> Consequence {
    match event {
        Event::Push(push) => follow(config, push),
        Event::Ping => nothing("it is a ping: the webhook works".to_owned()),
        Event::Other(name) => nothing(format!("the event `{name}` moves no branch or tag")),
    }
}

fn nothing(reason: String) -> Consequence {
    Consequence { outcome: Outcome::Ignored, requests: Vec::new(), reason: Some(reason) }
}

fn follow(config: &Config, push: &Push) -> Consequence {
    let repositories = config.repositories.values().map(|repository| KnownRepository {
        name: &repository.name,
        url: &repository.url,
        aliases: &repository.aliases,
    });
    let followers = config.applications.values().map(|application| Follower {
        application: &application.name,
        repository: &application.repository,
        revision: &application.revision,
    });
    let matched = matching::select(push, repositories, followers);
    let mut reason = matched.reason;
    let mut requests = Vec::new();
    for name in matched.applications {
        if !config.applications.get(&name).is_some_and(|application| application.sync.automated) {
            reason = Some(format!("application {name} is not automated: it is synced when asked"));
            continue;
        }
        requests.push(SyncRequest {
            application: name,
            trigger: Trigger::Webhook,
            actor: push.pusher.clone(),
            options: SyncOptions::default(),
        });
    }
    let outcome = if requests.is_empty() { Outcome::Ignored } else { Outcome::Accepted };
    Consequence { outcome, requests, reason }
}
