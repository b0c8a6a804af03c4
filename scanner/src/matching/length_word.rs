//! The length that runtimes keep beside their strings: it says where a string ends, whatever stands
//! behind it.

use std::ops::Range;

use crate::check::Confidence;
use crate::rule::{Class, Rule, View};

use super::confirm::{self, Confirmed, Judged, Run};

/// How a runtime lays its strings out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    JavaBytes,
    JavaChars,
    V8OneByte,
    V8TwoByte,
    PythonStr,
    PythonBytes,
    Php,
    Ruby,
    RedisSds,
    DotNet,
    Postgres,
    /// No object's: a number that is the length.
    Length,
}

impl Layout {
    /// The name in reports.
    fn name(self) -> &'static str {
        match self {
            Self::JavaBytes => "java byte[]",
            Self::JavaChars => "java char[]",
            Self::V8OneByte => "v8 one-byte string",
            Self::V8TwoByte => "v8 two-byte string",
            Self::PythonStr => "cpython str",
            Self::PythonBytes => "cpython bytes",
            Self::Php => "php zend_string",
            Self::Ruby => "ruby string",
            Self::RedisSds => "redis sds",
            Self::DotNet => ".net string",
            Self::Postgres => "postgres varlena",
            Self::Length => "length before it",
        }
    }
}

/// A string in memory, by what stands before its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    layout: Layout,
    /// Bytes of the string.
    bytes: u64,
    /// Whether the words before it are those of an object. A length alone may be any number: it counts
    /// only where it is exactly that of a value.
    has_header: bool,
}

/// Bytes around a string.
#[derive(Debug, Clone, Copy)]
struct Memory<'a> {
    bytes: &'a [u8],
    /// Address of the first of them.
    base: u64,
}

impl Memory<'_> {
    /// The number of `len` bytes that stands `back` bytes before `at`, little-endian.
    fn word(&self, at: usize, back: usize, len: usize) -> Option<u64> {
        let bytes = self.bytes.get(at.checked_sub(back)?..)?;
        let four = || bytes.first_chunk().map(|four| u64::from(u32::from_le_bytes(*four)));
        match len {
            1 => bytes.first().map(|byte| u64::from(*byte)),
            2 => bytes.first_chunk().map(|two| u64::from(u16::from_le_bytes(*two))),
            4 => four(),
            _ => bytes.first_chunk().map(|eight| u64::from_le_bytes(*eight)),
        }
    }

    /// Every length that the bytes before `at` may be, of a string with `unit` bytes a character.
    ///
    /// Sources, read in the memory of running programs: HotSpot 17 (`oops/arrayOop.hpp`), V8 of Node 20
    /// (`objects/string.tq`), CPython 3.11 and 3.12 (`cpython/unicodeobject.h`, `bytesobject.h`), PHP 8.2
    /// (`zend_types.h`), Redis 7.0 (`sds.h`); from their sources: CPython 3.13, Ruby 3.2 (`rstring.h`),
    /// .NET (`object.h`), PostgreSQL (`varatt.h`).
    fn lengths(&self, at: usize, unit: u64) -> Vec<Length> {
        let mut all = Vec::new();
        let mut add = |layout, bytes: Option<u64>, has_header| {
            if let Some(bytes) = bytes.filter(|bytes| *bytes > 0 && bytes % unit == 0) {
                all.push(Length { layout, bytes, has_header });
            }
        };
        let word = |back, len| self.word(at, back, len).unwrap_or(0);
        let within = self.base.wrapping_add(at as u64) % 8;
        let chars = |count: u64| count.checked_mul(unit);
        let ended = |bytes: Option<u64>| bytes.filter(|bytes| self.is_nul(at, *bytes, unit));

        // HotSpot: a mark of an unlocked object (its hash, its age), the class, the length.
        let arrays = [
            (within == 0 && is_java_mark(word(16, 8)) && word(8, 4) != 0, 4),
            (
                within == 0
                    && is_java_mark(word(24, 8))
                    && is_pointer(word(16, 8))
                    && word(4, 4) == 0,
                8,
            ),
            // Compact headers (JEP 450): the class in the upper 22 bits.
            (
                within == 4
                    && word(12, 8) & 3 == 1
                    && word(12, 8) >> 42 != 0
                    && word(12, 8) << 22 >> 33 == 0,
                4,
            ),
        ];
        for (_, back) in arrays.into_iter().filter(|(is_array, _)| *is_array) {
            let len = word(back, 4);
            if unit == 1 {
                add(Layout::JavaBytes, Some(len), true);
                continue;
            }
            // The same words before an array of bytes and one of characters, which is twice as long: the
            // mark of the next object tells them apart.
            add(Layout::JavaChars, chars(len).filter(|bytes| self.is_java_at(at, *bytes)), true);
            add(Layout::JavaBytes, Some(len).filter(|bytes| self.is_java_at(at, *bytes)), true);
        }
        // V8: the map, an address with its lowest bit set, a hash, the length.
        if within == 0 && word(16, 8) & 3 == 1 && is_pointer(word(16, 8) - 1) {
            let layout = if unit == 2 { Layout::V8TwoByte } else { Layout::V8OneByte };
            add(layout, chars(word(4, 4)), true);
        }
        // CPython: the count of references, the type, the length, and a NUL at the end.
        let is_python =
            |back: usize| (1..1 << 33).contains(&word(back, 8)) && is_pointer(word(back - 8, 8));
        let strings = if unit == 1 { [48, 40] } else { [72, 56] };
        for back in strings.into_iter().filter(|back| is_python(*back)) {
            add(Layout::PythonStr, ended(chars(word(back - 16, 8))), true);
        }
        if unit == 1 {
            if is_python(32) {
                add(Layout::PythonBytes, ended(Some(word(16, 8))), true);
            }
            // PHP: the count of references, type 6 and flags, the hash, the length, and a NUL.
            if word(24, 4) > 0 && word(20, 4) & 0xf == 6 && word(20, 4) < 0x1000 {
                add(Layout::Php, ended(Some(word(8, 8))), true);
            }
            // Ruby: flags of T_STRING, the class, the length, and a NUL.
            if word(24, 8) & 0x1f == 5 && is_pointer(word(16, 8)) {
                add(Layout::Ruby, ended(Some(word(8, 8))), true);
            }
            // Redis: length, allocated bytes, and the width of both.
            let widths: [(u64, usize); 4] = [(1, 1), (2, 2), (3, 4), (4, 8)];
            for (_, size) in widths.into_iter().filter(|(flags, _)| word(1, 1) == *flags) {
                let (len, room) = (word(1 + 2 * size, size), word(1 + size, size));
                add(Layout::RedisSds, ended(Some(len).filter(|len| *len <= room)), true);
            }
            for len in [4, 8] {
                add(Layout::Length, Some(word(len, len)), false);
            }
            let big = |len| word(len, len).swap_bytes() >> (64 - 8 * len);
            for len in [2, 4] {
                add(Layout::Length, Some(big(len)), false);
            }
            // PostgreSQL: the length of both header and text, times four.
            if word(4, 4).trailing_zeros() >= 2 {
                add(Layout::Postgres, (word(4, 4) >> 2).checked_sub(4), false);
            }
            // One byte says little, and is asked only where it looks like a part of the value.
            let byte = word(1, 1);
            if u8::try_from(byte).is_ok_and(confirm::is_token) {
                add(Layout::Length, Some(byte), false);
                if byte & 1 == 1 {
                    add(Layout::Postgres, (byte >> 1).checked_sub(1), false);
                }
            }
        } else if within == 4 && is_pointer(word(12, 8)) && word(12, 8) % 8 == 0 {
            // .NET: the method table, the length, and a NUL.
            add(Layout::DotNet, ended(chars(word(4, 4))), true);
        }
        all
    }

    /// Whether an object of Java stands behind so many bytes: at the next address that eight divides.
    fn is_java_at(&self, at: usize, bytes: u64) -> bool {
        let start = self.base.wrapping_add(at as u64);
        let end = start.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(8));
        let end = end.and_then(|end| usize::try_from(end.checked_sub(self.base)?).ok());
        end.and_then(|end| self.word(end.checked_add(8)?, 8, 8)).is_some_and(is_java_mark)
    }

    /// Whether a NUL stands behind so many bytes.
    fn is_nul(&self, at: usize, bytes: u64, unit: u64) -> bool {
        let end = usize::try_from(bytes).ok().and_then(|bytes| at.checked_add(bytes));
        let unit = usize::try_from(unit).unwrap_or(1);
        end.and_then(|end| self.bytes.get(end..end.checked_add(unit)?))
            .is_some_and(|nul| nul.iter().all(|byte| *byte == 0))
    }
}

/// The mark of an object of HotSpot that nobody has locked: its hash and its age.
fn is_java_mark(mark: u64) -> bool {
    mark & 3 == 1 && mark >> 39 == 0
}

/// An address of a program's own half of memory.
fn is_pointer(word: u64) -> bool {
    (0x1_0000..1 << 47).contains(&word)
}

/// A text of memory in which a rule has found something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// What the rule has seen of it.
    pub run: Run<'a>,
    /// Where the candidate is in that.
    pub at: usize,
    /// The bytes of memory.
    pub bytes: &'a [u8],
    /// The address of the first of them.
    pub base: u64,
    /// Where among them the first character of `run` is.
    pub start: usize,
    /// Bytes of a character.
    pub unit: usize,
    /// Characters before the first one of `run` that are text too; `None`: not looked at.
    pub before: Option<usize>,
}

/// Judges what a rule has found where a string in memory says how long it is; `None` where none does,
/// or the string holds no such value.
///
/// The string may begin with the value, or with the text that the value stands in.
///
/// `judge_all` judges what the rule finds at a candidate in such a string, with what its layout adds: it is given
/// the string, where that begins in the text that the rule saw, and where the candidate is in it.
pub(super) fn judge(
    rule: &Rule,
    place: &Place<'_>,
    span: &Range<usize>,
    mut judge_all: impl FnMut(Run<'_>, usize, usize, Layout) -> Vec<Judged>,
) -> Option<Confirmed> {
    if rule.view == View::Bytes || rule.class == Class::Grep {
        return None;
    }
    let Place { run, bytes, base, unit, .. } = *place;
    let memory = Memory { bytes, base };
    let value_at = place.start + span.start * unit;
    let text_at = place.before.and_then(|before| place.start.checked_sub(before * unit));
    let text_at = text_at.filter(|at| *at != value_at);
    for at in [value_at].into_iter().chain(text_at) {
        // Where the string begins in the text that the rule saw, or 0 where it begins before that.
        let from = at.saturating_sub(place.start) / unit;
        for length in memory.lengths(at, unit as u64) {
            let Some(end) = end_in(place, at, length.bytes) else { continue };
            let is_value = (from, end) == (span.start, span.end) && at == value_at;
            if end <= span.start || end > run.text.len() || !(length.has_header || is_value) {
                continue;
            }
            let Some(text) = run.text.get(from..end) else { continue };
            let inner = Run { text, cut: super::search::WHOLE, path: run.path };
            let Some(candidate) = place.at.checked_sub(from).filter(|at| *at < text.len()) else {
                continue;
            };
            let all = judge_all(inner, from, candidate, length.layout);
            let here = |judged: &Judged| judged.found.start + from == span.start;
            let judged = all.into_iter().find(here);
            let Some(Ok(mut confirmed)) = judged.map(|judged| judged.answer) else { continue };
            confirmed.span = confirmed.span.start + from..confirmed.span.end + from;
            return Some(confirmed);
        }
    }
    None
}

/// The judgement of what stands in a string of that layout.
pub(super) fn with_layout(mut judged: Judged, layout: Layout) -> Judged {
    if let Ok(confirmed) = &mut judged.answer {
        confirmed.add_layout(layout.name());
    }
    judged
}

/// Where in the text that the rule saw a string of so many bytes ends.
fn end_in(place: &Place<'_>, at: usize, bytes: u64) -> Option<usize> {
    let end = at.checked_add(usize::try_from(bytes).ok()?)?;
    Some(end.checked_sub(place.start)? / place.unit)
}

/// Whether what was found needs no length: a checksum or the like has proven it.
pub(super) fn is_settled(confirmed: Option<&Confirmed>) -> bool {
    confirmed.is_some_and(|confirmed| confirmed.confidence == Confidence::Confirmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layouts that fit where `header` ends at an address that divides by eight, plus `over`.
    fn layouts(header: &[u8], over: u64, text: &[u8], unit: u64) -> Vec<(&'static str, u64, bool)> {
        let bytes = [&[0x5a; 96], header, text].concat();
        let at = 96 + header.len();
        let base = (0x7f12_3400_0000 + over).wrapping_sub(at as u64);
        let lengths = Memory { bytes: &bytes, base }.lengths(at, unit);
        lengths
            .iter()
            .map(|length| (length.layout.name(), length.bytes, length.has_header))
            .collect()
    }

    const TEXT: &[u8] = b"sk_abcdefghijklmnopqrstuvwxyz0123456789ABC\0\0";
    const LEN: u64 = 42;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Mark or map, then two halves of a word: class or hash, and length.
    fn array(first: u64, second: u32, length: u32) -> Vec<u8> {
        [&first.to_le_bytes()[..], &second.to_le_bytes(), &length.to_le_bytes()].concat()
    }

    fn has(found: &[(&str, u64, bool)], layout: &str) -> bool {
        found.contains(&(layout, LEN, true))
    }

    #[test]
    fn java() {
        let stale = b"sk_abcdefghijklmnopqrstuvwxyz0123456789ABCdefghij";
        assert!(has(&layouts(&array(1, 0x0800_1234, 42), 0, stale, 1), "java byte[]"));
        let hashed = 0x12_3456_7801;
        assert!(has(&layouts(&array(hashed, 0x0800_1234, 42), 0, stale, 1), "java byte[]"));
        let wide = [words(&[1, 0x7f00_0080_1230]), array(0, 0, 0)[..8].to_vec()].concat();
        let wide = [&wide[..16], &42u32.to_le_bytes(), &[0; 4]].concat();
        assert!(has(&layouts(&wide, 0, stale, 1), "java byte[]"));
        let compact = [&0x0012_3400_0000_0001_u64.to_le_bytes()[..], &42u32.to_le_bytes()].concat();
        assert!(has(&layouts(&compact, 4, stale, 1), "java byte[]"));
        // 42 bytes, padded to 48, or 21 characters; the next object's mark decides.
        let text = [&stale[..42], &[0; 6], &words(&[1]), &[0x5a; 48]].concat();
        let bytes = layouts(&array(1, 0x0800_1234, 42), 0, &text, 2);
        assert_eq!(bytes, [("java byte[]", LEN, true)]);
        let chars = layouts(&array(1, 0x0800_1234, 21), 0, &text, 2);
        assert_eq!(chars, [("java char[]", LEN, true)]);
        assert_eq!(layouts(&array(1, 0x0800_1234, 84), 0, &text, 2), [], "no object behind it");

        for (header, over) in [
            (array(1, 0x0800_1234, 42), 4),           // Not where objects are.
            (array(2, 0x0800_1234, 42), 0),           // No mark of an unlocked object.
            (array(1, 0, 42), 0),                     // No class.
            (array(0xffff_ffff_ffff_fff1, 7, 42), 0), // No hash.
        ] {
            let found = layouts(&header, over, stale, 1);
            assert!(found.iter().all(|(.., has_header)| !has_header), "{found:?}");
        }
    }

    #[test]
    fn v8() {
        let header = array(0x3a5c_1234_5679, 0xdead_beef, 42);
        assert!(has(&layouts(&header, 0, TEXT, 1), "v8 one-byte string"));
        let header = array(0x3a5c_1234_5679, 0xdead_beef, 21);
        assert!(has(&layouts(&header, 0, TEXT, 2), "v8 two-byte string"));
        let even = array(0x3a5c_1234_5678, 0xdead_beef, 42);
        assert!(!has(&layouts(&even, 0, TEXT, 1), "v8 one-byte string"));
    }

    #[test]
    fn objects_that_end_with_nul() {
        let (kind, hash) = (0x7f12_0000_1230, 0x1234_5678_9abc_def0);
        let php = [&1u32.to_le_bytes()[..], &0x16u32.to_le_bytes(), &words(&[hash, LEN])].concat();
        let sds8 = vec![42, 42, 1];
        let sds16 = vec![42, 0, 64, 0, 2];
        let sds32 = vec![42, 0, 0, 0, 64, 0, 0, 0, 3];
        let cases = [
            ("cpython str", words(&[1, kind, LEN, hash, 0xe4, 0])),
            ("cpython str", words(&[0xffff_ffff, kind, LEN, hash, 0x64])),
            ("cpython bytes", words(&[3, kind, LEN, hash])),
            ("php zend_string", php),
            ("ruby string", words(&[0x2065, kind, LEN])),
            ("redis sds", sds8),
            ("redis sds", sds16),
            ("redis sds", sds32),
        ];
        for (layout, header) in cases {
            assert!(has(&layouts(&header, 0, TEXT, 1), layout), "{layout}");
            let goes_on = b"sk_abcdefghijklmnopqrstuvwxyz0123456789ABCdef";
            assert!(!has(&layouts(&header, 0, goes_on, 1), layout), "{layout}: no NUL");
            let cut = &TEXT[..42];
            assert!(!has(&layouts(&header, 0, cut, 1), layout), "{layout}: the end of memory");
        }
        let small = layouts(&[42, 41, 1], 0, TEXT, 1);
        assert!(!has(&small, "redis sds"), "more than there is room for");
        let free = words(&[0, kind, LEN, hash, 0xe4, 0]);
        assert!(!has(&layouts(&free, 0, TEXT, 1), "cpython str"), "no reference");
        let dotnet = [&words(&[0x7f12_0000_1230])[..], &21u32.to_le_bytes()].concat();
        assert!(has(&layouts(&dotnet, 4, TEXT, 2), ".net string"));
        let wide = words(&[1, kind, 21, hash, 0xe8, 0, 0, 0, 0]);
        assert!(has(&layouts(&wide, 0, TEXT, 2), "cpython str"));
    }

    #[test]
    fn a_length_alone_is_no_object() {
        let found = layouts(&42u32.to_be_bytes(), 0, TEXT, 1);
        assert!(found.contains(&("length before it", LEN, false)), "{found:?}");
        let found = layouts(&184u32.to_le_bytes(), 0, TEXT, 1);
        assert!(found.contains(&("postgres varlena", LEN, false)), "{found:?}");
        let found = layouts(&[0x57], 0, TEXT, 1);
        assert!(found.contains(&("postgres varlena", LEN, false)), "{found:?}");
        let found = layouts(b"k", 0, TEXT, 1);
        assert!(found.contains(&("length before it", 107, false)), "{found:?}");
        let found = layouts(&[0xff, 42], 0, TEXT, 1);
        assert!(!found.iter().any(|(layout, ..)| *layout == "redis sds"), "{found:?}");
    }

    #[test]
    fn the_start_of_memory_holds_no_length() {
        let memory = Memory { bytes: TEXT, base: 0 };
        assert_eq!(memory.lengths(0, 1), []);
        assert_eq!(memory.lengths(0, 2), []);
    }
}
