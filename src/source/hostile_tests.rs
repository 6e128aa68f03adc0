//! Repositories that nobody would make for good.

use super::*;

#[tokio::test]
async fn the_limits_hold() {
    let world = World::new();
    let files = [("a/b/c.yaml", "12345"), ("a/d.yaml", "1234"), ("a/e.txt", "")];
    let commit = world.remote.commit("main", &files);
    world.follow("main").await;
    let good = Limits {
        entries: 4,
        files: 2,
        file_bytes: 5,
        bytes: 9,
        folders: 1,
        steps: 1,
        ..Limits::default()
    };
    for (limits, expected) in [
        (good, None),
        (Limits { entries: 3, ..good }, Some(Bound::Entries)),
        (Limits { files: 1, ..good }, Some(Bound::Files)),
        (Limits { file_bytes: 4, ..good }, Some(Bound::FileBytes)),
        (Limits { bytes: 8, ..good }, Some(Bound::Bytes)),
        (Limits { folders: 0, ..good }, Some(Bound::Folders)),
        (Limits { folder_bytes: 30, ..good }, Some(Bound::FolderBytes)),
        (Limits { steps: 0, ..good }, Some(Bound::Steps)),
        (Limits { unpacked: 100, ..good }, Some(Bound::Unpacked)),
        (Limits { paths: 100, ..good }, Some(Bound::Paths)),
        (Limits { memory: 100, ..good }, Some(Bound::Memory)),
    ] {
        let found = match world.read_within(&commit, "a", limits).await {
            Ok(_) => None,
            Err(SourceError::Tree { problem: TreeProblem::TooMuch { refusal, .. }, .. }) => {
                match refusal {
                    Refusal::Beyond { bound, .. } => Some(bound),
                    Refusal::Abandoned => panic!("nobody left"),
                }
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, expected);
    }
}

/// Links that lead to one another, each by many steps, and entries that lead to the first of them.
#[tokio::test]
async fn symlinks_in_a_row_are_followed_once_and_end_with_who_waits() {
    let world = World::new();
    let steps = "d/../".repeat(800);
    let mut files = vec![("d/a.yaml".to_owned(), "a: 1".to_owned())];
    files.push(("l0".to_owned(), format!("-> {steps}d")));
    files.extend((1..38).map(|n| (format!("l{n}"), format!("-> {steps}l{}", n - 1))));
    files.extend((0..200).map(|n| (format!("m/{n}.yaml"), "-> ../l37/a.yaml".to_owned())));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let commit = world.remote.commit("main", &files);
    world.follow("main").await;
    assert_eq!(world.read(&commit, "m").await.unwrap().len(), 200);
    let few = Limits { steps: 20_000, ..Limits::default() };
    let error = world.read_within(&commit, "m", few).await.unwrap_err().to_string();
    assert!(error.contains("more than 20000 steps through folders, symlinks"), "{error}");
    let waiter = Waiter::new(Limits::default());
    let account = waiter.account().clone();
    drop(waiter);
    let read = world.source.read(&world.repository, &commit, "m", &account).await.unwrap();
    let left = read.files.unwrap_err();
    assert!(left.to_string().contains("nobody waits for it any longer"), "{left}");
    assert!(!left.is_permanent(), "Git does not decide that");
}

/// What a link brought must not count as deleted because the link is broken.
#[tokio::test]
async fn a_symlink_of_no_use_is_an_error_unless_its_name_is_that_of_some_other_file() {
    let world = World::new();
    let leaves = |path: &str, target: &str| {
        Some(TreeProblem::SymlinkLeaves { path: path.to_owned(), target: target.to_owned() })
    };
    let dangles = |path: &str, target: &str| {
        Some(TreeProblem::SymlinkDangles { path: path.to_owned(), target: target.to_owned() })
    };
    let loops = |path: &str| Some(TreeProblem::SymlinkLoop { path: path.to_owned() });
    for (name, target, expected) in [
        ("x.yaml", "/etc", leaves("app/x.yaml", "/etc")),
        ("x.yaml", "../../x", leaves("app/x.yaml", "../../x")),
        ("x.json", "y", dangles("app/x.json", "y")),
        ("x.yml", "x.yml", loops("app/x.yml")),
        ("base", "/shared", leaves("app/base", "/shared")),
        ("base", "../../shared", leaves("app/base", "../../shared")),
        ("base", "../shared", dangles("app/base", "../shared")),
        ("base", "base", loops("app/base")),
        ("v1.2", "/shared", leaves("app/v1.2", "/shared")),
        ("base", ".", loops("app/base")),
        ("base", "..", loops("app/base/app")),
        ("conf.d", ".", loops("app/conf.d")),
        ("README.md", "../missing.md", None),
        ("README.md", "/missing.md", None),
        ("README.md", "README.md", None),
    ] {
        let link = (&*format!("app/{name}"), &*format!("-> {target}"));
        let files = [link, ("app/a.yaml", "a: 1")];
        if let Some(problem) = expected {
            assert_eq!(world.problem(&files, "app").await, problem, "{name} {target}");
            continue;
        }
        let commit = world.remote.force_push("main", &files);
        world.follow("main").await;
        assert_eq!(world.read(&commit, "app").await.unwrap(), ["app/a.yaml=a: 1"], "{target}");
    }
}

#[tokio::test]
async fn a_path_that_grows_without_end_is_refused() {
    let world = World::new();
    let name = "n".repeat(200);
    let deep = format!("{}/a.yaml", [&*name; 30].join("/"));
    let files = [(&*deep, "a: 1"), ("b.yaml", "b: 1")];
    let problem = world.problem(&files, "").await;
    assert!(matches!(problem, TreeProblem::TooLong { limit: 4096, .. }), "{problem}");
}

/// A commit as it may be written by others.
fn raw_commit(world: &World, branch: &str, message: &[u8]) -> CommitId {
    let git = &world.remote.git;
    let tree = git.treebuilder(None).unwrap().write().unwrap();
    let head = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n");
    let bytes = [head.as_bytes(), message].concat();
    let id = git.odb().unwrap().write(git2::ObjectType::Commit, &bytes).unwrap();
    git.reference(&format!("refs/heads/{branch}"), id, true, "").unwrap();
    id.to_string().parse().unwrap()
}

/// The names of the packs that the mirror has.
fn packs(world: &World) -> usize {
    let folder = world.mirror().join("objects/pack");
    fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|e| e.path().extension().unwrap() == "pack")
        .count()
}

#[tokio::test]
async fn a_branch_that_is_refused_is_named_and_holds_up_no_other() {
    let world = World::new();
    world.remote.commit("main", SHOP);
    world.follow("main").await;
    let long = raw_commit(&world, "main", &vec![b'x'; 2 << 20]);
    let calm = world.remote.commit("calm", SHOP);
    for _ in 0..2 {
        world.fetch(&["main", "calm"]).await.unwrap();
        assert_eq!(world.resolve("calm").await.unwrap().id, calm);
        let error = world.resolve("main").await.unwrap_err();
        assert!(error.is_permanent());
        let said = error.to_string();
        assert_eq!(
            said,
            format!("repository `fleet`: branch `main` is refused as it is, at {long}")
        );
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("has 2097") && why.contains("at most 1048576 are read"), "{why}");
        let by_id = world.fetch(&[long.as_str()]).await;
        assert!(by_id.is_ok(), "{by_id:?}");
        assert!(world.resolve(long.as_str()).await.unwrap_err().is_permanent());
    }
    assert_eq!(packs(&world), 2, "what is refused is not kept, and not brought again");
    let good = world.remote.force_push("main", SHOP);
    assert_eq!(world.follow("main").await, good);
}

#[tokio::test]
async fn a_copy_that_is_broken_off_leaves_nothing() {
    let world = World::new();
    world.remote.commit("main", SHOP);
    world.follow("main").await;
    // The process ended while a pack was there, and not what it leads to.
    let names: Vec<String> = fs::read_dir(world.mirror().join("objects/pack"))
        .unwrap()
        .flatten()
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".idx")?.to_owned()))
        .collect();
    let second = world.remote.commit("main", &[("apps/shop/a.yaml", "a: 2\n")]);
    let mut builder = world.remote.git.packbuilder().unwrap();
    builder.insert_object(git2::Oid::from_str(second.as_str()).unwrap(), None).unwrap();
    builder.write(&world.mirror().join("objects/pack"), 0).unwrap();
    fs::write(world.mirror().join("headstay-packs"), names.join("\n")).unwrap();
    assert_eq!(world.follow("main").await, second);
    assert_eq!(world.read(&second, "apps").await.unwrap(), ["apps/shop/a.yaml=a: 2\n"]);
}

#[tokio::test]
async fn a_commit_that_git_would_not_write_is_no_damage() {
    let world = World::new();
    world.remote.commit("main", SHOP);
    world.follow("main").await;
    let git = &world.remote.git;
    let odb = git.odb().unwrap();
    let tree = odb.write(git2::ObjectType::Tree, b"100644 no end").unwrap();
    let of_bad_tree = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n");
    for (bytes, says) in [("no commit", "is not as Git writes it"), (&of_bad_tree, "is not as Git")]
    {
        let id = odb.write(git2::ObjectType::Commit, bytes.as_bytes()).unwrap();
        git.reference("refs/heads/odd", id, true, "").unwrap();
        world.fetch(&["main", "odd"]).await.unwrap();
        assert!(world.resolve("main").await.is_ok());
        let error = world.resolve("odd").await.unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.is_permanent() && said.contains(says), "{said}");
    }
    assert_eq!(packs(&world), 1, "the mirror was not made anew");
}

#[tokio::test]
async fn a_file_that_nobody_would_read_is_left_out_and_named_where_it_is_wanted() {
    let world = World::new();
    let zeros = "0".repeat(objects::COPIED_BYTES_MAX + 1);
    let files = [("big/x.yaml", &*zeros), ("big.bin", &zeros), ("app/a.yaml", "a: 1")];
    let commit = world.remote.commit("main", &files);
    world.follow("main").await;
    for _ in 0..2 {
        assert_eq!(world.read(&commit, "app").await.unwrap(), ["app/a.yaml=a: 1"]);
        let error = world.read(&commit, "").await.unwrap_err();
        assert!(error.is_permanent());
        let said = error.to_string();
        assert!(
            said.ends_with("`big/x.yaml`: more than 16777216 bytes in one file; split the file"),
            "{said}"
        );
        // The successor knows of it, too.
        world.source.place(&world.repository.name).mirror.compact(0).unwrap();
    }
}

#[tokio::test]
async fn tags_in_a_row_end_somewhere() {
    let world = World::new();
    let commit = world.remote.commit("main", SHOP);
    let git = &world.remote.git;
    let ada = git2::Signature::now("Ada", "ada@example.org").unwrap();
    let mut id = git2::Oid::from_str(commit.as_str()).unwrap();
    for n in 0..30 {
        let object = git.find_object(id, None).unwrap();
        id = git.tag(&format!("t{n}"), &object, &ada, "again", true).unwrap();
    }
    assert_eq!(world.follow("t9").await, commit);
    world.fetch(&["t29"]).await.unwrap();
    let error = world.resolve("t29").await.unwrap_err();
    assert!(matches!(error, SourceError::NotACommit { .. }), "{error}");
}

#[tokio::test]
async fn mirrors_that_are_there_are_closed_to_others_by_the_next_fetch() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new();
    world.remote.commit("main", SHOP);
    world.follow("main").await;
    let folder = world.data.path().join("repositories");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    world.follow("main").await;
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_folder_may_borrow_its_objects() {
    let mut world = World::new();
    let commit = world.remote.commit("main", SHOP);
    let borrower = TempDir::new().unwrap();
    let git = Git::init_bare(borrower.path()).unwrap();
    let objects = world.remote.path().join("objects");
    fs::create_dir_all(borrower.path().join("objects/info")).unwrap();
    fs::write(borrower.path().join("objects/info/alternates"), format!("{}\n", objects.display()))
        .unwrap();
    drop(git);
    let git = Git::open_bare(borrower.path()).unwrap();
    let id = git2::Oid::from_str(commit.as_str()).unwrap();
    git.reference("refs/heads/main", id, true, "").unwrap();
    world.repository = repository(borrower.path().to_str().unwrap(), RepositoryAuth::None);
    assert_eq!(world.follow("main").await, commit);
    assert_eq!(world.read(&commit, "apps").await.unwrap(), ["apps/shop/a.yaml=a: 1\n"]);
}
