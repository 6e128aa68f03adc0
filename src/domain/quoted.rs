//! What an error may show of a text that somebody wrote: secrets are pasted where a name or a path
//! belongs, and errors go to terminals, logs and tickets.
//!
//! There is no telling a password from a word. But what is long, has lines, or is made of letters and
//! digits as chance throws them is no name that anybody would type, and keys, tokens, certificates and
//! whole files are all of that. An error says where the text is; so nothing is lost but a convenience.

use std::fmt;

/// What stands for a text that is not shown.
pub const NOT_SHOWN: &str = "… (not shown: it may be a secret)";

/// Longest text that is shown, in characters.
const TEXT_MAX: usize = 64;
/// Longest word in one case, in letters.
const WORD_MAX: usize = 20;
/// Longest number, in digits: a cloud's account has twelve.
const NUMBER_MAX: usize = 12;
/// Longest word that may be anything, as `k8s` and `x509`, of which a text may have one.
const ODD_WORD_MAX: usize = 4;

/// A text in quotes for an error, or what stands for it.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if may_be_secret(self.0) { f.write_str(NOT_SHOWN) } else { write!(f, "{:?}", self.0) }
    }
}

/// Whether a text may be, or hold, something that nobody is to see.
pub fn may_be_secret(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control();
    if text.chars().count() > TEXT_MAX || !text.chars().all(is_plain) || holds_a_value(text) {
        return true;
    }
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut odd = words.filter(|word| !is_word(word));
    odd.next().is_some_and(|word| word.len() > ODD_WORD_MAX) || odd.next().is_some()
}

/// Whether it says that a part of it is the value of something: `user:password@host`, `key=value`,
/// `Header: value`, the query of a URL.
fn holds_a_value(text: &str) -> bool {
    let after_a_name = |sign: &str| {
        let mut parts = text.split(sign);
        let first = parts.next().unwrap_or_default().trim_end();
        parts.next().is_some() && first.ends_with(|c: char| c.is_alphanumeric())
    };
    let has_user = text.split_once('@').is_some_and(|(user, _)| user.contains(':'));
    let is_url = text.contains("://");
    has_user
        || after_a_name("=")
        || after_a_name(": ")
        || (is_url && text.contains(['?', '#', '@']))
}

/// Whether letters and digits are put together as in a name: `shop`, `camelCase`, `web2`, `25MiB`,
/// `v1beta1`, `443`.
fn is_word(word: &str) -> bool {
    let mut runs = Vec::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_numeric();
        let end = rest.find(|c: char| c.is_numeric() != digits).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        runs.push(run);
        rest = after;
    }
    match runs.as_slice() {
        [run] if run.starts_with(char::is_numeric) => run.len() <= NUMBER_MAX,
        [run] => is_of_letters(run),
        [number, unit] if number.starts_with(char::is_numeric) => {
            number.len() <= ODD_WORD_MAX && unit.len() <= ODD_WORD_MAX
        }
        [name, number] => is_of_letters(name) && number.len() <= ODD_WORD_MAX,
        _ if runs.len().is_multiple_of(2) && runs.chunks(2).all(is_time) => true,
        ["v", major, "alpha" | "beta" | "rc", minor @ ..] => {
            major.len() <= 2 && minor.iter().all(|minor| minor.len() <= 2)
        }
        _ => false,
    }
}

/// Whether it is a part of a duration, like `30m`.
fn is_time(run: &[&str]) -> bool {
    matches!(run, [number, "d" | "h" | "m" | "s" | "ms"] if number.len() <= ODD_WORD_MAX)
}

/// Whether letters change their case as in a name: three letters at least between two changes, all in
/// all.
fn is_of_letters(run: &str) -> bool {
    let mut humps = 1;
    let mut longest = 0;
    let mut length = 0;
    let mut was_lower = false;
    for letter in run.chars() {
        if was_lower && letter.is_uppercase() {
            humps += 1;
            length = 0;
        }
        was_lower = letter.is_lowercase();
        length += 1;
        longest = longest.max(length);
    }
    longest <= WORD_MAX && (humps == 1 || humps * 3 <= run.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_name_things_is_shown() {
        for text in [
            "main",
            "feature/checkout-2",
            "shop.team-a",
            "bitbucketCloud",
            ">=1.2, <2",
            "25MB",
            "500ms",
            "1h30m",
            "ten",
            "localhost:8080",
            "apps/../..",
            "/etc/headstay/clusters/prod.yaml",
            "kubernetes-admin@kubernetes",
            "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
            "gke_acme-1234_europe-west1-b_prod",
            "k8s-prod",
            "apps/v1beta1",
            "github.com/acme/fleet",
            "https://github.com/acme/fleet",
            "Größe",
            "",
        ] {
            assert_eq!(Quoted(text).to_string(), format!("{text:?}"));
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n";
        for text in [
            // Of hosts, clouds and `openssl rand`.
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
            "glpat-x3Kd9fQ2LmN8pRtV5wYz",
            "xoxb-123456789012-1234567890123-4mt0t4l1yf3k3",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400-e29b-41d4-a716-446655440000",
            "AIzaSyD9tSrke72PouQMnMX",
            "c2VjcmV0MQ==",
            "ax7q-bk2m-cz9w",
            "1234567890123456",
            // Whole files, and what stands in one line of them.
            pem,
            "apiVersion: v1\nkind: Config\nusers: []\n",
            "password: hunter2",
            "Authorization: hunter2",
            "TOKEN=hunter2",
            "ada:hunter2@git.example",
            "https://ada:hunter2@git.example/a",
            "https://hunter2@git.example/a",
            "https://git.example/a?token=hunter2",
            &"word ".repeat(20),
        ] {
            assert_eq!(Quoted(text).to_string(), NOT_SHOWN, "{text}");
        }
    }
}
