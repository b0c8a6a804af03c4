//! Every kernel finds every literal, and hides nothing that is encoded. Whatever is read here ends
//! where the memory ends, so that a load behind the end is a crash.

#![expect(clippy::disallowed_methods, reason = "reads fixtures of the repository")]

use std::cell::Cell;
use std::io::{Read, Write};
use std::path::Path;

use aho_corasick::AhoCorasick;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;
use crate::matching::encoding::{ENCODINGS, Run, TOKEN, is_token};
use crate::matching::{Engine, Scratch, words};
use crate::tally::Match;

/// Memory between two pages that nobody may touch.
mod guarded {
    #![expect(unsafe_code, reason = "maps pages, two of which must not be touched")]

    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

    const PAGE: usize = 4 << 10;

    pub(super) struct Pages {
        start: *mut u8,
        len: usize,
    }

    impl Pages {
        pub(super) fn new(len: usize) -> Self {
            let len = len.next_multiple_of(PAGE) + 2 * PAGE;
            let may = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping, anywhere.
            let start =
                unsafe { mmap_anonymous(std::ptr::null_mut(), len, may, MapFlags::PRIVATE) };
            let start = start.unwrap().cast::<u8>();
            for at in [0, len - PAGE] {
                let page = start.wrapping_add(at).cast();
                // SAFETY: a page of this mapping, to which there is no reference.
                unsafe { mprotect(page, PAGE, MprotectFlags::empty()) }.unwrap();
            }
            Self { start, len }
        }

        /// A copy of bytes that ends where the memory ends.
        pub(super) fn copy(&mut self, bytes: &[u8]) -> &[u8] {
            assert!(bytes.len() <= self.len - 2 * PAGE, "more room is needed");
            let from = self.start.wrapping_add(self.len - PAGE - bytes.len());
            // SAFETY: so many bytes before the last page are ours, may be written, and hold zeros at
            // least; the reference ends before the next one is made.
            let room = unsafe { std::slice::from_raw_parts_mut(from, bytes.len()) };
            room.copy_from_slice(bytes);
            room
        }

        /// The same that begins where the memory begins.
        pub(super) fn copy_to_start(&mut self, bytes: &[u8]) -> &[u8] {
            assert!(bytes.len() <= self.len - 2 * PAGE, "more room is needed");
            let from = self.start.wrapping_add(PAGE);
            // SAFETY: as above, behind the first page.
            let room = unsafe { std::slice::from_raw_parts_mut(from, bytes.len()) };
            room.copy_from_slice(bytes);
            room
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: the whole mapping, to which there is no reference any more.
            unsafe { munmap(self.start.cast(), self.len) }.unwrap();
        }
    }
}

use guarded::Pages;

/// A literal's number and where it stands.
type Found = Vec<(usize, u32)>;

/// The literals of a set of rules on every kernel, and what should find the same.
struct Case {
    prefilters: Vec<Prefilter>,
    /// For literals as they are, and for those of any case.
    automata: [(Vec<u32>, AhoCorasick); 2],
}

impl Case {
    fn new(set: &RuleSet) -> Self {
        let prefilters: Vec<Prefilter> =
            Kernel::available().into_iter().map(|kernel| Prefilter::new(set, kernel)).collect();
        let literals = &prefilters[0].literals;
        for other in &prefilters {
            let same = |one: &Literal, other: &Literal| one.bytes == other.bytes;
            assert!(literals.iter().zip(&other.literals).all(|(one, other)| same(one, other)));
        }
        let automata = [false, true].map(|any_case| {
            let of_case = (0..).zip(literals).filter(|(_, it)| it.any_case == any_case);
            let (ids, patterns): (Vec<u32>, Vec<&[u8]>) =
                of_case.map(|(id, it)| (id, it.bytes.as_slice())).unzip();
            let mut builder = AhoCorasick::builder();
            (ids, builder.ascii_case_insensitive(any_case).build(patterns).unwrap())
        });
        Self { prefilters, automata }
    }

    fn builtin() -> &'static Self {
        static CASE: LazyLock<Case> = LazyLock::new(|| Case::new(&RuleSet::builtin().unwrap()));
        &CASE
    }

    /// Literals of all shapes: short ones with what follows them, zeros, no ASCII, letters of any case
    /// in names.
    fn odd() -> &'static Self {
        static CASE: LazyLock<Case> = LazyLock::new(|| {
            let mut set = RuleSet::default();
            let patterns = [
                "abc[0-9]",
                "abd[\\x80-\\xff]",
                "abe\\x00",
                "xyz",
                "aaa",
                "aaab",
                "(?s-u:\\x00\\x00\\x00\\x01)",
                "(?s-u:\\xfe\\xed\\xfa\\xce)",
                "(?s-u:\\xff\\xff\\xff)",
                "(?s-u:q\\x00\\x80\\x7f\\xff)",
                "\\t\\t\\tz",
                "p\\r9",
                "\\x7f\\x7f\\x7f",
                "Key_[a-f]{8}",
                "KEY_",
                "0123456789abcdef0123",
            ];
            for pattern in patterns {
                set.add_grep(pattern).unwrap();
            }
            Case::new(&set)
        });
        &CASE
    }

    fn literals(&self) -> &[Literal] {
        &self.prefilters[0].literals
    }

    /// What stands in bytes.
    fn expected(&self, bytes: &[u8]) -> Found {
        let mut all = Vec::new();
        for (ids, automaton) in &self.automata {
            for found in automaton.find_overlapping_iter(bytes) {
                let id = ids[found.pattern().as_usize()];
                let literal = &self.literals()[offset(id)];
                let next = bytes.get(found.end()).copied().unwrap_or_default();
                let is_short = literal.bytes.len() <= 3;
                let may_follow = !is_short || literal.follows.has(next);
                // A keyword must be able to stand there.
                let place = found.start()..found.end();
                let may_stand =
                    !literal.any_case || literal.neighbours().may_be(Beside::of(bytes, place));
                if may_follow && may_stand {
                    all.push((found.start(), id));
                }
            }
        }
        all.sort_unstable();
        all
    }

    /// Compares every kernel with what stands there.
    fn check(&self, pages: &mut Pages, bytes: &[u8]) {
        let expected = self.expected(bytes);
        let mut marks = Marks::default();
        for prefilter in &self.prefilters {
            // Long texts once only: it is their ends that matter.
            for at_end in [true, false].into_iter().take(if bytes.len() < TILE { 2 } else { 1 }) {
                let text = if at_end { pages.copy(bytes) } else { pages.copy_to_start(bytes) };
                prefilter.read(text, &mut marks);
                let found: Found =
                    marks.hits.iter().map(|hit| (offset(hit.at), hit.literal)).collect();
                if found != expected {
                    let lost = expected.iter().find(|hit| !found.contains(hit));
                    let more = found.iter().find(|hit| !expected.contains(hit));
                    let name = prefilter.kernel.name();
                    panic!("{name}, {} bytes: lost {lost:?}, has {more:?}", bytes.len());
                }
            }
        }
    }
}

/// Bytes that are no part of most literals.
fn filler(len: usize) -> Vec<u8> {
    (0..=u8::MAX)
        .filter(|byte| !byte.is_ascii_alphanumeric())
        .cycle()
        .step_by(7)
        .take(len)
        .collect()
}

/// A literal with what may follow it.
fn whole(literal: &Literal) -> Vec<u8> {
    let next = (0..=u8::MAX).rev().find(|byte| literal.follows.has(*byte));
    let next = next.filter(|_| literal.bytes.len() == 3);
    literal.bytes.iter().copied().chain(next).collect()
}

#[test]
fn the_rules_have_literals_of_every_kind() {
    let literals = Case::builtin().literals();
    assert!(literals.len() > 300, "{}", literals.len());
    let is_narrow = |it: &&Literal| it.bytes.len() == 3 && it.follows != Bytes::ALL;
    assert!(literals.iter().filter(is_narrow).count() > 3);
    assert!(literals.iter().any(|it| it.any_case));
    assert!(literals.iter().any(|it| it.bytes.iter().any(|byte| *byte >= 0x80)));
    assert!(literals.iter().any(|it| it.bytes.contains(&0)));
}

#[test]
fn every_literal_is_found_at_every_offset_in_a_block() {
    for case in [Case::builtin(), Case::odd()] {
        let mut pages = Pages::new(1 << 20);
        for shift in 0..BLOCK {
            let mut bytes = filler(shift);
            for literal in case.literals() {
                let whole = whole(literal);
                let to = (bytes.len() + whole.len() + 1).next_multiple_of(BLOCK) + shift;
                bytes.extend(whole);
                bytes.extend(filler(to - bytes.len()));
            }
            case.check(&mut pages, &bytes);
        }
    }
}

#[test]
fn every_literal_is_found_where_tiles_and_pages_of_zeros_meet() {
    for case in [Case::builtin(), Case::odd()] {
        let mut pages = Pages::new(8 << 20);
        for some in case.literals().chunks(200) {
            let rounds = if some.len() < 50 { 24 } else { 2 };
            for round in 0..rounds {
                // Ends of tiles in turn, with zeros in between.
                let mut bytes = vec![0; (some.len() + 1) * TILE + 5];
                for (index, literal) in some.iter().enumerate() {
                    let whole = whole(literal);
                    let at = (index + 1) * TILE + 1 - (index + 3 * round) % (whole.len() + 2);
                    bytes[at..at + whole.len()].copy_from_slice(&whole);
                }
                case.check(&mut pages, &bytes);
            }
        }
    }
}

#[test]
fn every_literal_is_found_where_the_text_ends_and_begins() {
    for case in [Case::builtin(), Case::odd()] {
        let mut pages = Pages::new(1 << 10);
        for (index, literal) in case.literals().iter().enumerate() {
            for before in [0, 1, 3, 30, 61, 62, 63, 64, 65, 125, 130, index % 130] {
                let mut bytes = filler(before);
                bytes.extend(&literal.bytes);
                case.check(&mut pages, &bytes);
                // One that is cut off is none.
                bytes.pop();
                case.check(&mut pages, &bytes);
            }
        }
    }
}

#[test]
fn literals_at_every_byte_of_a_block_are_all_found() {
    let mut pages = Pages::new(1 << 10);
    for len in 0..260 {
        let row = |of: &[u8]| of.iter().copied().cycle().take(len).collect::<Vec<u8>>();
        for of in [&b"a"[..], b"aaab", b"\xff", b"\0\0\0\x01", b"xyz", b"\0"] {
            Case::odd().check(&mut pages, &row(of));
        }
    }
    let all = Case::odd().expected(&[b'a'; 64]);
    assert_eq!(all.len(), 62, "of three letters, at each but the last two");
}

#[test]
fn a_literal_is_found_alone_among_bytes_that_are_no_text() {
    let mut pages = Pages::new(1 << 19);
    for (case, times) in [(Case::builtin(), 1), (Case::odd(), 64)] {
        for fill in [0, 1, b'\t', 0x80, 0xff] {
            // The distance goes through all places in a block, as often as literals are laid down.
            for distance in [64, 71, 127] {
                let mut bytes = vec![fill; 3];
                for literal in std::iter::repeat_n(case.literals(), times).flatten() {
                    bytes.extend(whole(literal));
                    bytes.extend(std::iter::repeat_n(fill, distance));
                }
                case.check(&mut pages, &bytes);
            }
        }
    }
}

#[test]
fn letters_of_any_case_are_found_where_they_are_meant_and_only_there() {
    let case = Case::builtin();
    let mut pages = Pages::new(1 << 16);
    for literal in case.literals() {
        let mut bytes = Vec::new();
        let mut put = |change: &dyn Fn(usize, u8) -> u8| {
            bytes.extend((0..).zip(whole(literal)).map(|(index, byte)| change(index, byte)));
            bytes.extend(b" ~ ");
        };
        let flip = |byte: u8| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte };
        put(&|_, byte| byte.to_ascii_uppercase());
        put(&|_, byte| byte.to_ascii_lowercase());
        for seed in 0..literal.bytes.len() {
            put(&|index, byte| if index == seed { flip(byte) } else { byte });
            put(&|index, byte| if index & seed == 0 { flip(byte) } else { byte });
            // Another byte that is the same but for its case bit, or its highest.
            put(&|index, byte| if index == seed { byte ^ 0x20 } else { byte });
            put(&|index, byte| if index == seed { byte ^ 0x80 } else { byte });
        }
        case.check(&mut pages, &bytes);
    }
}

/// Gives parts of the checkpoints of the repository, of those that `pick` picks a few.
fn each_real_part(most: usize, pick: impl Fn(&[u8]) -> bool, mut give: impl FnMut(&[u8])) {
    let mut part = Vec::new();
    for fixture in ["matrix", "gosrv", "node", "redis"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let file = std::fs::File::open(folder.join(fixture).join("checkpoint.tar.zst")).unwrap();
        let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
        let mut given = 0;
        while given < most {
            part.clear();
            if (&mut decoder).take(PART as u64).read_to_end(&mut part).unwrap() == 0 {
                break;
            }
            if pick(&part) {
                given += 1;
                give(&part);
            }
        }
        assert!(given > 3, "{fixture}: {given}");
    }
}

/// Bytes of a part of a checkpoint.
const PART: usize = 48 << 10;

#[test]
fn real_memory_gives_the_same_hits_and_runs() {
    let mut pages = Pages::new(PART);
    each_real_part(
        12,
        |part| !is_zeros(part),
        |part| {
            Case::builtin().check(&mut pages, part);
            assert_marks_hide_nothing(part);
        },
    );
}

thread_local! {
    /// Whether an automaton says where literals are, and nothing where anything else could be.
    static IS_REPLACED: Cell<bool> = const { Cell::new(false) };
}

/// Marks with no kernel, if that is asked for: literals as an automaton finds them, and every block as
/// one that may hold everything.
pub(super) fn is_replaced(bytes: &[u8], marks: &mut Marks) -> bool {
    if IS_REPLACED.get() {
        let hit = |(at, literal)| Hit { at: u32::try_from(at).unwrap(), literal };
        let hits = Case::builtin().expected(bytes).into_iter().map(hit).collect();
        *marks = Marks { hits, ..everything(bytes) };
    }
    IS_REPLACED.get()
}

/// All that an engine says of bytes.
fn matches(engine: &Engine, bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    engine.scan_file("dump", bytes, &mut Scratch::default(), |found| {
        let Match { kind, locus, key, judgement, .. } = found;
        let id = &engine.rules().get(judgement.rule).id;
        let (confidence, evidence) = (judgement.confidence, judgement.grounds.evidence.clone());
        all.push(format!("{id} {kind:?} {locus:?} {key:?} {confidence:?} {evidence:?}"));
    });
    all
}

#[test]
fn real_memory_gives_the_same_matches_as_without_kernels() {
    let rules = || RuleSet::builtin().unwrap();
    let engines: Vec<Engine> = Kernel::available()
        .into_iter()
        .map(|kernel| Engine::on(kernel, rules(), [7; 32]))
        .collect();
    let mut count = 0;
    each_real_part(
        12,
        |part| Case::builtin().expected(part).len() > 2,
        |part| {
            IS_REPLACED.set(true);
            let expected = matches(&engines[0], part);
            IS_REPLACED.set(false);
            count += expected.len();
            for (engine, kernel) in engines.iter().zip(Kernel::available()) {
                assert_eq!(matches(engine, part), expected, "{}", kernel.name());
            }
        },
    );
    assert!(count > 20, "{count}");
}

/// What encodings find: of each its runs; then phrases and tokens.
fn runs(bytes: &[u8], marks: &Marks) -> (Vec<Vec<Run>>, [Vec<Range<usize>>; 2]) {
    let of = |encoding: &&encoding::Encoding| {
        let mut runs = Vec::new();
        (encoding.find)(bytes, marks, &mut |run| runs.push(run));
        runs
    };
    let mut phrases = Vec::new();
    words::each(bytes, marks, |range| phrases.push(range));
    (ENCODINGS.iter().map(of).collect(), [phrases, marks.tokens.clone()])
}

/// Marks of bytes of which any block could hold anything.
fn everything(bytes: &[u8]) -> Marks {
    let mut at = 0;
    let mut tokens = Vec::new();
    for part in bytes.split(|byte| !is_token(*byte)) {
        if part.len() >= TOKEN {
            tokens.push(at..at + part.len());
        }
        at += part.len() + 1;
    }
    let blocks = || (0..bytes.len()).step_by(BLOCK).map(|at| u32::try_from(at).unwrap());
    let all = || blocks().map(|at| (at, u64::MAX)).collect();
    let flags = blocks().map(|at| (at, u8::MAX)).collect();
    // Of numbers, those words that are looked at first.
    let numbers = (0..bytes.len() / 8).step_by(16).map(|at| u32::try_from(at).unwrap()).collect();
    Marks { blocks: flags, escapes: all(), streams: all(), tokens, numbers, ..Marks::default() }
}

/// Whether as much is found as if every block could hold anything.
fn assert_marks_hide_nothing(bytes: &[u8]) {
    let all = everything(bytes);
    let expected = runs(bytes, &all);
    let mut marks = Marks::default();
    for kernel in Kernel::available() {
        thread_local! {
            static NONE: Vec<Prefilter> = Kernel::available()
                .into_iter()
                .map(|kernel| Prefilter::new(&RuleSet::default(), kernel))
                .collect();
        }
        NONE.with(|all| all.iter().find(|it| it.kernel == kernel).unwrap().read(bytes, &mut marks));
        assert_eq!(runs(bytes, &marks), expected, "{}", kernel.name());
    }
}

/// Text with a piece of everything that is looked for, at any alignment.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let of = |alphabet: &'static [u8], len: Range<usize>| {
        proptest::collection::vec(prop::sample::select(alphabet), len)
    };
    let text = || proptest::collection::vec(prop_oneof![32u8..127, Just(b'\n')], 3..60);
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    let widen = |text: Vec<u8>, at: usize, width: usize| {
        let mut bytes = vec![0; text.len() * width];
        for (index, byte) in text.into_iter().enumerate() {
            bytes[index * width + at] = byte;
        }
        bytes
    };
    let literal = any::<(prop::sample::Index, usize, usize)>().prop_map(|(index, from, len)| {
        let literals = Case::builtin().literals();
        let bytes = &literals[index.index(literals.len())].bytes;
        // The whole, and more often a part: a near hit.
        let (from, len) = (from % 3, len % (bytes.len() + 4));
        bytes.iter().skip(from / 2).take(len.max(3)).copied().collect::<Vec<u8>>()
    });
    let packed = (text(), any::<bool>()).prop_map(|(text, is_gzip)| {
        if is_gzip {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(&text).unwrap();
            packer.finish().unwrap()
        } else {
            let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(9));
            packer.write_all(&text).unwrap();
            packer.finish().unwrap()
        }
    });
    let phrase = (
        prop::sample::select(&[" ", "\n", ",", ", ", "\",\"", "\", \""][..]),
        proptest::collection::vec(
            prop::sample::select(&["zoo", "act", "abandon", "zo"][..]),
            9..26,
        ),
    );
    prop_oneof![
        4 => literal,
        2 => proptest::collection::vec(any::<u8>(), 0..80),
        1 => (0usize..140).prop_map(|len| vec![0; len]),
        1 => (4090usize..8300).prop_map(|len| vec![0; len]),
        2 => text(),
        2 => text().prop_map(move |text| widen(text, 0, 2)),
        2 => text().prop_map(move |text| widen(text, 1, 2)),
        2 => text().prop_map(move |text| widen(text, 0, 4)),
        2 => of(BASE64, 8..140),
        2 => of(b"0123456789abcdefABCDEF", 16..140),
        1 => of(b"%4aF\0", 1..80),
        1 => of(b"\\nu0\"/ a", 1..80),
        2 => of(b"a\0", 1..140),
        1 => of(b"aZ\0\0\0", 1..140),
        1 => of(b"a\t\x80\0\x7f", 1..80),
        1 => of(b"\x1f\x8b\x08\0\x78\x01\x9c\xda\x5e", 1..60),
        1 => packed,
        2 => phrase.prop_map(|(mark, words)| words.join(mark).into_bytes()),
    ]
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// Texts in which each literal of a few nearly stands.
fn near_hits() -> impl Strategy<Value = Vec<u8>> {
    let letters = b"abcdexyzKEYkey_0123aA\0\x01\x80\xfe\xed\xfa\xce\xffq\x7f";
    proptest::collection::vec(prop::sample::select(&letters[..]), 0..700)
}

/// The shortest run of each kind, with as little in each block as there can be.
#[test]
fn marks_hide_no_shortest_run_wherever_blocks_meet() {
    let widen = |width: usize, at: usize, len: usize| -> Vec<u8> {
        let unit = move |index: usize| if index == at { b'a' } else { 0 };
        (0..len * width).map(|index| unit(index % width)).collect()
    };
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(b"a text that is packed").unwrap();
    let shortest = [
        widen(2, 0, 8),
        widen(2, 1, 8),
        [widen(2, 1, 8), widen(2, 1, 1)].concat(),
        widen(4, 0, 8),
        b"Zg1+/Zg1-_Zg1+/Zg1-_Zg1k".to_vec(),
        b"ag".repeat(12),
        b"4a".repeat(20),
        b"aaaaaaaaaaaaa%41".to_vec(),
        b"%41aaaaaaaaaaaaa".to_vec(),
        b"\"aaaaaaaaaaaaaa\\naaaa\"".to_vec(),
        packer.finish().unwrap(),
        b"zoo act zoo act zoo act zoo act zoo act zoo wild".to_vec(),
        ["zoo"; 12].join(" ").into_bytes(),
        ["zoo"; 12].join("\n").into_bytes(),
    ];
    for run in shortest {
        for before in 0..2 * BLOCK + 2 {
            for fill in [0xff, 1, 0] {
                let mut bytes = vec![fill; before];
                bytes.extend(&run);
                bytes.extend([fill; BLOCK]);
                assert_marks_hide_nothing(&bytes);
            }
        }
        let found = |fill: u8| {
            let bytes = [&[fill; 4][..], &run, &[fill; 4]].concat();
            let (all, [phrases, tokens]) = runs(&bytes, &everything(&bytes));
            all.concat().len() + phrases.len() + tokens.len()
        };
        assert!(found(1) + found(0xff) > 0, "no run: {}", run.escape_ascii());
    }
}

/// What runs of some encodings are made of, and hardly anything else.
const ALPHABETS: [&[u8]; 4] = [b"a\0", b"a\0\0\0", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaa.", b"a\xff\0\t"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn hits_are_those_of_an_automaton(bytes in soup(), skip in 0usize..130) {
        let mut pages = Pages::new(256 << 10);
        let from = &bytes[skip.min(bytes.len())..];
        Case::builtin().check(&mut pages, from);
    }

    #[test]
    fn hits_among_near_hits_are_those_of_an_automaton(bytes in near_hits()) {
        let mut pages = Pages::new(1 << 10);
        Case::odd().check(&mut pages, &bytes);
    }

    #[test]
    fn marks_hide_nothing(bytes in soup(), skip in 0usize..130) {
        assert_marks_hide_nothing(&bytes[skip.min(bytes.len())..]);
    }

    #[test]
    fn marks_hide_nothing_in_small_alphabets(
        bytes in prop::sample::select(&ALPHABETS[..])
            .prop_flat_map(|of| proptest::collection::vec(prop::sample::select(of), 0..400)),
    ) {
        assert_marks_hide_nothing(&bytes);
    }
}
