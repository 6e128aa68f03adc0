//! Names and short texts of controllers, read word by word.

/// Longest text that is read, in characters: what a controller says in a word is not longer.
const READ_MAX: usize = 160;
/// Before a word they turn its meaning round.
const DENIALS: [&str; 4] = ["no", "non", "not", "without"];
/// They end in -ing and name a steady state, or no state at all.
const STEADY: [&str; 27] = [
    "advertising",
    "binding",
    "blocking",
    "conflicting",
    "existing",
    "failing",
    "following",
    "leading",
    "listening",
    "matching",
    "missing",
    "monitoring",
    "networking",
    "nothing",
    "operating",
    "outstanding",
    "polling",
    "remaining",
    "routing",
    "running",
    "serving",
    "storing",
    "streaming",
    "string",
    "warning",
    "watching",
    "working",
];

/// The words of a text in lower case, each between two blanks: `ErrImagePull`, `ERR_IMAGE_PULL` and
/// `err image pull` are all ` err image pull `. So a phrase of several words is found as one.
pub(super) struct Words(String);

impl Words {
    /// Of a name in any spelling, or of a sentence.
    pub(super) fn of(text: &str) -> Self {
        let letters: Vec<char> = text.chars().take(READ_MAX).collect();
        let mut words = String::from(" ");
        for (nth, &letter) in letters.iter().enumerate() {
            if !letter.is_alphanumeric() {
                // `Can't` is one word.
                if letter != '\'' {
                    end_word(&mut words);
                }
                continue;
            }
            let before = nth.checked_sub(1).and_then(|nth| letters.get(nth));
            let after = letters.get(nth + 1);
            let rises = before.is_some_and(|c| c.is_lowercase() || c.is_numeric());
            // The last capital of `TLSError` begins a word.
            let ends_capitals =
                before.is_some_and(|c| c.is_uppercase()) && after.is_some_and(|c| c.is_lowercase());
            if letter.is_uppercase() && (rises || ends_capitals) {
                end_word(&mut words);
            }
            words.extend(letter.to_lowercase());
        }
        end_word(&mut words);
        Self(words)
    }

    /// Of the type of a condition, without the domain of whoever defines it:
    /// `networking.example.org/RoutesReady`, `ACK.Terminal`.
    pub(super) fn of_type(name: &str) -> Self {
        Self::of(name.rsplit(['/', '.']).next().unwrap_or_default())
    }

    /// Whether they are, all together, one of these phrases.
    pub(super) fn are(&self, phrases: &[&str]) -> bool {
        phrases.contains(&self.0.trim())
    }

    /// Whether one of these phrases is among them, and not denied (`NoErrors`).
    pub(super) fn have(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.places(phrase).any(|at| !self.is_denied(at)))
    }

    /// Whether they end with one of these phrases, and it is not denied.
    pub(super) fn end_with(&self, phrases: &[&str]) -> bool {
        let ends = |phrase: &&str| {
            let at = self.places(phrase).last();
            at.is_some_and(|at| at + phrase.len() + 1 == self.0.len() && !self.is_denied(at))
        };
        phrases.iter().any(ends)
    }

    /// Whether they begin with one of these phrases.
    pub(super) fn begin_with(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.places(phrase).next() == Some(1))
    }

    /// Whether one of them says that something is under way: `Creating`, `ApplyingChanges`.
    pub(super) fn have_gerund(&self) -> bool {
        self.0.split_whitespace().any(is_gerund)
    }

    /// Whether the first or the last of them says that something is under way. In a sentence, one
    /// in the middle may speak of anything.
    pub(super) fn begin_or_end_with_gerund(&self) -> bool {
        let mut words = self.0.split_whitespace();
        words.next().is_some_and(is_gerund) || words.next_back().is_some_and(is_gerund)
    }

    /// Whether it is one word, and that says that something is under way.
    pub(super) fn are_gerund(&self) -> bool {
        is_gerund(self.0.trim())
    }

    /// Where a phrase begins.
    fn places<'a>(&'a self, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.0.match_indices(phrase).map(|(at, _)| at).filter(move |at| {
            self.0[..*at].ends_with(' ') && self.0[at + phrase.len()..].starts_with(' ')
        })
    }

    fn is_denied(&self, at: usize) -> bool {
        let before = self.0[..at].split_whitespace().next_back();
        before.is_some_and(|word| DENIALS.contains(&word))
    }
}

fn end_word(words: &mut String) {
    if !words.ends_with(' ') {
        words.push(' ');
    }
}

fn is_gerund(word: &str) -> bool {
    word.len() > 5 && !word.contains(' ') && word.ends_with("ing") && !STEADY.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_words_in_any_spelling() {
        for (text, words) in [
            ("ErrImagePull", " err image pull "),
            ("ERR_IMAGE_PULL", " err image pull "),
            ("Err image-pull!", " err image pull "),
            ("TLSError", " tls error "),
            ("HTTP404NotFound", " http404 not found "),
            ("Couldn'tGetTask", " couldnt get task "),
            ("", " "),
            ("…", " "),
        ] {
            assert_eq!(Words::of(text).0, words, "{text}");
        }
        assert_eq!(Words::of_type("example.org/RoutesReady").0, " routes ready ");
        assert_eq!(Words::of_type("ACK.Terminal").0, " terminal ");
    }

    #[test]
    fn phrases_are_found_whole_and_not_when_denied() {
        let found = |text, phrase| Words::of(text).have(&[phrase]);
        assert!(found("SecretNotFound", "not found") && !found("NotFounded", "not found"));
        assert!(found("ReconcileError", "error") && !found("TerrorBird", "error"));
        assert!(!found("NoErrors", "errors") && !found("NotFailed", "failed"));
        let ends = |text| Words::of(text).end_with(&["failed"]);
        assert!(ends("UpgradeFailed") && !ends("FailedUpgrade") && !ends("NotFailed"));
        assert!(Words::of("FailedUpgrade").begin_with(&["failed"]));
        assert!(Words::of("IN_PROGRESS").are(&["in progress"]));
    }

    #[test]
    fn what_is_under_way_is_said_in_ing() {
        for (text, is) in [
            ("Creating", true),
            ("Setting up the primary", true),
            ("ApplyingChanges", true),
            ("Running", false),
            ("Warning", false),
            ("Ping", false),
            ("Cluster in healthy state", false),
        ] {
            assert_eq!(Words::of(text).have_gerund(), is, "{text}");
        }
    }
}
