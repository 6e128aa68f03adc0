use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::Sha256;

use super::{PROVIDERS, form, headers};
use crate::config::Provider::{self, Forgejo, GitHub, GitLab, Gitea, Gogs};
use crate::config::ReceiverAuth;
use crate::config::secret::{Secret, SecretError};
use crate::receiver::{Credentials, Rejection, verify};

/// Hosts that sign in hexadecimal: provider, header, prefix.
const SIGNING: [(Provider, &str, &str); 7] = [
    (GitHub, "x-hub-signature-256", "sha256="),
    (Gitea, "x-gitea-signature", ""),
    (Forgejo, "x-forgejo-signature", ""),
    (Gogs, "x-gogs-signature", ""),
    (Provider::BitbucketCloud, "x-hub-signature", "sha256="),
    (Provider::BitbucketDataCenter, "x-hub-signature", "sha256="),
    (Provider::Generic, "x-signature", "sha256="),
];

const BODY: &str = r#"{"ref":"refs/heads/main","n":"a b+c%"}"#;
/// Of `BODY`: `printf '%s' "$BODY" | openssl dgst -sha256 -hmac new`, and with `old`.
const SIGNED_NEW: &str = "f3d198aa97cc72cedee0437df6ac09bcc8af95fc36776c3d7da66c17ab77013c";
const SIGNED_OLD: &str = "b7a800d2a9861c93891988a438b74a80fc85f1e29dfec6a2aa2dcffea4041ec7";

fn secrets(values: &[&str]) -> Credentials {
    Credentials::Secrets(values.iter().map(|value| SecretString::from(*value)).collect())
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn check(
    provider: Provider,
    credentials: &Credentials,
    headers: &HeaderMap,
    body: &str,
) -> Result<(), Rejection> {
    verify(provider, credentials, headers, body.as_bytes(), now())
}

#[test]
fn published_vectors_verify() {
    let secret = secrets(&["It's a Secret to Everybody"]);
    for (provider, header, signature, body) in [
        (
            GitHub,
            "X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "Hello, World!",
        ),
        (
            Provider::BitbucketCloud,
            "X-Hub-Signature",
            "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            "Hello World!",
        ),
    ] {
        assert_eq!(check(provider, &secret, &headers(&[(header, signature)]), body), Ok(()));
    }
    for (secret, id, timestamp, body, signature) in [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ] {
        let headers = headers(&[
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", signature),
        ]);
        let now = Timestamp::from_second(timestamp).unwrap();
        let secret = secrets(&[secret]);
        assert_eq!(verify(GitLab, &secret, &headers, body.as_bytes(), now), Ok(()));
    }
}

#[test]
fn only_the_right_signature_over_the_whole_body_verifies() {
    let credentials = secrets(&["new"]);
    for (provider, header, prefix) in SIGNING {
        let check = |signature: &str, body: &str| {
            check(provider, &credentials, &headers(&[(header, signature)]), body)
        };
        let signed = |signature: &str| format!("{prefix}{signature}");
        let name = format!("{provider:?}");
        assert_eq!(check(&signed(SIGNED_NEW), BODY), Ok(()), "{name}");
        assert_eq!(check(&signed(&SIGNED_NEW.to_uppercase()), BODY), Ok(()), "{name}");

        let mismatch = Err(Rejection::Mismatch { header: header.into() });
        assert_eq!(check(&signed(SIGNED_OLD), BODY), mismatch, "{name}: forged");
        assert_eq!(check(&signed(SIGNED_NEW), &BODY[..BODY.len() - 1]), mismatch, "{name}: cut");
        assert_eq!(check(&signed(SIGNED_NEW), ""), mismatch, "{name}: empty body");

        let missing = Err(Rejection::Missing { header: header.into() });
        assert_eq!(check(prefix, BODY), missing, "{name}: empty signature");
        assert_eq!(check("", BODY), missing, "{name}: empty header");
        let nothing = super::headers(&[("x-other", SIGNED_NEW)]);
        assert_eq!(self::check(provider, &credentials, &nothing, BODY), missing);

        for odd in [
            signed(&SIGNED_NEW[1..]),
            signed(&SIGNED_NEW[2..]),
            signed(&format!("{SIGNED_NEW}00")),
            signed(&SIGNED_NEW.replace('f', "g")),
            signed("a"),
            format!("sha1={}", &SIGNED_NEW[..40]),
            format!("sha512={SIGNED_NEW}{SIGNED_NEW}"),
            format!("sha256=sha256={SIGNED_NEW}"),
        ] {
            let result = check(&odd, BODY);
            assert!(
                matches!(result, Err(Rejection::Unreadable { .. })),
                "{name} {odd}: {result:?}"
            );
        }
    }
}

#[test]
fn every_secret_of_a_rotation_verifies() {
    for (provider, header, prefix) in SIGNING {
        let check = |secrets_: &[&str], signature| {
            let headers = headers(&[(header, &format!("{prefix}{signature}"))]);
            check(provider, &secrets(secrets_), &headers, BODY)
        };
        for signature in [SIGNED_OLD, SIGNED_NEW] {
            assert_eq!(check(&["old", "new"], signature), Ok(()));
            assert_eq!(check(&["new", "old"], signature), Ok(()));
            assert!(check(&["other"], signature).is_err());
            assert!(check(&[], signature).is_err());
        }
    }
}

#[test]
fn an_empty_secret_verifies_nothing() {
    let mac = Hmac::<Sha256>::new_from_slice(b"").unwrap().chain_update(BODY);
    let signature = hex::encode(mac.finalize().into_bytes());
    for (provider, header, prefix) in SIGNING {
        let headers = headers(&[(header, &format!("{prefix}{signature}"))]);
        assert!(check(provider, &secrets(&[""]), &headers, BODY).is_err());
    }
    let empty = headers(&[("x-gitlab-token", ""), ("authorization", "Basic YTo=")]);
    assert!(check(GitLab, &secrets(&[""]), &empty, BODY).is_err());
    let basic = Credentials::Basic { username: "a".into(), password: "".into() };
    assert!(check(Provider::AzureDevOps, &basic, &empty, BODY).is_err());
}

#[test]
fn of_a_form_github_signs_the_bytes_and_gitea_the_payload() {
    let (form_headers, body) = form(BODY);
    let over_bytes = Hmac::<Sha256>::new_from_slice(b"new").unwrap().chain_update(&body);
    let over_bytes = hex::encode(over_bytes.finalize().into_bytes());
    for (provider, header, prefix) in SIGNING {
        let signed = |signature: &str| {
            let mut headers = form_headers.clone();
            headers.insert(header, format!("{prefix}{signature}").parse().unwrap());
            check(provider, &secrets(&["new"]), &headers, &body).is_ok()
        };
        let of_payload = matches!(provider, Gitea | Forgejo | Gogs);
        assert_eq!(signed(SIGNED_NEW), of_payload, "{provider:?}");
        assert_eq!(signed(&over_bytes), !of_payload, "{provider:?}");
    }
    let mut headers = form_headers;
    headers.insert("x-gitea-signature", SIGNED_NEW.parse().unwrap());
    let result = check(Gitea, &secrets(&["new"]), &headers, "other=1");
    assert_eq!(result, Err(Rejection::NoPayload));
}

#[test]
fn a_secret_token_of_gitlab_is_compared_whole() {
    let credentials = secrets(&["old", "new"]);
    for (token, verified) in
        [("old", true), ("new", true), ("ne", false), ("newer", false), ("NEW", false)]
    {
        let result = check(GitLab, &credentials, &headers(&[("X-Gitlab-Token", token)]), BODY);
        assert_eq!(result.is_ok(), verified, "{token}");
    }
    for nothing in [headers(&[]), headers(&[("x-gitlab-token", "")])] {
        let missing = Rejection::Missing { header: "x-gitlab-token".into() };
        assert_eq!(check(GitLab, &credentials, &nothing, BODY), Err(missing));
    }
}

const SIGNING_TOKEN: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const GITLAB_BODY: &str = r#"{"object_kind":"push"}"#;
/// `printf '%s' "b0b7e1a2-0001.1767225600.$GITLAB_BODY" | openssl dgst -sha256 -hmac KEY -binary |
/// base64`, with the 32 characters that the signing token has in base64 as KEY.
const GITLAB_SIGNATURE: &str = "v1,Q2Zl4JaeGa09rrq0/AJ76ZvFNMtbLgsdOXD6AstRNgQ=";

/// Verifies a delivery of 2026-01-01T00:00:00Z, `seconds` later, that also has the token `plain`.
fn check_signed(secrets_: &[&str], signature: &str, body: &str, seconds: i64) -> Option<Rejection> {
    let headers = headers(&[
        ("webhook-id", "b0b7e1a2-0001"),
        ("webhook-timestamp", "1767225600"),
        ("webhook-signature", signature),
        ("x-gitlab-token", "plain"),
    ]);
    let now = Timestamp::from_second(1_767_225_600 + seconds).unwrap();
    verify(GitLab, &secrets(secrets_), &headers, body.as_bytes(), now).err()
}

#[test]
fn a_signature_of_gitlab_decides_alone() {
    let both = ["plain", SIGNING_TOKEN];
    let mismatch = Some(Rejection::Mismatch { header: "webhook-signature".into() });
    let list = format!("v1,AAAA v2,x v1a,y {GITLAB_SIGNATURE}");
    let unpadded = SIGNING_TOKEN.trim_end_matches('=');
    assert_eq!(check_signed(&both, GITLAB_SIGNATURE, GITLAB_BODY, 0), None);
    assert_eq!(check_signed(&[unpadded], GITLAB_SIGNATURE, GITLAB_BODY, 0), None);
    assert_eq!(check_signed(&both, &list, GITLAB_BODY, 0), None);
    assert_eq!(check_signed(&both, GITLAB_SIGNATURE, "{}", 0), mismatch);

    let no_token = Some(Rejection::NoSigningToken);
    assert_eq!(check_signed(&["plain"], GITLAB_SIGNATURE, GITLAB_BODY, 0), no_token);
    assert_eq!(check_signed(&["plain", "whsec_"], GITLAB_SIGNATURE, GITLAB_BODY, 0), no_token);
    let missing = Some(Rejection::Missing { header: "webhook-signature".into() });
    assert_eq!(check_signed(&both, "", GITLAB_BODY, 0), missing);
    for odd in ["v1,", "v1,AAAA", "Q2Zl4JaeGa09rrq0/AJ76ZvFNMtbLgsdOXD6AstRNgQ=", "v2,AAAA"] {
        let result = check_signed(&both, odd, GITLAB_BODY, 0);
        assert!(matches!(result, Some(Rejection::Unreadable { .. })), "{odd}: {result:?}");
    }
}

#[test]
fn a_signing_token_is_no_plain_token() {
    let plain = headers(&[("x-gitlab-token", SIGNING_TOKEN)]);
    for credentials in [secrets(&[SIGNING_TOKEN]), secrets(&[SIGNING_TOKEN, "plain"])] {
        assert!(check(GitLab, &credentials, &plain, BODY).is_err());
    }
}

#[test]
fn a_signed_timestamp_may_be_five_minutes_off() {
    for (seconds, verified) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
        let rejection = check_signed(&[SIGNING_TOKEN], GITLAB_SIGNATURE, GITLAB_BODY, seconds);
        let stale = Rejection::Stale { seconds: seconds.unsigned_abs(), max: 300 };
        assert_eq!(rejection, (!verified).then_some(stale));
    }
}

#[test]
fn azure_devops_shows_a_password_or_a_header() {
    let azure = Provider::AzureDevOps;
    let basic = Credentials::Basic { username: "hook".into(), password: "s3:cret".into() };
    // printf 'hook:s3:cret' | base64
    for (value, verified) in [
        ("Basic aG9vazpzMzpjcmV0", true),
        ("basic  aG9vazpzMzpjcmV0", true),
        ("Basic aG9vazpzMzpjcmU=", false),
        ("Bearer aG9vazpzMzpjcmV0", false),
        ("Basic", false),
        ("Basic %", false),
        ("", false),
    ] {
        let result = check(azure, &basic, &headers(&[("authorization", value)]), BODY);
        assert_eq!(result.is_ok(), verified, "{value}: {result:?}");
    }
    let header = Credentials::Header { name: "x-hook".into(), value: "s3cret".into() };
    for (value, verified) in [("s3cret", true), ("s3cre", false), ("", false)] {
        let result = check(azure, &header, &headers(&[("X-Hook", value)]), BODY);
        assert_eq!(result.is_ok(), verified, "{value}");
    }
    let odd = Credentials::Header { name: "no header name".into(), value: "s3cret".into() };
    assert!(check(azure, &odd, &headers(&[]), BODY).is_err());
    assert_eq!(check(azure, &secrets(&["a"]), &headers(&[]), BODY), Err(Rejection::Unsigned));
}

#[test]
fn a_ping_is_verified_like_anything_else() {
    let ping = headers(&[("x-event-key", "diagnostics:ping"), ("x-github-event", "ping")]);
    for provider in PROVIDERS {
        assert!(check(provider, &secrets(&["a"]), &ping, r#"{"test": true}"#).is_err());
    }
}

#[test]
fn secrets_are_read_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "s3cret\n").unwrap();
    let auth = ReceiverAuth::Secrets(vec![Secret::File(path.clone())]);
    let credentials = Credentials::read(&auth).unwrap();
    let token = headers(&[("x-gitlab-token", "s3cret")]);
    assert_eq!(check(GitLab, &credentials, &token, BODY), Ok(()));
    assert!(!format!("{credentials:?}").contains("s3cret"));

    std::fs::write(&path, "\n").unwrap();
    assert!(matches!(Credentials::read(&auth), Err(SecretError::Empty(_))));
}

proptest::proptest! {
    #[test]
    fn no_headers_and_no_bytes_panic(
        body: Vec<u8>,
        value: Vec<u8>,
        text in "(sha256=|v1,|Basic |v1, v1,)?[0-9a-fA-F+/= ]{0,70}",
        seconds: i64,
    ) {
        let credentials = [
            secrets(&["", "a", SIGNING_TOKEN, "whsec_%"]),
            Credentials::Basic { username: "a".into(), password: "b".into() },
            Credentials::Header { name: "x-signature".into(), value: "not a signature".into() },
        ];
        for value in [value.as_slice(), text.as_bytes()] {
            let Ok(value) = http::HeaderValue::from_bytes(value) else { continue };
            let mut headers: HeaderMap = SIGNING
                .iter()
                .map(|(_, header, _)| (header.parse().unwrap(), value.clone()))
                .collect();
            for header in ["authorization", "webhook-id", "webhook-signature", "content-type"] {
                headers.insert(header, value.clone());
            }
            headers.insert("webhook-timestamp", seconds.into());
            for provider in PROVIDERS {
                for credentials in &credentials {
                    assert!(verify(provider, credentials, &headers, &body, now()).is_err());
                }
            }
        }
    }
}
