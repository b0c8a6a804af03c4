//! Keys of PuTTY (`.ppk`), versions 2 and 3.

use data_encoding::{BASE64, HEXLOWER};
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::Digest;
use zeroize::Zeroizing;

use super::{Attributes, Outcome, Subject, Verdict, attribute, pem};

const HEAD: &str = "PuTTY-User-Key-File-";
/// What the key of version 2 is made from, before the passphrase.
const SEED: &[u8] = b"putty-private-key-file-mac-key";
/// Lines of base64 of one part.
const LINES: usize = 200;
/// Bytes of a block of SHA-1 and SHA-256.
const BLOCK: usize = 64;

/// Checks a key file: its fields, and, without a passphrase, the sum over them (HMAC-SHA-1, of
/// version 3 HMAC-SHA-256).
///
/// Unavailable: under a passphrase. Weak: a sum that does not fit.
///
/// Source: the manual of PuTTY, "PPK file format".
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let judged = std::str::from_utf8(subject.value()).ok().and_then(read);
    let Some(key) = judged else { return Verdict::of(Outcome::Fail, subject) };
    let is_encrypted = key.encryption != "none";
    let outcome = match is_encrypted {
        true => Outcome::Unavailable,
        false if key.is_right() => Outcome::Pass,
        false => Outcome::Weak,
    };
    Verdict {
        outcome,
        span: subject.part(0..key.len),
        attributes: Attributes::from([
            ("key.encrypted", is_encrypted.to_string()),
            ("ssh.cipher", attribute(key.encryption)),
            ("ssh.type", attribute(key.algorithm)),
        ]),
        canonical: Some(pem::canonical(HEAD, &key.private)),
        plain: None,
    }
}

struct Key<'a> {
    version: &'a str,
    algorithm: &'a str,
    encryption: &'a str,
    comment: &'a str,
    public: Vec<u8>,
    private: Zeroizing<Vec<u8>>,
    sum: Vec<u8>,
    /// Bytes of the text.
    len: usize,
}

impl Key<'_> {
    fn is_right(&self) -> bool {
        let mut text = Zeroizing::new(Vec::new());
        let parts = [self.algorithm, self.encryption, self.comment].map(str::as_bytes);
        for part in parts.into_iter().chain([self.public.as_slice(), &self.private]) {
            text.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            text.extend(part);
        }
        match self.version {
            "2" => hmac::<Sha1>(&Sha1::digest(SEED), &text) == self.sum,
            _ => hmac::<Sha256>(b"", &text) == self.sum,
        }
    }
}

/// HMAC (RFC 2104) under a key that is no longer than a block.
fn hmac<H: Digest>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Zeroizing<Vec<u8>> {
        let padded = key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK);
        Zeroizing::new(padded.map(|byte| byte ^ with).collect())
    };
    let inner = H::new().chain_update(pad(0x36).as_slice()).chain_update(text).finalize();
    H::new().chain_update(pad(0x5c).as_slice()).chain_update(inner).finalize().to_vec()
}

fn read(text: &str) -> Option<Key<'_>> {
    let rest = text.strip_prefix(HEAD)?;
    let mut lines = rest.split_inclusive('\n');
    let (version, algorithm) = field(lines.next()?)?;
    let mut named = |name: &str| {
        let (found, value) = field(lines.next()?)?;
        (found == name).then_some(value)
    };
    let encryption = named("Encryption")?;
    let comment = named("Comment")?;
    let count = named("Public-Lines")?.parse().ok()?;
    let public = body(&mut lines, count)?;
    let count = loop {
        match field(lines.next()?)? {
            ("Private-Lines", count) => break count.parse().ok()?,
            (name, _) if name.starts_with("Argon2-") || name == "Key-Derivation" => {}
            _ => return None,
        }
    };
    let private = Zeroizing::new(body(&mut lines, count)?);
    let line = lines.next()?;
    let digits = match version {
        "2" => 40,
        "3" => 64,
        _ => return None,
    };
    let sum = line.strip_prefix("Private-MAC: ")?.get(..digits)?;
    let before = text.len().checked_sub(lines.map(str::len).sum::<usize>())?;
    let len = before.checked_sub(line.len())?.checked_add("Private-MAC: ".len())?;
    Some(Key {
        version,
        algorithm,
        encryption,
        comment,
        public,
        private,
        sum: HEXLOWER.decode(sum.as_bytes()).ok()?,
        len: len.checked_add(digits)?,
    })
}

/// A line `name: value`.
fn field(line: &str) -> Option<(&str, &str)> {
    line.trim_end_matches(['\r', '\n']).split_once(": ")
}

fn body<'a>(lines: &mut impl Iterator<Item = &'a str>, count: usize) -> Option<Vec<u8>> {
    if count == 0 || count > LINES {
        return None;
    }
    let text: Zeroizing<String> = Zeroizing::new(lines.take(count).map(str::trim_end).collect());
    BASE64.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// A file with parts of no meaning, and their true sum.
    fn file(version: &str, line_end: &str, encryption: &str) -> String {
        let key = Key {
            version,
            algorithm: "ssh-ed25519",
            encryption,
            comment: "a test",
            public: Sha256::digest(b"public").to_vec(),
            private: Zeroizing::new(Sha256::digest(b"private").to_vec()),
            sum: Vec::new(),
            len: 0,
        };
        let mut text = Vec::new();
        for part in [b"ssh-ed25519", encryption.as_bytes(), b"a test", &key.public, &key.private] {
            text.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            text.extend(part);
        }
        let sum = match version {
            "2" => hmac::<Sha1>(&Sha1::digest(SEED), &text),
            _ => hmac::<Sha256>(b"", &text),
        };
        [
            format!("{HEAD}{version}: ssh-ed25519"),
            format!("Encryption: {encryption}"),
            "Comment: a test".to_owned(),
            "Public-Lines: 1".to_owned(),
            BASE64.encode(&key.public),
            "Private-Lines: 1".to_owned(),
            BASE64.encode(&key.private),
            format!("Private-MAC: {}", HEXLOWER.encode(&sum)),
        ]
        .join(line_end)
    }

    #[test]
    fn the_sum_is_that_of_the_standard() {
        // RFC 2202, test case 2 of HMAC-SHA-1; RFC 4231, test case 2.
        let text = b"what do ya want for nothing?";
        let sum = hmac::<Sha1>(b"Jefe", text);
        assert_eq!(HEXLOWER.encode(&sum), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(HEXLOWER.encode(&hmac::<Sha256>(b"Jefe", text)), expected);
    }

    #[test]
    fn the_sum_decides() {
        for (version, line_end) in [("2", "\r\n"), ("3", "\n")] {
            let text = file(version, line_end, "none");
            let longer = format!("{text}{line_end}more");
            let verdict = run(&whole(longer.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
            let changed = text.replace("a test", "a tent");
            assert_eq!(run(&whole(changed.as_bytes())).outcome, Outcome::Weak);
            let encrypted = file(version, line_end, "aes256-cbc");
            assert_eq!(run(&whole(encrypted.as_bytes())).outcome, Outcome::Unavailable);
            for cut in 0..text.len() {
                let verdict = run(&whole(text.get(..cut).unwrap_or_default().as_bytes()));
                assert_eq!(verdict.outcome, Outcome::Fail, "{cut}");
            }
        }
    }
}
