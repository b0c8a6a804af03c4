//! What is judged from memory is judged as it would be anew.

use std::cell::RefCell;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::engine::{Engine, Scratch};
use crate::region::{Cut, Form, Holder, HolderKind, Piece, RegionKind, Space, Window};
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
        0 => format!("password={}", &base64[..14]),
        1 => format!("{{\"access_token\":\"{hex}\",\"token_type\":\"bearer\"}}"),
        2 => token,
        3 => format!("Authorization: Bearer {token}"),
        4 => format!("postgres://app:{}@db.internal:5432/shop", &hex[..14]),
        5 => format!("SECRET_KEY={}\nDB_PASSWORD={}\nTOKEN={hex}", &base64[..40], &hex[..16]),
        6 => format!("--password\0{}", &base64[..16]),
        7 => format!("{}{}", ["ghp", "_"].concat(), &hex[..36]),
        8 => {
            format!("the token of a user and the key of an account are {number} words\n").repeat(4)
        }
        9 => format!("Set-Cookie: sessionid={}; HttpOnly; csrf_token={}", &hex[..32], &hex[8..40]),
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
        assert!(scratch.memo.slots.iter().flatten().count() >= 8);
    });
}
