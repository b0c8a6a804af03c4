//! Pairs of each layout are read where every length agrees, and nowhere else.

use proptest::prelude::*;

use super::*;
use crate::rule::Keyword;

/// Writes a name and a value, as one pair of something larger.
type Write = fn(&[u8], &[u8]) -> Vec<u8>;

const WRITERS: [(&str, Write); 5] = [
    ("redis listpack", |name, value| {
        [&[0x82][..], b"id", &[3, 0x81], b"7", &[2], &entry(name), &entry(value), &[0xff]].concat()
    }),
    ("redis ziplist", |name, value| {
        let (first, second) = (zip_entry(2, name), zip_entry(name.len() + 2, value));
        // The next entry says how long this one was.
        let last = zip_entry(second.len(), b"x");
        [&[0, 2][..], &first, &second, &last, &[0xff]].concat()
    }),
    ("bson", |name, value| {
        let len = u32::try_from(value.len() + 1).unwrap().to_le_bytes();
        [&b"\x21\0\0\0\x10n\0\x05\0\0\0\x02"[..], name, b"\0", &len, value, b"\0\0"].concat()
    }),
    ("messagepack", |name, value| [&b"\x82\xa1n\x05"[..], &packed(name), &packed(value)].concat()),
    ("cbor", |name, value| {
        let others = b"\xa4an\x05al\x84\x01\xfb\x40\x04\0\0\0\0\0\0\xf6\xa1aaBxxdusercapp";
        [&others[..], &text(name), &text(value)].concat()
    }),
];

/// An entry of a listpack.
fn entry(string: &[u8]) -> Vec<u8> {
    let len = string.len();
    let bytes = u32::try_from(len).unwrap().to_le_bytes();
    let head = match len {
        0..64 => vec![0x80 | bytes[0]],
        64..4096 => vec![0xe0 | bytes[1], bytes[0]],
        _ => [&[0xf0], &bytes[..]].concat(),
    };
    let all = head.len() + len;
    let low = |shift: u32| u8::try_from(all >> shift & 0x7f).unwrap();
    let back = match all {
        0..128 => vec![low(0)],
        128..16384 => vec![low(7), low(0) | 0x80],
        _ => vec![low(14), low(7) | 0x80, low(0) | 0x80],
    };
    [&head, string, &back].concat()
}

/// An entry of a ziplist, behind one of so many bytes.
fn zip_entry(before: usize, string: &[u8]) -> Vec<u8> {
    let len = u32::try_from(string.len()).unwrap().to_be_bytes();
    let head = match string.len() {
        0..64 => vec![len[3]],
        64..16384 => vec![0x40 | len[2], len[3]],
        _ => [&[0x80], &len[..]].concat(),
    };
    let before = match u8::try_from(before) {
        Ok(before @ 0..254) => vec![before],
        _ => [&[0xfe], &u32::try_from(before).unwrap().to_le_bytes()[..]].concat(),
    };
    [&before, &head, string].concat()
}

fn packed(string: &[u8]) -> Vec<u8> {
    let len = u16::try_from(string.len()).unwrap().to_be_bytes();
    let head = match string.len() {
        0..32 => vec![0xa0 | len[1]],
        32..256 => vec![0xd9, len[1]],
        _ => vec![0xda, len[0], len[1]],
    };
    [&head, string].concat()
}

fn text(string: &[u8]) -> Vec<u8> {
    let len = u16::try_from(string.len()).unwrap().to_be_bytes();
    let head = match string.len() {
        0..24 => vec![0x60 | len[1]],
        24..256 => vec![0x78, len[1]],
        _ => vec![0x79, len[0], len[1]],
    };
    [&head, string].concat()
}

/// Layout, name and value of each pair whose name says `keyword`.
fn pairs(keyword: &str, bytes: &[u8]) -> Vec<(&'static str, String, String)> {
    let keyword = Keyword::new(keyword).unwrap();
    let literal = keyword.literal().to_vec();
    let keyword = Keywords::new(vec![keyword]);
    let mut all = Vec::new();
    for at in 0..bytes.len() {
        let here = bytes.get(at..at + literal.len()).unwrap_or_default();
        if here.eq_ignore_ascii_case(&literal) {
            let told =
                |range: &Range<usize>| String::from_utf8(bytes[range.clone()].to_vec()).unwrap();
            let mut here = Vec::new();
            let mut maps = Maps::default();
            maps.see(bytes, at);
            super::pairs(bytes, at, at, &maps, &mut here);
            let found: Option<()> = find(bytes, &here, at, &keyword, |pair| {
                all.push((pair.layout, told(&pair.name), told(&pair.value)));
                None
            });
            assert_eq!(found, None);
        }
    }
    all
}

#[test]
fn every_layout_at_every_length_of_its_heads() {
    let names =
        ["password", "db.password", "PASSWORD_2", "a.very.long.name.of.a.setting.for.the.password"];
    for (layout, write) in WRITERS {
        for name in names {
            for len in [1, 14, 23, 24, 31, 32, 63, 64, 126, 127, 128, 252, 255, 256, 4096, 16400] {
                let value = "v".repeat(len);
                let bytes =
                    [&[0; 64][..], &write(name.as_bytes(), value.as_bytes()), &[0; 64]].concat();
                assert_eq!(
                    pairs("password", &bytes),
                    [(layout, name.to_owned(), value)],
                    "{layout}: {name}, {len} bytes"
                );
            }
        }
    }
}

#[test]
fn other_names_are_none() {
    for (layout, write) in WRITERS {
        for name in ["password_hint", "passwordless", "pass", "next_token", "xtoken_type"] {
            let bytes = write(name.as_bytes(), b"a value of it");
            for keyword in ["password", "token"] {
                assert_eq!(pairs(keyword, &bytes), [], "{layout}: {name}");
            }
        }
    }
}

#[test]
fn a_value_that_is_no_text_is_none() {
    for (layout, write) in WRITERS {
        for value in [&b"with a\0zero"[..], b"\xff\xfe not utf-8", b"two\nlines"] {
            assert_eq!(pairs("password", &write(b"password", value)), [], "{layout}: {value:?}");
        }
    }
}

#[test]
fn a_pair_that_ends_early_is_none() {
    for (layout, write) in WRITERS {
        let bytes = write(b"password", b"the value");
        let end = bytes.windows(9).position(|it| it == b"the value").unwrap() + 9;
        for len in 0..end {
            assert_eq!(pairs("password", &bytes[..len]), [], "{layout}: {len} bytes");
        }
    }
}

#[test]
fn one_wrong_length_is_enough() {
    // Where the heads of name and value, and what is behind them, lie in each layout.
    for (layout, write) in WRITERS {
        let bytes = write(b"password", b"the value");
        let name = bytes.windows(8).position(|it| it == b"password").unwrap();
        let value = bytes.windows(9).position(|it| it == b"the value").unwrap();
        let mut heads: Vec<usize> = (name + 8..value).collect();
        if layout != "messagepack" && layout != "cbor" {
            heads.push(value + 9);
        }
        heads.push(name - 1);
        for at in heads {
            for change in [1, 2, 4, 8] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                let found = pairs("password", &bytes);
                let is_whole =
                    found.iter().any(|(_, name, value)| name == "password" && value == "the value");
                assert!(!is_whole, "{layout}: {at} {change}: {found:?}");
            }
        }
    }
}

#[test]
fn text_that_looks_like_cbor_is_none() {
    // `h` is the head of eight bytes of text, `i` of nine.
    assert_eq!(pairs("password", b"rehpasswordithe value and more"), []);
    assert_eq!(pairs("password", b"\xa1hpasswordithe value").len(), 1);
    assert_eq!(pairs("password", b"\xbfanahhpasswordithe value\xff").len(), 1);
    // A map that has ended before it, and one whose items do not lead there.
    assert_eq!(pairs("password", b"\xa1anahhpasswordithe value"), []);
    assert_eq!(pairs("password", b"\xa2anbhpasswordithe value"), []);
}

proptest! {
    #[test]
    fn maps_are_those_shortly_before_each_place(
        bytes in prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => 0xa0..=0xbf_u8], 0..4000),
        steps in prop::collection::vec(prop_oneof![4 => 0..70_usize, 1 => 500..900_usize], 1..40),
    ) {
        let (mut maps, mut at) = (Maps::default(), 0);
        for step in steps {
            at = (at + step).min(bytes.len());
            maps.see(&bytes, at);
            let near = at.saturating_sub(MAP + assignment::NAME)..at;
            let heads = near.filter(|at| matches!(bytes[*at], 0xa1..=0xb8 | 0xbf));
            prop_assert!(maps.starts.iter().copied().eq(heads), "before {at}");
        }
    }

    #[test]
    fn never_panics(head in any::<[u8; 24]>(), tail in any::<[u8; 24]>(), word in "password|db_token") {
        let bytes = [&head[..], word.as_bytes(), &tail].concat();
        for (_, form) in FORMS {
            for start in 0..=bytes.len() {
                form(&bytes, start);
            }
        }
        pairs("password", &bytes);
        for at in 0..bytes.len() {
            behind(&bytes, at);
            for map in 0..at {
                has_key(&bytes, map, at);
            }
        }
    }
}
