//! Stories of a repository, from its host to the bytes of a commit.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::RepositoryAuth;
use crate::domain::account::{Bound, Limits, Refusal, Waiter};
use crate::domain::file::File;
use crate::source::error::TreeProblem;
use crate::source::testing::{Remote, repository};

#[path = "footprint_tests.rs"]
mod footprints;
#[path = "hostile_tests.rs"]
mod hostile;

const SHOP: &[(&str, &str)] = &[("apps/shop/a.yaml", "a: 1\n"), ("readme.md", "hello")];

/// A host with one repository, and a source that follows it by its path.
struct World {
    remote: Remote,
    data: TempDir,
    source: Source,
    repository: Arc<Repository>,
}

impl World {
    fn new() -> Self {
        let (remote, data) = (Remote::new(), TempDir::new().unwrap());
        let repository = repository(remote.path().to_str().unwrap(), RepositoryAuth::None);
        let source = Source::new(data.path());
        Self { remote, data, source, repository }
    }

    /// How often a remote was asked.
    fn fetches(&self) -> u64 {
        self.source.fetches().iter().map(|(_, fetches)| fetches.succeeded + fetches.failed).sum()
    }

    async fn fetch(&self, revisions: &[&str]) -> Result<Fetched, SourceError> {
        let revisions: Vec<_> = revisions.iter().map(|text| Revision::parse(text)).collect();
        self.source.fetch(&self.repository, &revisions, Timestamp::now()).await
    }

    async fn resolve(&self, revision: &str) -> Result<Commit, SourceError> {
        self.source.resolve(&self.repository, &Revision::parse(revision)).await
    }

    /// Fetches a revision and tells its commit.
    async fn follow(&self, revision: &str) -> CommitId {
        self.fetch(&[revision]).await.unwrap();
        self.resolve(revision).await.unwrap().id
    }

    async fn read(&self, commit: &CommitId, path: &str) -> Result<Vec<String>, SourceError> {
        self.read_within(commit, path, Limits::default()).await
    }

    async fn read_within(
        &self,
        commit: &CommitId,
        path: &str,
        limits: Limits,
    ) -> Result<Vec<String>, SourceError> {
        let account = Arc::new(Account::new(limits));
        let read = self.source.read(&self.repository, commit, path, &account).await?;
        let shown = |file: &File| format!("{}={}", file.path, String::from_utf8_lossy(&file.bytes));
        Ok(read.files?.iter().map(shown).collect())
    }

    /// What is wrong with a tree of these files at a path.
    async fn problem(&self, files: &[(&str, &str)], path: &str) -> TreeProblem {
        let commit = self.remote.force_push("odd", files);
        assert_eq!(self.follow("odd").await, commit);
        let error = self.read(&commit, path).await.unwrap_err();
        assert!(error.is_permanent());
        match error {
            SourceError::Tree { problem, .. } => problem,
            other => panic!("{other}"),
        }
    }

    fn mirror(&self) -> PathBuf {
        self.data.path().join("repositories/fleet.git")
    }
}

#[tokio::test]
async fn a_branch_is_followed_and_read() {
    let world = World::new();
    let first = world.remote.commit("main", SHOP);
    assert_eq!(world.follow("main").await, first);
    let second = world.remote.commit("main", &[("apps/shop/a.yaml", "a: 2\n")]);
    assert_eq!(world.resolve("main").await.unwrap().id, first, "nothing moves without a fetch");
    assert_eq!(world.follow("refs/heads/main").await, second);
    assert_eq!(world.read(&first, "apps").await.unwrap(), ["apps/shop/a.yaml=a: 1\n"]);
    assert_eq!(world.read(&second, "apps/shop/a.yaml").await.unwrap(), ["apps/shop/a.yaml=a: 2\n"]);
    let commit = world.resolve("main").await.unwrap();
    assert_eq!((&*commit.author, &*commit.message), ("Ada <ada@example.org>", "change main"));
    assert!(world.source.contains(&world.repository, &second, &first).await.unwrap());
    assert!(!world.source.contains(&world.repository, &first, &second).await.unwrap());
}

#[tokio::test]
async fn tags_ranges_and_commits_are_resolved() {
    let world = World::new();
    let first = world.remote.commit("main", SHOP);
    world.remote.annotated_tag("v1.0.0", &first);
    let second = world.remote.commit("main", &[("b.yaml", "b: 1")]);
    world.remote.tag("v1.1.0", &second);
    let hidden = world.remote.commit("main", &[("c.yaml", "c: 1")]);
    world.remote.commit("main", &[("d.yaml", "d: 1")]);
    assert_eq!(world.follow("v1.0.0").await, first, "an annotated tag is peeled");
    assert_eq!(world.follow("^1").await, second);
    assert_eq!(world.follow(hidden.as_str()).await, hidden, "a commit that nothing points to");
    let fetches = world.fetches();
    assert!(!world.fetch(&[hidden.as_str()]).await.unwrap().performed, "commits do not change");
    assert_eq!(world.fetches(), fetches);
}

#[tokio::test]
async fn mirrors_are_for_their_owner_only_whatever_the_folder_was() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.remote.commit("main", SHOP);
    let folder = world.mirror().parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.follow("main").await;
    for path in [folder, world.mirror()] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }
}

#[tokio::test]
async fn a_commit_that_the_mirror_has_need_not_be_on_a_branch_or_tag() {
    let world = World::new();
    let first = world.remote.commit("main", SHOP);
    let second = world.remote.commit("main", &[("b.yaml", "b: 1")]);
    let tagged = world.remote.commit("old", &[("c.yaml", "c: 1")]);
    world.remote.annotated_tag("v1", &tagged);
    let hidden = world.remote.commit("fork", &[("d.yaml", "d: 1")]);
    assert_eq!(world.follow("fork").await, hidden, "that is how the mirror has it");
    for branch in ["old", "fork"] {
        world.remote.delete(&format!("refs/heads/{branch}"));
    }
    let every = [Revision::every()];
    world.source.fetch(&world.repository, &every, Timestamp::now()).await.unwrap();
    for (commit, published) in [(first, true), (second, true), (tagged, true), (hidden, false)] {
        let asked = world.source.must_be_published(&world.repository, &commit).await;
        assert_eq!(asked.is_ok(), published, "{asked:?}");
        assert!(asked.is_ok() || asked.unwrap_err().names_no_commit());
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new();
    world.remote.commit("main", SHOP);
    let absent = "0123456789012345678901234567890123456789";
    let revisions = ["main", "nope", "^9", "refs/heads/a/../b", absent];
    world.fetch(&revisions).await.unwrap();
    let mut texts = Vec::new();
    for revision in &revisions[1..] {
        let error = world.resolve(revision).await.unwrap_err();
        assert!(!error.is_permanent());
        texts.push(error.to_string());
    }
    insta::assert_debug_snapshot!(texts, @r#"
    [
        "repository `fleet` has no branch or tag `nope`: check `revision`",
        "repository `fleet` has no tag in the range `^9`: check `revision`",
        "repository `fleet` has no branch `refs/heads/a/../b`: check `revision`",
        "repository `fleet` has no commit `0123456789012345678901234567890123456789`: check `revision`",
    ]
    "#);
    assert!(world.resolve("main").await.is_ok());
}

#[tokio::test]
async fn a_force_push_is_followed_and_loses_no_pinned_commit() {
    let world = World::new();
    let before = world.remote.commit("main", SHOP);
    world.follow("main").await;
    world.source.pin(&world.repository, std::slice::from_ref(&before)).await.unwrap();
    let after = world.remote.force_push("main", &[("b.yaml", "b: 1")]);
    assert_eq!(world.follow("main").await, after);
    assert!(!world.source.contains(&world.repository, &after, &before).await.unwrap(), "a rewind");
    let git = Git::open_bare(world.mirror()).unwrap();
    let pin = format!("refs/headstay/commits/{before}");
    assert!(git.find_reference(&pin).is_ok());
    let named = BTreeSet::from([after]);
    world.source.retain(&world.repository, &named).await.unwrap();
    assert!(git.find_reference(&pin).is_ok(), "the history may be about to name it");
    // What an earlier process has pinned is named by now, or never will be.
    Source::new(world.data.path()).retain(&world.repository, &named).await.unwrap();
    assert!(git.find_reference(&pin).is_err());
}

#[tokio::test]
async fn a_branch_that_vanished_is_an_error_until_it_is_back() {
    let world = World::new();
    let commit = world.remote.commit("next", SHOP);
    world.remote.commit("main", SHOP);
    world.fetch(&["main", "next"]).await.unwrap();
    world.remote.delete("refs/heads/next");
    world.remote.commit("next/2", SHOP);
    world.fetch(&["main", "next", "next/2"]).await.unwrap();
    let error = world.resolve("next").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "branch `next` no longer exists in repository `fleet`: the last state is kept"
    );
    assert!(world.resolve("next/2").await.is_ok());
    assert!(world.read(&commit, "apps").await.is_ok(), "its last commit is still there");
    world.remote.delete("refs/heads/next/2");
    let again = world.remote.commit("next", SHOP);
    assert_eq!(world.follow("next").await, again);
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let world = World::new();
    let commit = world.remote.commit("main", SHOP);
    let spoil_packs = || {
        for entry in fs::read_dir(world.mirror().join("objects/pack")).unwrap() {
            let path = entry.unwrap().path();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "spoilt").unwrap();
        }
    };
    let spoil_head = || fs::remove_file(world.mirror().join("HEAD")).unwrap();
    let lose_all = || fs::remove_dir_all(world.mirror()).unwrap();
    let spoils: [(&str, &dyn Fn()); 3] =
        [("packs", &spoil_packs), ("head", &spoil_head), ("all", &lose_all)];
    for (what, spoil) in spoils {
        world.fetch(&["main"]).await.unwrap();
        spoil();
        assert!(world.read(&commit, "apps").await.is_err(), "{what}: should be spoilt");
        world.fetch(&["main"]).await.unwrap();
        assert_eq!(world.read(&commit, "apps").await.unwrap().len(), 1, "{what}: not mended");
    }
}

#[tokio::test]
async fn damage_is_also_found_by_the_fetch_itself() {
    let world = World::new();
    let commit = world.remote.commit("main", SHOP);
    world.fetch(&["main"]).await.unwrap();
    fs::remove_dir_all(world.mirror().join("objects")).unwrap();
    world.fetch(&["main"]).await.unwrap();
    assert!(world.read(&commit, "apps").await.is_ok());
}

#[tokio::test]
async fn tidying_up_keeps_what_refs_lead_to() {
    let world = World::new();
    let first = world.remote.commit("main", SHOP);
    world.follow("main").await;
    world.source.pin(&world.repository, std::slice::from_ref(&first)).await.unwrap();
    let dropped = world.remote.force_push("main", &[("b.yaml", "b: 1")]);
    world.follow("main").await;
    let last = world.remote.force_push("main", &[("c.yaml", "c: 1")]);
    world.follow("main").await;
    world.source.place(&world.repository.name).mirror.compact(1).unwrap();
    let packs = fs::read_dir(world.mirror().join("objects/pack")).unwrap();
    let packs = packs.flatten().filter(|entry| entry.path().extension().unwrap() == "pack");
    assert_eq!(packs.count(), 1);
    assert!(world.read(&first, "").await.is_ok() && world.read(&last, "").await.is_ok());
    let error = world.read(&dropped, "").await.unwrap_err();
    assert!(matches!(error, SourceError::CommitNotFound { .. }), "{error}");
    assert_eq!(world.resolve("main").await.unwrap().id, last);
    assert_eq!(world.fetches(), 3);
    let next = world.remote.commit("main", SHOP);
    assert_eq!(world.follow("main").await, next);
}

#[tokio::test]
async fn another_url_makes_another_mirror_and_keeps_the_history() {
    let mut world = World::new();
    let before = world.remote.commit("main", SHOP);
    world.follow("main").await;
    world.source.pin(&world.repository, std::slice::from_ref(&before)).await.unwrap();
    world.remote = Remote::new();
    let after = world.remote.commit("main", &[("b.yaml", "b: 1")]);
    world.repository = repository(world.remote.path().to_str().unwrap(), RepositoryAuth::None);
    assert_eq!(world.follow("main").await, after);
    assert!(world.read(&before, "apps").await.is_ok(), "a rollback still has its commit");
    assert!(world.read(&after, "b.yaml").await.is_ok());
}

#[tokio::test]
async fn symlinks_are_followed_inside_the_tree_only() {
    let world = World::new();
    let commit = world.remote.commit(
        "main",
        &[
            ("shared/base/c.yaml", "c: 1"),
            ("shared/d.txt", "d: 1"),
            ("app/base", "-> ../shared/./base"),
            ("app/d.yml", "-> ../shared/d.txt"),
            ("app/sub/e.json", "{}"),
            ("app/sub/notes.txt", "no manifest"),
            ("current", "-> app"),
        ],
    );
    world.follow("main").await;
    let expected = ["base/c.yaml=c: 1", "d.yml=d: 1", "sub/e.json={}"];
    for path in ["app", "current"] {
        let expected: Vec<_> = expected.iter().map(|file| format!("{path}/{file}")).collect();
        assert_eq!(world.read(&commit, path).await.unwrap(), expected);
    }
    let own = str::to_owned;
    let absent = TreeProblem::PathNotFound { path: own("nope") };
    assert_eq!(world.problem(SHOP, "nope").await, absent);
    assert_eq!(world.problem(SHOP, "../x").await, TreeProblem::PathNotFound { path: own("../x") });
}

#[tokio::test]
async fn what_is_hidden_is_passed_over_unless_it_is_the_path() {
    let world = World::new();
    let files = [
        (".github/workflows/ci.yml", "on: push"),
        (".travis.yml", "sudo: false"),
        ("app/.cache/x.yaml", "x: 1"),
        ("app/a.yaml", "a: 1"),
    ];
    let commit = world.remote.commit("main", &files);
    world.follow("main").await;
    assert_eq!(world.read(&commit, "").await.unwrap(), ["app/a.yaml=a: 1"]);
    assert_eq!(world.read(&commit, "app/.cache").await.unwrap(), ["app/.cache/x.yaml=x: 1"]);
    assert_eq!(world.read(&commit, ".travis.yml").await.unwrap(), [".travis.yml=sudo: false"]);
}

#[tokio::test]
async fn who_asks_together_shares_one_fetch() {
    let world = World::new();
    world.remote.commit("main", SHOP);
    world.remote.commit("next", SHOP);
    let since = Timestamp::now();
    let revisions = [Revision::parse("main"), Revision::parse("next")];
    let all = (0..10).map(|_| world.source.fetch(&world.repository, &revisions, since));
    let fetched = futures::future::try_join_all(all).await.unwrap();
    assert_eq!(fetched.iter().filter(|fetched| fetched.performed).count(), 1);
    let main = &revisions[..1];
    assert!(!world.source.fetch(&world.repository, main, since).await.unwrap().performed);
    assert_eq!(world.fetches(), 1);
    assert!(world.fetch(&["main"]).await.unwrap().performed, "who asks later wants it newer");
    let more = [Revision::parse("^1")];
    assert!(world.source.fetch(&world.repository, &more, since).await.unwrap().performed);
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn who_waits_for_a_fetch_shares_its_failure_and_may_try_again() {
    let world = World::new();
    let nowhere = repository("/nowhere/at/all", RepositoryAuth::None);
    let since = Timestamp::now();
    let fetches = (0..10).map(|_| world.source.fetch(&nowhere, &[], since));
    for result in futures::future::join_all(fetches).await {
        let error = result.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch { .. }) && !error.is_permanent());
    }
    assert_eq!(world.fetches(), 1);
    assert!(world.source.fetch(&nowhere, &[], since).await.is_err());
    assert_eq!(world.fetches(), 2);
}
