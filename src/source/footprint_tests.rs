//! What is read of a commit is decided by the places that were looked at.

use std::collections::BTreeMap;

use super::*;

type Files = BTreeMap<&'static str, &'static str>;

/// What is read at a path of a commit, or what is wrong with it, in words; and where it was looked.
async fn looked_at(world: &World, files: &Files, path: &str) -> (CommitId, Paths, String) {
    let files: Vec<_> = files.iter().map(|(path, content)| (*path, *content)).collect();
    let commit = world.remote.commit("main", &files);
    world.follow("main").await;
    let account = Arc::new(Account::new(Limits::default()));
    let read = world.source.read(&world.repository, &commit, path, &account).await.unwrap();
    let told = match read.files {
        Ok(files) => format!("{files:?}"),
        Err(SourceError::Tree { problem, .. }) => format!("{problem:?}"),
        Err(other) => panic!("{other}"),
    };
    (commit, read.paths, told)
}

async fn has_stayed(world: &World, commit: &CommitId, paths: &Paths) -> bool {
    let stayed = world.source.have_stayed(&world.repository, commit, vec![paths.clone()]);
    stayed.await.unwrap() == [true]
}

#[tokio::test]
async fn what_was_looked_at_is_what_decides() {
    let world = World::new();
    let (no_file, no_link) = ("shared/none.yaml", "shared/no-link.yaml");
    let begin = Files::from([
        ("app/a.yaml", "1"),
        ("app/x.yaml", "-> ../shared/link.yaml"),
        ("app/y.txt", "-> ../shared/none.yaml"),
        ("shared/link.yaml", "-> ../deep/down/x.yaml"),
        ("deep/down/x.yaml", "1"),
        ("deep/other.yaml", "1"),
        ("readme", "1"),
    ]);
    let (_, paths, _) = looked_at(&world, &begin, "app").await;
    let shown: Vec<_> = paths.iter().map(|(path, entry)| (path, entry.is_some())).collect();
    let expected =
        [("app", true), ("deep/down/x.yaml", true), ("shared/link.yaml", true), (no_file, false)];
    assert_eq!(shown, expected);
    for (path, content, stays) in [
        ("readme", "2", true),
        ("deep/other.yaml", "2", true),
        (no_link, "2", true),
        ("application/b.yaml", "2", true),
        ("app/b.yaml", "2", false),
        ("app/notes", "2", false),
        ("deep/down/x.yaml", "2", false),
        ("shared/link.yaml", "-> ../deep/down/../down/x.yaml", false),
        (no_file, "2", false),
        ("deep", "-> elsewhere", false),
    ] {
        let mut files = begin.clone();
        files.retain(|other, _| !other.starts_with(&format!("{path}/")));
        files.insert(path, content);
        let (commit, ..) = looked_at(&world, &files, "app").await;
        assert_eq!(has_stayed(&world, &commit, &paths).await, stays, "{path}: {content}");
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_has_a_footprint_too() {
    let world = World::new();
    let begin = Files::from([("apps/shop/a.yaml", "1"), ("current", "-> apps/shop")]);
    for (path, appears, content) in [
        ("apps/stock", "apps/stock/a.yaml", "1"),
        ("current/more", "apps/shop/more", "1"),
        ("apps/shop/a.yaml/b", "apps/shop/a.yaml", "-> x"),
        ("none/at/all", "none", "-> apps"),
    ] {
        let (_, paths, told) = looked_at(&world, &begin, path).await;
        assert!(told.starts_with("PathNotFound"), "{told}");
        let mut files = begin.clone();
        files.insert("readme", "2");
        let (commit, ..) = looked_at(&world, &files, path).await;
        assert!(has_stayed(&world, &commit, &paths).await, "{path}");
        files.insert(appears, content);
        let (commit, ..) = looked_at(&world, &files, path).await;
        assert!(!has_stayed(&world, &commit, &paths).await, "{path}");
    }
}

#[tokio::test]
async fn too_much_is_decided_by_the_whole_tree() {
    let world = World::new();
    let commit = world.remote.commit("main", &[("app/a.yaml", "12345"), ("b", "1")]);
    world.follow("main").await;
    let account = Arc::new(Account::new(Limits { file_bytes: 4, ..Limits::default() }));
    let read = world.source.read(&world.repository, &commit, "app", &account).await.unwrap();
    assert!(read.files.is_err());
    assert_eq!(read.paths.iter().map(|(path, _)| path).collect::<Vec<_>>(), [""]);
}

/// Whatever is edited: where nothing has changed at the places that were looked at, the same is read,
/// or the same is wrong.
#[tokio::test]
async fn the_same_is_read_where_nothing_that_was_looked_at_has_changed() {
    const PATHS: [&str; 12] = [
        "app/a.yaml",
        "app/b.yaml",
        "app/c",
        "app/sub/d.yaml",
        "lib/a.yaml",
        "lib/sub/b.yaml",
        "lib",
        "lib/sub",
        "app/sub",
        "other",
        "app",
        "other/x.yaml",
    ];
    const CONTENTS: [&str; 12] = [
        "1",
        "2",
        "3",
        "-> ../lib",
        "-> ../lib/a.yaml",
        "-> lib/sub/../a.yaml",
        "-> sub",
        "-> ../other/x.yaml",
        "-> ../../out",
        "-> lib",
        "-> other",
        "-> ../lib/sub/../../other",
    ];
    let world = World::new();
    let seed = fastrand::u64(..);
    let mut chance = fastrand::Rng::with_seed(seed);
    let edit = |files: &mut Files, chance: &mut fastrand::Rng| {
        let path = PATHS[chance.usize(..PATHS.len())];
        files.remove(path);
        if chance.u8(..4) > 0 {
            // What is a file or a symlink has nothing in it, and is in no such.
            files.retain(|other, _| {
                let inside = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
                !inside(other, path) && !inside(path, other)
            });
            files.insert(path, CONTENTS[chance.usize(..CONTENTS.len())]);
        }
    };
    let mut files = Files::from([("app/a.yaml", "1"), ("lib/a.yaml", "1")]);
    let mut looks: Vec<(Paths, String)> = Vec::new();
    let mut stayed = 0;
    for step in 0..100 {
        edit(&mut files, &mut chance);
        let (commit, paths, told) = looked_at(&world, &files, "app").await;
        assert!(has_stayed(&world, &commit, &paths).await, "seed {seed}, step {step}: itself");
        let looked = looks.iter().map(|(paths, _)| paths.clone()).collect();
        let have = world.source.have_stayed(&world.repository, &commit, looked).await.unwrap();
        for ((before, then), _) in looks.iter().zip(have).filter(|(_, stayed)| *stayed) {
            assert_eq!(*then, told, "seed {seed}, step {step}: {before:?} at {files:?}");
            stayed += 1;
        }
        looks.push((paths, told));
    }
    assert!(stayed > 50, "seed {seed}: it says something of {stayed} only");
}
