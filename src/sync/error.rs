//! Why a sync did not reach its end, and whether that can pass.

use crate::cluster::error::ClusterError;
use crate::domain::commit::Revision;
use crate::domain::error::chain;
use crate::domain::manifest::ManifestError;
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::stop::Stop;
use crate::domain::sync::failure::{self, DETAILS_BYTES_MAX, DETAILS_MAX};
use crate::domain::sync::{Failure, FailureCause, Phase};
use crate::render::RenderError;
use crate::source::error::SourceError;
use crate::store::error::StoreError;

/// A sync failed, or was stopped.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The application left the configuration while its sync was queued.
    #[error("application {0} is no longer in the configuration")]
    NotConfigured(ApplicationName),
    /// Git did not give the commit or its files.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What was asked for by name, or by the id of a commit, is not in the repository, although its
    /// host was asked.
    #[error(transparent)]
    NotThere(SourceError),
    /// Files are not manifests.
    #[error("{} cannot be read as manifests", count(.0.len(), "place"))]
    Render(Vec<RenderError>),
    /// The same files were not manifests when they were last rendered.
    #[error("{}", .0.message)]
    RenderedBefore(Failure),
    /// Reading the files takes too long.
    #[error(
        "the manifests of path `{path}` were not read within {seconds} s; split the application"
    )]
    RenderTime {
        /// The path.
        path: String,
        /// How long that may take.
        seconds: u64,
    },
    /// Manifests cannot be applied as they are.
    #[error("{} cannot be applied as they are", count(.0.len(), "object"))]
    Manifests(Vec<ManifestError>),
    /// Git names no object at all.
    #[error(
        "path `{path}` holds no object at commit {commit}: nothing is applied or pruned \
         (sync.allowEmpty: true permits it)"
    )]
    Empty {
        /// The path.
        path: String,
        /// The commit, short.
        commit: String,
    },
    /// A cluster did not answer, or refused.
    #[error("cluster {cluster}: {source}")]
    Cluster {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// Some objects were refused; the record names each.
    #[error("{} could not be applied", count(*.failed, "object"))]
    Objects {
        /// How many.
        failed: usize,
        /// What decides them.
        cause: FailureCause,
        /// One line each.
        details: Vec<String>,
    },
    /// What was applied did not become usable in time.
    #[error("{object} was applied, but is not established after {seconds} s")]
    NotEstablished {
        /// The definition or namespace.
        object: ObjectKey,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A bug.
    #[error("an internal error stopped the sync; the log of headstay has the details")]
    Panicked,
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It has to stop.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// As many of these as a failure tells.
fn first<T: ToString>(all: &[T]) -> Vec<String> {
    let mut bytes = 0;
    let all = all.iter().take(DETAILS_MAX).map(|one| failure::detail(one.to_string()));
    all.take_while(|one| {
        let fits = bytes < DETAILS_BYTES_MAX;
        bytes += one.len();
        fits
    })
    .collect()
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

impl SyncError {
    /// A revision that points to no commit after its host was asked. A branch, tag or range of the
    /// configuration may come to be there. What a person named for this sync alone, and the id of a
    /// commit, are mistakes that time does not mend.
    pub(super) fn unresolved(error: SourceError, revision: &Revision, asked_for: bool) -> Self {
        let fixed = asked_for || matches!(revision, Revision::Commit(_));
        if fixed && error.names_no_commit() { Self::NotThere(error) } else { Self::Source(error) }
    }

    /// What decides it.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::NotConfigured(_) | Self::NotThere(_) => FailureCause::Person,
            Self::Render(errors) => FailureCause::of_all(errors.iter().map(RenderError::cause)),
            Self::RenderedBefore(failure) => failure.cause(),
            Self::Empty { .. } => FailureCause::Commit,
            Self::Source(error) if error.is_permanent() => FailureCause::Commit,
            Self::Manifests(errors) => {
                FailureCause::of_all(errors.iter().map(ManifestError::cause))
            }
            Self::Objects { cause, .. } => *cause,
            Self::Cluster { source, .. } => source.cause(),
            Self::Source(_)
            | Self::RenderTime { .. }
            | Self::NotEstablished { .. }
            | Self::Panicked
            | Self::Store(_)
            | Self::Stopped(_) => FailureCause::Environment,
        }
    }

    /// Whether Git, and what the settings make of it, is at fault, and not a cluster.
    pub(super) fn is_of_git(&self) -> bool {
        use SyncError::{Empty, Manifests, NotThere, Render, RenderedBefore, Source};
        matches!(
            self,
            Source(_) | NotThere(_) | Render(_) | RenderedBefore(_) | Manifests(_) | Empty { .. }
        )
    }

    /// Whether what was applied before can still be held although this failed.
    pub(super) fn leaves_the_applied_state(&self) -> bool {
        !matches!(self, Self::NotConfigured(_) | Self::Store(_) | Self::Stopped(_))
    }

    /// Everything that there is to tell, a line each.
    pub fn detail(&self) -> String {
        let failure = self.failure(Phase::Diff);
        // The message has the first of them.
        let others = failure.details.into_iter().skip(1);
        std::iter::once(failure.message).chain(others).collect::<Vec<_>>().join("\n")
    }

    /// The failure as it is recorded.
    pub(super) fn failure(&self, phase: Phase) -> Failure {
        let (number, mut details) = match self {
            Self::RenderedBefore(failure) => return failure.clone(),
            Self::Render(errors) => (errors.len(), first(errors)),
            Self::Manifests(errors) => (errors.len(), first(errors)),
            Self::Objects { failed, details, .. } => (*failed, first(details)),
            _ => (0, Vec::new()),
        };
        let mut message = chain(self);
        // The first cause belongs into the line that people read first.
        if let Some(first) = details.first() {
            message = format!("{message}: {first}");
            if number > 1 {
                message = format!("{message} (and {} more)", number - 1);
            }
        }
        if number > details.len() {
            details.push(format!("and {} more", number - details.len()));
        }
        Failure::new(phase, self.cause(), message, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_people_read_first_has_the_first_cause() {
        let causes = ["a.yaml:1: no kind", "b.yaml:2: no name", "b.yaml:9: no name"];
        for (failed, message) in [
            (1, "1 object could not be applied: a.yaml:1: no kind"),
            (3, "3 objects could not be applied: a.yaml:1: no kind (and 2 more)"),
        ] {
            let details: Vec<_> = causes[..failed].iter().map(|&cause| cause.to_owned()).collect();
            let error = SyncError::Objects {
                failed,
                cause: FailureCause::Commit,
                details: details.clone(),
            };
            let failure = error.failure(Phase::Diff);
            assert_eq!((failure.message.as_str(), failure.details), (message, details));
        }
    }

    #[test]
    fn a_failure_has_a_bound_however_much_is_wrong() {
        let details = vec!["ä".repeat(1 << 20); DETAILS_MAX];
        let error = SyncError::Objects { failed: 50_000, cause: FailureCause::Commit, details };
        let failure = error.failure(Phase::Diff);
        assert!(failure.message.starts_with("50000 objects"), "{}", failure.message);
        assert!(failure.message.ends_with("… (and 49999 more)"), "{}", failure.message);
        let bytes: usize = failure.details.iter().map(String::len).sum();
        assert!(bytes < 20_000, "{bytes}");
        let more = 50_000 - (failure.details.len() - 1);
        assert_eq!(*failure.details.last().unwrap(), format!("and {more} more"));
    }

    #[test]
    fn only_what_the_configuration_names_may_come_to_be_there() {
        let repository = || "fleet".parse().unwrap();
        let missing = |revision: &str| SourceError::RevisionNotFound {
            repository: repository(),
            what: "branch or tag",
            revision: revision.to_owned(),
        };
        let damaged =
            || SourceError::Mirror { repository: repository(), reason: "spoilt".to_owned() };
        let id = "0123456789abcdef0123456789abcdef01234567";
        let (person, environment) = (FailureCause::Person, FailureCause::Environment);
        for (error, revision, asked_for, cause) in [
            (missing("main"), "main", false, environment),
            (missing("^1"), "^1", false, environment),
            (missing("main"), "main", true, person),
            (missing(id), id, false, person),
            (missing(id), id, true, person),
            (damaged(), id, true, environment),
        ] {
            let error = SyncError::unresolved(error, &Revision::parse(revision), asked_for);
            assert_eq!(error.cause(), cause, "{revision}, asked for: {asked_for}");
        }
    }
}
