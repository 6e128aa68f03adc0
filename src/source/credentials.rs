//! Credentials as they are used for one fetch, and the brush that keeps them out of every text.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// Longest foreign text that is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// User and password of HTTP's basic authentication.
#[derive(Debug, Clone)]
pub(super) struct Basic {
    /// User name.
    pub(super) username: String,
    /// Password, or a token in its place.
    pub(super) password: SecretString,
}

impl Basic {
    /// A token in the form that GitHub, GitLab and Gitea take.
    pub(super) fn token(token: SecretString) -> Self {
        Self { username: "x-access-token".to_owned(), password: token }
    }

    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> SecretString {
        SecretString::from(format!("Basic {}", self.encoded()))
    }

    fn encoded(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.username, self.password.expose_secret()))
    }
}

/// Cleans texts that others wrote before they are shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Scrub {
    secrets: Vec<SecretString>,
}

impl Scrub {
    /// Knows these credentials, in every form in which they are sent.
    pub(super) fn of(basic: Option<&Basic>) -> Self {
        let secrets = basic.map_or_else(Vec::new, |basic| {
            vec![basic.password.clone(), SecretString::from(basic.encoded())]
        });
        Self { secrets }
    }

    /// The text in one line of bounded length, without secrets, userinfo and control characters.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "***");
        }
        let text = without_userinfo(&text);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let mut shown: String = text.trim().chars().map(plain).take(SHOWN_CHARACTERS_MAX).collect();
        if text.trim().chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
            shown.push('…');
        }
        shown
    }
}

/// Takes `user:password@` out of every URL of a text.
fn without_userinfo(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace())
            .unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        clean.push_str("://");
        clean.push_str(host);
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_survives_the_brush() {
        let basic = Basic::token(SecretString::from("s3cr3t"));
        let encoded = basic.encoded();
        let scrub = Scrub::of(Some(&basic));
        let text = format!(
            "fatal:\n'https://me:s3cr3t@h.org/x' and http://a@b@c/ {encoded}, s3cr3t \u{7}done"
        );
        assert_eq!(scrub.clean(&text), "fatal: 'https://h.org/x' and http://c/ ***, ***  done");
        assert_eq!(scrub.clean(&"ä".repeat(1000)).chars().count(), SHOWN_CHARACTERS_MAX + 1);
        assert!(!format!("{basic:?} {scrub:?}").contains("s3cr3t"));
    }
}
