//! Tokens of the Python package index: macaroons.

use data_encoding::BASE64URL_NOPAD;

use super::{Outcome, Subject, Verdict, attribute};

/// Public start of every token.
const PREFIX: &[u8] = b"pypi-";
/// Bytes of the signature.
const SIGNATURE: usize = 32;

const VERSION: u8 = 2;
const END: u8 = 0;
const LOCATION: u8 = 1;
const IDENTIFIER: u8 = 2;
const VERIFIER: u8 = 4;
const SIGNED: u8 = 6;

/// Checks a macaroon of version 2 in base64url behind `pypi-`: location, identifier, caveats, and a
/// signature of 32 bytes, with which the token ends. Reads off where it is valid.
///
/// Source: libmacaroons, `doc/format.txt`; pypi.org's help on API tokens.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(body) = subject.value().strip_prefix(PREFIX) else { return fail };
    let body = body.get(..body.len().min(LONGEST)).unwrap_or_default();
    // A length of one over a multiple of four holds no byte; the bits left over are not looked at.
    let whole = body.len().saturating_sub(body.len() % 4);
    let Some(decoded) = body.get(..whole).and_then(|text| BASE64URL_NOPAD.decode(text).ok()) else {
        return fail;
    };
    // The last one to three characters, which need not be a whole group.
    let rest = body.get(whole..).unwrap_or_default();
    let tail = tail(rest);
    let decoded = [decoded, tail].concat();
    let Some((len, location)) = walk(&decoded) else { return fail };
    let characters = len.saturating_mul(4).div_ceil(3);
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..PREFIX.len().saturating_add(characters));
    verdict.attributes.insert("pypi.index", attribute(&location));
    verdict
}

/// Characters of a token, after which none goes on.
const LONGEST: usize = 4096;

/// The whole bytes in two or three characters of base64url.
fn tail(characters: &[u8]) -> Vec<u8> {
    let bytes = match characters.len() {
        2 => 1,
        3 => 2,
        _ => return Vec::new(),
    };
    let mut group = characters.to_vec();
    group.resize(4, b'A');
    let mut decoded = BASE64URL_NOPAD.decode(&group).unwrap_or_default();
    decoded.truncate(bytes);
    decoded
}

/// Bytes of the macaroon at the start of `bytes`, and its location.
fn walk(bytes: &[u8]) -> Option<(usize, String)> {
    let mut reader = Reader { rest: bytes };
    if reader.byte()? != VERSION {
        return None;
    }
    let location = reader.field(LOCATION)?;
    reader.field(IDENTIFIER)?;
    reader.end()?;
    while reader.rest.first() != Some(&END) {
        // A caveat: perhaps a location, an identifier, perhaps the key of a third party.
        if reader.rest.first() == Some(&LOCATION) {
            reader.field(LOCATION)?;
        }
        reader.field(IDENTIFIER)?;
        if reader.rest.first() == Some(&VERIFIER) {
            reader.field(VERIFIER)?;
        }
        reader.end()?;
    }
    reader.end()?;
    if reader.field(SIGNED)?.len() != SIGNATURE {
        return None;
    }
    let location = std::str::from_utf8(location).ok()?.to_owned();
    Some((bytes.len().checked_sub(reader.rest.len())?, location))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn end(&mut self) -> Option<()> {
        (self.byte()? == END).then_some(())
    }

    /// The bytes of a field of this type. Lengths are varints; none of ours has more than two bytes.
    fn field(&mut self, kind: u8) -> Option<&'a [u8]> {
        if self.byte()? != kind {
            return None;
        }
        let low = self.byte()?;
        let mut len = usize::from(low & 0x7f);
        if low & 0x80 != 0 {
            let high = self.byte()?;
            if high & 0x80 != 0 {
                return None;
            }
            len |= usize::from(high) << 7;
        }
        let (field, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, built after the format: a token restricted to one project.
    fn vector() -> String {
        [
            "pypi-",
            "AgEIcHlwaS5vcmcCJGI0MmFlMmNiLTI3MTctNDU4OS1iY2M0LWUyYmY1ODI2N2ZkZAACKlszLCIyMTMwNjdmOC1l",
            "MGNhLTQ3YjMtYTlhMy1mMjc2M2M2ODdlYWIiXQAABiDiLn9_m7eePfV71IRDngbKqL7pxdXF-5U1Gkf9PWbNOw",
        ]
        .concat()
    }

    #[test]
    fn the_signature_gives_the_end() {
        let token = vector();
        for stale in ["", "A", "AB", "ABC", "ABCDEFGH", "_stale-text"] {
            let text = token.clone() + stale;
            let verdict = run(&whole(text.as_bytes()));
            assert_eq!(verdict.outcome, Outcome::Pass, "{stale:?}");
            assert_eq!(verdict.span, 0..token.len(), "{stale:?}");
            let index = ["pypi", ".org"].concat();
            assert_eq!(verdict.attributes.get("pypi.index"), Some(&index));
        }
    }

    #[test]
    fn what_is_cut_or_damaged_fails() {
        let token = vector();
        for len in 0..token.len() {
            let cut = token.get(..len).unwrap();
            assert_eq!(run(&whole(cut.as_bytes())).outcome, Outcome::Fail, "{len} characters");
        }
        // The length of the identifier, the end of a section, the type of the signature.
        for (at, with) in [(19, "z"), (70, "_"), (137, "x")] {
            let mut damaged = token.clone();
            damaged.replace_range(at..=at, with);
            if damaged != token {
                let outcome = run(&whole(damaged.as_bytes())).outcome;
                assert!(outcome == Outcome::Fail || at > 19, "{at}: {outcome:?}");
            }
        }
    }
}
