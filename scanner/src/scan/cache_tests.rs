//! With a cache, whatever it knows, a scan gives what it gives without.

use std::cell::RefCell;
use std::collections::BTreeSet;

use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::region::{Form, Holder, HolderKind, Label, LabelKind, Piece, RegionKind, Space};
use crate::rule::RuleSet;

const MEMORY: u64 = 512 << 20;
const BASE: u64 = 0x7f12_3400_0000;
const MINE: Identity = Identity([7; 32]);

thread_local! {
    static ENGINE: RefCell<(Engine, Scratch)> = RefCell::new({
        (Engine::new(RuleSet::builtin().unwrap(), [7; 32]), Scratch::default())
    });
}

fn cell() -> usize {
    usize::try_from(CELL).unwrap()
}

fn space(len: usize) -> Space {
    let len = u64::try_from(len).unwrap();
    Space {
        holder: Holder { set: 1, kind: HolderKind::Memory, id: 1, ordinal: 0 },
        kind: RegionKind::Memory,
        page_size: 4096,
        pieces: vec![Piece { at: BASE, len, layer: 0, image: 1, offset: 0, form: Form::Raw }],
        blocks: Vec::new(),
        labels: Vec::new(),
        cut: true,
        only: None,
        foreign: u16::MAX,
    }
}

/// A window of a region of its own.
fn window<'a>(space: &'a Space, bytes: &'a [u8], own: Range<u64>) -> Window<'a> {
    let end = BASE + bytes.len() as u64;
    let base = own.start.saturating_sub(REACH).max(BASE);
    let seen = (own.end + REACH).min(end);
    let at = |address: u64| usize::try_from(address - BASE).unwrap();
    Window {
        space,
        name: "",
        region_start: BASE,
        base,
        own,
        bytes: &bytes[at(base)..at(seen)],
        cut: Cut { start: base == BASE, end: seen == end },
    }
}

/// All that a report can show of a region, whose windows have so many cells.
fn report(cache: Option<&Cache>, bytes: &[u8], cells: u64) -> (Vec<String>, String, u64) {
    let space = space(bytes.len());
    let end = BASE + bytes.len() as u64;
    let (mut all, mut lost, mut decoded) = (Vec::new(), BTreeSet::new(), 0);
    ENGINE.with_borrow_mut(|(engine, scratch)| {
        let mut start = BASE;
        while start < end {
            let next = (start + cells * CELL).min(end);
            let window = window(&space, bytes, start..next);
            let scanned = scan(engine, cache, &window, end, scratch, |found| {
                all.push(format!("{found:?}"));
            });
            lost.extend(scanned.throttled.iter().map(|it| format!("{it:?}")));
            lost.extend(scanned.lists.iter().map(|it| format!("{it:?}")));
            decoded += scanned.decoded;
            start = next;
        }
    });
    (all, format!("{lost:?}"), decoded)
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let blocks = (0_u32..).flat_map(|block| {
        let digest = Sha256::new().chain_update([seed]).chain_update(block.to_le_bytes());
        digest.finalize().to_vec()
    });
    blocks.take(len).collect()
}

fn repeated(text: &[u8]) -> Vec<u8> {
    text.iter().copied().cycle().take(cell()).collect()
}

/// A cell with nothing in it, with text, with more candidates than are looked at, with something encoded.
fn filled(kind: usize, seed: u8) -> Vec<u8> {
    match kind {
        0 | 1 => noise(seed, cell()),
        2 => vec![0; cell()],
        3 => repeated(b"the words of a text that assigns nothing to a name \0\x01"),
        4 => repeated(["\0ghp", "_"].concat().as_bytes()),
        5 => repeated(
            &"\0a text in two bytes a character, \u{1}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
        ),
        _ => repeated(
            format!("\0{}\0", BASE64.encode(&repeated(b"{\"a\":\"text\",\"b\":1}")[..6000]))
                .as_bytes(),
        ),
    }
}

const FILLINGS: usize = 7;

/// Something to be found, up to some thousand bytes long.
fn value(kind: usize, seed: u8) -> Vec<u8> {
    let hex = HEXLOWER.encode(&Sha256::digest([seed]));
    let text = match kind {
        0 => format!("\0password={:.18}\0", BASE64.encode(&Sha256::digest([seed]))),
        1 => format!("\0postgres://app:{hex:.20}@db.internal:5432/shop\0"),
        2 => {
            BASE64.encode(format!("\0postgres://app:{hex:.20}@db.internal:5432/shop\0").as_bytes())
        }
        3 => format!("\0{}{hex:.36}\0", ["sk", "_live_"].concat()),
        _ => format!("{{\"access_token\":\"{hex}\",\"token_type\":\"bearer\"}}"),
    };
    if seed.is_multiple_of(3) {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        text.into_bytes()
    }
}

const VALUES: usize = 5;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let at = at.min(bytes.len().saturating_sub(value.len()));
    let len = value.len().min(bytes.len());
    bytes[at..at + len].copy_from_slice(&value[..len]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_state_of_a_cache_changes_what_is_found(
        fillings in prop::collection::vec((0..FILLINGS, 0_u8..3), 2..7),
        tail in 0_usize..64 << 10,
        values in prop::collection::vec((0..VALUES, 0_u8..9, 0_usize..7, -90_isize..90), 0..5),
        changes in prop::collection::vec((0..VALUES, 0_u8..9, 0_usize..7, -90_isize..90), 1..4),
        cells in 1_u64..5,
    ) {
        let mut bytes: Vec<u8> =
            fillings.iter().flat_map(|(kind, seed)| filled(*kind, *seed)).collect();
        bytes.truncate(bytes.len() - tail);
        // At the borders of cells, where a neighbour is half of the value.
        let at = |border: usize, off: isize| (border * cell()).saturating_add_signed(off);
        for (kind, seed, border, off) in values {
            put(&mut bytes, at(border, off), &value(kind, seed));
        }
        let cache = Cache::new(MINE, MEMORY);
        let first = report(None, &bytes, 64);
        prop_assert_eq!(&report(Some(&cache), &bytes, cells), &first, "empty");
        prop_assert_eq!(&report(Some(&cache), &bytes, 5 - cells), &first, "filled");
        let before = bytes.clone();
        for (kind, seed, border, off) in changes {
            // Something new, or a byte of what was there.
            match seed {
                0..7 => put(&mut bytes, at(border, off), &value(kind, seed)),
                _ => put(&mut bytes, at(border, off), b"\0"),
            }
        }
        prop_assert_eq!(&report(Some(&cache), &bytes, cells), &report(None, &bytes, 64), "changed");
        prop_assert_eq!(&report(Some(&cache), &before, cells), &first, "as it was");
    }
}

#[test]
fn half_of_a_value_in_a_neighbour_is_seen() {
    let mut bytes = noise(1, 6 * cell());
    let at = 3 * cell() - 20;
    let value = value(1, 1);
    let without = report(None, &bytes, 64);
    let cache = Cache::new(MINE, MEMORY);
    assert_eq!(report(Some(&cache), &bytes, 2), without);
    assert_eq!(report(Some(&cache), &bytes, 2), without);
    let (asked, known) = cache.used();
    assert_eq!((asked, known), (12 * CELL, 6 * CELL), "all of it was known the second time");
    // The first half makes no value; the cell with it has nothing in it.
    put(&mut bytes, at, &value[..20]);
    assert_eq!(report(Some(&cache), &bytes, 2), without);
    put(&mut bytes, at, &value);
    let (found, ..) = report(Some(&cache), &bytes, 2);
    assert_eq!(found.len(), without.0.len() + 1, "{found:?}");
    // A cell with a finding is never known, wherever it lies.
    assert_eq!(report(Some(&cache), &bytes, 1).0, found);
}

#[test]
fn what_was_decoded_is_counted_whether_it_is_known_or_not() {
    let mut encoded = noise(4, cell());
    let text = BASE64.encode(&repeated(b"{\"a\":\"text\",\"b\":1}")[..6000]);
    put(&mut encoded, 9000, text.as_bytes());
    let bytes = [noise(1, cell()), encoded, filled(5, 0), noise(2, cell())].concat();
    let cache = Cache::new(MINE, MEMORY);
    let expected = report(None, &bytes, 64);
    assert!(expected.2 > 6000 && expected.0.is_empty() && expected.1 == "{}", "{expected:?}");
    for cells in [1, 2, 3] {
        assert_eq!(report(Some(&cache), &bytes, cells), expected);
    }
    assert_eq!(cache.used().1, 2 * 4 * CELL);
}

/// Makes another region of a region, or gives it another end.
type Change<'a> = dyn Fn(&mut Space, &mut Vec<u8>, &mut u64) + 'a;

#[test]
fn a_key_is_all_that_a_cell_depends_on() {
    let bytes = noise(3, 5 * cell() + 100);
    let hash = CellHash::new([9; 32]);
    let end = BASE + bytes.len() as u64;
    let of = |change: &Change<'_>, index: u64| {
        let (mut space, mut bytes, mut end) = (space(bytes.len()), bytes.clone(), end);
        change(&mut space, &mut bytes, &mut end);
        let start = BASE + index * CELL;
        let own = start..(start + CELL).min(end);
        Keys::of(&hash, &window(&space, &bytes, own.clone()), end).key(own.start, own.end)
    };
    let same = of(&|_, _, _| {}, 2);
    assert!(same.is_some());
    assert_eq!(of(&|_, bytes, _| bytes[cell() - 1] ^= 1, 2), same, "beyond its neighbours");
    assert_eq!(of(&|_, bytes, _| bytes[4 * cell()] ^= 1, 2), same, "beyond its neighbours");
    let other: [&Change<'_>; 6] = [
        &|_, bytes, _| bytes[cell()] ^= 1,
        &|_, bytes, _| bytes[2 * cell()] ^= 1,
        &|_, bytes, _| bytes[4 * cell() - 1] ^= 1,
        &|space, _, _| space.kind = RegionKind::SharedMemory,
        &|space, _, _| space.cut = false,
        &|space, _, _| {
            let range = BASE + 4 * CELL..BASE + 4 * CELL + 9;
            space.labels.push(Label { range, kind: LabelKind::Argv });
        },
    ];
    for (index, change) in other.into_iter().enumerate() {
        let changed = of(change, 2);
        assert!(changed.is_some() && changed != same, "{index}");
    }
    // Near arguments and the environment, and where not all of a neighbour is there.
    for at in [CELL, 4 * CELL - 1] {
        let near = |space: &mut Space, _: &mut Vec<u8>, _: &mut u64| {
            let range = BASE + at..BASE + at + 1;
            space.labels.push(Label { range, kind: LabelKind::Environ });
        };
        assert_eq!(of(&near, 2), None, "{at:#x}");
    }
    let all: BTreeSet<_> = (0..6).map(|index| of(&|_, _, _| {}, index)).collect();
    assert!(all.len() == 6 && !all.contains(&None), "the ends of the region too");
    let cut_short =
        |_: &mut Space, bytes: &mut Vec<u8>, _: &mut u64| bytes.truncate(4 * cell() - 1);
    assert_eq!(of(&cut_short, 2), None);
}

fn some(entries: u32) -> Cache {
    let cache = Cache::new(MINE, MEMORY);
    cache.learn((0..entries).map(|index| {
        let digest = Sha256::digest(index.to_le_bytes());
        (*digest.first_chunk().unwrap(), index)
    }));
    cache
}

fn written(cache: &Cache) -> Vec<u8> {
    let mut bytes = Vec::new();
    cache.write(&mut bytes).unwrap();
    bytes
}

fn read(mut bytes: &[u8]) -> Result<Cache, CacheFault> {
    Cache::read(&mut bytes, MINE, MEMORY)
}

#[test]
fn what_is_written_is_read() {
    for entries in [0, 1, 3, 5000] {
        let cache = some(entries);
        let again = read(&written(&cache)).unwrap();
        assert_eq!(written(&again), written(&cache));
        assert_eq!(again.known().len(), usize::try_from(entries).unwrap());
    }
    assert_ne!(written(&some(2)), written(&some(2)), "each has a key of its own");
}

#[test]
fn nothing_is_taken_from_a_file_that_is_not_whole() {
    let bytes = written(&some(3));
    for len in 0..bytes.len() {
        assert!(matches!(read(&bytes[..len]), Err(CacheFault::Truncated)), "{len}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let fault = read(&damaged).unwrap_err();
        let expected = match at {
            0..15 => matches!(fault, CacheFault::NoCache),
            15 => matches!(fault, CacheFault::Foreign),
            16..48 => matches!(fault, CacheFault::Other),
            // The count, after which the rest is not where it should be.
            80..88 => matches!(fault, CacheFault::Truncated | CacheFault::Damaged),
            _ => matches!(fault, CacheFault::Damaged),
        };
        assert!(expected, "{at}: {fault:?}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(read(&longer), Err(CacheFault::Damaged)));
    let other = Cache::read(&mut bytes.as_slice(), Identity([8; 32]), MEMORY);
    assert!(matches!(other, Err(CacheFault::Other)));
}

#[test]
fn it_keeps_to_its_memory_and_drops_what_was_not_met() {
    let bytes = written(&some(1000));
    let least = memory::LEAST_MEMORY;
    let none = Cache::read(&mut bytes.as_slice(), MINE, least).unwrap();
    assert_eq!(none.known().len(), 0);
    none.learn([([1; 16], 0)].into_iter());
    assert_eq!(none.known().len(), 0);
    // Room for a thousand.
    let cache = Cache::read(&mut bytes.as_slice(), MINE, least + 8 * 1000 * ENTRY_MEMORY).unwrap();
    assert_eq!((cache.known().len(), cache.most), (1000, 1000));
    let met: Vec<Key> = cache.known().keys().copied().take(10).collect();
    for key in &met {
        cache.known().get_mut(key).unwrap().is_met = true;
    }
    cache.learn((0..2000_u32).map(|index| {
        let digest = Sha256::digest((index + 5000).to_le_bytes());
        (*digest.first_chunk().unwrap(), index)
    }));
    assert_eq!(cache.known().len(), 1000);
    assert!(met.iter().all(|key| cache.known().contains_key(key)));
}
