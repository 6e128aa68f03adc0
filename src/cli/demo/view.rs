//! What can be seen of the story: by the API of Headstay, and on the cluster.

use serde_json::Value;

use crate::cli::demo::api::Api;
use crate::cli::demo::hand::Hand;
use crate::cli::demo::shop::{PRODUCTION, SETTINGS};
use crate::cli::table;
use crate::domain::error::chain;
use crate::domain::object::ObjectKey;

/// Most syncs that are looked through.
const SYNCS: u32 = 12;

/// Both views.
pub(super) struct View<'a> {
    /// Headstay.
    pub(super) api: Api,
    /// The cluster, as anybody with a kubeconfig reaches it.
    pub(super) hand: &'a Hand,
    /// The namespace of production.
    pub(super) namespace: String,
}

impl View<'_> {
    /// Whether production greets like that; the error is how it does.
    pub(super) async fn greets(&self, greeting: &str) -> Result<(), String> {
        let namespace = &self.namespace;
        let found = self.hand.config_map(namespace, SETTINGS).await.map_err(told)?;
        let data = found.and_then(|found| found.data).unwrap_or_default();
        match data.get("greeting") {
            Some(said) if said == greeting => Ok(()),
            Some(said) => Err(format!("the greeting is “{said}”")),
            None => Err(format!("ConfigMap {namespace}/{SETTINGS} has no greeting")),
        }
    }

    /// The newest sync of production, once it has ended; the error says how it stands.
    pub(super) async fn last_sync(&self) -> Result<String, String> {
        let syncs = self.api.get(&format!("/syncs?application={PRODUCTION}&limit=1")).await;
        ended(&syncs.map_err(told)?["items"][0])
    }

    /// What was put back in production after a sync; the error says that it is not all.
    pub(super) async fn healed_since(&self, sync: &str) -> Result<Vec<String>, String> {
        let syncs = self.syncs_since(sync).await?;
        let healed: Vec<_> = syncs.iter().flat_map(put_back).collect();
        if healed.len() >= 2 { Ok(healed) } else { Err(format!("only {healed:?}")) }
    }

    /// The object that was pruned from production after a sync.
    pub(super) async fn pruned_since(&self, sync: &str) -> Result<String, String> {
        one_pruned(&self.syncs_since(sync).await?)
    }

    /// The sync that applied a push: the timer's, if that looked between the push and its delivery.
    pub(super) async fn applied_since(&self, sync: &str) -> Result<Value, String> {
        let mut syncs = self.syncs_since(sync).await?.into_iter();
        let applied = syncs.find(|sync| !actions(sync, "configured").is_empty());
        applied.ok_or_else(|| "no sync has configured anything".to_owned())
    }

    /// The syncs of production after another one, the oldest first.
    async fn syncs_since(&self, sync: &str) -> Result<Vec<Value>, String> {
        let path = format!("/syncs?application={PRODUCTION}&limit={SYNCS}");
        let syncs = self.api.get(&path).await.map_err(told)?;
        let mut since = Vec::new();
        for newer in syncs["items"].as_array().into_iter().flatten().rev() {
            // Ids are in the order of time.
            let Some(id) = newer["id"].as_str().filter(|id| *id > sync) else { continue };
            since.push(self.api.get(&format!("/syncs/{id}")).await.map_err(told)?);
        }
        Ok(since)
    }
}

/// The one object that syncs have pruned, whichever of them it was: that of the delivery finds nothing
/// left to do if the timer looked between the push and its delivery.
fn one_pruned(syncs: &[Value]) -> Result<String, String> {
    let pruned: Vec<_> = syncs.iter().flat_map(|sync| actions(sync, "pruned")).collect();
    if let [pruned] = &pruned[..] { Ok(pruned.clone()) } else { Err(format!("{pruned:?}")) }
}

/// What a sync has put back.
fn put_back(sync: &Value) -> Vec<String> {
    let told =
        |action| actions(sync, action).into_iter().map(move |object| format!("{action} {object}"));
    ["configured", "created"].into_iter().flat_map(told).collect()
}

/// The id of a sync that has ended: what happens now is found by a later one.
fn ended(sync: &Value) -> Result<String, String> {
    if sync["endedAt"].is_null() { Err(outcome(sync)) } else { Ok(table::text(&sync["id"])) }
}

/// The objects to which a sync did something, with the fields that it changed.
fn actions(sync: &Value, action: &str) -> Vec<String> {
    let objects = sync["objects"].as_array().into_iter().flatten();
    objects
        .filter(|object| object["action"] == action)
        .filter_map(|object| {
            let key: ObjectKey = serde_json::from_value(object.clone()).ok()?;
            let fields: Vec<_> = object["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let fields = if action == "configured" { fields.join(", ") } else { String::new() };
            Some(format!("{key} {fields}").trim_end().to_owned())
        })
        .collect()
}

/// Where a sync stands, in one line.
pub(super) fn outcome(sync: &Value) -> String {
    let state = table::text(&sync["state"]);
    let waits = sync["waitingFor"].as_array().into_iter().flatten();
    let waits: Vec<_> = waits
        .map(|object| format!("{}: {}", table::object(object), table::text(&object["reason"])))
        .collect();
    match sync["error"]["message"].as_str() {
        Some(error) => format!("it is {state}: {error}"),
        None if waits.is_empty() => format!("it is {state}"),
        None => format!("it is {state} for {}", waits.join("; ")),
    }
}

/// Where the applications stand, in one line.
pub(super) fn standing(status: &Value) -> String {
    let applications = status["applications"].as_array().into_iter().flatten();
    let lines = applications.map(|application| {
        let conditions = application["conditions"].as_array().into_iter().flatten();
        let conditions: Vec<_> =
            conditions.map(|condition| table::text(&condition["message"])).collect();
        let (name, state) =
            (table::text(&application["name"]), table::text(&application["syncState"]));
        format!(
            "{name} is {state}, {} {}",
            table::text(&application["health"]),
            conditions.join("; ")
        )
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("; ")
}

/// The item of a list that has a text under a key; null if there is none.
pub(super) fn find<'v>(list: &'v Value, key: &str, text: &str) -> &'v Value {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().find(|item| item[key] == text).unwrap_or(&Value::Null)
}

/// An error as what was seen instead of what was looked for.
pub(super) fn told(error: impl std::error::Error) -> String {
    chain(&error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_timer_pruned_before_the_delivery_came_is_pruned_all_the_same() {
        let object = json!({"group": "", "kind": "Service", "namespace": "shop", "name": "web",
            "action": "pruned"});
        let timer = json!({"trigger": "timer", "objects": [object]});
        let webhook = json!({"trigger": "webhook", "objects": []});
        assert_eq!(one_pruned(&[timer, webhook.clone()]), Ok("Service shop/web".to_owned()));
        assert_eq!(one_pruned(&[webhook]), Err("[]".to_owned()));
    }

    #[test]
    fn a_sync_that_runs_may_yet_find_what_happens_now() {
        let mut sync = json!({"id": "1", "state": "Running", "endedAt": null});
        assert_eq!(ended(&sync), Err("it is Running".to_owned()));
        sync["endedAt"] = json!("2026-11-24T14:30:00Z");
        assert_eq!(ended(&sync), Ok("1".to_owned()));
    }

    #[test]
    fn a_sync_tells_in_one_line_where_it_stands() {
        let waiting = json!({"group": "apps", "kind": "Deployment", "namespace": "shop",
            "name": "web", "reason": "2 of 3 replicas are ready"});
        for (sync, line) in [
            (json!({"state": "Running", "error": null, "waitingFor": []}), "it is Running"),
            (
                json!({"state": "Waiting", "error": null, "waitingFor": [waiting]}),
                "it is Waiting for Deployment.apps shop/web: 2 of 3 replicas are ready",
            ),
            (
                json!({"state": "Failed", "error": {"message": "a.yaml:3: no"}, "waitingFor": []}),
                "it is Failed: a.yaml:3: no",
            ),
        ] {
            assert_eq!(outcome(&sync), line);
        }
    }

    #[test]
    fn fields_are_told_of_what_was_changed_only() {
        let object = |action: &str| {
            json!({"group": "", "kind": "ConfigMap", "namespace": "shop", "name": action,
                "action": action, "fields": ["/data/a", "/data/b"]})
        };
        let sync = json!({"objects": [object("configured"), object("created")]});
        assert_eq!(actions(&sync, "configured"), ["ConfigMap shop/configured /data/a, /data/b"]);
        assert_eq!(actions(&sync, "created"), ["ConfigMap shop/created"]);
    }
}
