//! Which applications a push concerns, and why none.

use crate::domain::commit::Revision;
use crate::domain::delivery::{Push, RefKind, RefUpdate};
use crate::domain::name::{ApplicationName, RepositoryName};
use crate::domain::repository_url::{RepositoryUrl, without_secrets};

/// How many names a reason spells out; the rest is counted.
const NAMED_MAX: usize = 5;

/// What a push is matched with of a configured repository.
#[derive(Debug, Clone, Copy)]
pub struct KnownRepository<'a> {
    /// Its name.
    pub name: &'a RepositoryName,
    /// Its URL.
    pub url: &'a str,
    /// Further URLs by which webhooks may name it.
    pub aliases: &'a [String],
}

/// What a push is matched with of an application.
#[derive(Debug, Clone, Copy)]
pub struct Follower<'a> {
    /// Its name.
    pub application: &'a ApplicationName,
    /// Where its desired state is.
    pub repository: &'a RepositoryName,
    /// Which revision of it.
    pub revision: &'a Revision,
}

/// What follows from a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The applications to sync, each once, in the order they were given.
    pub applications: Vec<ApplicationName>,
    /// Why there are none, or what was left aside: one line for people.
    pub reason: Option<String>,
}

/// Selects the applications that follow one of the refs that a push moved. Where it moved more than
/// it tells, whoever follows the repository may be meant.
///
/// A deleted ref selects nothing: its applications keep their last good state.
pub fn select<'a>(
    push: &Push,
    repositories: impl IntoIterator<Item = KnownRepository<'a>>,
    followers: impl IntoIterator<Item = Follower<'a>>,
) -> Selection {
    let none = |reason| Selection { applications: Vec::new(), reason: Some(reason) };
    let repositories = match_push(push, repositories);
    if repositories.is_empty() {
        return none(unknown(push));
    }
    if push.refs.is_empty() && push.further_refs == 0 {
        return none("the delivery names no branch or tag".to_owned());
    }
    let mut applications = Vec::new();
    let mut kept = Vec::new();
    for follower in followers.into_iter().filter(|f| repositories.contains(&f.repository)) {
        let named = || push.refs.iter().filter(|update| names(follower.revision, update));
        let may_be_meant =
            push.further_refs > 0 && !matches!(follower.revision, Revision::Commit(_));
        if named().any(|update| !update.deleted) {
            applications.push(follower.application.clone());
        } else if let Some(update) = named().next() {
            kept.push(format!("`{}` (follows {})", follower.application, full_name(update)));
        } else if may_be_meant {
            applications.push(follower.application.clone());
        }
    }
    let reason = if !kept.is_empty() {
        Some(format!(
            "a deleted ref changes nothing, its applications keep their last good state: {}",
            listed(&kept, ", "),
        ))
    } else if applications.is_empty() {
        Some(unfollowed(push, &repositories))
    } else if push.further_refs > 0 {
        Some(format!(
            "{} refs more moved than are kept: whoever follows the repository looks at it",
            push.further_refs
        ))
    } else {
        None
    };
    Selection { applications, reason }
}

/// The configured repositories that a push names by any of its URLs or, where it has none, by its
/// full name.
pub fn match_push<'a>(
    push: &Push,
    repositories: impl IntoIterator<Item = KnownRepository<'a>>,
) -> Vec<&'a RepositoryName> {
    let named = urls(push);
    let is_named = |url: &str| {
        RepositoryUrl::parse(url).is_some_and(|url| match &push.full_name {
            Some(full_name) if named.is_empty() => url.is_named(full_name),
            _ => named.contains(&url),
        })
    };
    // People paste what `unknown` shows them, which has no scheme and would be a path.
    let is_alias = |alias: &String| is_named(alias) || is_named(&format!("https://{alias}"));
    repositories
        .into_iter()
        .filter(|known| is_named(known.url) || known.aliases.iter().any(is_alias))
        .map(|known| known.name)
        .collect()
}

/// Whether an application of this revision is to be looked at when a ref moves. A deleted ref is
/// followed by none, and so is a commit, which never moves.
pub fn follows(revision: &Revision, update: &RefUpdate) -> bool {
    !update.deleted && names(revision, update)
}

/// Branches and tags of one name are kept apart, unless the revision does not tell them apart.
fn names(revision: &Revision, update: &RefUpdate) -> bool {
    match revision {
        Revision::Named(name) => *name == update.name,
        Revision::Branch(name) => update.kind == RefKind::Branch && *name == update.name,
        Revision::Tag(name) => update.kind == RefKind::Tag && *name == update.name,
        Revision::Commit(_) => false,
        Revision::Semver(range) => {
            let version = update.name.strip_prefix('v').unwrap_or(&update.name);
            update.kind == RefKind::Tag
                && semver::Version::parse(version).is_ok_and(|version| range.matches(&version))
        }
    }
}

fn urls(push: &Push) -> Vec<RepositoryUrl> {
    let mut urls = Vec::new();
    for url in push.urls.iter().filter_map(|url| RepositoryUrl::parse(url)) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// Why no repository matches. The URLs are shown as they are compared, so no user or password of
/// theirs is.
fn unknown(push: &Push) -> String {
    let urls: Vec<String> = urls(push).iter().map(ToString::to_string).collect();
    match (&push.full_name, urls.as_slice()) {
        (None, []) => "the delivery names no repository".to_owned(),
        (Some(name), []) => {
            let name = without_secrets(name);
            format!("no configured repository is called `{name}` at its host")
        }
        (_, urls) => format!(
            "no configured repository has the URL {}: if one is meant, add this to its `aliases`",
            listed(urls, " or "),
        ),
    }
}

/// Why no application matches.
fn unfollowed(push: &Push, repositories: &[&RepositoryName]) -> String {
    let refs: Vec<_> = push.refs.iter().map(full_name).collect();
    let repositories: Vec<_> = repositories.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "no application follows {} of repository {}",
        listed(&refs, " or "),
        listed(&repositories, " or "),
    )
}

fn full_name(update: &RefUpdate) -> String {
    match update.kind {
        RefKind::Branch => format!("refs/heads/{}", update.name),
        RefKind::Tag => format!("refs/tags/{}", update.name),
    }
}

fn listed(names: &[String], separator: &str) -> String {
    let shown =
        names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(separator);
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(kind: RefKind, name: &str) -> RefUpdate {
        RefUpdate { kind, name: name.into(), before: None, after: None, deleted: false }
    }

    fn branch(name: &str) -> RefUpdate {
        update(RefKind::Branch, name)
    }

    fn push(urls: &[&str], refs: Vec<RefUpdate>) -> Push {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Push { urls, full_name: None, refs, further_refs: 0, pusher: None }
    }

    /// Matches with one repository `fleet` that applications `a` (main) and `b` (^1) follow.
    fn select_from_fleet(push: &Push) -> (Vec<String>, String) {
        let fleet: RepositoryName = "fleet".parse().unwrap();
        let names: Vec<ApplicationName> = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        let revisions = [Revision::parse("main"), Revision::parse("^1")];
        let aliases = ["https://git.internal/mirror/fleet".to_owned()];
        let selection = select(
            push,
            [KnownRepository {
                name: &fleet,
                url: "git@github.com:acme/fleet.git",
                aliases: &aliases,
            }],
            names.iter().zip(&revisions).map(|(application, revision)| Follower {
                application,
                repository: &fleet,
                revision,
            }),
        );
        let applications = selection.applications.iter().map(ToString::to_string).collect();
        (applications, selection.reason.unwrap_or_default())
    }

    const URL: &str = "https://github.com/acme/fleet";

    #[test]
    fn a_push_selects_what_follows_any_of_its_refs() {
        let both = vec![branch("other"), update(RefKind::Tag, "v1.2.0"), branch("main")];
        for (urls, refs, expected) in [
            (&[URL][..], vec![branch("main")], &["a"][..]),
            (&["https://git.internal/mirror/fleet.git"], vec![branch("main")], &["a"]),
            (&["https://elsewhere/x", URL], vec![branch("main")], &["a"]),
            (&[URL], both, &["a", "b"]),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(select_from_fleet(&push(urls, refs)), (expected, String::new()));
        }
    }

    #[test]
    fn what_selects_nothing_has_a_reason() {
        let gone = RefUpdate { deleted: true, ..branch("main") };
        let many = (0..7).map(|n| branch(&format!("b{n}"))).collect();
        for (push, expected) in [
            (push(&[], vec![branch("main")]), "the delivery names no repository"),
            (push(&[""], vec![branch("main")]), "the delivery names no repository"),
            (
                push(&["https://u:p@github.com/acme/x.git", "git@github.com:acme/x"], vec![]),
                "no configured repository has the URL github.com/acme/x: if one is meant, add this to \
                 its `aliases`",
            ),
            (push(&[URL], vec![]), "the delivery names no branch or tag"),
            (
                push(&[URL], vec![branch("x")]),
                "no application follows refs/heads/x of repository `fleet`",
            ),
            (
                push(&[URL], many),
                "no application follows refs/heads/b0 or refs/heads/b1 or refs/heads/b2 or \
                 refs/heads/b3 or refs/heads/b4 and 2 more of repository `fleet`",
            ),
            (
                push(&[URL], vec![gone]),
                "a deleted ref changes nothing, its applications keep their last good state: \
                 `a` (follows refs/heads/main)",
            ),
        ] {
            assert_eq!(select_from_fleet(&push), (vec![], expected.to_owned()));
        }
    }

    #[test]
    fn refs_that_are_not_told_may_be_any() {
        let gone = RefUpdate { deleted: true, ..branch("main") };
        for (refs, expected) in [(vec![], &["a", "b"][..]), (vec![branch("x"), gone], &["b"])] {
            let many = Push { further_refs: 9, ..push(&[URL], refs) };
            assert_eq!(select_from_fleet(&many).0, expected);
        }
        let many = Push { further_refs: 9, ..push(&[URL], vec![branch("x")]) };
        assert!(select_from_fleet(&many).1.starts_with("9 refs more"));
    }

    #[test]
    fn the_url_that_a_reason_names_is_an_alias_as_it_stands() {
        let fleet: RepositoryName = "fleet".parse().unwrap();
        let push = push(&["ssh://git@git.internal:2222/acme/Fleet.git"], vec![branch("main")]);
        let reason = unknown(&push);
        let named = reason.split(' ').find(|word| word.contains('/')).unwrap();
        let aliases = [named.trim_end_matches(':').to_owned()];
        let known =
            KnownRepository { name: &fleet, url: "http://gitea.svc/acme/fleet", aliases: &aliases };
        assert_eq!(match_push(&push, [known]), [&fleet], "{aliases:?}");
    }

    #[test]
    fn a_deleted_ref_beside_a_followed_one_is_told() {
        let gone = RefUpdate { deleted: true, ..branch("main") };
        let (applications, reason) =
            select_from_fleet(&push(&[URL], vec![gone, update(RefKind::Tag, "1.4.0")]));
        assert_eq!(applications, ["b"]);
        assert!(reason.contains("`a` (follows refs/heads/main)"), "{reason}");
    }

    #[test]
    fn without_urls_the_full_name_decides() {
        let named =
            |name: &str| Push { full_name: Some(name.into()), ..push(&[], vec![branch("main")]) };
        assert_eq!(select_from_fleet(&named("Acme/Fleet")).0, ["a"]);
        let (applications, reason) = select_from_fleet(&named("acme/other"));
        assert_eq!((applications.len(), reason.contains("`acme/other`")), (0, true));
        let elsewhere = Push {
            full_name: Some("acme/fleet".into()),
            ..push(&["https://gitlab.com/acme/fleet"], vec![branch("main")])
        };
        assert!(select_from_fleet(&elsewhere).0.is_empty());
    }

    #[test]
    fn branches_and_tags_are_kept_apart_where_the_revision_does() {
        use RefKind::{Branch, Tag};
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (revision, kind, name, expected) in [
            ("dev", Branch, "dev", true),
            ("dev", Tag, "dev", true),
            ("dev", Branch, "Dev", false),
            ("dev", Branch, "a/dev", false),
            ("refs/heads/dev", Branch, "dev", true),
            ("refs/heads/dev", Tag, "dev", false),
            ("refs/tags/dev", Tag, "dev", true),
            ("refs/tags/dev", Branch, "dev", false),
            (commit, Branch, commit, false),
            ("^1.2", Tag, "1.4.0", true),
            ("^1.2", Tag, "v1.4.0", true),
            ("^1.2", Tag, "v2.0.0", false),
            ("^1.2", Tag, "v1.4", false),
            ("^1.2", Tag, "vv1.4.0", false),
            ("^1.2", Tag, "1.4.0-rc.1", false),
            ("^1.2", Branch, "1.4.0", false),
        ] {
            let update = update(kind, name);
            let revision = Revision::parse(revision);
            assert_eq!(follows(&revision, &update), expected, "{revision} {update:?}");
            assert!(!follows(&revision, &RefUpdate { deleted: true, ..update }));
        }
    }
}
