//! What a story asks of the program: deliveries, the API, and waiting for what the API tells.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::world::call::{Answer, call};
use crate::world::headstay::{ENDED, Headstay};
use crate::world::wait::{DEADLINE, wait_for};
use crate::world::webhook::Webhook;
use crate::world::{API_TOKEN, contract};

impl Headstay {
    /// Sends a delivery; an answer must come.
    #[track_caller]
    pub fn deliver(&self, webhook: &Webhook) -> Answer {
        self.try_deliver(webhook).unwrap()
    }

    /// Sends a delivery to a program that may end meanwhile.
    pub fn try_deliver(&self, webhook: &Webhook) -> Result<Answer, ureq::Error> {
        let Webhook { receiver, event, id, body, signature } = webhook;
        let url = format!("http://{}/webhooks/{receiver}", self.address());
        let mut headers = vec![
            ("content-type", "application/json"),
            ("x-github-event", event.as_str()),
            ("x-github-delivery", id.as_str()),
        ];
        headers.extend(signature.as_deref().map(|value| ("x-hub-signature-256", value)));
        let answer = call(&self.agent, "POST", &url, &headers, Some(body))?;
        // With and without a slash at its end it is the same operation.
        let named = receiver.trim_end_matches('/');
        self.remember("POST", &format!("/webhooks/{named}"), &answer);
        Ok(answer)
    }

    /// One call of the API with the operator's token.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("http://{}{path}", self.address());
        let token = format!("Bearer {API_TOKEN}");
        let headers = [("authorization", &*token), ("content-type", "application/json")];
        let body = body.map(Value::to_string);
        let body = body.as_deref().map(str::as_bytes);
        let answer = call(&self.agent, method, &url, &headers, body).unwrap();
        self.remember(method, path, &answer);
        answer
    }

    /// Reads from the API with this `Authorization`, or without any.
    #[track_caller]
    pub fn get_as(&self, authorization: Option<&str>, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.address());
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        let answer = call(&self.agent, "GET", &url, &headers, None).unwrap();
        self.remember("GET", path, &answer);
        answer
    }

    /// Runs the program as a client of this one.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_headstay"))
            .args(arguments)
            .env("HEADSTAY_SERVER", format!("http://{}", self.address()))
            .env("HEADSTAY_TOKEN", API_TOKEN)
            .output()
            .unwrap()
    }

    /// Reads from the API what must be there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.api("GET", path, None);
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.body
    }

    /// Asks for something by the API, which must be taken; returns the answer.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.api("POST", path, Some(body));
        assert!((200..300).contains(&answer.status), "POST {path}: {answer:?}");
        answer.body
    }

    /// The whole at a glance.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.get("/api/v1/status")
    }

    /// The application `shop`.
    #[track_caller]
    pub fn application(&self) -> Value {
        self.get("/api/v1/applications/shop")
    }

    /// The message of a condition of `shop`, if it has it.
    #[track_caller]
    pub fn condition(&self, kind: &str) -> Option<String> {
        let application = self.application();
        let mut conditions = application["conditions"].as_array()?.iter();
        conditions.find(|condition| condition["type"] == kind)?["message"].as_str().map(Into::into)
    }

    /// The history, newest first.
    #[track_caller]
    pub fn syncs(&self) -> Vec<Value> {
        self.get("/api/v1/syncs?limit=200")["items"].as_array().unwrap().clone()
    }

    /// One sync with its objects.
    #[track_caller]
    pub fn sync(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/syncs/{id}"))
    }

    /// One delivery.
    #[track_caller]
    pub fn delivery(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/deliveries/{id}"))
    }

    /// Asks for a sync of `shop` as a person does; returns its id.
    #[track_caller]
    pub fn request_sync(&self) -> String {
        let sync = self.post("/api/v1/applications/shop/sync", &json!({}));
        sync["id"].as_str().unwrap_or_else(|| panic!("no id: {sync}")).to_owned()
    }

    /// Waits until the status is as wanted; returns it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, DEADLINE, || {
            let status = self.status();
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// Waits until the history has a sync like that; returns it with its objects.
    #[track_caller]
    pub fn wait_for_sync(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = wait_for(what, DEADLINE, || {
            let syncs = self.syncs();
            let found = syncs.iter().find(|sync| wanted(sync)).cloned();
            found.ok_or_else(|| Value::from(syncs).to_string())
        });
        self.sync(found["id"].as_str().unwrap())
    }

    /// Waits until a sync is in a state; fails at once when it ends in another one.
    #[track_caller]
    pub fn wait_for_state(&self, id: &str, state: &str) -> Value {
        wait_for(&format!("the sync to be {state}"), DEADLINE, || {
            let sync = self.sync(id);
            let now = sync["state"].as_str().unwrap();
            assert!(now == state || !ENDED.contains(&now), "wanted {state}, but: {sync:#}");
            if now == state { Ok(sync) } else { Err(sync.to_string()) }
        })
    }

    /// Waits until a delivery is covered: it names a sync, and that one gets through.
    #[track_caller]
    pub fn wait_until_covered(&self, delivery: &str) {
        wait_for(&format!("delivery {delivery} to be covered"), DEADLINE, || {
            let delivery = self.delivery(delivery);
            let id = delivery["syncs"][0]["id"].as_str().ok_or(delivery.to_string())?;
            self.gets_through(id)
        });
    }

    /// Waits until a sync, or the last of those that took over from it, has succeeded.
    #[track_caller]
    pub fn wait_until_through(&self, id: &str) {
        wait_for(&format!("sync {id} to get through"), DEADLINE, || self.gets_through(id));
    }

    fn gets_through(&self, id: &str) -> Result<(), String> {
        let mut id = id.to_owned();
        loop {
            let sync = self.sync(&id);
            let state = sync["state"].as_str().unwrap();
            match &sync["supersededBy"] {
                Value::String(next) if state == "Superseded" => id.clone_from(next),
                _ if state == "Succeeded" => return Ok(()),
                _ => {
                    assert!(!ENDED.contains(&state), "it came to {sync:#}");
                    return Err(sync.to_string());
                }
            }
        }
    }

    /// Holds an answer to the document of the API, and keeps it for what is checked at the end.
    #[track_caller]
    fn remember(&self, method: &str, path: &str, answer: &Answer) {
        contract::hold(method, path, answer);
        self.answers.lock().unwrap().push(answer.text.clone());
    }
}
