//! What is judged from memory is judged as it would be anew.

use std::cell::RefCell;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::engine::{Engine, Scratch};
use super::{FEWEST, HELD, Keys, Slot, WORDS};
use crate::region::{CELL, Cut, Form, Holder, HolderKind, Piece, RegionKind, Space, Window};
use crate::rule::RuleSet;

/// Text as heaps hold it, with a value of the number.
fn text(kind: usize, number: u8) -> Vec<u8> {
    let digest = Sha256::digest([number]);
    let (hex, base64) = (HEXLOWER.encode(&digest), BASE64.encode(&digest));
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let claims = format!("{{\"iss\":\"argocd\",\"sub\":\"{number}\",\"exp\":1900000000}}");
    let signature = BASE64URL_NOPAD.encode(&digest);
    let token = [part("{\"alg\":\"HS256\"}"), part(&claims), signature].join(".");
    let text = match kind {
        0 => format!("password={base64:.14}"),
        1 => format!("{{\"access_token\":\"{hex}\",\"token_type\":\"bearer\"}}"),
        2 => token,
        3 => format!("Authorization: Bearer {token}"),
        4 => format!("postgres://app:{hex:.14}@db.internal:5432/shop"),
        5 => format!("SECRET_KEY={base64:.40}\nDB_PASSWORD={hex:.16}\nTOKEN={hex}"),
        6 => format!("--password\0{base64:.16}"),
        7 => format!("{}{hex:.36}", ["ghp", "_"].concat()),
        8 => {
            format!("the token of a user and the key of an account are {number} words\n").repeat(4)
        }
        9 => format!("Set-Cookie: sessionid={hex:.32}; HttpOnly; csrf_token={base64:.32}"),
        10 => hex,
        _ => base64,
    };
    text.into_bytes()
}

const KINDS: usize = 12;

/// What stands between two texts.
fn put(bytes: &mut Vec<u8>, before: usize, text: &[u8]) {
    let len = u32::try_from(text.len()).unwrap();
    match before {
        0 => bytes.extend([0; 3]),
        1 => bytes.push(b'"'),
        2 => bytes.extend(b"\n"),
        3 => bytes.extend([0x90, 0x1f, b'V', 0x7f, 0, 0]),
        // An array of Java, an object of Python, a length.
        4 => {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend(1_u64.to_le_bytes());
            bytes.extend([0x34, 0x12, 0, 8]);
            bytes.extend(len.to_le_bytes());
        }
        5 => {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            for word in [2, 0x7f12_0000_1230, u64::from(len), 0x1234_5678_9abc_def0] {
                bytes.extend(word.to_le_bytes());
            }
        }
        _ => bytes.extend(len.to_be_bytes()),
    }
    bytes.extend(text);
}

fn matches(
    engine: &Engine,
    scratch: &mut Scratch,
    bytes: &[u8],
    base: u64,
    cut: Cut,
) -> (Vec<String>, usize) {
    let len = bytes.len() as u64;
    let end = base + len;
    let space = Space {
        holder: Holder { set: 1, kind: HolderKind::Memory, id: 1, ordinal: 0 },
        kind: RegionKind::Memory,
        page_size: 4096,
        pieces: vec![Piece { at: base, len, layer: 0, image: 1, offset: 0, form: Form::Raw }],
        blocks: Vec::new(),
        labels: Vec::new(),
        cut: true,
        only: None,
        foreign: u16::MAX,
    };
    let window =
        Window { space: &space, name: "", region_start: base, base, own: base..end, bytes, cut };
    let mut all = Vec::new();
    let scanned = engine.scan(&window, scratch, |found| all.push(format!("{found:?}")));
    (all, scanned.throttled.len())
}

thread_local! {
    /// An engine, what it has seen in all cases so far, and what never sees anything again.
    static ENGINE: RefCell<(Engine, Scratch, Scratch)> = RefCell::new({
        let mut forgets = Scratch::default();
        forgets.memo.is_off = true;
        (Engine::new(RuleSet::builtin().unwrap(), [7; 32]), Scratch::default(), forgets)
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_seen_before_changes_nothing(
        parts in prop::collection::vec((0..KINDS, 0_u8..4, 0_usize..7, 0_usize..12), 1..40),
        odd in 0_u64..9,
        (start, end) in any::<(bool, bool)>(),
    ) {
        let mut bytes = Vec::new();
        for (kind, number, before, lost) in parts {
            let text = text(kind, number);
            // Now and then the end of a text is written over.
            let kept = if lost < 3 { text.len() - lost } else { text.len() };
            put(&mut bytes, before, &text[..kept]);
        }
        ENGINE.with_borrow_mut(|(engine, scratch, forgets)| {
            let base = 0x7f12_3400_0000 + odd;
            let cut = Cut { start, end };
            let expected = matches(engine, forgets, &bytes, base, cut);
            for _ in 0..2 {
                prop_assert_eq!(&matches(engine, scratch, &bytes, base, cut), &expected);
            }
            Ok(())
        })?;
    }
}

#[test]
fn the_cases_hold_matches_and_are_met_again() {
    let mut bytes = Vec::new();
    for kind in 0..KINDS {
        put(&mut bytes, 4, &text(kind, 1));
    }
    ENGINE.with_borrow_mut(|(engine, scratch, _)| {
        let cut = Cut { start: false, end: false };
        let (all, _) = matches(engine, scratch, &bytes, 0x7f12_3400_0000, cut);
        assert!(all.len() >= 8, "{all:#?}");
        assert!(scratch.memo.slots.iter().flatten().count() >= 8, "they are kept");
    });
}

#[test]
fn with_little_memory_little_is_kept_and_the_same_is_found() {
    let mut scratch = Scratch::default();
    scratch.remember(0);
    ENGINE.with_borrow_mut(|(engine, _, forgets)| {
        let cut = Cut { start: false, end: false };
        for round in 0..6_u8 {
            let mut bytes = Vec::new();
            for (number, kind) in
                (0..40).flat_map(|number| (0..KINDS).map(move |kind| (number, kind)))
            {
                put(&mut bytes, 4, &text(kind, 40 * round + number));
            }
            let expected = matches(engine, forgets, &bytes, 0x7f12_3400_0000, cut);
            assert!(expected.0.len() >= 200, "{}", expected.0.len());
            for _ in 0..2 {
                assert_eq!(matches(engine, &mut scratch, &bytes, 0x7f12_3400_0000, cut), expected);
            }
        }
    });
    assert!(scratch.memo.put > 2 * FEWEST, "more than it has room for: {}", scratch.memo.put);
    assert_eq!(scratch.memo.slots.len(), FEWEST);
    let held = scratch.memo.slots.iter().flatten().map(Slot::size).sum::<usize>();
    assert!(held <= FEWEST * HELD, "{held}");
}

#[test]
fn runs_with_many_candidates_take_no_more_than_was_planned() {
    let mut scratch = Scratch::default();
    scratch.remember(0);
    ENGINE.with_borrow_mut(|(engine, _, _)| {
        let mut bytes = Vec::new();
        // Each run comes twice: only such are kept.
        for number in (0..2 << 10).flat_map(|number| [number, number]) {
            bytes.extend("secret ".repeat(60).into_bytes());
            bytes.extend(format!("{number}\0").into_bytes());
        }
        let cut = Cut { start: false, end: false };
        for (part, base) in bytes.chunks(1 << 20).zip((0x7f12_3400_0000..).step_by(1 << 20)) {
            matches(engine, &mut scratch, part, base, cut);
        }
    });
    let (kept, held, most) = scratch.repeats.sizes();
    assert!(kept > 50 && held <= most, "{kept} runs, {held} of {most} bytes");
}

#[test]
fn texts_that_differ_hash_differently() {
    let keys = Keys::default();
    let mut hashes = std::collections::BTreeSet::new();
    let mut count = 0;
    // Every length with its tail, a NUL more or less, one bit at each place, and another path.
    for len in (0..80).chain([2048, 8 * WORDS - 1, 8 * WORDS]) {
        let text = vec![0; len];
        hashes.extend([keys.of_text(0, &text), keys.of_text(1, &text)]);
        count += 2;
        for at in 0..len {
            let mut text = text.clone();
            text[at] = 1 << (at % 8);
            hashes.insert(keys.of_text(0, &text));
            count += 1;
        }
    }
    assert_eq!(hashes.len(), count);
    assert_ne!(keys.of_text(0, b"text"), Keys::default().of_text(0, b"text"));
    let numbers =
        |range: std::ops::Range<u64>| keys.of_numbers(range.collect::<Vec<_>>().into_iter());
    assert_ne!(numbers(0..7), numbers(0..8));
    assert!(numbers(0..WORDS as u64).is_some() && numbers(0..WORDS as u64 + 1).is_none());
}

#[test]
fn candidates_keep_their_numbers_where_places_before_them_are_passed_over() {
    let rule = |id: &str, regex: &str, more: &str| {
        format!(
            "[[rules]]\nid = '{id}'\nname = 'A'\ndescription = 'A.'\nregex = '{regex}'\n{more}severity = 'low'\n\
             confidence = 'low'\nremediation = 'N'\ncwe = []\nattack = []\nexamples = []\n"
        )
    };
    // One that is of files only, one whose candidate comes to nothing, and one that matches.
    let rules = [
        rule("of-files", "aaaa[0-9]", "path = '[.]conf$'\n"),
        rule("nothing", "bbbb[ -~]{3,40}ZZZZ", ""),
        rule("match", "cccc[0-9]{4}", ""),
    ];
    let set = RuleSet::from_files(&[("a.toml", &rules.concat())]).unwrap();
    let engine = Engine::new(set, [7; 32]);
    // What is passed over stands behind the first candidate of a run, or it is that.
    let runs = [&b"\0cccc1111 aaaa1 bbbb--- cccc1234\0"[..], b"\0aaaa1 bbbb--- cccc1234\0"];
    let cell = usize::try_from(CELL).unwrap();
    let mut bytes = vec![0; 4 * cell];
    // In the third cell and the fourth nobody looks at any `aaaa` but the first.
    for start in [0, cell, 2 * cell, 2 * cell + 200, 3 * cell, 3 * cell + 200] {
        for (at, run) in (start..).step_by(100).zip(runs) {
            bytes[at..at + run.len()].copy_from_slice(run);
        }
    }
    let (mut scratch, mut forgets) = (Scratch::default(), Scratch::default());
    forgets.memo.is_off = true;
    let cut = Cut { start: false, end: false };
    let expected = matches(&engine, &mut forgets, &bytes, 0x7f12_3400_0000, cut);
    assert_eq!(expected.0.len(), 18);
    for _ in 0..2 {
        assert_eq!(matches(&engine, &mut scratch, &bytes, 0x7f12_3400_0000, cut), expected);
    }
    assert!(scratch.repeats.sizes().0 >= runs.len(), "they are known");
}
