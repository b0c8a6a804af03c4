//! OpenSSH's own form of private keys (`PROTOCOL.key` of OpenSSH).

use super::armour::{self, Armour};
use super::{Attributes, Outcome, Subject, Verdict, attribute, key, known, pem};

const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What the base64 of [`MAGIC`] begins with.
pub(super) const HEAD: &[u8] = b"b3BlbnNzaC1rZXktdjEA";
/// Public keys in one file, of which OpenSSH writes one.
const MAX_KEYS: u32 = 16;
/// Bytes of the tag that authenticated ciphers add after the private part.
const TAG: usize = 16;

/// Checks a key in armour, or the bytes of one: cipher and derivation are named, the public key is
/// there, and, without a passphrase, both check numbers agree, the private key is that of the
/// public one in kind, and the padding counts 1, 2, 3… to the end of the block.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let judged = if subject.value().starts_with(MAGIC) {
        bare(subject)
    } else {
        armour::read(subject.value())
            .filter(|armour| armour.label == LABEL)
            .and_then(|armour| armoured(subject, &armour))
    };
    judged.unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

fn bare(subject: &Subject<'_>) -> Option<Verdict> {
    let key = parse(subject.value())?;
    let bytes = subject.value().get(..key.len)?;
    Some(judge(subject, &key, bytes, 0..key.len))
}

/// Judges armour that has been read; `None` if no key was ever in it.
pub(super) fn armoured(subject: &Subject<'_>, armour: &Armour) -> Option<Verdict> {
    let decoded = armour.decode();
    let Some(key) = parse(&decoded) else { return pem::damaged(subject, armour) };
    let bytes = decoded.get(..key.len)?;
    let span = armour.span.start..armour.end_of(key.len);
    let mut verdict = judge(subject, &key, bytes, span);
    if armour.is_closed && decoded.len() != key.len {
        verdict.outcome = Outcome::Weak;
    }
    Some(verdict)
}

fn judge(
    subject: &Subject<'_>,
    key: &Key,
    bytes: &[u8],
    within: std::ops::Range<usize>,
) -> Verdict {
    let mut attributes = Attributes::from([
        ("key.encrypted", (key.cipher != "none").to_string()),
        ("ssh.cipher", attribute(&key.cipher)),
        ("ssh.type", attribute(&key.kind)),
    ]);
    if let Some(bits) = key.bits {
        attributes.insert("key.bits", bits.to_string());
    }
    let is_public = known::is_public_key(bytes);
    if is_public {
        attributes.insert("key.known-public", "true".to_owned());
    }
    let outcome = if key.is_proven && !is_public { Outcome::Pass } else { Outcome::Weak };
    let canonical = Some(pem::canonical(LABEL, bytes));
    Verdict { outcome, span: subject.part(within), attributes, canonical, plain: None }
}

struct Key {
    cipher: String,
    kind: String,
    /// RSA: bits of the modulus.
    bits: Option<usize>,
    /// Whether all of the private part follows from its kind, or cannot be read.
    is_proven: bool,
    /// Bytes in all.
    len: usize,
}

/// Reads the key that `blob` begins with; `None` if it is damaged or not all there.
fn parse(blob: &[u8]) -> Option<Key> {
    let mut reader = Wire(blob.strip_prefix(MAGIC)?);
    let cipher = name(reader.string()?)?;
    let derivation = name(reader.string()?)?;
    let options = reader.string()?;
    let count = reader.number()?;
    if count == 0 || count > MAX_KEYS {
        return None;
    }
    let public = reader.string()?;
    for _ in 1..count {
        reader.string()?;
    }
    let private = reader.string()?;
    let is_encrypted = cipher != "none";
    if is_encrypted && (cipher.contains("gcm") || cipher.contains("poly1305")) {
        reader.take(TAG)?;
    }
    let len = blob.len().checked_sub(reader.0.len())?;

    let mut fields = Wire(public);
    let kind = name(fields.string()?)?;
    let public = fields.0;
    if is_encrypted != (derivation != "none") || is_encrypted == options.is_empty() {
        return None;
    }
    let (bits, is_proven) = if is_encrypted {
        (None, !private.is_empty() && private.len().is_multiple_of(8))
    } else {
        (rsa_bits(&kind, public), plain(private, &kind, count)?)
    };
    Some(Key { cipher, kind, bits, is_proven, len })
}

/// The unencrypted private part. `Some(false)`: nothing is wrong, yet the kind is unknown.
fn plain(private: &[u8], kind: &str, count: u32) -> Option<bool> {
    let mut reader = Wire(private);
    if reader.number()? != reader.number()? || !private.len().is_multiple_of(8) {
        return None;
    }
    if reader.string()? != kind.as_bytes() {
        return None;
    }
    if count != 1 || !fields(&mut reader, kind)? {
        return Some(false);
    }
    reader.string()?; // The comment; it may name a person.
    let padding = reader.0;
    (padding.len() < 16 && padding.iter().zip(1..).all(|(&byte, expected)| byte == expected))
        .then_some(true)
}

/// Walks over the numbers of a private key; `Some(false)` for a kind that is not known here.
fn fields(reader: &mut Wire<'_>, kind: &str) -> Option<bool> {
    match kind {
        "ssh-ed25519" => {
            let public = reader.string()?;
            let private = reader.string()?;
            (public.len() == 32 && private.len() == 64 && private.ends_with(public)).then_some(true)
        }
        "ssh-rsa" => {
            let [n, _e, _d, _inverse, p, q] = reader.strings()?;
            key::is_product(n, p, q).then_some(true)
        }
        "ssh-dss" => reader.strings::<5>().map(|_| true),
        "sk-ssh-ed25519@openssh.com" | "sk-ecdsa-sha2-nistp256@openssh.com" => {
            if kind.starts_with("sk-ecdsa") {
                reader.string()?; // The curve.
            }
            let [_public, _application] = reader.strings()?;
            reader.take(1)?; // Flags.
            reader.strings::<2>().map(|_| true)
        }
        _ if kind.starts_with("ecdsa-sha2-") => {
            let [curve, _public, _private] = reader.strings()?;
            kind.as_bytes().ends_with(curve).then_some(true)
        }
        _ => Some(false),
    }
}

fn rsa_bits(kind: &str, public: &[u8]) -> Option<usize> {
    let [_e, n] = Wire(public).strings()?;
    (kind == "ssh-rsa").then(|| key::bits(n))
}

/// A name of RFC 4251 §6: printable ASCII, at most 64 characters.
fn name(text: &[u8]) -> Option<String> {
    let is_name = (1..=64).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    is_name.then(|| String::from_utf8_lossy(text).into_owned())
}

/// The data types of RFC 4251 §5.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    fn strings<const N: usize>(&mut self) -> Option<[&'a [u8]; N]> {
        let mut all: [&[u8]; N] = [&[]; N];
        for string in &mut all {
            *string = self.string()?;
        }
        Some(all)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of test data")]
mod tests {
    use super::super::pem::tests::armour;
    use super::super::tests::whole;
    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn strings(all: &[&[u8]]) -> Vec<u8> {
        all.iter().flat_map(|bytes| string(bytes)).collect()
    }

    fn blob(public: &[u8], private: &[u8]) -> Vec<u8> {
        let head = strings(&[b"none", b"none", b""]);
        [MAGIC, &head, &[0, 0, 0, 1], &string(public), &string(private)].concat()
    }

    /// Check numbers, fields, comment, and padding to a block of eight.
    fn private(fields: &[u8]) -> Vec<u8> {
        let check = [[1, 2, 3, 4], [1, 2, 3, 4]].concat();
        let mut all = [&check[..], fields, &string(b"somebody@somewhere")].concat();
        all.extend((1..).take(all.len().next_multiple_of(8) - all.len()));
        all
    }

    fn ed25519() -> Vec<u8> {
        let secret = [[8; 32], [9; 32]].concat();
        let public = strings(&[b"ssh-ed25519", &[9; 32]]);
        blob(&public, &private(&strings(&[b"ssh-ed25519", &[9; 32], &secret])))
    }

    fn rsa(n: u16, p: u8, q: u8) -> Vec<u8> {
        let n = n.to_be_bytes();
        let fields: [&[u8]; 7] = [b"ssh-rsa", &n, &[1, 0, 1], &[5; 20], &[5; 20], &[p], &[q]];
        blob(&strings(&[b"ssh-rsa", &[1, 0, 1], &n]), &private(&strings(&fields)))
    }

    fn ecdsa(kind: &[u8]) -> Vec<u8> {
        let public = strings(&[kind, b"nistp256", &[4; 65]]);
        blob(&public, &private(&strings(&[kind, b"nistp256", &[4; 65], &[7; 32]])))
    }

    fn encrypted(cipher: &[u8], bytes: usize) -> Vec<u8> {
        let head = strings(&[cipher, b"bcrypt", &[7; 24]]);
        let public = strings(&[b"ssh-ed25519", &[9; 32]]);
        [MAGIC, &head, &[0, 0, 0, 1], &string(&public), &string(&vec![0xee; bytes])].concat()
    }

    fn outcome(blob: &[u8]) -> Outcome {
        let bare = run(&whole(blob)).outcome;
        let armoured = run(&whole(armour(LABEL, blob, "\n").as_bytes())).outcome;
        let as_pem = pem::run(&whole(armour(LABEL, blob, "\\n").as_bytes())).outcome;
        assert_eq!(armoured, as_pem);
        // What is damaged stays where armour says that it was a key.
        assert!(bare == armoured || (bare, armoured) == (Outcome::Fail, Outcome::Weak));
        bare
    }

    #[test]
    fn kinds() {
        let tag = [0; TAG];
        let cases = [
            (ed25519(), Outcome::Pass, "Ed25519"),
            (rsa(239 * 251, 239, 251), Outcome::Pass, "RSA"),
            (rsa(239 * 251 + 2, 239, 251), Outcome::Fail, "no product"),
            (ecdsa(b"ecdsa-sha2-nistp256"), Outcome::Pass, "ECDSA"),
            (ecdsa(b"ecdsa-sha2-nistp384"), Outcome::Fail, "another curve"),
            (ecdsa(b"ssh-future"), Outcome::Weak, "unknown kind"),
            (encrypted(b"aes256-ctr", 144), Outcome::Pass, "encrypted"),
            (encrypted(b"aes256-ctr", 143), Outcome::Weak, "no whole block"),
            (
                [encrypted(b"aes256-gcm@openssh.com", 144), tag.to_vec()].concat(),
                Outcome::Pass,
                "tag",
            ),
        ];
        for (blob, expected, why) in cases {
            assert_eq!(outcome(&blob), expected, "{why}");
        }
    }

    #[test]
    fn facts_and_the_true_end() {
        let blob = ed25519();
        let text = format!("{}\nstale", armour(LABEL, &blob, "\n"));
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!(verdict.span, 0..text.len() - 6);
        let expected =
            [("key.encrypted", "false"), ("ssh.cipher", "none"), ("ssh.type", "ssh-ed25519")];
        assert!(verdict.attributes.iter().map(|(k, v)| (k, v.as_str())).eq(expected));

        let bare = run(&whole(&[&blob[..], b"stale"].concat()));
        assert_eq!(bare.span, 0..blob.len());
        assert_eq!(bare.canonical, verdict.canonical);

        let rsa = run(&whole(&rsa(239 * 251, 239, 251)));
        assert_eq!(rsa.attributes["key.bits"], "16");
        assert_eq!(run(&whole(&encrypted(b"aes256-ctr", 144))).attributes["key.encrypted"], "true");
    }

    #[test]
    fn each_byte_of_the_structure_counts() {
        let good = ed25519();
        let check = good.len() - private(&strings(&[b"ssh-ed25519", &[9; 32], &[0; 64]])).len();
        for at in [0, 14, 15, 19, 30, check, check + 4, check + 12, good.len() - 1] {
            let mut changed = good.clone();
            changed[at] ^= 0x40;
            assert_eq!(outcome(&changed), Outcome::Fail, "byte {at}");
        }
        for len in 0..good.len() {
            assert_eq!(run(&whole(&good[..len])).outcome, Outcome::Fail, "{len} bytes");
        }
    }

    #[test]
    fn other_labels_are_not_ours() {
        assert_eq!(
            run(&whole(armour("PRIVATE KEY", &ed25519(), "\n").as_bytes())).outcome,
            Outcome::Fail
        );
    }
}
