//! GitHub Apps: a signed claim of who we are, exchanged for a token of one installation, which is
//! kept until shortly before it expires.
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use ureq::tls::PrivateKey;

use crate::config::secret::Secret;
use crate::source::credentials::Scrub;
use crate::source::endpoint::HttpEndpoint;
use crate::source::error::FetchError;
use crate::source::http::Client;

/// How long before its end a token is replaced, so that none ends during a fetch.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// How long a claim holds; GitHub takes at most ten minutes.
const CLAIM_LIFETIME: SignedDuration = SignedDuration::from_mins(9);
/// How far in the past a claim begins, because clocks differ.
const CLAIM_LEEWAY: SignedDuration = SignedDuration::from_mins(1);

/// An installation of an App, on one GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Installation {
    /// Root of the API.
    api: String,
    /// App id.
    app: u64,
    /// Its id.
    id: u64,
}

impl Installation {
    /// The installation on the GitHub that serves this repository.
    pub(super) fn of(endpoint: &HttpEndpoint, app: u64, installation: u64) -> Self {
        Self { api: api(endpoint), app, id: installation }
    }
}

/// Tokens that still hold.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    held: Mutex<HashMap<Installation, Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    value: SecretString,
    expires_at: Timestamp,
}

impl Tokens {
    /// A token that holds for a while yet; asks GitHub if there is none.
    pub(super) fn get(
        &self,
        client: &Client,
        installation: &Installation,
        key: &Secret,
        now: Timestamp,
    ) -> Result<SecretString, FetchError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = held.get(installation).filter(|t| t.expires_at - RENEW_BEFORE > now) {
            return Ok(token.value.clone());
        }
        drop(held);
        let token = request(client, installation, key, now)?;
        let value = token.value.clone();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of repositories that are not configured any more go with their time.
        held.retain(|_, token| token.expires_at > now);
        held.insert(installation.clone(), token);
        Ok(value)
    }

    /// Forgets a token that was refused.
    pub(super) fn forget(&self, installation: &Installation) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(installation);
    }
}

fn request(
    client: &Client,
    installation: &Installation,
    key: &Secret,
    now: Timestamp,
) -> Result<Token, FetchError> {
    /// The part of GitHub's answer that counts.
    #[derive(Deserialize)]
    struct Answer {
        token: String,
        expires_at: Timestamp,
    }

    let Installation { api, app, id } = installation;
    let claim = claim(*app, &key.read()?, now)?;
    let url = format!("{api}/app/installations/{id}/access_tokens");
    let failed = |reason: String| FetchError::AppToken { installation: *id, reason };
    let (status, body) = client.post_json(&url, &claim)?;
    if status != 201 {
        return Err(failed(format!("it answered with status {status}: {}", message(&body))));
    }
    let Answer { token, expires_at } = serde_json::from_slice(&body)
        .map_err(|_| failed("its answer is not the JSON that GitHub documents".to_owned()))?;
    Ok(Token { value: SecretString::from(token), expires_at })
}

/// What GitHub says about a refusal.
fn message(body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    Scrub::default().clean(answer["message"].as_str().unwrap_or("no reason given"))
}

/// Root of the REST API of the GitHub that serves a repository: `github.com` and `*.ghe.com` have
/// a host of its own for it, GitHub Enterprise Server a path.
fn api(endpoint: &HttpEndpoint) -> String {
    let scheme = if endpoint.tls { "https" } else { "http" };
    let host = endpoint.host();
    if matches!(host, "github.com" | "www.github.com") {
        "https://api.github.com".to_owned()
    } else if host.ends_with(".ghe.com") {
        format!("https://api.{host}")
    } else {
        format!("{scheme}://{}/api/v3", endpoint.authority)
    }
}

/// A JSON Web Token (RFC 7519), signed with RS256 (RFC 7518, 3.3).
fn claim(app: u64, pem: &SecretString, now: Timestamp) -> Result<SecretString, FetchError> {
    let key = read_key(pem)?;
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({
        "iat": (now - CLAIM_LEEWAY).as_second(),
        "exp": (now + CLAIM_LIFETIME).as_second(),
        "iss": app.to_string(),
    });
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| FetchError::AppKey("it cannot sign".to_owned()))?;
    Ok(SecretString::from(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
}

/// GitHub hands keys out as PKCS#1; tools of today convert them to PKCS#8.
fn read_key(pem: &SecretString) -> Result<KeyPair, FetchError> {
    let key = PrivateKey::from_pem(pem.expose_secret().as_bytes())
        .map_err(|_| FetchError::AppKey("it is no private key in PEM format".to_owned()))?;
    KeyPair::from_der(key.der())
        .or_else(|_| KeyPair::from_pkcs8(key.der()))
        .map_err(|rejected| FetchError::AppKey(rejected.to_string()))
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;
    use crate::source::endpoint::Endpoint;
    use crate::source::testing::RSA_KEY;

    fn endpoint(url: &str) -> HttpEndpoint {
        match Endpoint::parse(url).unwrap() {
            Endpoint::Http(endpoint) => endpoint,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_github_has_its_api() {
        for (url, expected) in [
            ("https://github.com/a/b", "https://api.github.com"),
            ("https://acme.ghe.com/a/b", "https://api.acme.ghe.com"),
            ("https://git.acme.org:8443/a/b", "https://git.acme.org:8443/api/v3"),
        ] {
            assert_eq!(api(&endpoint(url)), expected);
        }
    }

    #[test]
    fn the_claim_is_signed_and_dated() {
        let pem = SecretString::from(RSA_KEY);
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let claim = claim(17, &pem, now).unwrap();
        let (signed, signature) = claim.expose_secret().rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let pair = read_key(&pem).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public())
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        assert_eq!(
            String::from_utf8(claims).unwrap(),
            r#"{"iat":1767322985,"exp":1767323585,"iss":"17"}"#
        );
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_being_shown() {
        let error = claim(17, &SecretString::from("hunter2"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
