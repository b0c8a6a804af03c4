//! Which indicators stand in a text, each as a whole token.
//!
//! Where tokens may end is told by whoever has looked at every byte; here only those places are looked at, so
//! that each byte of a token is read a few times whatever it says.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::parse::default_port;
use super::store::{Entry, FromEnd, Indicators, Listed, Name};
use super::{Kind, LABEL, NAME, is_host, is_word};

/// An indicator that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// First byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
    /// What kind of thing.
    pub kind: Kind,
    entry: Entry,
}

impl Hit {
    /// Which indicator it is of.
    pub fn which(&self) -> impl Ord + use<> {
        self.entry
    }

    /// The bytes that it stands for.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Most characters of an IPv6 address without an IPv4 address in it.
const LONGEST_V6: usize = 39;

/// Marks at the end of a sentence that do not go on a URL.
const MARKS: usize = 4;

/// The shortest hash, in digits.
const SHORTEST_DIGEST: usize = 32;

/// The longest.
const LONGEST_DIGEST: usize = 128;

impl Indicators {
    /// The end of the name or IPv4 address that may stand around a place in or behind its last label.
    pub fn name_end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        let mut start = at;
        while start > 0 && is_word(byte(start - 1)) {
            start -= 1;
            if at - start > LABEL {
                return None;
            }
        }
        if start == 0 || byte(start - 1) != b'.' {
            return None;
        }
        let mut end = start;
        while is_word(byte(end)) {
            end += 1;
            if end - start > LABEL {
                return None;
            }
        }
        if start == end {
            // Nothing follows the dot: what ends before it was not known to.
            let is_behind_word = start > 1 && is_word(byte(start - 2));
            return if is_behind_word { self.name_end(bytes, start - 1) } else { None };
        }
        if byte(start).is_ascii_digit() {
            let is_octet = end - start <= 3 && (start..end).all(|at| byte(at).is_ascii_digit());
            return (self.has_v4 && is_octet).then_some(end);
        }
        while is_host(byte(end)) {
            end += 1;
            if end - start > LABEL {
                return None;
            }
        }
        let label = bytes.get(start..end).filter(|label| label.len() >= 2)?;
        self.may_end_with(FromEnd::of(label)).then_some(end)
    }

    /// The end of the IPv6 address that may stand around a place in or behind its last group.
    pub fn v6_end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        token_v6(bytes, at).map(|token| token.end)
    }

    /// Whether addresses with colons are looked for.
    pub fn has_v6(&self) -> bool {
        self.has_v6
    }

    /// Gives what stands in `bytes`: of what overlaps only what says most. `names` and `addresses` are where
    /// names and addresses may end, `tokens` rows of characters in which hashes may stand.
    pub fn find(
        &self,
        bytes: &[u8],
        names: &[u32],
        addresses: &[u32],
        tokens: &[Range<usize>],
    ) -> Vec<Hit> {
        let mut hits = Vec::new();
        let offset = |at: &u32| usize::try_from(*at).unwrap_or(usize::MAX);
        hits.extend(names.iter().filter_map(|at| self.name(bytes, offset(at))));
        hits.extend(addresses.iter().filter_map(|at| self.v6_at(bytes, offset(at))));
        if self.has_digests() {
            for token in tokens {
                self.digests(bytes, token, &mut hits);
            }
        }
        hits.sort_unstable();
        hits
    }

    /// What a hit is of.
    pub fn of(&self, hit: &Hit) -> Option<Listed<'_>> {
        self.listed(hit.entry)
    }

    fn hit(&self, span: Range<usize>, entry: Entry) -> Option<Hit> {
        Some(Hit { start: span.start, end: span.end, kind: self.kind(entry)?, entry })
    }

    /// What stands in a name or IPv4 address that ends at `end`.
    fn name(&self, bytes: &[u8], end: usize) -> Option<Hit> {
        let label =
            bytes.get(..end)?.iter().rev().take(LABEL).take_while(|byte| is_host(**byte)).last()?;
        if label.is_ascii_digit() { self.v4_at(bytes, end) } else { self.domain(bytes, end) }
    }

    fn domain(&self, bytes: &[u8], end: usize) -> Option<Hit> {
        if is_joint(bytes, end) {
            return None;
        }
        let before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let (mut hash, mut at, mut labels) = (FromEnd::new(), end, 1);
        let first = end.saturating_sub(NAME);
        let mut best = None;
        loop {
            while at > first
                && let Some(byte) = before(at).filter(|byte| is_host(*byte))
            {
                hash.push(byte);
                at -= 1;
            }
            if before(at).is_some_and(is_host) {
                return best;
            }
            let is_start = at == 0 || !is_joint(bytes, at - 1);
            if labels > 1 {
                let found = self.longest(bytes, at..end, hash, is_start);
                best = found.or(best);
            }
            if is_start || labels >= self.most_labels || at <= first {
                return best;
            }
            at -= 1;
            hash.push(b'.');
            labels += 1;
        }
    }

    /// The longest URL with this host, or else the name.
    fn longest(
        &self,
        bytes: &[u8],
        host: Range<usize>,
        hash: FromEnd,
        is_whole: bool,
    ) -> Option<Hit> {
        let text = bytes.get(host.clone())?;
        let mut best: Option<(Range<usize>, u32)> = None;
        for (offset, name) in self.names.of(hash.hash()) {
            if !name.host().eq_ignore_ascii_case(text) {
                continue;
            }
            let span = if name.is_domain() {
                Some(host.clone())
            } else {
                is_whole.then(|| url(bytes, &host, name)).flatten()
            };
            let Some(span) = span else { continue };
            if best.as_ref().is_none_or(|(best, _)| best.len() < span.len()) {
                best = Some((span, offset));
            }
        }
        let (span, offset) = best?;
        self.hit(span, Entry::Name(offset))
    }

    fn v4_at(&self, bytes: &[u8], end: usize) -> Option<Hit> {
        let (start, address) = address_v4(bytes, end)?;
        let text = bytes.get(start..end)?;
        let of_url = self.of_address(bytes, start..end, text);
        of_url.or_else(|| self.hit(start..end, self.v4(address)?))
    }

    fn v6_at(&self, bytes: &[u8], end: usize) -> Option<Hit> {
        let (span, address) = address_v6(bytes, end)?;
        let host = span.start.saturating_sub(1)..span.end + 1;
        let in_brackets =
            bytes.get(host.clone()).is_some_and(|it| it.starts_with(b"[") && it.ends_with(b"]"));
        let of_url = || self.of_address(bytes, host, format!("[{address}]").as_bytes());
        let of_url = (in_brackets && !self.names.is_empty()).then(of_url).flatten();
        of_url.or_else(|| {
            let entry = match address.to_ipv4_mapped() {
                Some(address) => self.v4(address.to_bits()),
                None => self.v6(address.to_bits()),
            };
            self.hit(span, entry?)
        })
    }

    /// The longest URL with an address, written as `text`, for its host.
    fn of_address(&self, bytes: &[u8], host: Range<usize>, text: &[u8]) -> Option<Hit> {
        let of_host = self.names.of(FromEnd::of(text)).filter(|(_, name)| name.host() == text);
        let spans = of_host.filter_map(|(offset, name)| Some((url(bytes, &host, name)?, offset)));
        let longest = spans.min_by_key(|(span, offset)| (usize::MAX - span.len(), *offset));
        let (span, offset) = longest?;
        self.hit(span, Entry::Name(offset))
    }

    /// Hashes in a row of characters of base64.
    fn digests(&self, bytes: &[u8], token: &Range<usize>, hits: &mut Vec<Hit>) {
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let is_word =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| is_word(*byte));
        // No digit stands right before `from`, or it is where the row begins.
        let mut from = token.start;
        while from + SHORTEST_DIGEST <= token.end {
            // Every row of so many digits has this one.
            let probe = from + SHORTEST_DIGEST - 1;
            if !is_digit(probe) {
                from = probe + 1;
                continue;
            }
            let mut start = probe;
            while start > from && is_digit(start - 1) {
                start -= 1;
            }
            let mut end = probe + 1;
            while end < token.end && is_digit(end) {
                end += 1;
            }
            from = end + 1;
            let len = end - start;
            if is_word(start.checked_sub(1)) || is_word(Some(end)) || len > LONGEST_DIGEST {
                continue;
            }
            if Kind::of_digest(len / 2).is_none() || !len.is_multiple_of(2) {
                continue;
            }
            let mut digest = [0; LONGEST_DIGEST / 2];
            let pairs = bytes.get(start..end).unwrap_or_default().chunks_exact(2);
            for (to, pair) in digest.iter_mut().zip(pairs) {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
                let [high, low] =
                    [0, 1].map(|at| pair.get(at).copied().and_then(digit).unwrap_or_default());
                *to = high << 4 | low;
            }
            let entry = digest.get(..len / 2).and_then(|digest| self.digest(digest));
            hits.extend(entry.and_then(|entry| self.hit(start..end, entry)));
        }
    }
}

/// Whether a dot at `at` joins two labels.
fn is_joint(bytes: &[u8], at: usize) -> bool {
    let is_part =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| is_host(*byte));
    bytes.get(at) == Some(&b'.') && is_part(at.checked_sub(1)) && is_part(at.checked_add(1))
}

/// The IPv4 address that ends at `end`, as a whole token.
fn address_v4(bytes: &[u8], end: usize) -> Option<(usize, u32)> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    if is_word(byte(end)) || (byte(end) == b'.' && is_word(byte(end + 1))) {
        return None;
    }
    let (mut at, mut address) = (end, 0);
    for octet in 0..4u32 {
        let last = at;
        let (mut value, mut unit) = (0u32, 1);
        while at > 0 && last - at < 3 && byte(at - 1).is_ascii_digit() {
            at -= 1;
            value += u32::from(byte(at) - b'0') * unit;
            unit *= 10;
        }
        let is_padded = last - at > 1 && byte(at) == b'0';
        if at == last || value > 255 || is_padded {
            return None;
        }
        address |= value << (8 * octet);
        if octet < 3 {
            at = at.checked_sub(1).filter(|at| byte(*at) == b'.')?;
        }
    }
    let before = at.checked_sub(1).map(byte);
    let is_longer = before.is_some_and(|byte| is_word(byte) || byte == b'.');
    (!is_longer).then_some((at, address))
}

/// Where an IPv6 address may stand as a whole token, of whose last group a place is the end or lies in it.
fn token_v6(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let mut end = at;
    while is_word(byte(end)) {
        end += 1;
        if end - at > 4 {
            return None;
        }
    }
    let is_joined = |at: usize| byte(at) == b':' || is_word(byte(at));
    let is_colon = |back: usize| end.checked_sub(back).map(byte) == Some(b':');
    if end == at && is_colon(1) && !is_colon(2) && !is_joined(end) {
        // Nothing follows the colon: what ends before it was not known to.
        end -= 1;
    } else if byte(end) == b':' && (is_joined(end + 1) || is_colon(1)) {
        return None;
    }
    let is_part = |byte: u8| byte == b':' || byte.is_ascii_hexdigit();
    let (mut start, mut colons, mut is_short) = (end, 0, false);
    while start > 0 && is_part(byte(start - 1)) {
        start -= 1;
        colons += u32::from(byte(start) == b':');
        is_short |= byte(start) == b':' && byte(start + 1) == b':';
        if end - start > LONGEST_V6 + 1 {
            return None;
        }
    }
    if (start > 0 && is_word(byte(start - 1))) || !(is_short || colons >= 7) {
        return None;
    }
    // A colon may stand between a name and an address.
    if byte(start) == b':' && byte(start + 1) != b':' {
        start += 1;
    }
    (end - start >= 3).then_some(start..end)
}

/// The IPv6 address that stands there.
fn address_v6(bytes: &[u8], at: usize) -> Option<(Range<usize>, Ipv6Addr)> {
    let token = token_v6(bytes, at)?;
    let text = std::str::from_utf8(bytes.get(token.clone())?).ok()?;
    Some((token, text.parse().ok()?))
}

/// Where the URL `name` stands, around its host.
fn url(bytes: &[u8], host: &Range<usize>, name: Name<'_>) -> Option<Range<usize>> {
    let mut start = host.start;
    let mut end = host.end;
    if let Some(scheme) = name.scheme() {
        let first = start.checked_sub(scheme.len() + 3)?;
        let before = bytes.get(first..start)?;
        let (word, slashes) = before.split_at_checked(scheme.len())?;
        let is_longer = first.checked_sub(1).and_then(|at| bytes.get(at));
        let is_longer =
            is_longer.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        if slashes != b"://" || !word.eq_ignore_ascii_case(scheme) || is_longer {
            return None;
        }
        start = first;
    }
    let rest = name.rest();
    if !rest.starts_with(b":")
        && let Some(port) =
            name.scheme().and_then(|it| std::str::from_utf8(it).ok()).and_then(default_port)
    {
        let port = format!(":{port}");
        let is_there = bytes.get(end..).is_some_and(|after| after.starts_with(port.as_bytes()));
        end += if is_there { port.len() } else { 0 };
    }
    let len = rest.len();
    if bytes.get(end..end + len)? != rest {
        return None;
    }
    end += len;
    // What has no path is the same with the shortest one.
    let has_path = rest.iter().any(|byte| matches!(byte, b'/' | b'?'));
    if !has_path && name.scheme().is_none() {
        // Any URL of this host and port.
        return bytes.get(end).is_none_or(|byte| !is_word(*byte)).then_some(start..end);
    }
    if !has_path && bytes.get(end) == Some(&b'/') {
        end += 1;
    }
    ends_url(bytes, end).then_some(start..end)
}

/// Whether a URL ends here: what follows is a fragment, no character of a URL, or the end of a sentence.
fn ends_url(bytes: &[u8], at: usize) -> bool {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&*+,;=%".contains(&byte);
    let is_mark = |byte: u8| b".,;:!?".contains(&byte);
    let marks = (0..MARKS).take_while(|mark| is_mark(byte(at + mark))).count();
    byte(at) == b'#' || !is_part(byte(at + marks))
}
