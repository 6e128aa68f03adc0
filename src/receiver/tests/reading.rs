use http::HeaderMap;
use serde_json::{Value, json};

use super::{PROVIDERS, form, headers};
use crate::config::Provider::{
    self, AzureDevOps, BitbucketCloud, BitbucketDataCenter, Forgejo, Generic, GitHub, GitLab,
    Gitea, Gogs,
};
use crate::domain::commit::CommitId;
use crate::domain::delivery::{Event, Push, RefUpdate};
use crate::domain::matching::{KnownRepository, match_push};
use crate::receiver::{Malformed, Reading, host_id, read};

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../../../tests/fixtures/webhooks/", $path))
    };
}

/// A provider, the name of the event as its header has it, and a body.
type Sample = (Provider, &'static str, &'static str);

const GITHUB: Sample = (GitHub, "push", fixture!("github/push.json"));
const GITHUB_DELETE: Sample = (GitHub, "delete", fixture!("github/delete.json"));
const GITLAB: Sample = (GitLab, "Push Hook", fixture!("gitlab/push.json"));
const GITLAB_TAG: Sample = (GitLab, "Tag Push Hook", fixture!("gitlab/tag-deleted.json"));
const GITLAB_SYSTEM: Sample = (GitLab, "System Hook", fixture!("gitlab/repository-update.json"));
const GITEA: Sample = (Gitea, "push", fixture!("gitea/push.json"));
const FORGEJO_DELETE: Sample = (Forgejo, "delete", fixture!("gitea/delete.json"));
const GOGS_CREATE: Sample = (Gogs, "create", fixture!("gogs/create.json"));
const CLOUD: Sample = (BitbucketCloud, "repo:push", fixture!("bitbucket-cloud/push.json"));
const DATA_CENTER: Sample =
    (BitbucketDataCenter, "repo:refs_changed", fixture!("bitbucket-data-center/refs-changed.json"));
const AZURE: Sample = (AzureDevOps, "git.push", fixture!("azure-devops/push.json"));
const GENERIC: Sample = (
    Generic,
    "push",
    r#"{"repository": {"url": "https://git.example.org/acme/fleet.git"}, "ref": "refs/heads/main"}"#,
);

const SAMPLES: [Sample; 12] = [
    GITHUB,
    GITHUB_DELETE,
    GITLAB,
    GITLAB_TAG,
    GITLAB_SYSTEM,
    GITEA,
    FORGEJO_DELETE,
    GOGS_CREATE,
    CLOUD,
    DATA_CENTER,
    AZURE,
    GENERIC,
];

fn event_headers(provider: Provider, event: &str) -> HeaderMap {
    match provider {
        GitHub => headers(&[("X-GitHub-Event", event), ("X-GitHub-Delivery", "d1")]),
        GitLab => headers(&[("X-Gitlab-Event", event), ("Idempotency-Key", "d1")]),
        Gitea => headers(&[("X-Gitea-Event", event), ("X-Gitea-Delivery", "d1")]),
        Forgejo => headers(&[("X-Forgejo-Event", event), ("X-Forgejo-Delivery", "d1")]),
        Gogs => headers(&[("X-Gogs-Event", event), ("X-Gogs-Delivery", "d1")]),
        BitbucketCloud => headers(&[("X-Event-Key", event), ("X-Request-UUID", "d1")]),
        BitbucketDataCenter => headers(&[("X-Event-Key", event), ("X-Request-Id", "d1")]),
        AzureDevOps => headers(&[]),
        Generic => headers(&[("Idempotency-Key", "d1")]),
    }
}

fn read_sample((provider, event, body): Sample) -> Reading {
    read(provider, &event_headers(provider, event), body.as_bytes()).unwrap()
}

fn push_of((provider, event, body): Sample) -> Push {
    read_push(provider, event, body)
}

fn read_push(provider: Provider, event: &str, body: &str) -> Push {
    match read(provider, &event_headers(provider, event), body.as_bytes()).unwrap().event {
        Event::Push(push) => push,
        other => panic!("{other:?} is no push"),
    }
}

/// `Branch main 1>2`: ids by their first digit, `-` where there is none, `X` where it was deleted.
fn shown(update: &RefUpdate) -> String {
    let digit =
        |id: &Option<CommitId>| id.as_ref().map_or("-".into(), |id| id.as_str()[..1].to_owned());
    let RefUpdate { kind, name, before, after, deleted } = update;
    let after = if *deleted { "X".to_owned() } else { digit(after) };
    format!("{kind:?} {name} {}>{after}", digit(before))
}

#[test]
fn every_ref_of_a_delivery_is_read() {
    for (sample, expected) in [
        (GITHUB, &["Branch main 1>2"][..]),
        (GITHUB_DELETE, &["Branch feature/a ->X"]),
        (GITLAB, &["Branch main 1>2"]),
        (GITLAB_TAG, &["Tag v1.0.0 1>X"]),
        (GITLAB_SYSTEM, &["Branch main 1>2", "Tag v1 ->2", "Branch other ->-"]),
        (GITEA, &["Branch main ->2"]),
        (FORGEJO_DELETE, &["Branch feature/a ->X"]),
        (GOGS_CREATE, &["Tag v1.0.0 ->2"]),
        (CLOUD, &["Branch main 1>2", "Tag v1.0.0 ->2", "Branch refs/heads/odd 1>X"]),
        (DATA_CENTER, &["Branch main 1>2", "Tag v1.0.0 1>X"]),
        (AZURE, &["Branch main 1>2", "Branch gone 1>X"]),
        (GENERIC, &["Branch main ->-"]),
    ] {
        let refs: Vec<String> = push_of(sample).refs.iter().map(shown).collect();
        assert_eq!(refs, expected, "{:?} {}", sample.0, sample.1);
    }
}

#[test]
fn every_url_of_the_repository_is_read() {
    for (sample, urls, full_name, pusher) in [
        (
            GITHUB,
            &[
                "https://github.com/acme/fleet.git",
                "git@github.com:acme/fleet.git",
                "git://github.com/acme/fleet.git",
                "https://github.com/acme/fleet",
            ][..],
            Some("acme/fleet"),
            Some("ada"),
        ),
        (
            GITLAB,
            &[
                "https://gitlab.example.com/acme/platform/fleet.git",
                "ssh://git@gitlab.example.com:2222/acme/platform/fleet.git",
                "https://gitlab.example.com/acme/platform/fleet",
            ],
            Some("acme/platform/fleet"),
            Some("ada"),
        ),
        (
            GITEA,
            &[
                "https://git.example.com/acme/fleet.git",
                "ssh://git@git.example.com:222/acme/fleet.git",
                "https://git.example.com/acme/fleet",
            ],
            Some("acme/fleet"),
            Some("ada"),
        ),
        (CLOUD, &["https://bitbucket.org/acme/fleet"], Some("acme/fleet"), Some("ada")),
        (
            DATA_CENTER,
            &[
                "ssh://git@bitbucket.example.com:7999/acme/fleet.git",
                "https://bitbucket.example.com/scm/acme/fleet.git",
                "https://bitbucket.example.com/projects/ACME/repos/fleet/browse",
            ],
            Some("ACME/fleet"),
            Some("ada"),
        ),
        (
            AZURE,
            &["https://acme@dev.azure.com/acme/platform/_git/fleet"],
            Some("platform/fleet"),
            Some("Ada"),
        ),
        (GENERIC, &["https://git.example.org/acme/fleet.git"], None, None),
    ] {
        let push = push_of(sample);
        assert_eq!(push.urls, urls);
        assert_eq!((push.full_name.as_deref(), push.pusher.as_deref()), (full_name, pusher));
    }
}

#[test]
fn a_push_finds_its_repository_by_whatever_url_that_is_configured() {
    let (_, _, data_center) = DATA_CENTER;
    let without_links = data_center.replace("links", "none");
    let no_links = (BitbucketDataCenter, "repo:refs_changed", without_links.as_str());
    for ((provider, event, body), url) in [
        (GITHUB, "ssh://git@ssh.github.com:443/acme/fleet.git"),
        (GITLAB, "https://token@gitlab.example.com/acme/platform/fleet"),
        (GITEA, "git@git.example.com:acme/fleet.git"),
        (GOGS_CREATE, "https://gogs.example.com:3000/Acme/Fleet"),
        (CLOUD, "git@bitbucket.org:acme/fleet.git"),
        (DATA_CENTER, "ssh://git@bitbucket.example.com:7999/acme/fleet.git"),
        (no_links, "https://bitbucket.example.com/scm/acme/fleet.git"),
        (AZURE, "git@ssh.dev.azure.com:v3/acme/platform/fleet"),
        (GENERIC, "https://git.example.org/acme/fleet"),
    ] {
        let reading = read(provider, &event_headers(provider, event), body.as_bytes()).unwrap();
        let Event::Push(push) = reading.event else { panic!("no push") };
        let name = "fleet".parse().unwrap();
        let known = KnownRepository { name: &name, url, aliases: &[] };
        assert_eq!(match_push(&push, [known]), [&name], "{provider:?} {url}");
    }
}

#[test]
fn a_delivery_has_the_hosts_id_and_name_of_the_event() {
    for sample in SAMPLES {
        let (provider, event, _) = sample;
        let reading = read_sample(sample);
        let id = match provider {
            AzureDevOps => "7a5f9c1e-3a55-4d0c-9a3e-000000000002",
            _ => "d1",
        };
        assert_eq!((reading.host_id.as_deref(), reading.event_name.as_str()), (Some(id), event));
    }
    let retried = headers(&[("x-gitlab-webhook-uuid", "fresh"), ("idempotency-key", "stable")]);
    assert_eq!(host_id(GitLab, &retried).as_deref(), Some("stable"));
}

#[test]
fn pings_and_other_events_need_no_body_that_can_be_read() {
    for (provider, name, expected) in [
        (GitHub, "ping", Event::Ping),
        (BitbucketDataCenter, "diagnostics:ping", Event::Ping),
        (GitHub, "workflow_run", Event::Other("workflow_run".into())),
        (GitLab, "Note Hook", Event::Other("Note Hook".into())),
        (Gogs, "issues", Event::Other("issues".into())),
        (BitbucketCloud, "repo:fork", Event::Other("repo:fork".into())),
        (BitbucketDataCenter, "pr:opened", Event::Other("pr:opened".into())),
    ] {
        let reading = read(provider, &event_headers(provider, name), b"").unwrap();
        assert_eq!(reading.event, expected);
    }
    for (provider, event, body, expected) in [
        (AzureDevOps, "", r#"{"eventType": "build.complete"}"#, "build.complete"),
        (GitLab, "System Hook", r#"{"event_name": "project_create"}"#, "project_create"),
        (GitLab, "System Hook", "{}", "System Hook"),
    ] {
        let reading = read(provider, &event_headers(provider, event), body.as_bytes()).unwrap();
        assert_eq!(reading.event, Event::Other(expected.into()));
    }
}

#[test]
fn a_gitlab_hook_with_a_body_of_its_own_is_a_push_by_its_header() {
    let body = r#"{"ref": "refs/heads/main", "project": {"web_url": "https://a.example/b/c"}}"#;
    let push = push_of((GitLab, "Push Hook", body));
    assert_eq!((push.refs.len(), push.urls.len()), (1, 1));
}

#[test]
fn the_generic_body_has_short_forms() {
    let zeros = "0".repeat(40);
    for (body, expected) in [
        (json!({"repository": "https://a/b", "ref": "main"}), "Branch main ->-"),
        (json!({"repository": "https://a/b", "ref": "refs/tags/v1"}), "Tag v1 ->-"),
        (
            json!({"repository": "https://a/b", "ref": "refs/heads/x", "after": zeros}),
            "Branch x ->X",
        ),
    ] {
        let reading = read(Generic, &headers(&[]), body.to_string().as_bytes()).unwrap();
        let Event::Push(push) = reading.event else { panic!("no push") };
        assert_eq!(push.urls, ["https://a/b"]);
        assert_eq!(push.refs.iter().map(shown).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_form_is_read_like_its_payload() {
    for sample in SAMPLES {
        let (provider, event, body) = sample;
        let (mut form_headers, body) = form(body);
        form_headers.extend(event_headers(provider, event));
        let reading = read(provider, &form_headers, body.as_bytes()).unwrap();
        assert_eq!(reading, read_sample(sample));
    }
}

#[test]
fn hosts_that_say_it_otherwise_are_understood() {
    let branch = r#"{"ref": "v1", "ref_type": "branches", "repository": {"url": "https://a/b"}}"#;
    let tag = r#"{"ref": "v1", "ref_type": "Tags", "repository": {"url": "https://a/b"}}"#;
    let (_, _, data_center) = DATA_CENTER;
    for (sample, expected) in [
        ((Gitea, "delete", branch), &["Branch v1 ->X"][..]),
        ((Gitea, "create", tag), &["Tag v1 ->-"]),
        (
            (BitbucketDataCenter, "mirror:repo_synchronized", data_center),
            &["Branch main 1>2", "Tag v1.0.0 1>X"],
        ),
    ] {
        let refs: Vec<String> = push_of(sample).refs.iter().map(shown).collect();
        assert_eq!(refs, expected, "{sample:?}");
    }
    let cut_short = data_center.replacen('{', r#"{"refLimitExceeded": true, "#, 1);
    let push = read_push(BitbucketDataCenter, "mirror:repo_synchronized", &cut_short);
    assert_eq!((push.refs.len(), push.further_refs), (2, 1));

    let links = |url: &str| json!({"self": [{"href": url}]});
    let page = "https://bitbucket.example.com/projects/ACME/repos/fleet/browse";
    let of_data_center = json!({"repository": {"links": links(page)}});
    let api = "https://api.bitbucket.org/2.0/repositories/acme/fleet";
    let of_cloud = json!({"repository": {"links": {"self": {"href": api}}}});
    for (provider, event, body, url) in [
        (
            BitbucketDataCenter,
            "repo:refs_changed",
            of_data_center,
            "ssh://git@bitbucket.example.com:7999/acme/fleet.git",
        ),
        (BitbucketCloud, "repo:push", of_cloud, "git@bitbucket.org:acme/fleet.git"),
    ] {
        let push = read_push(provider, event, &body.to_string());
        let name = "fleet".parse().unwrap();
        let known = KnownRepository { name: &name, url, aliases: &[] };
        assert_eq!(match_push(&push, [known]), [&name], "{provider:?}: {push:?}");
    }
}

/// Which ref a delivery that names so many comes to, and how many it leaves out.
#[test]
fn of_very_many_refs_the_first_are_kept_and_the_others_counted() {
    let change = |n: usize| json!({"refId": format!("refs/tags/{n}"), "type": "ADD"});
    let changes = |count: usize| json!({"changes": (0..count).map(change).collect::<Vec<_>>()});
    let long = |n: usize| json!({"refId": format!("refs/tags/{n}{}", "x".repeat(4000))});
    let long = json!({"changes": (0..100).map(long).collect::<Vec<_>>()});
    for (body, kept, further) in
        [(changes(1000), 1000, 0), (changes(1003), 1000, 3), (long, 65, 35)]
    {
        let push = read_push(BitbucketDataCenter, "repo:refs_changed", &body.to_string());
        assert_eq!((push.refs.len(), push.further_refs), (kept, further));
    }
}

#[test]
fn what_cannot_be_read_is_malformed() {
    for (provider, event, body) in SAMPLES {
        let event_headers = event_headers(provider, event);
        for bad in ["", "[]", "null", &body[..body.len() / 2], "\u{feff}"] {
            let result = read(provider, &event_headers, bad.as_bytes());
            assert!(matches!(result, Err(Malformed::NotJson(_))), "{provider:?} {bad}");
        }
        let (mut form_headers, _) = form("{}");
        form_headers.extend(event_headers);
        let result = read(provider, &form_headers, b"other=1");
        assert!(matches!(result, Err(Malformed::NoPayload)), "{provider:?}");
        if provider != Generic {
            let result = read(provider, &headers(&[]), b"{}");
            assert!(matches!(result, Err(Malformed::NoEvent)), "{provider:?}");
        }
    }
}

/// JSON pointers of everything inside a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inside = |key: &str, value: &Value| {
        let pointer = format!("{at}/{key}");
        pointers(value, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| inside(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| inside(&index.to_string(), value));
        }
        _ => {}
    }
}

#[test]
fn a_broken_field_never_breaks_more_than_itself() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1.5),
        json!(""),
        json!("x"),
        json!("refs/heads/"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": []}),
        json!([["a"]]),
    ];
    for (provider, event, body) in SAMPLES {
        let whole: Value = serde_json::from_str(body).unwrap();
        let headers = event_headers(provider, event);
        let mut fields = Vec::new();
        pointers(&whole, "", &mut fields);
        for field in &fields {
            for value in &wrong {
                let mut broken = whole.clone();
                *broken.pointer_mut(field).unwrap() = value.clone();
                let result = read(provider, &headers, broken.to_string().as_bytes());
                assert!(result.is_ok() || field == "/eventType", "{provider:?} {field} {value}");
            }
            let (parent, key) = field.rsplit_once('/').unwrap();
            let mut without = whole.clone();
            if let Some(parent) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(key);
            }
            let result = read(provider, &headers, without.to_string().as_bytes());
            assert!(result.is_ok() || field == "/eventType", "{provider:?} without {field}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body: Vec<u8>, cut in 0..4000_usize, junk: u8, at in 0..4000_usize) {
        for (provider, event, sample) in SAMPLES {
            let headers = event_headers(provider, event);
            let mut changed = sample.as_bytes()[..cut.min(sample.len())].to_vec();
            let _ = read(provider, &headers, &changed);
            changed = sample.as_bytes().to_vec();
            let at = at % changed.len();
            changed[at] = junk;
            let _ = read(provider, &headers, &changed);
        }
        for provider in PROVIDERS {
            let (form_headers, _) = form("");
            let _ = read(provider, &form_headers, &body);
        }
    }
}
