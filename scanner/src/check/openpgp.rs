//! Secret keys of OpenPGP (RFC 9580): armoured, and as bare packets.

use std::collections::BTreeSet;

use data_encoding::BASE64;

use super::armour::{self, Armour};
use super::key::{bits, is_product};
use super::keystore::Reader;
use super::{Attributes, Outcome, Subject, Verdict, entropy, pem};

const LABEL: &str = "PGP PRIVATE KEY BLOCK";
const END: &[u8] = b"-----END PGP PRIVATE KEY BLOCK-----";
/// Characters that may stand between the checksum and the last line: line ends, escaped or not.
const BREAK: usize = 16;
/// Bytes of the shortest block that is worth keeping although its packets cannot be read.
const UNREAD: usize = 64;
/// Packets that are looked at.
const PACKETS: usize = 256;
/// Tags of packets: secret key, secret subkey.
const SECRET: [u8; 2] = [5, 7];
/// Tags that a block of keys has besides: signature, trust, user, attribute, padding.
const BESIDES: [u8; 6] = [2, 12, 13, 17, 21, 6];
/// Seconds since 1970 at which a key may be made: from the first PGP on, up to what 32 bits hold.
const FIRST: u32 = 660_000_000;

/// Checks a block in armour: the packets inside, and the CRC-24 where there is one.
///
/// Weak: damaged, a sum that does not fit, or one that fits around packets that cannot be read. Fail: no secret key in it, as where all of them are on
/// a card.
pub(super) fn block(subject: &Subject<'_>) -> Verdict {
    let armour = armour::read(subject.value()).filter(|armour| armour.label == LABEL);
    let judged = armour.and_then(|armour| armoured(subject, &armour));
    judged.unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

fn armoured(subject: &Subject<'_>, armour: &Armour) -> Option<Verdict> {
    let decoded = armour.decode();
    let tail = subject.value().get(armour.span.end..)?;
    // The sum is what the reader of armour does not know: it stops behind its `=`.
    let (sum, rest) = match (armour.is_closed, subject.value().get(..armour.span.end)?.last()) {
        (false, Some(b'=')) => {
            let (sum, rest) = tail.split_at_checked(4)?;
            (BASE64.decode(sum).ok(), rest)
        }
        _ => (None, tail),
    };
    let end = if armour.is_closed {
        Some(armour.span.end)
    } else {
        let from = subject.value().len().checked_sub(rest.len())?;
        let near = rest.get(..BREAK.saturating_add(END.len()).min(rest.len()))?;
        let at = memchr::memmem::find(near, END);
        at.and_then(|at| from.checked_add(at)?.checked_add(END.len()))
    };
    let block = packets(&decoded);
    let is_sum_right = sum.as_ref().map(|sum| *sum == crc24(&decoded));
    // Whole, yet of packets that are not known here.
    let is_unread = !block.is_whole && is_sum_right == Some(true) && decoded.len() >= UNREAD;
    if block.keys == 0 && !is_unread || armour.is_template {
        return None;
    }
    let is_right = is_sum_right != Some(false) && block.is_whole && block.is_sound;
    let is_whole = end.is_some() && is_right && block.keys > 0;
    Some(Verdict {
        outcome: if is_whole { Outcome::Pass } else { Outcome::Weak },
        span: subject.part(armour.span.start..end.unwrap_or(armour.span.end)),
        attributes: block.attributes(),
        canonical: Some(pem::canonical(LABEL, &decoded)),
        plain: None,
    })
}

/// Checks a packet of a secret key where the span begins: its fields fill it. The packet's length gives
/// the end.
///
/// Unavailable: nothing in it can be calculated, as in a protected one. Fail: a stub without the secret
/// part.
pub(super) fn packet(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let mut reader = Reader(subject.value());
    let Some((_, body)) = next(&mut reader).filter(|(tag, _)| SECRET.contains(tag)) else {
        return fail;
    };
    let Some(key) = secret(body).filter(|key| key.has_secret) else { return fail };
    let len = subject.value().len().saturating_sub(reader.0.len());
    let block = Block {
        keys: 1,
        algorithms: BTreeSet::from([key.algorithm]),
        is_protected: key.is_protected,
        is_whole: true,
        is_sound: key.is_sound != Some(false),
        bits: key.bits,
    };
    let outcome = match key.is_sound {
        Some(true) => Outcome::Pass,
        Some(false) => return fail,
        None => Outcome::Unavailable,
    };
    Verdict { outcome, span: subject.part(0..len), attributes: block.attributes(), ..fail }
}

/// What the packets of a block say.
#[derive(Debug, Default)]
struct Block {
    /// Secret keys that hold their secret part.
    keys: usize,
    algorithms: BTreeSet<&'static str>,
    is_protected: bool,
    /// Whether the packets end with the bytes.
    is_whole: bool,
    /// Whether nothing that can be calculated is wrong.
    is_sound: bool,
    bits: Option<usize>,
}

impl Block {
    fn attributes(&self) -> Attributes {
        let algorithms: Vec<&str> = self.algorithms.iter().copied().collect();
        let mut attributes = Attributes::from([
            ("key.encrypted", self.is_protected.to_string()),
            ("key.type", algorithms.join(",")),
            ("pgp.keys", self.keys.to_string()),
        ]);
        if let Some(bits) = self.bits {
            attributes.insert("key.bits", bits.to_string());
        }
        attributes
    }
}

fn packets(bytes: &[u8]) -> Block {
    let mut block = Block { is_protected: true, is_sound: true, ..Block::default() };
    let mut reader = Reader(bytes);
    for _ in 0..PACKETS {
        if reader.0.is_empty() {
            block.is_whole = true;
            break;
        }
        let Some((tag, body)) = next(&mut reader) else { break };
        if !SECRET.contains(&tag) {
            if BESIDES.contains(&tag) {
                continue;
            }
            break;
        }
        let Some(key) = secret(body) else {
            block.is_sound = false;
            continue;
        };
        if key.has_secret {
            block.keys = block.keys.saturating_add(1);
            block.is_protected &= key.is_protected;
            block.algorithms.insert(key.algorithm);
            block.is_sound &= key.is_sound != Some(false);
            block.bits = block.bits.or(key.bits);
        }
    }
    block
}

/// The next packet: its tag and its body (§4.2).
fn next<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let [head] = *reader.take(1)?.first_chunk()?;
    let byte = |reader: &mut Reader<'a>| reader.take(1)?.first().copied();
    let (tag, len) = match head {
        0xc0.. => {
            let len = match byte(reader)? {
                first @ ..192 => u32::from(first),
                first @ 192..224 => {
                    let high = u32::from(first).checked_sub(192)?.checked_mul(256)?;
                    high.checked_add(u32::from(byte(reader)?))?.checked_add(192)?
                }
                255 => reader.u32()?,
                // A part of a body, which keys are not cut into.
                _ => return None,
            };
            (head & 0x3f, len)
        }
        0x80.. => {
            let len = match head & 3 {
                0 => u32::from(byte(reader)?),
                1 => u32::from(reader.u16()?),
                2 => reader.u32()?,
                _ => return None,
            };
            (head >> 2 & 0xf, len)
        }
        _ => return None,
    };
    Some((tag, reader.take(usize::try_from(len).ok()?)?))
}

struct Key {
    algorithm: &'static str,
    bits: Option<usize>,
    has_secret: bool,
    is_protected: bool,
    /// Whether checksum and numbers fit; `None` where they are encrypted.
    is_sound: Option<bool>,
}

/// Fields of an algorithm (§5.5.5): numbers of any length, octets of a fixed one, a curve.
struct Algorithm {
    number: u8,
    name: &'static str,
    has_curve: bool,
    /// Numbers with their length, public and secret.
    numbers: [usize; 2],
    /// Octets, public and secret.
    octets: [usize; 2],
}

const fn of_numbers(number: u8, name: &'static str, numbers: [usize; 2]) -> Algorithm {
    Algorithm { number, name, has_curve: false, numbers, octets: [0, 0] }
}

const fn of_curve(number: u8, name: &'static str) -> Algorithm {
    Algorithm { number, name, has_curve: true, numbers: [1, 1], octets: [0, 0] }
}

const fn of_octets(number: u8, name: &'static str, octets: usize) -> Algorithm {
    Algorithm { number, name, has_curve: false, numbers: [0, 0], octets: [octets, octets] }
}

const ALGORITHMS: [Algorithm; 12] = [
    of_numbers(1, "RSA", [2, 4]),
    of_numbers(2, "RSA", [2, 4]),
    of_numbers(3, "RSA", [2, 4]),
    of_numbers(16, "Elgamal", [3, 1]),
    of_numbers(17, "DSA", [4, 1]),
    of_curve(18, "ECDH"),
    of_curve(19, "ECDSA"),
    of_curve(22, "EdDSA"),
    of_octets(25, "X25519", 32),
    of_octets(26, "X448", 56),
    of_octets(27, "Ed25519", 32),
    of_octets(28, "Ed448", 57),
];

/// The fields of a secret key (§5.5.3); `None` where they do not fill the packet.
fn secret(body: &[u8]) -> Option<Key> {
    let mut reader = Reader(body);
    let version = *reader.take(1)?.first()?;
    let made = reader.u32()?;
    let number = *reader.take(1)?.first()?;
    let algorithm = ALGORITHMS.iter().find(|known| known.number == number)?;
    if !matches!(version, 4 | 6) || made < FIRST {
        return None;
    }
    if version == 6 {
        // How long the public part is.
        reader.u32()?;
    }
    if algorithm.has_curve {
        let len = usize::from(*reader.take(1)?.first()?);
        reader.take(len).filter(|oid| (3..=16).contains(&oid.len()))?;
    }
    let [public, private] = algorithm.numbers;
    let numbers = (0..public).map(|_| long(&mut reader)).collect::<Option<Vec<_>>>()?;
    reader.take(*algorithm.octets.first()?)?;
    if number == 18 {
        // Parameters of the derivation.
        let len = usize::from(*reader.take(1)?.first()?);
        reader.take(len).filter(|parameters| parameters.len() == 3)?;
    }
    let bits = numbers.first().filter(|_| !algorithm.has_curve).map(|number| bits(number));
    let usage = *reader.take(1)?.first()?;
    let key = |has_secret, is_protected, is_sound| Key {
        algorithm: algorithm.name,
        bits,
        has_secret,
        is_protected,
        is_sound,
    };
    if usage != 0 {
        let has_secret = protected(&mut reader, version, usage)?;
        return Some(key(has_secret, true, None));
    }
    let clear = reader.0;
    let secrets = (0..private).map(|_| long(&mut reader)).collect::<Option<Vec<_>>>()?;
    let octets = reader.take(*algorithm.octets.last()?)?;
    let used = clear.get(..clear.len().checked_sub(reader.0.len())?)?;
    let is_sum_right = match (version, reader.0) {
        (4, sum) => {
            let all = used.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
            sum == all.to_be_bytes()
        }
        (_, rest) => rest.is_empty(),
    };
    // Of octets any are a key.
    let is_random = algorithm.octets == [0, 0] || entropy::shannon(octets) >= 3_500;
    let is_product = match (numbers.as_slice(), secrets.as_slice()) {
        ([n, _], [_, p, q, _]) => is_product(n, p, q),
        _ => true,
    };
    let is_some = secrets.iter().all(|secret| secret.iter().any(|byte| *byte != 0));
    Some(key(true, false, Some(is_sum_right && is_random && is_product && is_some)))
}

/// Whether a protected part is there: how its key is made from the passphrase (§3.7), and cipher text.
fn protected(reader: &mut Reader<'_>, version: u8, usage: u8) -> Option<bool> {
    let byte = |reader: &mut Reader<'_>| reader.take(1)?.first().copied();
    if version == 6 {
        byte(reader)?;
    }
    // AES, Camellia, CAST5 and their like have numbers below 14.
    let cipher = if usage < 253 { usage } else { byte(reader)? };
    if cipher >= 14 {
        return None;
    }
    if usage >= 253 {
        if usage == 253 {
            byte(reader)?;
        }
        if version == 6 {
            byte(reader)?;
        }
        match byte(reader)? {
            0 => reader.take(1)?,
            1 => reader.take(9)?,
            3 => reader.take(10)?,
            4 => reader.take(19)?,
            // GnuPG: the secret part is elsewhere.
            101 => return reader.take(4)?.ends_with(b"GNU").then_some(false),
            _ => return None,
        };
    }
    // A vector or nonce, and at least a number and its sum.
    (reader.0.len() >= 40 && entropy::shannon(reader.0) >= 4_000).then_some(true)
}

/// A number behind its bits (§3.2).
fn long<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let count = usize::from(reader.u16()?);
    let number = reader.take(count.div_ceil(8))?;
    (count > 0 && bits(number) == count).then_some(number)
}

/// RFC 9580 §6.1.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let sum = bytes.iter().fold(0x00b7_04ce_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        })
    });
    let [_, sum @ ..] = sum.to_be_bytes();
    sum
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::HEXLOWER;

    /// Made with GnuPG 2.2 for this test: an Ed25519 key without a passphrase, its user, its signature.
    const KEYS: &str = concat!(
        "9458046b01a31e16092b06010401da470f01010740cf5207dfb4d603d4947f7743bf692f66866c92e9f22bbe188a",
        "ea145035957d310001009f65386e1e507afea0afc8991c8a57e95edb4666a84db3dbdab038238bc74c6e1080b4",
        "1574657374203c74406578616d706c652e746573743e",
    );

    fn keys() -> Vec<u8> {
        HEXLOWER.decode(KEYS.as_bytes()).unwrap()
    }

    fn armoured(bytes: &[u8], sum: &str) -> String {
        let mut text = ["-----BEGIN ", LABEL, "-----\n\n"].concat();
        let body = BASE64.encode(bytes);
        for line in body.as_bytes().chunks(64) {
            text += std::str::from_utf8(line).unwrap();
            text.push('\n');
        }
        text + sum + &["-----END ", LABEL, "-----"].concat()
    }

    fn with_sum(bytes: &[u8]) -> String {
        armoured(bytes, &format!("={}\n", BASE64.encode(&crc24(bytes))))
    }

    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!(crc24(b"123456789"), [0x21, 0xcf, 0x02]);
        assert_eq!(crc24(b""), [0xb7, 0x04, 0xce]);
    }

    #[test]
    fn blocks_are_read_with_a_sum_and_without() {
        for text in [with_sum(&keys()), armoured(&keys(), "")] {
            let longer = format!("{text}tail");
            let verdict = block(&whole(longer.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
            assert_eq!(verdict.attributes["key.type"], "EdDSA");
            assert_eq!(verdict.attributes["key.encrypted"], "false");
        }
        let escaped = with_sum(&keys()).replace('\n', "\\n");
        assert_eq!(block(&whole(escaped.as_bytes())).outcome, Outcome::Pass);
        let wrong = armoured(&keys(), "=AAAA\n");
        assert_eq!(block(&whole(wrong.as_bytes())).outcome, Outcome::Weak);
        let public = armoured(&keys()[90..], "");
        assert_eq!(block(&whole(public.as_bytes())).outcome, Outcome::Fail);
        assert_eq!(block(&whole(b"")).outcome, Outcome::Fail);
        let unknown = [sha2::Sha512::digest(b"a"), sha2::Sha512::digest(b"b")].concat();
        assert_eq!(block(&whole(with_sum(&unknown).as_bytes())).outcome, Outcome::Weak);
        let wrong = armoured(&unknown, "=AAAA\n");
        assert_eq!(block(&whole(wrong.as_bytes())).outcome, Outcome::Fail);
    }

    #[test]
    fn packets_end_where_they_say() {
        let bytes = keys();
        let verdict = packet(&whole(&bytes));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..90));
        let mut wrong = bytes.clone();
        wrong[70] ^= 1;
        assert_eq!(packet(&whole(&wrong)).outcome, Outcome::Fail);
        for cut in 0..90 {
            assert_eq!(packet(&whole(&bytes[..cut])).outcome, Outcome::Fail, "{cut}");
        }
    }

    #[test]
    fn protected_parts_and_stubs() {
        let bytes = keys();
        let public = &bytes[2..53];
        let of = |secret: &[u8]| {
            let body = [public, secret].concat();
            let len = u8::try_from(body.len()).unwrap();
            packet(&whole(&[&[0x94, len][..], &body].concat()))
        };
        let cipher_text = sha2::Sha512::digest(b"x");
        let iterated = [&[0xfe, 7, 3, 2][..], &[9; 8], &[0xff], &cipher_text].concat();
        let verdict = of(&iterated);
        assert_eq!(verdict.outcome, Outcome::Unavailable);
        assert_eq!(verdict.attributes["key.encrypted"], "true");
        assert_eq!(of(&[0xff, 0, 101, 0, b'G', b'N', b'U', 1]).outcome, Outcome::Fail);
        assert_eq!(of(&[0xfe, 7, 3, 2]).outcome, Outcome::Fail);
    }

    use sha2::Digest as _;
}
