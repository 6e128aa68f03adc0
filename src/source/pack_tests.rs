//! Packs, as hosts send them and as nobody should.

use git2::{Odb, Signature};
use tempfile::TempDir;

use super::*;
use crate::source::packed::{NAMED_DELTA, OFFSET_DELTA};

const BLOB: u8 = 3;
const COMMIT: u8 = 1;
const TREE: u8 = 2;
const MB: u64 = 1 << 20;

/// An object: its kind, its size, what it is made from, its data.
fn object(kind: u8, size: u64, base: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = write_head(kind, size);
    bytes.extend_from_slice(base);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).unwrap();
    bytes.extend(packed.finish().unwrap());
    bytes
}

fn blob(data: &[u8]) -> Vec<u8> {
    object(BLOB, data.len() as u64, &[], data)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A difference that says that it makes so much of so much.
fn delta(from: u64, to: u64) -> Vec<u8> {
    [varint(from), varint(to), vec![0x90, 1]].concat()
}

/// A difference that copies the first bytes of a base, and adds a text.
fn longer(from: usize, copied: u32, text: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = copied.to_le_bytes();
    let to = u64::from(copied) + text.len() as u64;
    let copy = [0xF0, a, b, c];
    [&varint(from as u64), &varint(to), &copy[..], &[text.len() as u8], text].concat()
}

/// What differs from an object so many bytes before it.
fn placed(back: u64, data: &[u8]) -> Vec<u8> {
    let mut offset = vec![(back & 0x7F) as u8];
    let mut rest = back >> 7;
    while rest > 0 {
        rest -= 1;
        offset.insert(0, (rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    object(OFFSET_DELTA, data.len() as u64, &offset, data)
}

/// What differs from an object of this id.
fn named(base: Oid, data: &[u8]) -> Vec<u8> {
    object(NAMED_DELTA, data.len() as u64, base.as_bytes(), data)
}

fn id(data: &[u8]) -> Oid {
    Oid::hash_object(ObjectType::Blob, data).unwrap()
}

fn pack_of(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend((objects.len() as u32).to_be_bytes());
    pack.extend(objects.concat());
    let sum = Sha1::digest(&pack);
    pack.extend(sum);
    pack
}

/// A pack with one blob.
pub(in crate::source) fn pack_of_hello() -> Vec<u8> {
    pack_of(&[blob(b"hello")])
}

/// A mirror with what is in it.
struct Mirror {
    folder: TempDir,
    git: Git,
}

impl Mirror {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let git = Git::init_bare(folder.path()).unwrap();
        Self { folder, git }
    }

    /// Takes in a pack that comes in parts of so many bytes; none: it is not over.
    fn take(&self, pack: &[u8], cut: usize, limit: u64) -> Result<Option<()>, String> {
        let mut taken = Pack::new(self.folder.path());
        pack.chunks(cut).try_for_each(|part| taken.take(part)).map_err(|e| e.to_string())?;
        if !taken.is_over() {
            return Ok(None);
        }
        taken.finish_within(limit).map(Some).map_err(|error| error.to_string())
    }

    fn has(&self, data: &[u8]) -> bool {
        self.git.find_blob(id(data)).is_ok_and(|blob| blob.content() == data)
    }
}

/// What is wrong with a pack, however it is cut.
fn refusal(objects: &[Vec<u8>]) -> Option<String> {
    let pack = pack_of(objects);
    let take = |cut| Mirror::new().take(&pack, cut, u64::MAX).err();
    let whole = take(pack.len());
    for cut in [1, 3, 64] {
        assert_eq!(take(cut), whole);
    }
    whole
}

/// Every object of a database, with its kind and its data.
fn all(odb: &Odb<'_>) -> Vec<(Oid, ObjectType, Vec<u8>)> {
    let mut ids = Vec::new();
    odb.foreach(|id| {
        ids.push(*id);
        true
    })
    .unwrap();
    ids.sort_unstable();
    let read = |id: Oid| odb.read(id).map(|object| (id, object.kind(), object.data().to_vec()));
    ids.into_iter().map(|id| read(id).unwrap()).collect()
}

#[test]
fn a_history_comes_as_it_is() {
    let theirs = Mirror::new();
    let (git, ada) = (&theirs.git, Signature::now("Ada", "ada@example.org").unwrap());
    let (mut tip, mut text) = (None, "some line\n".repeat(400));
    for nth in 0..30 {
        text.replace_range(nth * 10..nth * 10 + 4, "same");
        let mut tree = git.treebuilder(None).unwrap();
        for (name, text) in [("a", text.clone()), ("b", nth.to_string())] {
            tree.insert(name, git.blob(text.as_bytes()).unwrap(), 0o100_644).unwrap();
        }
        let tree = git.find_tree(tree.write().unwrap()).unwrap();
        let parent = tip.map(|tip| git.find_commit(tip).unwrap());
        let parents: Vec<_> = parent.iter().collect();
        tip = Some(git.commit(None, &ada, &ada, "more", &tree, &parents).unwrap());
    }
    let theirs = all(&git.odb().unwrap());
    let mut builder = git.packbuilder().unwrap();
    for (id, ..) in &theirs {
        builder.insert_object(*id, Some("a")).unwrap();
    }
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack).unwrap();
    let differences = |pack: &[u8]| pack.len() < theirs.iter().map(|one| one.2.len()).sum();
    assert!(differences(&pack));

    for cut in [1, 1000, pack.len()] {
        let mirror = Mirror::new();
        assert_eq!(mirror.take(&pack, cut, u64::MAX), Ok(Some(())));
        assert!(all(&mirror.git.odb().unwrap()) == theirs);
    }
}

#[test]
fn objects_are_made_whatever_the_order_in_which_they_come() {
    let [a, b, c] = [&b"hello"[..], b"hello you", b"hello you there"];
    let first = blob(a);
    let back = first.len() as u64;
    let of_b = longer(b.len(), 9, b" there");
    for (here, there, objects) in [
        (vec![a, b], vec![], vec![first.clone(), placed(back, &longer(5, 5, b" you"))]),
        // The base comes later, and is a difference itself.
        (
            vec![a, b, c],
            vec![],
            vec![named(id(b), &of_b), named(id(a), &longer(5, 5, b" you")), first],
        ),
        // The base is in the mirror, or only there, or is sent as well.
        (vec![b], vec![a], vec![named(id(a), &longer(5, 5, b" you"))]),
        (vec![b, c], vec![a], vec![named(id(b), &of_b), named(id(a), &longer(5, 5, b" you"))]),
        (vec![b, c], vec![a, b], vec![named(id(b), &of_b), named(id(a), &longer(5, 5, b" you"))]),
    ] {
        let mirror = Mirror::new();
        for data in &there {
            mirror.git.blob(data).unwrap();
        }
        let pack = pack_of(&objects);
        assert_eq!(mirror.take(&pack, pack.len(), u64::MAX), Ok(Some(())));
        // A pack has all that it is made from.
        for two in std::fs::read_dir(mirror.folder.path().join("objects")).unwrap() {
            let two = two.unwrap();
            if two.file_name().len() == 2 {
                std::fs::remove_dir_all(two.path()).unwrap();
            }
        }
        let mirror = Mirror { git: Git::open_bare(mirror.folder.path()).unwrap(), ..mirror };
        for data in here {
            assert!(mirror.has(data), "{data:?} of {there:?}");
        }
    }
}

#[test]
fn what_is_not_kept_is_made_again_and_counts() {
    // Two are made of each second one, of which the second is made first.
    let large = vec![b'.'; 6 << 20];
    let mut objects = vec![blob(&large)];
    let mut expected = vec![large.clone()];
    for nth in 0..10_usize {
        let (last, back) =
            (expected.last().map_or(0, Vec::len), objects.last().map_or(0, Vec::len));
        let change = |text: &[u8]| longer(last, 6 << 20, text);
        let first = placed(back as u64, &change(format!("a{nth}").as_bytes()));
        let back = back + first.len();
        let second = placed(back as u64, &change(format!("b{nth}").as_bytes()));
        objects.extend([first, second]);
        let made = |name: char| [&large[..], format!("{name}{nth}").as_bytes()].concat();
        expected.extend([made('a'), made('b')]);
    }
    let pack = pack_of(&objects);
    let mirror = Mirror::new();
    assert_eq!(mirror.take(&pack, pack.len(), u64::MAX), Ok(Some(())));
    for data in &expected {
        assert!(mirror.has(data));
    }
    let once = 21 * (6 << 20) + 1000;
    let refused = Mirror::new().take(&pack, pack.len(), once).unwrap_err();
    assert!(refused.contains("bytes, made of differences"), "{refused}");
}

#[test]
fn what_would_take_too_much_is_refused_before_it_is_made() {
    let small = blob(b"hello");
    let back = small.len() as u64;
    let said = |kind, bytes: u64| object(kind, bytes, &[], b"");
    let large = blob(&vec![0; 49 << 20]);
    let commit = object(COMMIT, 4, &[], b"tree");
    let mut long = vec![small.clone()];
    let mut last = b"hello".to_vec();
    for _ in 0..4100 {
        let before = long.last().map_or(0, Vec::len) as u64;
        long.push(placed(before, &longer(last.len(), last.len() as u32, b".")));
        last.push(b'.');
    }
    for (objects, expected) in [
        (vec![], None),
        (vec![small.clone(), large.clone()], None),
        (vec![small.clone(), placed(back, &longer(5, 5, b"!"))], None),
        (
            vec![said(COMMIT, 2 * MB)],
            Some("a commit or tag of 2097152 bytes; at most 1048576 are taken"),
        ),
        (vec![said(TREE, 17 * MB)], Some("a folder of 17825792 bytes")),
        (
            vec![small.clone(), placed(back, &delta(5, 900 * MB))],
            Some("a file that is told by a difference of 943718400 bytes"),
        ),
        (
            vec![large.clone(), placed(large.len() as u64, &delta(5, 30))],
            Some("a file that is told by a difference of 51380224 bytes"),
        ),
        (
            vec![commit.clone(), placed(commit.len() as u64, &delta(4, 2 * MB))],
            Some("a commit or tag of 2097152 bytes"),
        ),
        (long, Some("more than 4096 objects, made in a row, come with it")),
    ] {
        let pack = pack_of(&objects);
        let found = Mirror::new().take(&pack, pack.len(), u64::MAX).err();
        let right = match (&found, expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => found.starts_with(expected),
            _ => false,
        };
        assert!(right, "expected {expected:?}, found {found:?}");
    }
}

#[test]
fn what_differences_make_has_a_bound_in_all() {
    for (count, to, refused) in [(300, MB, false), (80, 40 * MB, false), (120, 40 * MB, true)] {
        let mut objects = vec![blob(b"hello")];
        let mut back = objects[0].len() as u64;
        for _ in 0..count {
            objects.push(placed(back, &delta(5, to)));
            back += objects.last().map_or(0, Vec::len) as u64;
        }
        let mirror = Mirror::new();
        let mut pack = Pack::new(mirror.folder.path());
        let taken = pack_of(&objects).chunks(999).try_for_each(|part| pack.take(part));
        let said = taken.map_err(|error| error.to_string()).err();
        let found = said.is_some_and(|said| said.contains("bytes, made of differences"));
        assert_eq!(found, refused, "{count} of {to} bytes");
    }
}

#[test]
fn a_pack_that_is_none_is_refused() {
    let small = blob(b"hello");
    let back = small.len() as u64;
    let endless = vec![BLOB << 4 | 0x80; 64];
    // A difference whose sizes do not end, or that ends before them, cannot be held to a bound.
    let padded = [vec![0x85], vec![0x80; 30], vec![0], varint(900 * MB)].concat();
    let made = |data: &[u8]| vec![small.clone(), placed(back, data)];
    for objects in [
        vec![endless],
        vec![small.clone(), small.clone()],
        vec![object(0, 5, &[], b"hello")],
        vec![object(5, 5, &[], b"hello")],
        vec![object(BLOB, 4, &[], b"hello")],
        vec![object(BLOB, 6, &[], b"hello")],
        vec![small.clone(), placed(back + 1, &longer(5, 5, b"!"))],
        made(&padded),
        made(&[0x85]),
        made(&longer(6, 5, b"!")),
        made(&longer(5, 6, b"!")),
        made(&[longer(5, 5, b"!"), vec![1, b'?']].concat()),
        made(&[varint(5), varint(7), vec![1, b'?']].concat()),
        made(&[varint(5), varint(7), vec![0]].concat()),
        // The same twice, the second time as a difference.
        made(&[varint(5), varint(5), vec![0x90, 5]].concat()),
    ] {
        let said = refusal(&objects);
        assert!(said.as_ref().is_some_and(|said| said.contains("damaged")), "{said:?} {objects:?}");
    }
    let [a, b] = [id(b"a"), id(b"b")];
    let circle = vec![named(a, &longer(5, 5, b"!")), named(b, &longer(5, 5, b"!"))];
    let said = refusal(&circle).unwrap();
    assert!(said.contains("from an object that nobody has"), "{said}");

    let good = pack_of(&[small]);
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for pack in [wrong, [good, b"more".to_vec()].concat()] {
        assert!(Mirror::new().take(&pack, 7, u64::MAX).unwrap_err().contains("damaged"));
    }
}
