//! Every built-in rule finds its examples, in every encoding and between the neighbours that memory
//! has, at exactly their bytes, and never its counterexamples.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use cryoscan::check::Notation;
use cryoscan::matching::{Engine, Scratch};
use cryoscan::region::{CELL, Cut, Form, Holder, HolderKind, Piece, RegionKind, Space, Window};
use cryoscan::rule::{Anchor, Edge, Example, Rule, RuleSet, View};
use cryoscan_tests::generate::{Generated, generate};
use cryoscan_tests::random::Random;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use flate2::Compression;

const SEEDS: Range<u64> = 1..5;

/// Checks that tell by themselves where a value ends, whatever follows it.
const FIND_THE_END: &[&str] = &[
    "aws-access-key-id",
    "aws-ecr-password",
    "azure-account-key",
    "azure-cask-key",
    "azure-client-secret",
    "azure-storage-key",
    "cloudflare-tunnel",
    "certificate",
    "bip32-key",
    "bitcoin-address",
    "crypt-hash",
    "curve-public-key",
    "der-private-key",
    "flyio-macaroon",
    "github-crc32",
    "gitlab-routable",
    "jenkins-ciphertext",
    "jwe",
    "jwt",
    "kubernetes-key-data",
    "kubernetes-secret-proto",
    "kubernetes-service-account",
    "npm-crc32",
    "onepassword-token",
    "openai-key",
    "openpgp-packet",
    "openssh",
    "pem",
    "prefixed-jwt",
    "pypi-macaroon",
    "rsa-public-key",
    "signify-key",
    "slack-token",
    "stripe-key",
    "vault-token",
    "vercel-crc32",
];

/// Text of any of the alphabets that values have.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A text with a value in it, where a rule should find it, or should not.
struct Case<'a> {
    rule: &'a Rule,
    made: Generated,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Ascii,
    /// Text in another encoding; several from the outermost on.
    As(&'static [Notation]),
}

/// Notations that a value is tried in.
const WRITTEN: [&[Notation]; 12] = [
    &[Notation::Utf16Le],
    &[Notation::Utf16Be],
    &[Notation::Utf32Le],
    &[Notation::Base64],
    &[Notation::Base64Url],
    &[Notation::Hex],
    &[Notation::Percent],
    &[Notation::Escaped],
    &[Notation::Base64, Notation::Utf16Le],
    &[Notation::Base64, Notation::Base64],
    &[Notation::Gzip],
    &[Notation::Zlib],
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The first byte of the region, which is cut off there.
    Nothing,
    Nul,
    /// What is left of a longer string.
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nul,
    /// An address of which the first byte is no text.
    Pointer,
    /// An address of which the first byte is a letter.
    LetterPointer,
    /// What is left of a longer string.
    Stale,
}

/// What address the middle of the value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Anywhere,
    PageEdge,
    CellBorder,
}

/// What stands around a value, and where.
#[derive(Debug, Clone, Copy)]
struct Setting {
    kind: RegionKind,
    encoding: Encoding,
    before: Before,
    after: After,
    position: Position,
    /// Whether the first byte of the text has an odd address.
    odd: bool,
    seed: u64,
}

/// What the engine says: rule, address, bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    rule: String,
    at: u64,
    len: u64,
    /// A hash of the value.
    key: [u8; 16],
}

impl Hit {
    fn covers(&self, other: &Self) -> bool {
        self.at <= other.at && self.at + self.len >= other.at + other.len
    }
}

struct Bench {
    engine: Engine,
    scratch: Scratch,
}

impl Bench {
    fn new() -> Self {
        let engine = Engine::new(RuleSet::builtin().expect("the built-in rules load"), [7; 32]);
        Self { engine, scratch: Scratch::default() }
    }

    /// Puts the text there and scans; gives where the value is, and what was found.
    fn scan(&mut self, case: &Case<'_>, setting: Setting) -> (Hit, Vec<Hit>) {
        let mut random = Random::new(setting.seed);
        let (text, value) = written(case, setting.encoding);
        // What is left of a longer string is of the same width.
        let widen = |text: &str| -> Vec<u8> {
            if matches!(setting.encoding, Encoding::As([Notation::Utf16Le])) {
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            } else {
                text.as_bytes().to_vec()
            }
        };
        let mut bytes = match setting.before {
            Before::Nothing => Vec::new(),
            Before::Nul => [random.bytes(16), vec![0; 8]].concat(),
            Before::Stale => {
                let stale = random.text(ALPHABET, 17);
                [vec![0; 8], widen(&stale)].concat()
            }
        };
        let text_at = bytes.len() as u64;
        let value_at = text_at + value.start as u64;
        let value_len = value.len() as u64;
        bytes.extend(text);
        bytes.extend(match setting.after {
            After::Nul => vec![0, 0],
            After::Pointer => vec![0x90, 0x1f, 0xe4, 0xf7, 0xff, 0x7f, 0, 0],
            After::LetterPointer => vec![b'V', 0x9c, 0xe4, 0xf7, 0xff, 0x7f, 0, 0],
            After::Stale => widen(&random.text(ALPHABET, 23)),
        });
        bytes.extend([0; 24]);

        // The first byte of `bytes` has the address `base`, in a region that starts at `start`.
        let is_file = !matches!(setting.kind, RegionKind::Memory | RegionKind::Pipe);
        let start = if is_file { 0 } else { 0x7f3a_1540_0000 };
        let base = match setting.position {
            Position::Anywhere => start + 0x200 - text_at % 2 + u64::from(setting.odd),
            Position::PageEdge => start + 0x3000 - (value_at + value_len / 2),
            Position::CellBorder => start + 2 * CELL - (value_at + value_len / 2),
        };
        let base = if setting.before == Before::Nothing { start } else { base };
        let end = base + bytes.len() as u64;
        let space = Space {
            holder: Holder { set: 1, kind: HolderKind::Memory, id: 1, ordinal: 0 },
            kind: setting.kind,
            page_size: 4096,
            pieces: vec![Piece {
                at: start,
                len: end - start,
                layer: 0,
                image: 1,
                offset: 0,
                form: Form::Raw,
            }],
            blocks: Vec::new(),
            labels: Vec::new(),
            cut: !is_file,
            only: None,
            foreign: u16::MAX,
        };
        // Windows end at cells. What lies before `base` is as if it held no text.
        let mut borders = vec![start];
        if setting.position == Position::CellBorder {
            borders.push(start + 2 * CELL);
        }
        borders.push(end);
        let mut hits = Vec::new();
        for own in borders.windows(2) {
            let window = Window {
                space: &space,
                name: &case.path,
                region_start: start,
                base,
                own: own[0]..own[1],
                bytes: &bytes,
                cut: Cut { start: space.cut && base == start, end: space.cut },
            };
            let scanned = self.engine.scan(&window, &mut self.scratch, |found| {
                hits.push(Hit {
                    rule: self.engine.rules().get(found.judgement.rule).id.clone(),
                    at: found.locus.at,
                    len: found.locus.len.into(),
                    key: found.key.0,
                });
            });
            assert!(scanned.throttled.is_empty(), "{}: {setting:?}", case.rule.id);
        }
        hits.sort();
        (
            Hit { rule: case.rule.id.clone(), at: base + value_at, len: value_len, key: [0; 16] },
            hits,
        )
    }
}

/// What went wrong: by rule and text, in how many settings, and what the first of them was.
#[derive(Default)]
struct Faults(BTreeMap<(String, String), (u64, String)>);

impl Faults {
    fn add(&mut self, case: &Case<'_>, setting: Setting, about: &Hit, hits: &[Hit]) {
        let key = (case.rule.id.clone(), case.made.text.clone());
        let first = || (0, format!("{about:x?} {setting:?}\n    found {hits:x?}"));
        self.0.entry(key).or_insert_with(first).0 += 1;
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|((rule, text), (count, first))| {
            writeln!(f, "{rule}: {text:?} in {count} settings; the first: {first}")
        })
    }
}

/// All examples or counterexamples, each from several seeds.
fn cases(rules: &RuleSet, pick: fn(&cryoscan::rule::RuleExamples) -> &[Example]) -> Vec<Case<'_>> {
    let all = RuleSet::examples(cryoscan_rules::SECRETS).expect("the built-in rules load");
    let mut cases = Vec::new();
    for entry in &all {
        let rule = rules.rules().iter().find(|rule| rule.id == entry.0).expect("a rule");
        for (example, seed) in pick(entry).iter().flat_map(|e| SEEDS.map(move |seed| (e, seed))) {
            let made = generate(&rule.id, &example.r#gen, example.value.as_deref(), seed)
                .unwrap_or_else(|error| panic!("{error}"));
            let path = example.path.clone().unwrap_or_default();
            cases.push(Case { rule, made, path });
        }
    }
    assert!(!cases.is_empty());
    cases
}

/// The kinds of region to try a rule in, and whether it looks there. Labels are for whole scans.
fn kinds(rule: &Rule) -> impl Iterator<Item = (RegionKind, bool)> {
    use RegionKind::{File, Memory, Metadata, Pipe};
    [Memory, Pipe, File, Metadata].into_iter().map(|kind| (kind, rule.places.holds(kind)))
}

/// Whether the value's end can be told although text goes on behind it.
fn has_end(case: &Case<'_>) -> bool {
    let Case { rule, made, .. } = case;
    let is_inside = made.offset() + made.value.len() < made.text.len();
    is_inside
        || (rule.edge != Edge::Hard && rule.fixed_len)
        || rule.checks.iter().any(|check| FIND_THE_END.contains(&check.name))
}

/// Whether the rule bears text directly before its own.
fn has_start(rule: &Rule) -> bool {
    rule.edge != Edge::Hard && matches!(rule.anchor, Anchor::Prefix | Anchor::Inside)
}

/// Every setting that the rule of an example promises to bear.
fn settings(case: &Case<'_>, seed: u64) -> Vec<Setting> {
    let Some((kind, _)) = kinds(case.rule).find(|(_, looks)| *looks) else { return Vec::new() };
    let plain = Setting {
        kind,
        encoding: Encoding::Ascii,
        before: Before::Nothing,
        after: After::Nul,
        position: Position::Anywhere,
        odd: false,
        seed,
    };
    if case.rule.anchor == Anchor::Path {
        return vec![plain];
    }
    // Numbers stand at addresses that eight divides.
    if case.rule.anchor == Anchor::Number {
        return vec![Setting { before: Before::Nul, ..plain }];
    }
    let mut all = Vec::new();
    for encoding in [Encoding::Ascii, Encoding::As(&[Notation::Utf16Le])] {
        if !is_read(case, encoding) {
            continue;
        }
        for after in [After::Nul, After::Pointer, After::LetterPointer, After::Stale] {
            if matches!(after, After::LetterPointer | After::Stale) && !has_end(case) {
                // In UTF-16 half a character of an address is none.
                if after == After::Stale || encoding == Encoding::Ascii {
                    continue;
                }
            }
            all.push(Setting { encoding, after, ..plain });
            for before in [Before::Nul, Before::Stale] {
                if before == Before::Stale && !has_start(case.rule) {
                    continue;
                }
                for position in [Position::Anywhere, Position::PageEdge, Position::CellBorder] {
                    for odd in [false, true] {
                        all.push(Setting { encoding, before, after, position, odd, ..plain });
                    }
                }
            }
        }
    }
    for encoding in WRITTEN.into_iter().skip(1).map(Encoding::As) {
        if !is_read(case, encoding) {
            continue;
        }
        for after in [After::Nul, After::Pointer] {
            // Between zeros the order of the bytes does not show.
            if after == After::Nul && encoding == Encoding::As(&[Notation::Utf16Be]) {
                continue;
            }
            all.push(Setting { encoding, after, ..plain });
            for position in [Position::Anywhere, Position::CellBorder] {
                all.push(Setting { encoding, before: Before::Nul, after, position, ..plain });
            }
        }
    }
    all
}

/// Whether the rule of a case looks into text that is written so.
fn is_read(case: &Case<'_>, encoding: Encoding) -> bool {
    let Encoding::As(notations) = encoding else { return true };
    let has_length_word = matches!(case.rule.anchor, Anchor::Run { word: true, .. });
    let is_binary = case.rule.view == View::Bytes;
    !has_length_word
        && notations.iter().all(|notation| case.rule.encodings.holds(*notation))
        && (!is_binary || notations.iter().all(|notation| notation.holds_bytes()))
}

/// The text of a case as it is written, and where in it the value is encoded.
fn written(case: &Case<'_>, encoding: Encoding) -> (Vec<u8>, Range<usize>) {
    // Bytes of any value are written as the characters of that number.
    let bytes = |text: &str| -> Vec<u8> {
        match case.rule.view {
            View::Bytes => text.chars().map(|c| u8::try_from(c).expect("a byte")).collect(),
            View::Text => text.as_bytes().to_vec(),
        }
    };
    let at = bytes(case.made.text.get(..case.made.offset()).expect("an offset")).len();
    let plain = (bytes(&case.made.text), at..at + bytes(&case.made.value).len());
    let Encoding::As(notations) = encoding else { return plain };
    notations.iter().rev().fold(plain, |(text, value), notation| encode(*notation, &text, value))
}

/// Encodes a text: what it becomes, and where a part of it is then.
fn encode(notation: Notation, text: &[u8], part: Range<usize>) -> (Vec<u8>, Range<usize>) {
    let even = |width: usize| part.start * width..part.end * width;
    let sextets = part.start * 8 / 6..(part.end * 8 - 1) / 6 + 1;
    let units = || String::from_utf8_lossy(text).into_owned().encode_utf16().collect::<Vec<_>>();
    let each = |escape: &dyn Fn(u8) -> Option<String>| {
        let escaped = |text: &[u8]| -> Vec<u8> {
            let byte = |byte: &u8| escape(*byte).map_or(vec![*byte], String::into_bytes);
            text.iter().flat_map(byte).collect()
        };
        let start = escaped(&text[..part.start]).len();
        let len = escaped(&text[part.clone()]).len();
        (escaped(text), start..start + len)
    };
    match notation {
        Notation::Utf16Le => (units().into_iter().flat_map(u16::to_le_bytes).collect(), even(2)),
        Notation::Utf16Be => (units().into_iter().flat_map(u16::to_be_bytes).collect(), even(2)),
        Notation::Utf32Le => {
            let units = units().into_iter().map(u32::from);
            (units.flat_map(u32::to_le_bytes).collect(), even(4))
        }
        Notation::Base64 => (BASE64.encode(text).into_bytes(), sextets),
        Notation::Base64Url => (BASE64URL_NOPAD.encode(text).into_bytes(), sextets),
        Notation::Hex => (HEXLOWER.encode(text).into_bytes(), even(2)),
        Notation::Percent => each(&|byte| {
            (!byte.is_ascii_alphanumeric() && !b"-_.~".contains(&byte))
                .then(|| format!("%{byte:02X}"))
        }),
        Notation::Escaped => each(&|byte| match byte {
            b'\n' => Some("\\n".to_owned()),
            b'\r' => Some("\\r".to_owned()),
            b'\t' => Some("\\t".to_owned()),
            b'"' | b'\\' | b'/' => Some(format!("\\{}", char::from(byte))),
            b'=' | b'&' => Some(format!("\\u{byte:04x}")),
            _ => None,
        }),
        Notation::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(text).expect("a vector takes all");
            let packed = packer.finish().expect("a vector takes all");
            (packed.clone(), 0..packed.len())
        }
        Notation::Zlib => {
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
            packer.write_all(text).expect("a vector takes all");
            let packed = packer.finish().expect("a vector takes all");
            (packed.clone(), 0..packed.len())
        }
    }
}

#[test]
fn examples_are_found_at_their_exact_bytes_in_every_surrounding() {
    let mut bench = Bench::new();
    let rules = RuleSet::builtin().unwrap();
    let mut outranked: BTreeMap<(String, String), u64> = BTreeMap::new();
    let (mut faults, mut tried) = (Faults::default(), 0);
    for (index, case) in cases(&rules, |(_, examples, _)| examples).iter().enumerate() {
        for setting in settings(case, index as u64) {
            let (expected, hits) = bench.scan(case, setting);
            tried += 1;
            let there: Vec<&Hit> = hits
                .iter()
                .filter(|hit| (hit.at, hit.len) == (expected.at, expected.len))
                .collect();
            match there.as_slice() {
                hits if hits.iter().any(|hit| hit.rule == expected.rule) && !is_twice(hits) => {}
                [hit, ..] => *outranked.entry((expected.rule, hit.rule.clone())).or_default() += 1,
                // A stream may hold a value as it lies.
                [] if hits.iter().any(|hit| hit.rule == expected.rule && expected.covers(hit)) => {}
                _ => faults.add(case, setting, &expected, &hits),
            }
        }
    }
    for ((rule, by), count) in &outranked {
        println!("{rule}: {count} examples are reported by {by}, which outranks it");
    }
    assert!(faults.0.is_empty(), "not found, in {tried} settings:\n{faults}");
    assert!(tried > 5000, "{tried}");
}

/// Whether what is encoded so is found as it lies too, with other characters beside it than the
/// counterexample has.
fn is_seen_plainly(setting: &Setting) -> bool {
    let Encoding::As(notations) = setting.encoding else { return false };
    matches!(notations, [Notation::Percent | Notation::Escaped | Notation::Utf16Be])
}

/// Whether one rule found one span twice. In a stream all values have the same one.
fn is_twice(hits: &[&Hit]) -> bool {
    let mut values: Vec<&Hit> = hits.to_vec();
    values.sort();
    values.dedup();
    values.len() < hits.len()
}

#[test]
fn counterexamples_are_never_found() {
    let mut bench = Bench::new();
    let rules = RuleSet::builtin().unwrap();
    let mut faults = Faults::default();
    for (index, case) in cases(&rules, |(_, _, none)| none).iter().enumerate() {
        let settings = settings(case, index as u64);
        for setting in settings.into_iter().filter(|setting| !is_seen_plainly(setting)) {
            let (unwanted, hits) = bench.scan(case, setting);
            if hits.iter().any(|hit| hit.rule == unwanted.rule) {
                faults.add(case, setting, &unwanted, &hits);
            }
        }
    }
    assert!(faults.0.is_empty(), "found:\n{faults}");
}

#[test]
fn rules_look_where_they_say_and_nowhere_else() {
    let mut bench = Bench::new();
    let rules = RuleSet::builtin().unwrap();
    for case in cases(&rules, |(_, examples, _)| examples) {
        let plain = settings(&case, 1).into_iter().next();
        for (kind, looks) in plain.iter().flat_map(|_| kinds(case.rule)) {
            let setting = Setting { kind, ..plain.expect("a setting") };
            let (expected, hits) = bench.scan(&case, setting);
            let by_it = hits.iter().any(|hit| hit.rule == expected.rule);
            let there = hits.iter().any(|hit| (hit.at, hit.len) == (expected.at, expected.len));
            let is_right = if looks { there } else { !by_it };
            assert!(is_right, "{expected:x?} {kind:?}: found {hits:x?}");
        }
    }
}

#[test]
fn a_secret_inside_of_an_indicator_is_not_shown() {
    let made = generate(
        "r",
        "python3 -c 'import socket,os,pty;k=\"ghp_{base62:30}{crc32}\";os.dup2(3,0);pty.spawn(\"/bin/sh\")'",
        None,
        1,
    )
    .expect("a text");
    let bytes = [b"$ ", made.text.as_bytes(), b"\n"].concat();
    let len = bytes.len() as u64;
    let space = Space::file(
        Holder { set: 1, kind: HolderKind::File, id: 1, ordinal: 0 },
        RegionKind::File,
        len,
    );
    let window = Window {
        space: &space,
        name: "root/.bash_history",
        region_start: 0,
        base: 0,
        own: 0..len,
        bytes: &bytes,
        cut: Cut { start: false, end: false },
    };
    let mut bench = Bench::new();
    let mut shown = Vec::new();
    bench.engine.scan(&window, &mut bench.scratch, |found| {
        let rule = bench.engine.rules().get(found.judgement.rule);
        shown.push((rule.id.clone(), String::from_utf8_lossy(found.value.expose()).into_owned()));
    });
    let of = |id: &str| shown.iter().find(|(rule, _)| rule == id).map(|(_, value)| value.as_str());
    let token = of("github-pat-classic").expect("the token");
    let command = of("reverse-shell-cmd").expect("the command");
    assert_eq!(command, made.text.trim_end_matches('\'').replace(token, &"*".repeat(token.len())));
}
