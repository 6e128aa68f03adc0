//! Packs, as hosts send them and as nobody should.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

const BLOB: u8 = 3;
const MB: u64 = 1 << 20;

/// An object: its kind, its size, what it is made from, its data.
fn object(kind: u8, size: u64, base: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((rest & 0x7F) as u8);
        rest >>= 7;
    }
    bytes.extend_from_slice(base);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).unwrap();
    bytes.extend(packed.finish().unwrap());
    bytes
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

/// What is wrong with a pack of these objects, however it is cut.
fn refusal(objects: &[Vec<u8>]) -> Option<String> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend((objects.len() as u32).to_be_bytes());
    pack.extend(objects.concat());
    pack.extend([7; 20]);
    let look = |cut: usize| {
        let known: SizeOf = Box::new(|id| (id.as_bytes()[0] == 1).then_some(60 * MB));
        let mut looker = Pack::new(known);
        let mut parts = pack.chunks(cut);
        parts.find_map(|part| looker.look_at(part).err()).map(|error| error.to_string())
    };
    let whole = look(pack.len());
    for cut in [1, 3, 64] {
        assert_eq!(look(cut), whole);
    }
    whole
}

#[test]
fn what_would_take_too_much_is_refused_before_it_is_made() {
    let small = object(BLOB, 5, &[], b"hello");
    let back = vec![small.len() as u8];
    let said = |bytes: u64| object(COMMIT, bytes, &[], b"tree");
    let change = |base: &[u8], from: u64, to: u64| {
        let data = delta(from, to);
        let kind = if base.len() == 20 { NAMED_DELTA } else { OFFSET_DELTA };
        object(kind, data.len() as u64, base, &data)
    };
    let large = object(BLOB, 900 * MB, &[], b"as it comes");
    let commit = said(100);
    let refused = "a";
    for (objects, expected) in [
        (vec![], None),
        (vec![small.clone(), large.clone(), small.clone()], None),
        (vec![small.clone(), change(&back, 5, 30)], None),
        (vec![said(2 * MB)], Some("commit or tag of 2097152 bytes; at most 1048576 are taken")),
        (vec![object(TREE, 17 * MB, &[], b"")], Some("folder of 17825792 bytes")),
        (
            vec![small.clone(), change(&back, 5, 900 * MB)],
            Some("file that is told by a difference of 943718400 bytes"),
        ),
        (
            vec![large.clone(), change(&[large.len() as u8], 5, 30)],
            Some("file that is told by a difference of far too many"),
        ),
        (
            vec![commit.clone(), change(&[commit.len() as u8], 100, 2 * MB)],
            Some("commit or tag of 2097152 bytes"),
        ),
        (
            vec![change(&[1; 20], 5, 30)],
            Some("file that is told by a difference of 62914560 bytes"),
        ),
        (vec![change(&[2; 20], 5, 30)], None),
        (
            vec![large.clone(), change(&[2; 20], 5, 30)],
            Some("file that is told by a difference of far too many"),
        ),
        (
            vec![change(&[2; 20], 5, 30), large.clone()],
            Some("file that is told by a difference of far too many"),
        ),
    ] {
        let found = refusal(&objects);
        let right = match (&found, expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => found.starts_with(&format!("{refused} {expected}")),
            _ => false,
        };
        assert!(right, "expected {expected:?}, found {found:?}");
    }
}

/// Differences of some bytes that make so much each, from one base, or each from the one before it.
fn changes(count: usize, to: u64, in_a_row: bool, named: bool) -> Vec<Vec<u8>> {
    let mut objects = vec![object(BLOB, to, &[], b"as it comes")];
    let mut back = objects[0].len() as u64;
    for _ in 0..count {
        let data = delta(to, to);
        let offset = match back {
            ..0x80 => vec![back as u8],
            _ => vec![((back >> 7) - 1) as u8 | 0x80, (back & 0x7F) as u8],
        };
        let (kind, base) = if named { (NAMED_DELTA, vec![2; 20]) } else { (OFFSET_DELTA, offset) };
        objects.push(object(kind, data.len() as u64, &base, &data));
        let bytes = objects.last().unwrap().len() as u64;
        back = if in_a_row { bytes } else { back + bytes };
    }
    objects
}

#[test]
fn what_differences_make_has_a_bound_in_all_and_rows_are_made_anew() {
    let refused = |objects: &[Vec<u8>]| {
        refusal(objects).is_some_and(|said| said.contains("bytes, made of differences"))
    };
    for (count, to, in_a_row, named, expected) in [
        // What is kept is made once.
        (300, MB, true, false, false),
        (300, MB, true, true, false),
        (80, 40 * MB, false, false, false),
        (120, 40 * MB, false, false, true),
        (100, 2 * MB, true, false, false),
        (500, 2 * MB, true, false, true),
        (500, 2 * MB, false, false, false),
        (500, 2 * MB, true, true, true),
    ] {
        let found = refused(&changes(count, to, in_a_row, named));
        assert_eq!(found, expected, "{count} of {to} bytes, in a row: {in_a_row}, {named}");
    }
}

#[test]
fn a_head_that_does_not_end_is_damage() {
    let endless = vec![BLOB << 4 | 0x80; 64];
    // A difference whose sizes do not end, or that ends before them, cannot be held to a bound.
    let padded = [vec![0x85], vec![0x80; 30], vec![0], varint(900 * MB)].concat();
    let padded = object(NAMED_DELTA, padded.len() as u64, &[2; 20], &padded);
    let short = object(NAMED_DELTA, 1, &[2; 20], &[0x85]);
    for object in [endless, padded, short] {
        let said = refusal(&[object]);
        assert!(said.as_ref().is_some_and(|said| said.contains("damaged")), "{said:?}");
    }
}
