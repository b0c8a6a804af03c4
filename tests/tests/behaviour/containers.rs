//! Databases and packs: what is written comes back, as a range and as a stream, whole, cut, damaged
//! and hostile.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::cell::RefCell;
use std::io::{self, Read};

use cryoscan::archive::{
    Body, Extent, Flow, Member, Opening, Problem, Source, Stream, Visitor, container_of,
};
use cryoscan::diagnostic::Code;
use cryoscan::limits::{Budget, Limits};
use cryoscan_tests::git::{self, Pack};
use cryoscan_tests::random::Random;
use cryoscan_tests::sqlite::{self, Database, Row};
use proptest::prelude::*;

/// The members of a container, what was wrong, and why it was left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    members: Vec<(String, Vec<u8>)>,
    problems: Vec<(Code, String)>,
    error: Option<String>,
}

impl Seen {
    fn names(&self) -> Vec<&str> {
        self.members.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn codes(&self) -> Vec<Code> {
        self.problems.iter().map(|(code, _)| *code).collect()
    }
}

impl Visitor for Seen {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let mut bytes = Vec::new();
        io::copy(&mut member.body.reader().take(64 << 20), &mut bytes)?;
        self.members.push((String::from_utf8_lossy(&member.name).into_owned(), bytes));
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push((problem.code, problem.message));
    }
}

fn walk_with(bytes: &[u8], limits: &Limits, is_stream: bool) -> Seen {
    let budget = RefCell::new(Budget::new(limits.clone()));
    let mut seen = Seen::default();
    let mut opening = Opening { budget: &budget, visitor: &mut seen, depth: 1, helpers: None };
    let container = container_of(bytes).unwrap();
    let mut stream = bytes;
    let body = if is_stream {
        Body::Stream(Stream::new(&mut stream))
    } else {
        Body::At(Extent::all(Source::bytes(bytes.to_vec())))
    };
    let done = container.open(body, &mut opening);
    if let Ok(consumed) = &done {
        assert_eq!(consumed.bytes, bytes.len() as u64);
    }
    seen.error = done.err().map(|error| error.to_string());
    seen
}

/// Both ways, which must agree.
fn walk(bytes: &[u8]) -> Seen {
    let [at, stream] = [false, true].map(|is| walk_with(bytes, &Limits::default(), is));
    assert_eq!(at, stream);
    at
}

/// The rows of a table that go on in other pages.
fn long_rows<'r>(size: usize, table: &str, rows: &'r [Row]) -> Vec<(String, Vec<u8>)> {
    let is_long = |row: &&'r Row| {
        let (len, here) = Database::local(size, row.1.len());
        len > here
    };
    rows.iter()
        .filter(is_long)
        .map(|(number, text)| (format!("{table}/{number}"), sqlite::record(text)))
        .collect()
}

fn rows(seed: u64, lens: &[usize]) -> Vec<Row> {
    let mut random = Random::new(seed);
    (1..).zip(lens).map(|(number, len)| (number, random.bytes(*len))).collect()
}

fn sorted(mut members: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    members.sort();
    members
}

proptest! {
    #[test]
    fn rows_over_several_pages_come_back(
        power in 9..=16_u32,
        users in proptest::collection::vec(0_usize..9000, 0..12),
        notes in proptest::collection::vec(0_usize..900, 0..12),
    ) {
        let size = 1_usize << power;
        let (users, notes) = (rows(1, &users), rows(2, &notes));
        let database = Database::new(size).table("users", &users).table("notes", &notes);
        let seen = walk(&database.bytes());
        prop_assert_eq!((&seen.problems, &seen.error), (&vec![], &None));
        let expected = [long_rows(size, "users", &users), long_rows(size, "notes", &notes)];
        prop_assert_eq!(sorted(seen.members), sorted(expected.concat()));
    }

    #[test]
    fn damaged_databases_are_bounded(
        lens in proptest::collection::vec(0_usize..3000, 1..8),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Database::new(512).table("t", &rows(1, &lens)).bytes();
        let end = bytes.len();
        for (at, byte) in damage {
            // The first bytes tell what it is.
            bytes[24 + at.index(end - 24)] = byte;
        }
        bytes.truncate(100 + cut.index(end - 99));
        let seen = walk(&bytes);
        let made: usize = seen.members.iter().map(|(_, bytes)| bytes.len()).sum();
        prop_assert!(made <= 2 * bytes.len(), "{} of {}", made, bytes.len());
    }

    #[test]
    fn objects_of_a_pack_come_back(
        objects in proptest::collection::vec((0_usize..3, any::<prop::sample::Index>(), 0_usize..4000), 1..20),
        seed in any::<u64>(),
    ) {
        let mut random = Random::new(seed);
        let mut pack = Pack::default();
        let mut made: Vec<(u64, Vec<u8>)> = Vec::new();
        for (form, base, len) in objects {
            let (at, bytes) = if form == 0 || made.is_empty() {
                let bytes = random.bytes(len);
                (pack.blob(&bytes), bytes)
            } else {
                let (base_at, base) = made[base.index(made.len())].clone();
                let mut bytes = base.clone();
                let middle = bytes.len() / 2;
                bytes.splice(middle..middle, random.bytes(len % 300));
                let delta = git::delta(&base, &bytes);
                let at = match form {
                    1 => pack.ofs_delta(base_at, &delta),
                    _ => pack.ref_delta(git::blob_id(&base), &delta),
                };
                (at, bytes)
            };
            made.push((at, bytes));
        }
        let seen = walk(&pack.bytes());
        prop_assert_eq!((&seen.problems, &seen.error), (&vec![], &None));
        let expected: Vec<_> =
            made.into_iter().map(|(at, bytes)| (format!("blob@{at}"), bytes)).collect();
        prop_assert_eq!(sorted(seen.members), sorted(expected));
    }

    #[test]
    fn damaged_packs_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pack = Pack::default();
        let base = Random::new(1).bytes(600);
        let at = pack.blob(&base);
        let next = [&base[..300], b"new", &base[300..]].concat();
        let at = pack.ofs_delta(at, &git::delta(&base, &next));
        pack.ofs_delta(at, &git::delta(&next, &base));
        pack.ref_delta(git::blob_id(&next), &git::delta(&next, &base));
        let mut bytes = pack.bytes();
        let end = bytes.len();
        for (at, byte) in damage {
            bytes[8 + at.index(end - 8)] = byte;
        }
        bytes.truncate(12 + cut.index(end - 11));
        walk(&bytes);
    }
}

#[test]
fn every_truncation_of_a_database_gives_what_its_pages_hold() {
    let rows = rows(1, &[100, 3000, 700, 20]);
    let bytes = Database::new(512).table("t", &rows).bytes();
    let whole = walk(&bytes);
    assert_eq!(whole.names(), ["t/2", "t/3"]);
    for cut in 100..bytes.len() {
        let seen = walk(&bytes[..cut]);
        for (name, bytes) in seen.members {
            let of = whole.members.iter().find(|(whole, _)| *whole == name).unwrap();
            assert!(of.1.starts_with(&bytes), "{name} cut at {cut}");
        }
    }
}

#[test]
fn rows_of_a_dropped_table_are_put_together() {
    let (kept, gone) = (rows(1, &[40]), rows(2, &[2000, 30]));
    let seen = walk(&Database::new(1024).table("kept", &kept).dropped(&gone).bytes());
    let [(name, bytes)] = seen.members.as_slice() else { panic!("{:?}", seen.names()) };
    assert!(name.starts_with("(free)/") && *bytes == sqlite::record(&gone[0].1), "{name}");
    assert_eq!((seen.problems, seen.error), (vec![], None));
}

#[test]
fn chains_and_trees_that_go_round_end() {
    let size = 512;
    let rows = rows(1, &[3000, 3000]);
    let bytes = Database::new(size).table("t", &rows).bytes();
    // Pages: schema, root, then six of the first row and six of the second.
    let next = |bytes: &mut Vec<u8>, page: usize, to: u32| {
        bytes[(page - 1) * size..][..4].copy_from_slice(&to.to_be_bytes());
    };
    for to in [3, 4, 0, u32::MAX] {
        let mut bytes = bytes.clone();
        next(&mut bytes, 4, to);
        let seen = walk(&bytes);
        assert_eq!((seen.codes(), &seen.error), (vec![Code::ContainerMalformed], &None), "{to}");
        assert!((1..3000).contains(&seen.members[0].1.len()));
    }
    // Both rows claim the pages of the second: the first one has them.
    let mut shared = bytes.clone();
    next(&mut shared, 4, 8);
    let seen = walk(&shared);
    assert_eq!((seen.names(), seen.codes()), (vec!["t/1"], vec![Code::ContainerMalformed]));
    // A tree whose only page is its own child, two hundred times.
    let mut inner = bytes;
    let root = size;
    inner[root..root + 12].copy_from_slice(&[5, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 2]);
    for index in 0..200 {
        inner[root + 12 + 2 * index..][..2].copy_from_slice(&[0, 8]);
    }
    let seen = walk(&inner);
    // Its rows are in none of its pages any more.
    assert!(seen.names().iter().all(|name| name.starts_with("(free)/")), "{:?}", seen.names());
    assert_eq!(seen.error, None);
}

#[test]
fn a_database_in_a_stream_is_held_up_to_a_limit() {
    let bytes = Database::new(512).table("t", &rows(1, &[3000])).bytes();
    let limits = Limits { held_bytes: bytes.len() as u64, ..Limits::default() };
    assert_eq!(walk_with(&bytes, &limits, true).names(), ["t/1"]);
    let limits = Limits { held_bytes: bytes.len() as u64 - 1, ..Limits::default() };
    let seen = walk_with(&bytes, &limits, true);
    assert_eq!((seen.names(), seen.codes()), (vec![], vec![Code::LimitReached]));
    assert_eq!(walk_with(&bytes, &limits, false).names(), ["t/1"], "a range is not held");
}

#[test]
fn all_types_of_objects_are_named_by_what_they_are() {
    let mut pack = Pack::default();
    for kind in 1..=4 {
        pack.whole(kind, b"content");
    }
    let names: Vec<String> =
        walk(&pack.bytes()).members.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["commit@12", "tree@28", "blob@44", "tag@60"]);
    for kind in ["blob", "tree", "commit", "tag"] {
        let seen = walk(&git::loose(kind, b"content"));
        assert_eq!(seen.members, [(kind.to_owned(), b"content".to_vec())]);
        assert_eq!((seen.problems, seen.error), (vec![], None));
    }
}

#[test]
fn a_base_may_come_behind_what_changes_it() {
    // As `git index-pack --fix-thin` leaves it, three deltas deep.
    let base = Random::new(1).bytes(400);
    let [one, two, three] =
        ["1", "22", "333"].map(|new| [&base[..200], new.as_bytes(), &base[200..]].concat());
    let mut pack = Pack::default();
    let last = pack.ref_delta(git::blob_id(&two), &git::delta(&two, &three));
    let middle = pack.ref_delta(git::blob_id(&one), &git::delta(&one, &two));
    let first = pack.ref_delta(git::blob_id(&base), &git::delta(&base, &one));
    let at = pack.blob(&base);
    let seen = walk(&pack.bytes());
    let name = |at: u64| format!("blob@{at}");
    let expected =
        vec![(name(at), base), (name(first), one), (name(middle), two), (name(last), three)];
    assert_eq!((seen.members, seen.problems, seen.error), (expected, vec![], None));
}

#[test]
fn deltas_that_cannot_be_applied_are_handed_over_as_they_are() {
    let base = b"a base".to_vec();
    let new = [&base[..], b" and what a delta inserts"].concat();
    let delta = git::delta(&base, &new);
    // Of an object that is not there; of itself; for another base.
    let mut pack = Pack::default();
    let outside = pack.ref_delta(git::blob_id(&base), &delta);
    let seen = walk(&pack.bytes());
    assert_eq!(seen.members, [(format!("delta@{outside}"), delta.clone())]);
    assert_eq!((seen.codes(), &seen.error), (vec![Code::ContainerMalformed], &None));
    let mut pack = Pack::default();
    pack.ref_delta(git::blob_id(&new), &delta);
    assert_eq!(walk(&pack.bytes()).codes(), [Code::ContainerMalformed]);
    let mut pack = Pack::default();
    let other = pack.blob(b"another one");
    pack.ofs_delta(other, &delta);
    let seen = walk(&pack.bytes());
    assert_eq!(
        (seen.members[1].1.as_slice(), seen.codes()),
        (&delta[..], vec![Code::ContainerMalformed])
    );
    // In a stream that is not held.
    let mut pack = Pack::default();
    let at = pack.blob(&base);
    pack.ofs_delta(at, &delta);
    let limits = Limits { held_bytes: 9, ..Limits::default() };
    let seen = walk_with(&pack.bytes(), &limits, true);
    assert_eq!(
        (seen.members[1].1.as_slice(), seen.codes()),
        (&delta[..], vec![Code::LimitReached])
    );
}

#[test]
fn objects_that_lie_about_their_size_end_the_pack() {
    for (size, expected) in
        [(3, "expected an object of 3 bytes"), (1 << 50, "expected an object of")]
    {
        let mut pack = Pack::default();
        pack.lying_blob(b"content", size);
        let seen = walk(&pack.bytes());
        assert_eq!(seen.members[0].1, b"content");
        assert!(seen.error.unwrap().contains(expected));
    }
    // A delta that asks for more than is allowed, before any of it is made.
    let mut pack = Pack::default();
    let at = pack.blob(b"x");
    pack.ofs_delta(at, &[1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x90, 1]);
    assert_eq!(walk(&pack.bytes()).codes(), [Code::LimitReached]);
}

#[test]
fn a_chain_of_deltas_that_makes_terabytes_ends_at_the_limit() {
    // Each makes 1 MiB of a few bytes.
    let base = vec![0; 1 << 20];
    let mut pack = Pack::default();
    let mut at = pack.blob(&base);
    for _ in 0..200 {
        at = pack.ofs_delta(at, &git::delta(&base, &base));
    }
    let limits = Limits { expansion_floor: 8 << 20, expansion_ratio: 10, ..Limits::default() };
    let seen = walk_with(&pack.bytes(), &limits, false);
    assert!(seen.members.len() < 10, "{}", seen.members.len());
    assert!(seen.error.unwrap().contains("bytes made by the deltas of a pack: limit of 8388608"));
}
