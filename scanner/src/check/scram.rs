//! What PostgreSQL stores of a password for SCRAM (RFC 5803's parts in an order of its own).

use data_encoding::BASE64;

use super::{Outcome, Subject, Verdict};

/// Bytes of a key of SHA-256.
const KEY: usize = 32;
/// Bytes of the salt that the server makes.
const SALT: usize = 16;

/// Checks `SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER`: salt and both keys are base64 of their
/// lengths, and no two parts are equal. Reads off the iterations.
///
/// Source: PostgreSQL, `src/common/scram-common.c`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let mut parts = subject.value().split(|byte| matches!(byte, b'$' | b':')).skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (iterations, salt, stored, server) = (next(), next(), next(), next());
    let decoded = |text: &[u8]| BASE64.decode(text).unwrap_or_default();
    let (salt, stored, server) = (decoded(salt), decoded(stored), decoded(server));
    let is_filler = |key: &[u8]| key.iter().all(|byte| Some(byte) == key.first());
    let is_verifier = salt.len() >= SALT
        && stored.len() == KEY
        && server.len() == KEY
        && stored != server
        && !is_filler(&stored)
        && !is_filler(&server);
    if !is_verifier {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    if let Ok(iterations) = String::from_utf8(iterations.to_vec()) {
        verdict.attributes.insert("scram.iterations", iterations);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    /// HMAC-SHA-256 (RFC 2104) with a key of at most a block.
    fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
        let padded = |pad: u8| {
            let mut block = [pad; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::digest([&padded(0x36)[..], text].concat());
        Sha256::digest([&padded(0x5c)[..], &inner].concat()).to_vec()
    }

    /// What is stored of a password (RFC 5802 §3), computed here.
    fn verifier(password: &str, salt: &[u8], iterations: u32) -> String {
        let mut block = hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut salted = block.clone();
        for _ in 1..iterations {
            block = hmac(password.as_bytes(), &block);
            salted.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
        }
        let stored = Sha256::digest(hmac(&salted, b"Client Key"));
        let server = hmac(&salted, b"Server Key");
        let [salt, stored, server] =
            [salt, &stored[..], &server[..]].map(|part| BASE64.encode(part));
        format!("SCRAM-SHA-256${iterations}:{salt}${stored}:{server}")
    }

    /// The exchange of RFC 7677 §3: what the server signs there is what it stores here.
    #[test]
    fn the_example_of_the_specification() {
        let salt = BASE64.decode(concat!("W22ZaJ0SNY7", "soEsUEjb6gQ==").as_bytes()).unwrap();
        let text = verifier("pencil", &salt, 4096);
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["scram.iterations"], "4096");
        let server = BASE64.decode(text.rsplit(':').next().unwrap().as_bytes()).unwrap();
        let message = concat!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        );
        let signed = BASE64.encode(&hmac(&server, message.as_bytes()));
        assert_eq!(signed, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn other_lengths_and_fillers_fail() {
        let text = verifier("a password", b"sixteen bytes :)", 2);
        assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Pass);
        let (head, server) = text.rsplit_once(':').unwrap();
        let stored = head.rsplit_once('$').unwrap().1;
        for wrong in [
            format!("{head}:{stored}"),
            format!("{head}:{}", BASE64.encode(&[7; 32])),
            format!("{head}:{}", BASE64.encode(&[7, 8, 9])),
            text.replacen("2:", "2:x", 1),
            format!("{head}{server}"),
        ] {
            assert_eq!(run(&whole(wrong.as_bytes())).outcome, Outcome::Fail, "{wrong}");
        }
    }
}
