//! A secret at each place where something else belongs.

use serde_json::{Value, json};

use crate::config::tests::{good, read};

/// What each of the secrets below has in it.
const MARK: &str = "16c7e42f292c";

fn secrets() -> [String; 5] {
    let token = format!("{MARK}6912e7710c838347ae178b4a-MISSING");
    [
        format!("ghp_{token}"),
        // It may be a name.
        format!("{MARK}6912e7710c838347ae178b4a"),
        format!("apiVersion: v1\nkind: Config\nusers: [{{name: me, user: {{token: {token}}}}}]\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{token}\n-----END PRIVATE KEY-----\n"),
        format!("https://ada:{token}@git.example/fleet"),
    ]
}

/// A configuration in which each key is set once.
fn whole() -> Value {
    json!({
        "server": {
            "listen": "127.0.0.1:8080", "instance": "headstay", "suspend": false, "data": "var",
            "tokens": [{"name": "ci", "role": "operator", "secret": {"env": "T"}}],
            "limits": {"bodyBytes": "1MiB", "bodiesBytes": "9MiB", "failedVerificationsPerMinute": 1,
                "workers": 1, "callsPerCluster": 1},
            "retention": {"syncsPerApplication": 1, "age": "1d"},
        },
        "store": {"url": "sqlite://var/headstay.db"},
        "receivers": [
            {"name": "a", "provider": "github", "secrets": [{"env": "A"}, {"file": "/a"}]},
            {"name": "b", "provider": "azureDevops",
                "secrets": [{"username": "ada", "password": {"env": "A"}}]},
            {"name": "c", "provider": "azureDevops",
                "secrets": [{"header": "X-Token", "value": {"file": "/a"}}]},
        ],
        "clusters": [
            {"name": "a", "kubeconfig": "/k", "context": "x", "labels": {"env": "prod"}},
            {"name": "b", "server": "https://b", "token": {"file": "/t"}, "ca": "/ca.pem"},
        ],
        "repositories": [
            {"name": "a", "url": "https://host/a", "aliases": ["https://host/b"], "ca": "/ca.pem",
                "proxy": "http://proxy:1", "timeout": "1m", "auth": {"token": {"env": "T"}}},
            {"name": "b", "url": "https://host/b",
                "auth": {"username": "ada", "password": {"env": "P"}}},
            {"name": "c", "url": "git@host:c",
                "auth": {"sshKey": {"file": "/k"}, "knownHosts": {"file": "/h"}}},
            {"name": "d", "url": "https://host/d",
                "auth": {"githubApp": {"id": 1, "installation": 2, "privateKey": {"env": "K"}}}},
        ],
        "applications": [
            {"name": "a", "repository": "a", "revision": "main", "path": "a", "cluster": "a",
                "namespace": "a", "sync": {
                    "automated": true, "prune": true, "drift": "heal", "interval": "10m",
                    "timeout": "5m", "onError": "hold", "allowEmpty": false,
                    "createNamespace": {"labels": {"team": "a"}},
                    "pruneLimit": {"percent": 1, "objects": 1, "kinds": ["Namespace"]},
                    "retry": {"limit": 1, "initial": "1s", "max": "3m"}}},
            {"name": "b", "repository": "b", "cluster": "a", "namespace": "b",
                "sync": {"createNamespace": true}},
        ],
    })
}

/// Every configuration in which the secret stands at one more place: instead of a value or of a key,
/// beside the others of a mapping or of a list.
fn pasted(value: &Value, secret: &str) -> Vec<Value> {
    let mut all = vec![Value::from(secret), json!({ secret: null }), json!([secret])];
    match value {
        Value::Object(entries) => {
            let mut beside = entries.clone();
            beside.insert(secret.to_owned(), Value::from("x"));
            all.push(beside.into());
            for (key, value) in entries {
                for instead in pasted(value, secret) {
                    let mut entries = entries.clone();
                    entries.insert(key.clone(), instead);
                    all.push(entries.into());
                }
                let mut entries = entries.clone();
                let value = entries.shift_remove(key);
                entries.insert(secret.to_owned(), value.unwrap_or_default());
                all.push(entries.into());
            }
        }
        Value::Array(items) => {
            let mut beside = items.clone();
            beside.push(Value::from(secret));
            all.push(beside.into());
            for (index, item) in items.iter().enumerate() {
                for instead in pasted(item, secret) {
                    let mut items = items.clone();
                    items[index] = instead;
                    all.push(items.into());
                }
            }
        }
        _ => {}
    }
    all
}

#[test]
fn wherever_a_secret_is_pasted_no_error_shows_it() {
    good(&whole().to_string());
    let mut refused = 0;
    for secret in secrets() {
        for config in pasted(&whole(), &secret) {
            let text = config.to_string();
            // Twice the same key, which JSON cannot say.
            let doubled =
                text.replace("\"store\":", &format!("{0}: 1, {0}: 2, \"store\":", json!(secret)));
            for text in [text, doubled] {
                let Err(errors) = read(&[("c.yaml", &text)]) else { continue };
                refused += 1;
                let told = format!("{errors} {errors:?}");
                assert!(!told.contains(MARK), "{told}\n{text}");
            }
        }
    }
    assert!(refused > 3000, "{refused}");
}
