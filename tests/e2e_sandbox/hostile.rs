//! Repositories that would take all memory or time: each ends in an error that names the file, costs
//! a bounded part of memory, of however many applications it is at once, and holds up nobody else.

use std::collections::HashMap;
use std::fmt::Write;

use git2::{ObjectType, Oid, Repository as Git, Signature};

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::webhook::Webhook;
use crate::world::{Setup, World, application};

/// What the worst repository may take over what the program takes at rest, in bytes.
const MEMORY_MAX: u64 = 128 << 20;
/// Who read the worst repository at the same time.
const ATTACKED: [&str; 2] = ["shop", "other"];

/// One that is attacked as well, and one that follows another branch.
fn applications() -> String {
    let others = [("other", "main"), ("neighbour", "calm")];
    others.map(|(name, revision)| application(name, revision, "automated: true")).concat()
}

/// Files of an attack, and what its error says.
struct Attack {
    name: &'static str,
    files: Vec<(String, Vec<u8>)>,
    says: &'static str,
}

fn attack(name: &'static str, text: impl Into<Vec<u8>>, says: &'static str) -> Attack {
    Attack { name, files: vec![("x.yaml".to_owned(), text.into())], says }
}

/// Text in a file of one object.
fn object(rest: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n{rest}")
}

fn attacks() -> Vec<Attack> {
    let bomb = |levels: usize| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..levels {
            let aliases = format!("*a{}, ", n - 1).repeat(10);
            writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
        }
        object(&text)
    };
    let many = (0..120).map(|n| (format!("{n}.yaml"), bomb(5).into_bytes())).collect();
    let anchors = (0..20).fold(String::new(), |text, n| text + &format!("&n{n} ["));
    let merges = format!(
        "a: &a {{{}}}\nb: [{}]\n",
        (0..2000).fold(String::new(), |text, n| text + &format!("k{n}: v, ")),
        "{<<: *a}, ".repeat(2000),
    );
    let long = "k".repeat(2 << 20);
    let keys = format!("a: &a {{? {long} : 1}}\nb: [{}]\n", "{<<: *a}, ".repeat(200));
    let small = |text: &str| format!("[{}]", vec![text; 600_000].join(","));
    let values = "values";
    let memory = "bytes of memory for all files and values";
    vec![
        Attack { name: "bombs in many files", files: many, says: values },
        attack("a bomb", bomb(12), values),
        attack(
            "bombs in many documents",
            (0..50).fold(String::new(), |all, _| all + &bomb(5) + "---\n"),
            values,
        ),
        attack(
            "anchors in anchors",
            object(&format!("a: {anchors}{}{}\n", "x, ".repeat(900_000), "]".repeat(20))),
            memory,
        ),
        attack("merged mappings", object(&merges), memory),
        attack("long keys that are merged", object(&keys), memory),
        attack("small objects of JSON", small(r#"{"\/":1}"#), memory),
        Attack {
            name: "small objects in a file of JSON",
            files: vec![("x.json".to_owned(), small(r#"{"\ud83d\ude00":[]}"#).into_bytes())],
            says: memory,
        },
        attack("nothing but documents", "---\n".repeat(1 << 20), "300000 steps"),
        attack("nothing but errors", "- 1\n---\n".repeat(1 << 18), "expected an object"),
        attack("deep nesting", "[".repeat(1 << 20), "100 levels deep"),
        attack("deep nesting of blocks", "- ".repeat(1 << 20), "100 levels deep"),
        attack("one long line", vec![b'x'; 17 << 20], "16777216 bytes in one file"),
        attack("nothing", vec![b' '; 200 << 20], "16777216 bytes in one file"),
        attack(
            "half a string of UTF-16",
            [b"\xff\xfe\"\0".as_slice(), &[b'x', 0].repeat(3 << 20)].concat(),
            "not closed",
        ),
        Attack {
            name: "many long files",
            files: (0..5).map(|n| (format!("{n}.yaml"), vec![b'#' + n; 15 << 20])).collect(),
            says: "bytes in all files",
        },
        Attack {
            name: "a long list of files",
            files: (0..12_000).map(|n| (format!("{n}.yaml"), Vec::new())).collect(),
            says: "10000 manifests",
        },
        Attack {
            name: "a folder of everything",
            files: (0..210_000).map(|n| (format!("{n}.txt"), Vec::new())).collect(),
            says: "200000 entries of folders",
        },
    ]
}

impl World {
    /// Puts `main` on a commit with these files of the applications and no others.
    fn put(&self, files: &[(String, Vec<u8>)], message: &[u8]) -> String {
        let git = Git::open_bare(self.repository.path()).unwrap();
        // The host is not what this is about: it shall not look for differences for seconds.
        git.config().unwrap().set_i64("core.bigFileThreshold", 1 << 20).unwrap();
        let mut blobs = HashMap::new();
        let mut shop = git.treebuilder(None).unwrap();
        for (name, content) in files {
            let (mode, content) = match content.strip_prefix(b"-> ") {
                Some(target) => (0o120_000, target),
                None => (0o100_644, &content[..]),
            };
            let blob = *blobs.entry(content).or_insert_with(|| git.blob(content).unwrap());
            shop.insert(name, blob, mode).unwrap();
        }
        let folder = shop.write().unwrap();
        let mut apps = git.treebuilder(None).unwrap();
        for name in ATTACKED {
            apps.insert(name, folder, 0o040_000).unwrap();
        }
        let mut root = git.treebuilder(None).unwrap();
        root.insert("apps", apps.write().unwrap(), 0o040_000).unwrap();
        let tree = root.write().unwrap();
        let ada = Signature::now("Ada Lovelace", "ada@example.org").unwrap();
        let head = format!(
            "tree {tree}\nauthor {0} <ada@example.org> {1} +0000\ncommitter {0} <ada@example.org> {1} +0000\n\n",
            "Ada",
            ada.when().seconds()
        );
        let commit = [head.as_bytes(), message].concat();
        let commit: Oid = git.odb().unwrap().write(ObjectType::Commit, &commit).unwrap();
        self.repository.force_push("main", &commit.to_string());
        commit.to_string()
    }

    /// Pushes to the neighbour, and waits until that is applied.
    fn push_calm(&self, colour: &str) {
        let neighbour = config_map("neighbour", colour);
        self.repository.commit_to("calm", None, &[("apps/neighbour/x.yaml", Some(&neighbour))]);
        assert_eq!(self.headstay.deliver(&Webhook::push(&self.repository, "calm")).status, 202);
        wait_until("the neighbour", DEADLINE, || {
            self.colour("neighbour").as_deref() == Some(colour)
        });
    }

    /// Puts `main` right.
    fn apply_good(&self) {
        let good = config_map("settings", "red");
        let files = [("apps/shop/settings.yaml", Some(&*good))];
        let pushed = self.announce(self.repository.commit_to("main", None, &files));
        self.headstay.wait_until_through(pushed.sync_of("shop"));
    }

    /// Pushes an attack, and waits until all that read it have failed by it.
    fn fail(&self, name: &str, files: &[(String, Vec<u8>)], message: &[u8], says: &str) {
        let pushed = self.announce(self.put(files, message));
        for application in ATTACKED {
            self.headstay.wait_for_sync(name, |sync| {
                sync["id"] == pushed.sync_of(application)
                    && matches!(sync["state"].as_str(), Some("Failed" | "Retrying"))
                    && sync["error"].to_string().contains(says)
            });
        }
    }
}

#[test]
fn the_worst_repositories_cost_little_and_hold_up_nobody() {
    let world =
        Setup { applications: applications(), timeout: "3m", ..Setup::default() }.start_unapplied();
    world.push_calm("blue");
    let rest = world.headstay.peak_memory();
    let mut worst = Vec::new();
    let mut before = rest;
    let mut weigh = |name: &str| {
        let peak = world.headstay.peak_memory();
        if peak > before {
            worst.push(format!("{name}: {} MB", (peak - rest) >> 20));
            before = peak;
        }
    };

    for Attack { name, files, says } in attacks() {
        world.fail(name, &files, b"attack", says);
        weigh(name);
    }
    let steps = "d/../".repeat(800);
    let link = |n: usize| match n {
        0 => format!("-> {steps}d"),
        n => format!("-> {steps}l{}", n - 1),
    };
    let mut links: Vec<(String, Vec<u8>)> =
        (0..39).map(|n| (format!("l{n}"), link(n).into_bytes())).collect();
    links.extend((0..9000).map(|n| (format!("{n}.yaml"), b"-> l38/x".to_vec())));
    world.fail("symlinks in a row", &links, b"attack", "symlink");
    weigh("symlinks in a row");
    world.push_calm("green");
    weigh("the neighbour");
    world.apply_good();
    weigh("the cure");

    eprintln!("over rest: {worst:#?}");
    assert!(before - rest < MEMORY_MAX, "over rest: {worst:#?}");
    world.finish_despite(&ATTACKED);
}

#[test]
fn a_branch_that_is_not_taken_holds_up_only_who_follows_it() {
    let world =
        Setup { applications: applications(), timeout: "3m", ..Setup::default() }.start_unapplied();
    world.push_calm("blue");
    let rest = world.headstay.peak_memory();
    let says = "branch `main` is refused as it is, at";
    world.fail("a long message", &[], &vec![b'x'; 200 << 20], says);
    let last = &world.headstay.application()["lastSync"];
    assert!(last["error"].to_string().contains("a commit or tag of 2097"), "{last:#}");
    assert_eq!(last["state"], "Failed", "only another commit helps");
    // Its host sends it once: from now on it is left out, as long as it is where it is.
    for colour in ["green", "red"] {
        world.push_calm(colour);
    }
    assert!(world.headstay.peak_memory() - rest < MEMORY_MAX);
    assert_eq!(world.headstay.condition("RepositoryUnavailable"), None);
    world.apply_good();
    world.finish_despite(&ATTACKED);
}
