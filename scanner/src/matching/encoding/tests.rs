use std::io::Write;
use std::ops::Range;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use proptest::prelude::*;

use super::*;
use crate::region::REACH;

/// What all encodings find in bytes: notation, text and the way back.
fn islands(bytes: &[u8]) -> Vec<(Notation, Vec<u8>, SpanMap)> {
    let mut all = Vec::new();
    for encoding in ENCODINGS {
        let mut runs = Vec::new();
        (encoding.find)(bytes, &Marks::of(bytes), &mut |run| runs.push(run));
        for run in runs {
            assert!(encoding.notations.contains(&run.notation), "{run:?}");
            (encoding.decode)(bytes, &run, 1 << 20, &mut |island| {
                all.push((island.notation, island.text, island.map));
            });
        }
    }
    all
}

/// The spans that every island of a notation gives a text.
fn spans(bytes: &[u8], notation: Notation, text: &[u8], part: &Range<usize>) -> Vec<Range<usize>> {
    let of_notation = islands(bytes).into_iter().filter(|(found, ..)| *found == notation);
    let hits = of_notation.flat_map(|(_, island, map)| {
        let at: Vec<usize> = memchr::memmem::find_iter(&island, text).collect();
        at.into_iter().map(move |at| map.span(at + part.start..at + part.end)).collect::<Vec<_>>()
    });
    hits.collect()
}

/// Text of a secret's kind, not too short for any encoding.
fn text() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![32u8..127, Just(b'\n')], 36..200)
}

/// Bytes that are no part of any run.
fn surroundings() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0u8), 128u8..=255, 1u8..8], 0..40)
}

/// A text, a part of it, and what stands around it.
#[derive(Debug)]
struct Case {
    text: Vec<u8>,
    part: Range<usize>,
    before: Vec<u8>,
    after: Vec<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    let ends = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (text(), ends, surroundings(), surroundings()).prop_map(|(text, ends, before, after)| {
        let (a, b) = (ends.0.index(text.len()), ends.1.index(text.len()));
        let part = a.min(b)..(a.max(b) + 1).min(text.len());
        Case { text, part, before, after }
    })
}

impl Case {
    fn around(&self, encoded: &[u8]) -> Vec<u8> {
        [&self.before, encoded, &self.after].concat()
    }

    /// The span of the part where every byte takes `width`.
    fn even(&self, width: usize) -> Range<usize> {
        let at = self.before.len();
        at + self.part.start * width..at + self.part.end * width
    }
}

/// One escape for each byte, where `is_escaped` says so.
fn escaped(
    case: &Case,
    is_escaped: impl Fn(u8) -> bool,
    escape: impl Fn(u8) -> String,
) -> (Vec<u8>, Range<usize>) {
    let (mut encoded, mut starts) = (Vec::new(), Vec::new());
    for byte in &case.text {
        starts.push(case.before.len() + encoded.len());
        if is_escaped(*byte) {
            encoded.extend(escape(*byte).bytes());
        } else {
            encoded.push(*byte);
        }
    }
    starts.push(case.before.len() + encoded.len());
    (case.around(&encoded), starts[case.part.start]..starts[case.part.end])
}

proptest! {
    #[test]
    fn wide_text_leads_back(case in case()) {
        let widths: [(Notation, usize, usize); 2] =
            [(Notation::Utf16Le, 2, 0), (Notation::Utf32Le, 4, 0)];
        for (notation, width, at) in widths {
            let mut encoded = vec![0; case.text.len() * width];
            for (unit, byte) in encoded.chunks_exact_mut(width).zip(&case.text) {
                unit[at] = *byte;
            }
            let found = spans(&case.around(&encoded), notation, &case.text, &case.part);
            prop_assert_eq!(found, vec![case.even(width)], "{:?}", notation);
        }
    }

    #[test]
    fn big_endian_text_leads_back_where_no_zero_follows_it(case in case()) {
        let encoded: Vec<u8> = case.text.iter().flat_map(|byte| [0, *byte]).collect();
        let before = vec![0xff; case.before.len() * 2];
        let case = Case { before, after: vec![0xfe], ..case };
        let found = spans(&case.around(&encoded), Notation::Utf16Be, &case.text, &case.part);
        prop_assert_eq!(found, vec![case.even(2)]);
    }

    #[test]
    fn base64_leads_back_in_every_phase(
        case in case(), lead in 0usize..3, stale in "[A-Za-z0-9+/]{0,30}", url in any::<bool>(),
    ) {
        let longer = [&b"\x00\x80\x01"[..lead], &case.text].concat();
        let encoded = if url { BASE64URL_NOPAD.encode(&longer) } else { BASE64.encode(&longer) };
        let encoded = [stale.as_bytes(), encoded.as_bytes()].concat();
        let bytes = case.around(&encoded);
        let at = case.before.len() + stale.len();
        let first = (case.part.start + lead) * 8 / 6;
        let last = ((case.part.end + lead) * 8 - 1) / 6;
        let found = spans(&bytes, Notation::Base64, &case.text, &case.part);
        prop_assert!(found.contains(&(at + first..at + last + 1)), "{found:?}");
        prop_assert_eq!(found.len(), 1);
    }

    #[test]
    fn base64_in_lines_leads_back(case in case(), width in 10usize..=19, indent in 0usize..9,
        crlf in any::<bool>(),
    ) {
        let width = 4 * width;
        let end = [if crlf { "\r\n" } else { "\n" }, &" ".repeat(indent)].concat();
        let text = BASE64.encode(&case.text);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
        let bytes = case.around(&lines.join(end.as_bytes()));
        let raw = |character: usize| case.before.len() + character + character / width * end.len();
        let expected = raw(case.part.start * 8 / 6)..raw((case.part.end * 8 - 1) / 6) + 1;
        let found = spans(&bytes, Notation::Base64, &case.text, &case.part);
        prop_assert_eq!(found, vec![expected]);
    }

    #[test]
    fn hexadecimal_text_leads_back(case in case(), upper in any::<bool>(), odd in any::<bool>()) {
        let digits = if upper { HEXUPPER } else { HEXLOWER }.encode(&case.text);
        let stale = if odd { "e" } else { "" };
        let bytes = case.around(&[stale.as_bytes(), digits.as_bytes()].concat());
        let found = spans(&bytes, Notation::Hex, &case.text, &case.part);
        let expected = case.even(2);
        let expected = expected.start + stale.len()..expected.end + stale.len();
        prop_assert!(found.contains(&expected), "{found:?}");
    }

    #[test]
    fn percent_escapes_lead_back(case in case(), upper in any::<bool>()) {
        let case = Case { text: [b"=", case.text.as_slice()].concat(), ..case };
        let escape = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        let (bytes, expected) = escaped(&case, |byte| !byte.is_ascii_alphanumeric(), escape);
        prop_assert_eq!(spans(&bytes, Notation::Percent, &case.text, &case.part), vec![expected]);
    }

    #[test]
    fn escapes_of_json_lead_back(case in case(), slash in any::<bool>()) {
        let case = Case { text: [b"=", case.text.as_slice()].concat(), ..case };
        let is_escaped = |byte: u8| {
            matches!(byte, b'"' | b'\\' | b'\n' | b'=' | b'<') || (slash && byte == b'/')
        };
        let escape = |byte: u8| match byte {
            b'\n' => "\\n".to_owned(),
            b'=' | b'<' => format!("\\u{byte:04x}"),
            other => format!("\\{}", char::from(other)),
        };
        let (bytes, expected) = escaped(&case, is_escaped, escape);
        prop_assert_eq!(spans(&bytes, Notation::Escaped, &case.text, &case.part), vec![expected]);
    }

    #[test]
    fn streams_give_their_content_and_their_own_span(case in case(), level in 0u32..=9) {
        let level = flate2::Compression::new(level);
        for notation in [Notation::Gzip, Notation::Zlib] {
            let packed = pack(notation, level, &case.text);
            let bytes = case.around(&packed);
            let whole = case.before.len()..case.before.len() + packed.len();
            prop_assert_eq!(spans(&bytes, notation, &case.text, &case.part), vec![whole]);
        }
    }

    #[test]
    fn any_bytes_give_spans_inside_of_them(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(0u8), any::<u8>(), 32u8..127, Just(b'%'), Just(b'\\'), Just(b'"'), Just(b'u'),
                Just(0x78), Just(0x1f), Just(0x8b), Just(8), Just(b'A'), Just(b'4'),
            ],
            0..400,
        ),
        repeat in 1usize..4,
    ) {
        let bytes = bytes.repeat(repeat);
        for (notation, text, map) in islands(&bytes) {
            let mut last = 0;
            for at in 0..text.len() {
                let span = map.span(at..at + 1);
                prop_assert!(span.start >= last && span.end <= bytes.len(), "{:?}", notation);
                prop_assert!(!span.is_empty());
                last = span.start;
            }
        }
    }

    #[test]
    fn a_cut_end_shows_the_same_runs(
        bytes in proptest::collection::vec(
            prop_oneof![32u8..127, Just(b'A'), Just(b'%'), Just(b'4'), Just(b'\\'), Just(0)],
            600,
        ),
        cut in 0usize..200,
    ) {
        // What begins well behind the cut is found alike.
        let rest = &bytes[cut..];
        let after = |run: &Run, from: usize| run.range.start >= from;
        for encoding in ENCODINGS {
            let (mut whole, mut part) = (Vec::new(), Vec::new());
            (encoding.find)(&bytes, &Marks::of(&bytes), &mut |run| whole.push(run));
            (encoding.find)(rest, &Marks::of(rest), &mut |run| part.push(run));
            for run in &mut part {
                run.range = run.range.start + cut..run.range.end + cut;
            }
            whole.retain(|run| after(run, cut + 1));
            part.retain(|run| after(run, cut + 1));
            let is_wide = encoding.notations.contains(&Notation::Utf16Be);
            prop_assert!(is_wide || whole == part, "{:?} {:?} {:?}", encoding.notations, whole, part);
        }
    }
}

fn pack(notation: Notation, level: flate2::Compression, text: &[u8]) -> Vec<u8> {
    if notation == Notation::Gzip {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    } else {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), level);
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }
}

#[test]
fn bombs_stop_at_their_bounds() {
    // A block that ends at a byte can be repeated.
    let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
    let mut block = Vec::with_capacity(4 << 10);
    packer.compress_vec(&vec![0; 1 << 20], &mut block, flate2::FlushCompress::Full).unwrap();
    for (notation, head) in
        [(Notation::Gzip, &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..]), (Notation::Zlib, &b"\x78\xda"[..])]
    {
        let mut bomb = [head, &block.repeat(100)].concat();
        assert!(bomb.len() as u64 > REACH && block.len() < 2 << 10);
        bomb.truncate(usize::try_from(REACH).unwrap());
        let mut made = Vec::new();
        let run = Run { notation, range: 0..bomb.len() };
        (deflate::ENCODING.decode)(&bomb, &run, usize::MAX, &mut |island| made.push(island));
        let [island] = made.as_slice() else { panic!("one island") };
        // No more than 64 KiB, or 64 times what was read, and one step.
        let read = island.map.span(0..1).len();
        assert!(island.text.len() <= (64 << 10).max(64 * read) + (512 << 10), "{read}");
        assert!(island.text.len() < 1 << 20 && island.cut.end);
        let mut made = 0;
        (deflate::ENCODING.decode)(&bomb, &run, 1000, &mut |island| made += island.text.len());
        assert_eq!(made, 1000);
    }
}

#[test]
fn a_stream_of_text_stops_at_one_mebibyte() {
    // Text that compresses well, but not like a bomb.
    let mut text = String::new();
    let mut word = 1u64;
    while text.len() < 3 << 19 {
        word = word.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        text.extend([format!(
            "{{\"event\":\"request\",\"id\":{:04},\"status\":200}}\n",
            word >> 54
        )]);
    }
    let packed = pack(Notation::Gzip, flate2::Compression::best(), text.as_bytes());
    let run = Run { notation: Notation::Gzip, range: 0..packed.len() };
    let mut made = Vec::new();
    (deflate::ENCODING.decode)(&packed, &run, usize::MAX, &mut |island| made.push(island.text));
    assert_eq!(made, [text.as_bytes()[..1 << 20].to_vec()]);
}

#[test]
fn a_stream_whose_end_is_lost_gives_what_there_is() {
    let text = "line of a log with some words in it\n".repeat(20);
    for notation in [Notation::Gzip, Notation::Zlib] {
        let packed = pack(notation, flate2::Compression::none(), text.as_bytes());
        for cut in [1, 6, 100, 500] {
            let part = &packed[..packed.len() - cut];
            let found = islands(part).into_iter().find(|(found, ..)| *found == notation);
            let (_, island, map) = found.unwrap();
            assert!(text.as_bytes().starts_with(&island), "{notation:?}, {cut} bytes lost");
            assert!(island.len() + 16 + cut >= text.len() && map.span(0..1).end <= part.len());
        }
    }
}

#[test]
fn random_characters_are_no_text() {
    let mut random = Vec::new();
    for index in 0u64..20_000 {
        random.extend_from_slice(blake3::hash(&index.to_le_bytes()).as_bytes());
    }
    let base64 = BASE64.encode(&random);
    let made: usize = islands(base64.as_bytes()).iter().map(|(_, text, _)| text.len()).sum();
    assert!(made * 50 < base64.len(), "{made} bytes of {}", base64.len());
    let hex = HEXLOWER.encode(&random);
    let made: usize = islands(hex.as_bytes()).iter().map(|(_, text, _)| text.len()).sum();
    assert!(made * 50 < hex.len(), "{made} bytes of {}", hex.len());
}

#[test]
fn keys_and_streams_in_base64_are_no_text_and_yet_found() {
    let gzip = pack(Notation::Gzip, flate2::Compression::best(), b"some text that is long enough");
    let key = [&[0x30, 0x82, 0x04, 0xbd, 0x02, 0x01, 0x00, 0x30, 0x0d][..], &[0xc7; 80]].concat();
    for binary in [&gzip, &key] {
        for stale in ["", "\"", "key: "] {
            let text = format!("{stale}{}", BASE64.encode(binary));
            let found = islands(text.as_bytes()).into_iter().find(|(_, text, _)| text == binary);
            assert_eq!(found.unwrap().2.span(0..3), stale.len()..stale.len() + 4);
        }
    }
    let stale = format!("AbCdEfGhIj{}", BASE64.encode(&gzip));
    assert!(islands(stale.as_bytes()).iter().any(|(_, text, _)| *text == gzip));
}

#[test]
fn wide_text_inside_of_base64_is_found() {
    let wide: Vec<u8> = "powershell -Command".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = BASE64.encode(&wide);
    let found = islands(text.as_bytes()).into_iter().any(|(notation, text, _)| {
        notation == Notation::Base64
            && islands(&text).iter().any(|(_, t, _)| t == b"powershell -Command")
    });
    assert!(found);
}

#[test]
fn words_without_escapes_are_no_runs() {
    for plain in [
        "a line of text: %d of %s, 100% done, C:\\windows \\d+ \\x41",
        "net/minecraft/is/no/such/path but 0123456789abcdef is short",
        "{\"a\":\"b\"}",
    ] {
        assert!(islands(plain.as_bytes()).is_empty(), "{plain}");
    }
}

#[test]
fn every_notation_has_one_encoding() {
    let mut all: Vec<Notation> = ENCODINGS.iter().flat_map(|it| it.notations).copied().collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), count), (10, 10));
}

#[test]
fn streams_in_base64_that_begin_everywhere_are_bounded() {
    // The head of gzip, again and again.
    let bytes = BASE64.encode(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0]).repeat(10_000).into_bytes();
    for most in [1 << 20, 1000] {
        let run = Run { notation: Notation::Base64, range: 0..bytes.len() };
        let (mut islands, mut made) = (0, 0);
        (base64::ENCODING.decode)(&bytes, &run, most, &mut |island| {
            islands += 1;
            made += island.text.len();
        });
        assert!(made <= most && islands < 20, "{made} bytes in {islands} islands");
    }
}

#[test]
fn a_long_line_of_base64_behind_a_short_one_is_whole() {
    let text = b"the end of a line that is longer than lines of base64 are. ".repeat(9);
    let long = BASE64.encode(&text);
    let bytes = format!("{}\n{long}\n", BASE64.encode(&text[..48]));
    let all = islands(bytes.as_bytes());
    let is_whole = |island: &[u8]| memchr::memmem::find(island, &text).is_some();
    assert!(all.iter().any(|(_, island, _)| is_whole(island)), "{all:?}");
}
