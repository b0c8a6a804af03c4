//! What lists find in a text, against a tokenizer that knows nothing of masks.

#![expect(clippy::disallowed_methods, reason = "reads files of the repository")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::indicator::Lists;
use crate::matching::kernel::Kernel;
use crate::matching::prefilter::{Marks, Prefilter};
use crate::rule::RuleSet;

/// Words, dots and colons of a text, as a kernel marks them.
fn masks(text: &[u8], is: impl Fn(u8) -> bool) -> Vec<u64> {
    let bit = |(at, byte): (usize, &u8)| u64::from(is(*byte)) << at;
    text.chunks(BLOCK).map(|block| block.iter().enumerate().map(bit).sum()).collect()
}

fn ends(text: &str) -> (Vec<usize>, Vec<usize>) {
    let text = text.as_bytes();
    let words = masks(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    each_name(&words, &masks(text, |byte| byte == b'.'), words.len(), &mut |at| names.push(at));
    let colons = masks(text, |byte| byte == b':');
    each_address(&words, &colons, words.len(), &mut |at| addresses.push(at));
    addresses.sort_unstable();
    (names, addresses)
}

#[test]
fn ends_are_where_no_more_of_a_name_follows() {
    for shift in 0..130 {
        let of = |text: &str| ends(&(" ".repeat(shift) + text + &" ".repeat(130)));
        let here = |all: &[usize]| all.iter().map(|at| at + shift).collect::<Vec<_>>();
        assert_eq!(of("a evil.example, b.c.d").0, here(&[14, 21]));
        assert_eq!(of("word a. .b 1:2").0, here(&[]));
        assert_eq!(of("a.b-c.d").0, here(&[3, 7]));
        assert_eq!(of("12:34 2001:db8::1 1:: x:").1, here(&[5, 17, 21]));
    }
}

/// Lists as a test has them: texts in the form in which reports show them.
struct Naive {
    lines: Vec<String>,
}

trait Ordered {
    fn sorted(self) -> Vec<(usize, usize, String)>;
}

impl Ordered for Vec<(Range<usize>, String)> {
    fn sorted(self) -> Vec<(usize, usize, String)> {
        let mut all: Vec<_> =
            self.into_iter().map(|(span, text)| (span.start, span.end, text)).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_label(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// The maximal runs of what is a part.
fn runs(text: &[u8], is: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    for at in 0..=text.len() {
        if at < text.len() && is(at) {
            continue;
        }
        if start < at {
            all.push(start..at);
        }
        start = at + 1;
    }
    all
}

impl Naive {
    fn read(&self, text: &[u8]) -> Vec<(usize, usize, String)> {
        let mut found = Vec::new();
        self.names(text, &mut found);
        self.v4(text, &mut found);
        self.v6(text, &mut found);
        let digits = runs(text, |at| text[at].is_ascii_hexdigit());
        for run in digits {
            let around = [run.start.checked_sub(1), Some(run.end)];
            let is_longer = around
                .into_iter()
                .flatten()
                .any(|at| text.get(at).is_some_and(|byte| is_word(*byte)));
            let digest = String::from_utf8_lossy(&text[run.clone()]).to_lowercase();
            if !is_longer
                && [32, 40, 64, 128].contains(&digest.len())
                && self.lines.contains(&digest)
            {
                found.push((run, digest));
            }
        }
        found.sorted()
    }

    /// The URLs of a host that stands there.
    fn url(&self, text: &[u8], host: &Range<usize>) -> Option<(Range<usize>, String)> {
        let name = String::from_utf8_lossy(&text[host.clone()]).to_lowercase();
        let urls = self.lines.iter().filter_map(|line| {
            let (scheme, rest) = line.split_once("://")?;
            let rest = rest.strip_prefix(&name)?;
            (rest.is_empty() || rest.starts_with(['/', ':', '?'])).then_some(())?;
            let before = String::from_utf8_lossy(&text[..host.start]).to_lowercase();
            let before = before.strip_suffix(&format!("{scheme}://"))?;
            if before.ends_with(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
                return None;
            }
            let mut end = host.end;
            if !rest.starts_with(':') && scheme == "http" && text[end..].starts_with(b":80") {
                end += 3;
            }
            if !text[end..].starts_with(rest.as_bytes()) {
                return None;
            }
            end += rest.len();
            if !rest.contains(['/', '?']) && text.get(end) == Some(&b'/') {
                end += 1;
            }
            let after = &text[end..];
            let part =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&*+,;=%".contains(byte);
            let marks = after.iter().take_while(|byte| b".,;:!?".contains(byte)).take(4).count();
            let ends = after.first() == Some(&b'#') || !after.get(marks).is_some_and(part);
            ends.then(|| (host.start - scheme.len() - 3..end, line.clone()))
        });
        urls.max_by_key(|(span, _)| span.len())
    }

    fn names(&self, text: &[u8], found: &mut Vec<(Range<usize>, String)>) {
        let is =
            |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_label(*byte));
        let is_part = |at: usize| {
            is(Some(at)) || (text[at] == b'.' && is(at.checked_sub(1)) && is(Some(at + 1)))
        };
        for run in runs(text, is_part) {
            if let Some(url) = self.url(text, &run)
                && String::from_utf8_lossy(&text[run.clone()]).parse::<Ipv4Addr>().is_err()
            {
                found.push(url);
                continue;
            }
            let dots = run.clone().filter(|at| text[*at] == b'.').map(|at| at + 1);
            for start in std::iter::once(run.start).chain(dots) {
                let name = String::from_utf8_lossy(&text[start..run.end]).to_lowercase();
                let is_name = name.parse::<Ipv4Addr>().is_err() && name.contains('.');
                if is_name && name.len() <= 253 && self.lines.contains(&name) {
                    found.push((start..run.end, name));
                    break;
                }
            }
        }
    }

    fn v4(&self, text: &[u8], found: &mut Vec<(Range<usize>, String)>) {
        for start in 0..text.len() {
            if start > 0 && (is_word(text[start - 1]) || text[start - 1] == b'.') {
                continue;
            }
            let len = text[start..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .count();
            for end in (start + 7..=start + len.min(15)).rev() {
                let is_longer = text.get(end).is_some_and(|byte| is_word(*byte))
                    || (text.get(end) == Some(&b'.')
                        && text.get(end + 1).is_some_and(|byte| is_word(*byte)));
                let Ok(address) = String::from_utf8_lossy(&text[start..end]).parse::<Ipv4Addr>()
                else {
                    continue;
                };
                if is_longer {
                    continue;
                }
                let url = self.url(text, &(start..end));
                found.extend(url.or_else(|| Some((start..end, self.narrowest(address)?))));
            }
        }
    }

    fn narrowest(&self, address: Ipv4Addr) -> Option<String> {
        (8..=32u32).rev().find_map(|bits| {
            let network = Ipv4Addr::from_bits(address.to_bits() & u32::MAX << (32 - bits));
            let text = if bits == 32 { network.to_string() } else { format!("{network}/{bits}") };
            self.lines.contains(&text).then_some(text)
        })
    }

    fn v6(&self, text: &[u8], found: &mut Vec<(Range<usize>, String)>) {
        for mut run in runs(text, |at| text[at] == b':' || text[at].is_ascii_hexdigit()) {
            let is_longer = |at: Option<usize>| {
                at.and_then(|at| text.get(at)).is_some_and(|byte| is_word(*byte))
            };
            if is_longer(run.start.checked_sub(1)) || is_longer(Some(run.end)) {
                continue;
            }
            let is_lone = |at: usize, other: Option<usize>| {
                text[at] == b':' && other.and_then(|at| text.get(at)) != Some(&b':')
            };
            if is_lone(run.end - 1, run.end.checked_sub(2)) {
                run.end -= 1;
            }
            if run.len() > 1 && is_lone(run.start, Some(run.start + 1)) {
                run.start += 1;
            }
            let Ok(address) = String::from_utf8_lossy(&text[run.clone()]).parse::<Ipv6Addr>()
            else {
                continue;
            };
            let name = address.to_string();
            let name = [name.clone(), format!("{name}/32")]
                .into_iter()
                .find(|name| self.lines.contains(name));
            found.extend(name.map(|name| (run, name)));
        }
    }
}

/// What the kernels and lists find.
fn found(prefilter: &Prefilter, set: &RuleSet, text: &[u8]) -> Vec<(usize, usize, String)> {
    let mut marks = Marks::default();
    prefilter.read(text, &mut marks);
    let indicators = set.indicators().unwrap();
    let hits = indicators.find(text, &marks.names, &marks.addresses, &marks.tokens);
    let named = hits.iter().map(|hit| (hit.span(), indicators.of(hit).unwrap().text));
    named.collect::<Vec<_>>().sorted()
}

/// The kernels with their tables.
type Kernels = Vec<(Kernel, Prefilter)>;

/// Rules of a list, and the list as a test knows it.
fn listed(lines: &[&str]) -> (RuleSet, Kernels, Naive) {
    let mut set = RuleSet::default();
    let lists = Lists::of(&lines.join("\n"));
    assert_eq!(lists.wrong, 0, "{:?}", lists.faults);
    set.add_indicators(Arc::new(lists.indicators));
    let kernels = Kernel::available().into_iter();
    let prefilters = kernels.map(|kernel| (kernel, Prefilter::new(&set, kernel))).collect();
    (set, prefilters, Naive { lines: lines.iter().map(|line| (*line).to_owned()).collect() })
}

const LINES: [&str; 16] = [
    "evil.example",
    "b.evil.example",
    "xn--bcher-kva.xn--p1ai",
    "a_b.example",
    "10.0.0.1",
    "10.0.0.0/24",
    "192.0.2.7",
    "2001:db8::1",
    "fe80::",
    "abcd:1:2:3:4:5:6:7",
    "http://evil.example/a",
    "http://evil.example",
    "http://10.0.0.1/x",
    "http://c.example:8080",
    "00112233445566778899aabbccddeeff",
    "00112233445566778899aabbccddeeff00112233",
];

/// What random texts are made of.
const PIECES: [&str; 47] = [
    "evil",
    "example",
    ".",
    ".",
    ".",
    "-",
    "_",
    " ",
    "\0",
    "a",
    "b",
    "c",
    "EVIL.Example",
    "evil.example",
    "10",
    "0",
    "1",
    "10.0.0.1",
    "10.0.0",
    "192.0.2.7",
    ":",
    ":",
    "::",
    "2001:db8::1",
    "fe80::",
    "abcd:1:2:3:4:5:6:7",
    "http://",
    "HTTP://",
    "https://",
    "/",
    "/a",
    "/x",
    "?",
    "#",
    ",",
    ":80",
    ":8080",
    "@",
    "[",
    "]",
    "\u{e9}",
    "\x7f",
    "00112233445566778899aabbccddeeff",
    "00112233",
    "xn--bcher-kva.xn--p1ai",
    "f",
    "a_b.example",
];

proptest! {
    #[test]
    fn a_naive_tokenizer_finds_the_same(
        pieces in prop::collection::vec(0..PIECES.len(), 0..60),
        shift in 0usize..130,
    ) {
        static LISTED: LazyLock<(RuleSet, Kernels, Naive)> =
            LazyLock::new(|| listed(&LINES));
        let (set, prefilters, naive) = &*LISTED;
        let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        let text = [vec![b' '; shift], text.into_bytes()].concat();
        let expected = naive.read(&text);
        for (kernel, prefilter) in prefilters {
            prop_assert_eq!(&found(prefilter, set, &text), &expected, "{}", kernel.name());
        }
    }
}

#[test]
fn three_colons_are_no_address_wherever_blocks_end() {
    let (set, prefilters, naive) = listed(&LINES);
    for shift in 0..130 {
        let text = [vec![b' '; shift], b"fe80:::/a fe80::: fe80::, fe80::: ".to_vec()].concat();
        let expected = naive.read(&text);
        assert_eq!(expected.len(), 1);
        for (kernel, prefilter) in &prefilters {
            assert_eq!(found(prefilter, &set, &text), expected, "{shift} {}", kernel.name());
        }
    }
}

#[test]
fn a_dot_or_colon_may_end_a_sentence_wherever_blocks_end() {
    let (set, prefilters, naive) = listed(&LINES);
    for shift in 0..130 {
        let text =
            [vec![b' '; shift], b"/10.0.0.1.: evil.example. 192.0.2.7.. 2001:db8::1:, ".to_vec()]
                .concat();
        let expected = naive.read(&text);
        assert_eq!(expected.len(), 4);
        for (kernel, prefilter) in &prefilters {
            assert_eq!(found(prefilter, &set, &text), expected, "{shift} {}", kernel.name());
        }
    }
}

#[test]
fn tokens_are_found_across_the_ends_of_blocks_and_tiles() {
    let (set, prefilters, naive) = listed(&LINES);
    for line in LINES {
        let line = line.split('/').next().filter(|it| !it.ends_with(':')).unwrap_or(line);
        for border in [64, 16 << 10, 32 << 10] {
            for before in 0..=line.len() + 1 {
                let mut text = vec![b' '; border - before];
                text.extend_from_slice(line.as_bytes());
                text.resize(border + 200, 0);
                let expected = naive.read(&text);
                assert!(!expected.is_empty(), "{line}");
                for (kernel, prefilter) in &prefilters {
                    assert_eq!(
                        found(prefilter, &set, &text),
                        expected,
                        "{line} {before} {}",
                        kernel.name()
                    );
                }
            }
        }
    }
}

#[test]
fn a_naive_tokenizer_finds_the_same_in_real_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = Vec::new();
    for file in [
        "Cargo.lock",
        "docs/rules.md",
        "rules/secrets/attacks.toml",
        "docs/generated/report.schema.json",
    ] {
        text.extend(std::fs::read(root.join(file)).unwrap_or_default());
        text.push(0);
    }
    assert!(text.len() > 100_000);
    // Every third name and hash of the text itself is listed.
    let words = text.split(|byte| !(is_label(*byte) || *byte == b'.'));
    let words = words.filter_map(|word| std::str::from_utf8(word).ok()).map(str::to_lowercase);
    let all: BTreeSet<String> = words.filter(|word| Lists::of(word).wrong == 0).collect();
    let lines: Vec<&str> = all
        .iter()
        .map(|word| word.trim_matches('.'))
        .filter(|it| !it.is_empty())
        .step_by(3)
        .collect();
    assert!(lines.len() > 50, "{}", lines.len());
    let (set, prefilters, naive) = listed(&lines);
    let expected = naive.read(&text);
    assert!(expected.len() >= lines.len() / 2);
    for (kernel, prefilter) in &prefilters {
        assert_eq!(found(prefilter, &set, &text), expected, "{}", kernel.name());
    }
}
