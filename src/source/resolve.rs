//! From revisions to commits, by what the mirror has.

use git2::{ErrorCode, Oid, Repository as Git};
use jiff::Timestamp;
use semver::{Version, VersionReq};

use crate::domain::account::Account;
use crate::domain::commit::{Commit, CommitId, Revision};
use crate::domain::name::RepositoryName;
use crate::domain::visible;
use crate::source::error::SourceError;
use crate::source::objects::{self, Unsearched, Unusable};
use crate::source::refs::{HEADS, PINS, TAGS, refs, vanished};
use crate::source::refusals::Refusals;
use crate::source::wanted::candidates;

/// Longest first line of a message, and longest author, that are kept, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// The commit that a revision points to, unless it is refused.
pub(super) fn resolve(
    git: &Git,
    repository: &RepositoryName,
    revision: &Revision,
    refusals: &Refusals,
) -> Result<Commit, SourceError> {
    let damaged = |error| damaged(repository, &error);
    if let Some(name) = name(git, revision, refusals).map_err(damaged)?
        && let Some(refused) = refusals.get(&name)
    {
        return Err(SourceError::Refused {
            repository: repository.clone(),
            name: shown(&name),
            at: id_of(refused.at),
            source: refused.why.clone(),
        });
    }
    let Some(id) = find(git, revision).map_err(damaged)? else {
        return Err(missing(git, repository, revision));
    };
    let commit = objects::peel(git, id).map_err(|error| match error {
        Unusable::Other => SourceError::NotACommit {
            repository: repository.clone(),
            revision: revision.to_string(),
        },
        other => unusable(repository, other),
    })?;
    let author = commit.author();
    let author = format!(
        "{} <{}>",
        String::from_utf8_lossy(author.name_bytes()),
        String::from_utf8_lossy(author.email_bytes())
    );
    let message = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
    Ok(Commit {
        id: id_of(commit.id()),
        author: visible::line(&shortened(&author)).into_owned(),
        message: visible::line(&shortened(&message)).into_owned(),
        committed_at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
    })
}

/// Whether `descendant` has `ancestor` in its history, or is it. An ancestor that the mirror does
/// not have is in nobody's history.
pub(super) fn contains(
    git: &Git,
    repository: &RepositoryName,
    descendant: &CommitId,
    ancestor: &CommitId,
    account: &Account,
) -> Result<bool, SourceError> {
    let from = commit(git, repository, descendant)?.id();
    match commit(git, repository, ancestor) {
        Err(SourceError::CommitNotFound { .. }) => Ok(false),
        Err(error) => Err(error),
        Ok(to) => descend(git, repository, &[from], to.id(), account),
    }
}

/// Whether a branch or tag of the mirror has a commit in its history. What a mirror holds beside may
/// come from anywhere: hosts hand out the commits of forks by their ids.
pub(super) fn is_published(
    git: &Git,
    repository: &RepositoryName,
    wanted: &CommitId,
    account: &Account,
) -> Result<bool, SourceError> {
    let wanted = commit(git, repository, wanted)?.id();
    let published = refs(git, &[HEADS, TAGS]).map_err(|error| damaged(repository, &error))?;
    let mut tips = Vec::new();
    for id in published.into_values() {
        match objects::peel(git, id) {
            Ok(commit) => tips.push(commit.id()),
            Err(Unusable::Other | Unusable::TooLarge(_) | Unusable::Malformed(_)) => {}
            Err(Unusable::Mirror(error)) => return Err(damaged(repository, &error)),
        }
    }
    descend(git, repository, &tips, wanted, account)
}

/// Whether one of these commits has another in its history, or is it.
fn descend(
    git: &Git,
    repository: &RepositoryName,
    from: &[Oid],
    ancestor: Oid,
    account: &Account,
) -> Result<bool, SourceError> {
    objects::descend(git, from, ancestor, account).map_err(|error| match error {
        Unsearched::TooMuch { bound, limit } => {
            SourceError::TooMuchHistory { repository: repository.clone(), bound, limit }
        }
        Unsearched::Unusable(error) => unusable(repository, error),
    })
}

/// A commit by its id.
pub(super) fn commit<'g>(
    git: &'g Git,
    repository: &RepositoryName,
    id: &CommitId,
) -> Result<git2::Commit<'g>, SourceError> {
    let absent =
        || SourceError::CommitNotFound { repository: repository.clone(), commit: id.clone() };
    let oid = Oid::from_str(id.as_str()).map_err(|_| absent())?;
    objects::commit(git, oid).map_err(|error| match error {
        Unusable::Other => absent(),
        Unusable::Mirror(error) if error.code() == ErrorCode::NotFound => absent(),
        other => unusable(repository, other),
    })
}

/// Puts what is wrong with a commit into our words.
fn unusable(repository: &RepositoryName, error: Unusable) -> SourceError {
    match error {
        Unusable::TooLarge(object) => {
            SourceError::ObjectTooLarge { repository: repository.clone(), object }
        }
        Unusable::Malformed(object) => {
            SourceError::Malformed { repository: repository.clone(), object }
        }
        Unusable::Other => damaged(repository, &git2::Error::from_str("a parent is no commit")),
        Unusable::Mirror(error) => damaged(repository, &error),
    }
}

/// The full name of what a revision names, in the mirror or among what is refused.
fn name(
    git: &Git,
    revision: &Revision,
    refusals: &Refusals,
) -> Result<Option<String>, git2::Error> {
    Ok(match revision {
        Revision::Commit(id) => Some(format!("{PINS}{id}")),
        Revision::Semver(range) => {
            let mut tags = refs(git, &[TAGS])?.into_keys().collect::<Vec<_>>();
            tags.extend(refusals.names().map(str::to_owned));
            let tags = tags.iter().filter_map(|name| Some((name.strip_prefix(TAGS)?, name)));
            highest(range, tags).cloned()
        }
        named => candidates(named)
            .into_iter()
            .find(|name| refusals.get(name).is_some() || git.refname_to_id(name).is_ok()),
    })
}

/// A full name in words.
fn shown(name: &str) -> String {
    for (prefix, kind) in [(HEADS, "branch"), (TAGS, "tag"), (PINS, "commit")] {
        if let Some(name) = name.strip_prefix(prefix) {
            return format!("{kind} `{name}`");
        }
    }
    name.to_owned()
}

/// The object that a revision names (a commit, or a tag of one), if there is one.
pub(super) fn find(git: &Git, revision: &Revision) -> Result<Option<Oid>, git2::Error> {
    match revision {
        Revision::Commit(id) => {
            let id = Oid::from_str(id.as_str()).ok();
            Ok(id.filter(|id| objects::has_commit(git, *id)))
        }
        Revision::Semver(range) => {
            let tags = refs(git, &[TAGS])?;
            let tags = tags.iter().filter_map(|(name, id)| Some((name.strip_prefix(TAGS)?, id)));
            Ok(highest(range, tags).copied())
        }
        named => {
            for name in candidates(named) {
                match git.refname_to_id(&name) {
                    Ok(id) => return Ok(Some(id)),
                    Err(error)
                        if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(None)
        }
    }
}

/// The highest version in a range; `v` may lead a version. Of equal ones, the last by name.
fn highest<'t, T>(range: &VersionReq, tags: impl IntoIterator<Item = (&'t str, T)>) -> Option<T> {
    tags.into_iter()
        .filter_map(|(tag, value)| {
            let version = Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
            range.matches(&version).then_some((version, tag, value))
        })
        .max_by(|(a, a_tag, _), (b, b_tag, _)| a.cmp(b).then(a_tag.cmp(b_tag)))
        .map(|(_, _, value)| value)
}

fn missing(git: &Git, repository: &RepositoryName, revision: &Revision) -> SourceError {
    let repository = repository.clone();
    for candidate in candidates(revision) {
        if git.find_reference(&vanished(&candidate)).is_ok() {
            return match candidate.strip_prefix(HEADS) {
                Some(name) => {
                    SourceError::Vanished { repository, kind: "branch", name: name.to_owned() }
                }
                None => SourceError::Vanished {
                    repository,
                    kind: "tag",
                    name: candidate.trim_start_matches(TAGS).to_owned(),
                },
            };
        }
    }
    let what = match revision {
        Revision::Named(_) => "branch or tag",
        Revision::Branch(_) => "branch",
        Revision::Tag(_) => "tag",
        Revision::Commit(_) => "commit",
        Revision::Semver(_) => "tag in the range",
    };
    SourceError::RevisionNotFound { repository, what, revision: revision.to_string() }
}

/// The id in the domain's form.
pub(super) fn id_of(id: Oid) -> CommitId {
    match id.to_string().parse() {
        Ok(id) => id,
        Err(_) => unreachable!("libgit2 writes ids in full"),
    }
}

/// Puts an error of libgit2 while reading into our words.
pub(super) fn damaged(repository: &RepositoryName, error: &git2::Error) -> SourceError {
    SourceError::Mirror { repository: repository.clone(), reason: error.message().to_owned() }
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_in_the_range_wins() {
        let tags = ["v1.2.0", "1.10.0", "v2.0.0-rc.1", "v2.0.0", "release-3", "v1.9", "v3.0.0-a"];
        for (range, expected) in [
            ("^1", Some("1.10.0")),
            (">=1, <3", Some("v2.0.0")),
            ("*", Some("v2.0.0")),
            (">=2.0.0-rc.0, <2.0.0", Some("v2.0.0-rc.1")),
            ("~3", None),
        ] {
            let range = range.parse().unwrap();
            assert_eq!(highest(&range, tags.iter().map(|tag| (*tag, *tag))), expected, "{range}");
        }
    }
}
