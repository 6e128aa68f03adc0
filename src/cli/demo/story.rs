//! The story: what happens, in which order, and what must come out of it.

use std::time::Instant;

use http::StatusCode;
use serde_json::Value;

use crate::cli::answer::{Sync, Syncs};
use crate::cli::demo::api::Answer;
use crate::cli::demo::broken::Broken;
use crate::cli::demo::delivery::Delivery;
use crate::cli::demo::folder::INTERVAL_SECONDS;
use crate::cli::demo::repository::{BRANCH, Commit, Repository};
use crate::cli::demo::screen::{Screen, phases_of, took};
use crate::cli::demo::shop::{
    APPLICATIONS, AUTUMN, Edit, FIRST_GREETING, GREET_POLITELY, GREETING, PRODUCTION,
    SELL_IN_DOLLARS, SELL_IN_DOLLARS_ONLY, SETTINGS, STAGING, Shop, WEB,
};
use crate::cli::demo::view::{View, find, outcome, standing, told};
use crate::cli::demo::wait::until;
use crate::cli::{history, table};

/// Syncs that the table at the end shows.
const HISTORY: u32 = 12;
/// Columns of the table beside the message.
const HISTORY_WIDTH: usize = 66;

/// Everybody and everything that has a part in it.
pub(super) struct Story<'s, 'o> {
    /// Where it is told.
    pub(super) screen: &'s mut Screen<'o>,
    /// What Ada has.
    pub(super) shop: Shop,
    /// Where Ada pushes.
    pub(super) repository: Repository,
    /// What the Git host signs with.
    pub(super) secret: String,
    /// Headstay and the cluster.
    pub(super) view: View<'s>,
    /// The last commit.
    pub(super) head: Commit,
    /// When Headstay was started.
    pub(super) began: Instant,
}

/// A delivery that was taken.
struct Delivered {
    sent: Instant,
    answer: Answer,
}

impl Story<'_, '_> {
    /// Tells it.
    pub(super) async fn tell(&mut self) -> Result<(), Broken> {
        self.first_sync().await?;
        self.push_is_applied().await?;
        self.forgery_is_refused().await?;
        self.edits_are_put_back().await?;
        self.broken_commit_changes_nothing().await?;
        self.mended_commit_is_applied().await?;
        self.deleted_file_is_pruned().await?;
        self.history().await
    }

    async fn first_sync(&mut self) -> Result<(), Broken> {
        self.screen.chapter("The first sync")?;
        let Commit { subject, .. } = &self.head;
        let text = format!("Headstay starts and finds {} “{subject}”.", self.head.short());
        self.screen.note(&text)?;
        let mut seen = [(None, None); APPLICATIONS.len()];
        let started = until(self.screen, "both applications to be healthy", async || {
            let status = self.view.api.get("/status").await.map_err(told)?;
            let mut all = true;
            for (application, (applied, healthy)) in APPLICATIONS.iter().zip(&mut seen) {
                let now = find(&status["applications"], "name", application);
                let since = self.began.elapsed();
                if now["applied"]["id"] == self.head.id {
                    applied.get_or_insert(since);
                }
                if now["healthy"] == self.head.id {
                    healthy.get_or_insert(since);
                }
                if now["lastSync"]["state"] == "Failed" {
                    return Ok(Err(standing(&status)));
                }
                all &= healthy.is_some();
            }
            if all { Ok(Ok(())) } else { Err(standing(&status)) }
        })
        .await?;
        started.map_err(|seen| {
            let what = "the first commit was to be applied".to_owned();
            Broken::Otherwise { what, seen }
        })?;
        for (application, (applied, healthy)) in APPLICATIONS.into_iter().zip(seen) {
            let path = format!("/syncs?application={application}&trigger=start-up&limit=1");
            let syncs = self.view.api.get(&path).await?;
            let created = syncs["items"][0]["summary"]["created"].as_u64().unwrap_or_default();
            self.screen.good(&format!(
                "{application:<10}  {created} objects applied {} after the start, healthy after {}",
                took(applied.unwrap_or_default()),
                took(healthy.unwrap_or_default())
            ))?;
        }
        self.view.greets(FIRST_GREETING).await.map_err(|seen| Broken::Otherwise {
            what: format!("production was to greet with “{FIRST_GREETING}”"),
            seen,
        })
    }

    async fn push_is_applied(&mut self) -> Result<(), Broken> {
        self.screen.chapter("A push is applied")?;
        let newest = self.last_sync().await?;
        self.push("Greet politely, with a third web server", &GREET_POLITELY)?;
        let delivered = self.deliver().await?;
        let what = "the new greeting in the cluster";
        until(self.screen, what, async || self.view.greets(GREETING).await).await?;
        let since = took(delivered.sent.elapsed());
        let text =
            format!("the new greeting is in the cluster {since} after the delivery was sent");
        self.screen.good(&text)?;
        let sync = self.end_of(&delivered, PRODUCTION).await?;
        self.must_succeed(&sync)?;
        let what = "the sync that applied it";
        let applied =
            until(self.screen, what, async || self.view.applied_since(&newest).await).await?;
        self.screen.phases(&phases_of(&applied))?;
        let since = took(delivered.sent.elapsed());
        self.screen.good(&format!("all of it is healthy after {since}"))?;
        let staging = self.end_of(&delivered, STAGING).await?;
        self.must_succeed(&staging)?;
        self.screen.good("staging needs no write: its folder in Git is as it was")?;
        Ok(())
    }

    async fn forgery_is_refused(&mut self) -> Result<(), Broken> {
        self.screen.chapter("A forged delivery is refused")?;
        self.screen.note("Mallory sends the same delivery, signed with a secret of his own.")?;
        let answer = self.view.api.deliver(&self.delivery("not the secret")).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Err(unexpected("a forged delivery was to be refused", &answer));
        }
        self.screen.good(&format!("it is answered 401 after {}:", took(answer.took)))?;
        self.screen.quote(&answer.body.to_string())?;
        Ok(())
    }

    async fn edits_are_put_back(&mut self) -> Result<(), Broken> {
        self.screen.chapter("What is changed by hand is put back")?;
        let namespace = self.view.namespace.clone();
        let newest = self.last_sync().await?;
        self.screen.note(&format!(
            "Eve sets the greeting of ConfigMap {namespace}/{SETTINGS} to “Closed for ever”, and \
             deletes Service {namespace}/{WEB}."
        ))?;
        let began = Instant::now();
        self.view.hand.edit_config_map(&namespace, SETTINGS, "greeting", "Closed for ever").await?;
        self.view.hand.delete_service(&namespace, WEB).await?;
        let mut times = [None; 2];
        until(self.screen, "both to be as in Git", async || {
            let greeting = self.view.greets(GREETING).await;
            if greeting.is_ok() {
                times[0].get_or_insert(began.elapsed());
            }
            if self.view.hand.has_service(&namespace, WEB).await.map_err(told)? {
                times[1].get_or_insert(began.elapsed());
            }
            match (times, greeting) {
                ([Some(_), Some(_)], _) => Ok(()),
                ([None, _], Err(seen)) => Err(seen),
                _ => Err("the Service is not there".to_owned()),
            }
        })
        .await?;
        let [greeting, service] = times.map(|time| took(time.unwrap_or_default()));
        self.screen.good(&format!(
            "the greeting is that of Git again after {greeting}, the Service is back after \
             {service}: the timer looks every {INTERVAL_SECONDS} s"
        ))?;
        let what = "the record of what was put back";
        let healed =
            until(self.screen, what, async || self.view.healed_since(&newest).await).await?;
        for object in healed {
            self.screen.quote(&object)?;
        }
        Ok(())
    }

    async fn broken_commit_changes_nothing(&mut self) -> Result<(), Broken> {
        self.screen.chapter("A broken commit changes nothing")?;
        let namespace = self.view.namespace.clone();
        let before = self.view.hand.config_map(&namespace, SETTINGS).await?;
        self.push("Sell in dollars", &SELL_IN_DOLLARS)?;
        let delivered = self.deliver().await?;
        let sync = self.end_of(&delivered, PRODUCTION).await?;
        let since = took(delivered.sent.elapsed());
        if sync["state"] != "Failed" {
            let what = "the broken commit was to be refused".to_owned();
            return Err(Broken::Otherwise { what, seen: outcome(&sync) });
        }
        let text = format!("the sync of production fails after {since}, with file and line:");
        self.screen.good(&text)?;
        self.screen.quote(&table::text(&sync["error"]["message"]))?;
        let after = self.view.hand.config_map(&namespace, SETTINGS).await?;
        if before != after {
            let what = "the broken commit was to change nothing".to_owned();
            return Err(Broken::Otherwise { what, seen: format!("{after:?}") });
        }
        let version = after.and_then(|object| object.metadata.resource_version);
        let version = version.unwrap_or_default();
        self.screen.good(&format!(
            "the cluster is as it was: ConfigMap {SETTINGS} is still at resourceVersion {version}"
        ))?;
        Ok(())
    }

    async fn mended_commit_is_applied(&mut self) -> Result<(), Broken> {
        self.push("Sell in dollars only", &SELL_IN_DOLLARS_ONLY)?;
        let delivered = self.deliver().await?;
        let sync = self.end_of(&delivered, PRODUCTION).await?;
        self.must_succeed(&sync)?;
        let since = took(delivered.sent.elapsed());
        self.screen.good(&format!("applied and healthy after {since}"))?;
        Ok(())
    }

    async fn deleted_file_is_pruned(&mut self) -> Result<(), Broken> {
        self.screen.chapter("What is gone from Git goes from the cluster")?;
        let newest = self.last_sync().await?;
        self.shop.delete(AUTUMN);
        self.commit("Autumn is over")?;
        self.screen.deletion(AUTUMN)?;
        let delivered = self.deliver().await?;
        let sync = self.end_of(&delivered, PRODUCTION).await?;
        self.must_succeed(&sync)?;
        let what = "an object to be pruned";
        let pruned =
            until(self.screen, what, async || self.view.pruned_since(&newest).await).await?;
        let since = took(delivered.sent.elapsed());
        let text =
            format!("{pruned} is pruned after {since}, once the rest was seen to be healthy");
        self.screen.good(&text)?;
        Ok(())
    }

    async fn history(&mut self) -> Result<(), Broken> {
        self.screen.heading("The history")?;
        let answer = self.view.api.get(&format!("/syncs?limit={HISTORY}")).await?;
        let syncs: Syncs = serde_json::from_value(answer).map_err(|error| Broken::Otherwise {
            what: "the history should be told".to_owned(),
            seen: error.to_string(),
        })?;
        let room = self.screen.width().saturating_sub(HISTORY_WIDTH).max(20);
        let row = |sync: &Sync| {
            let commit = sync.commit.as_ref().and_then(|commit| commit.id.get(..7));
            vec![
                // Of the time, the hours, minutes and seconds.
                sync.queued_at.get(11..19).unwrap_or("-").to_owned(),
                sync.application.clone(),
                sync.trigger.clone(),
                sync.state.clone(),
                commit.unwrap_or("-").to_owned(),
                history::changes(&sync.summary),
                table::cut(history::told(sync), room),
            ]
        };
        let rows: Vec<_> = syncs.items.iter().map(row).collect();
        let heading = ["UTC", "APPLICATION", "TRIGGER", "STATE", "COMMIT", "CHANGES", "MESSAGE"];
        self.screen.table(&heading, &rows)?;
        Ok(())
    }
}

/// What happens in every step.
impl Story<'_, '_> {
    /// Ada changes files, and pushes.
    fn push(&mut self, subject: &str, edits: &[Edit]) -> Result<(), Broken> {
        self.shop.edit(edits);
        self.commit(subject)?;
        for edit in edits {
            self.screen.change(edit.path, edit.removed(), edit.added())?;
        }
        Ok(())
    }

    fn commit(&mut self, subject: &str) -> Result<(), Broken> {
        self.head = self.repository.commit(subject, self.shop.files())?;
        self.screen.note(&format!("Ada pushes {} “{subject}”.", self.head.short()))?;
        Ok(())
    }

    fn delivery(&self, secret: &str) -> Delivery {
        let before = "0".repeat(self.head.id.len());
        Delivery::of_push(&format!("refs/heads/{BRANCH}"), &before, &self.head.id, secret)
    }

    /// The newest sync of production, once it has ended: what happens from now on is in later ones.
    async fn last_sync(&mut self) -> Result<String, Broken> {
        let what = "the last sync to end";
        until(self.screen, what, async || self.view.last_sync().await).await
    }

    /// Delivers the last push as the Git host does; it must be accepted.
    async fn deliver(&mut self) -> Result<Delivered, Broken> {
        let delivery = self.delivery(&self.secret);
        let sent = Instant::now();
        let answer = self.view.api.deliver(&delivery).await?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(unexpected("the delivery was to be accepted", &answer));
        }
        let text = format!("its signed delivery is answered 202 after {}", took(answer.took));
        self.screen.good(&text)?;
        Ok(Delivered { sent, answer })
    }

    /// The sync of an application that follows from a delivery, when it has ended; if another one
    /// took over, that one.
    async fn end_of(&mut self, delivered: &Delivered, application: &str) -> Result<Value, Broken> {
        let sync = find(&delivered.answer.body["syncs"], "application", application);
        let mut id = table::text(&sync["id"]);
        until(self.screen, &format!("the sync of {application} to end"), async || {
            let sync = self.view.api.get(&format!("/syncs/{id}")).await.map_err(told)?;
            match (sync["state"].as_str(), sync["supersededBy"].as_str()) {
                (Some("Superseded"), Some(next)) => next.clone_into(&mut id),
                (Some("Succeeded" | "Failed" | "Cancelled" | "Blocked"), _) => return Ok(sync),
                _ => {}
            }
            Err(outcome(&sync))
        })
        .await
    }

    fn must_succeed(&self, sync: &Value) -> Result<(), Broken> {
        if sync["state"] == "Succeeded" {
            return Ok(());
        }
        let what = format!("{} “{}” was to be applied", self.head.short(), self.head.subject);
        Err(Broken::Otherwise { what, seen: outcome(sync) })
    }
}

fn unexpected(what: &str, answer: &Answer) -> Broken {
    let seen = format!("it was answered {}: {}", answer.status, answer.body);
    Broken::Otherwise { what: what.to_owned(), seen }
}
