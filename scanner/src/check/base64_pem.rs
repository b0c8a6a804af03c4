//! Private keys in armour, the whole of it once more in base64: Kubernetes Secrets, variables of CI.

use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, armour, pem};

const BEGIN: &[u8] = b"-----BEGIN ";
const KEY: &[u8] = b"PRIVATE KEY-----";

/// Checks base64 that holds a private key in armour, with certificates before or behind it or alone. It
/// ends where what it decodes to is armour no more. What [`pem::run`] says of the key is the answer, and
/// its canonical value is that of the key in plain armour.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    judge(subject).unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

fn judge(subject: &Subject<'_>) -> Option<Verdict> {
    let Encoded { body, ends } = unwrap(subject.value());
    let mut text = Zeroizing::new(body);
    // Less than a group of four may be left over: the bytes in it are lost, which are two at most.
    let whole = text.len().saturating_sub(text.len() % 4);
    let rest = text.split_off(whole);
    let mut decoded = Zeroizing::new(BASE64_NOPAD.decode(&text).ok()?);
    decoded.extend(partial(&rest));
    let end = end_of_armour(&decoded)?;
    let bytes = decoded.get(..end)?;
    let key = memchr::memmem::find_iter(bytes, BEGIN).find(|at| {
        let line = bytes.get(*at..).unwrap_or_default();
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        line.trim_ascii_end().ends_with(KEY)
    })?;
    let inner = Subject { text: bytes, span: key..bytes.len(), cut: false };
    let mut verdict = pem::run(&inner);
    let characters = end.saturating_mul(4).div_ceil(3);
    let last = characters.checked_sub(1).and_then(|last| ends.get(last))?;
    let padding = subject.value().get(*last..)?.iter().take_while(|&&byte| byte == b'=').count();
    let wanted = characters.next_multiple_of(4).saturating_sub(characters);
    verdict.span = subject.part(0..last.saturating_add(padding.min(wanted)));
    Some(verdict)
}

/// Base64 without the ends of lines.
struct Encoded {
    body: Vec<u8>,
    /// Where each character of `body` ends.
    ends: Vec<usize>,
}

/// Takes the characters up to the padding. Ends of lines, also escaped ones, are passed over.
fn unwrap(text: &[u8]) -> Encoded {
    let mut encoded = Encoded { body: Vec::with_capacity(text.len()), ends: Vec::new() };
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at = match rest {
            [b'\\', b'n' | b'r', ..] => at.saturating_add(2),
            [b'\r' | b'\n' | b' ', ..] => at.saturating_add(1),
            [byte, ..] if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => {
                encoded.body.push(*byte);
                at = at.saturating_add(1);
                encoded.ends.push(at);
                at
            }
            _ => break,
        };
    }
    encoded
}

/// The whole bytes in two or three characters of base64.
fn partial(characters: &[u8]) -> Vec<u8> {
    let bytes = characters.len().saturating_sub(1);
    let mut group = characters.to_vec();
    group.resize(4, b'A');
    let mut decoded = BASE64_NOPAD.decode(&group).unwrap_or_default();
    decoded.truncate(bytes);
    decoded
}

/// Where the last armour in a row of them ends, with the line feed behind it.
fn end_of_armour(decoded: &[u8]) -> Option<usize> {
    let mut end = None;
    let mut at = 0_usize;
    while let Some(rest) = decoded.get(at..) {
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = at.saturating_add(blanks);
        let Some(rest) = decoded.get(start..).filter(|rest| rest.starts_with(BEGIN)) else { break };
        let Some(armour) = armour::read(rest) else { break };
        at = start.saturating_add(armour.span.end);
        end = Some(at);
        if !armour.is_closed {
            return end;
        }
    }
    let end = end?;
    let line_end = match decoded.get(end..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\n', ..]) => 1,
        _ => 0,
    };
    Some(end.saturating_add(line_end))
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{P, Q, ed25519, rsa};
    use super::super::pem::tests::armour;
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;

    fn exposed(verdict: &Verdict) -> Vec<u8> {
        verdict.canonical.as_ref().unwrap().expose().to_vec()
    }

    #[test]
    fn the_key_inside_is_the_same_as_in_plain_armour() {
        for (label, der) in [("PRIVATE KEY", ed25519()), ("RSA PRIVATE KEY", rsa(P, Q, 0))] {
            for end in ["", "\n", "\r\n"] {
                let plain = armour(label, &der, "\n") + end;
                let text = BASE64.encode(plain.as_bytes());
                let verdict = run(&whole(text.as_bytes()));
                assert_eq!((verdict.outcome, verdict.span.clone()), (Outcome::Pass, 0..text.len()));
                assert_eq!(exposed(&verdict), exposed(&pem::run(&whole(plain.as_bytes()))));
                let wrapped: Vec<String> = text
                    .as_bytes()
                    .chunks(76)
                    .map(|line| String::from_utf8(line.to_vec()).unwrap())
                    .collect();
                for line_end in ["\n", "\r\n", "\\n"] {
                    let wrapped = wrapped.join(line_end);
                    let verdict = run(&whole(wrapped.as_bytes()));
                    assert_eq!(verdict.span, 0..wrapped.len(), "{line_end:?}");
                }
            }
        }
    }

    #[test]
    fn stale_text_behind_it_is_cut_off() {
        let plain = armour("PRIVATE KEY", &ed25519(), "\n") + "\n";
        let text = BASE64.encode(plain.as_bytes());
        let body = text.trim_end_matches('=');
        for stale in ["V", "stale", "stale+text+of+many+characters"] {
            let longer = format!("{body}{stale}");
            let verdict = run(&whole(longer.as_bytes()));
            assert_eq!(verdict.outcome, Outcome::Pass, "{stale}");
            // A line feed and the first bits of what is stale may share a character.
            assert!(verdict.span.end.abs_diff(body.len()) <= 1, "{stale}: {:?}", verdict.span);
        }
    }

    #[test]
    fn a_key_behind_a_certificate_is_found() {
        let certificate = armour("CERTIFICATE", &[0x30; 90], "\n");
        let plain = format!("{certificate}\n{}\n", armour("PRIVATE KEY", &ed25519(), "\n"));
        let text = BASE64.encode(plain.as_bytes());
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..text.len()));
    }

    #[test]
    fn certificates_and_public_keys_alone_fail() {
        for label in ["CERTIFICATE", "PUBLIC KEY"] {
            let text = BASE64.encode(armour(label, &[0x30; 90], "\n").as_bytes());
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{label}");
        }
        for text in ["", "LS0tLS1CRUdJTi", "LS0tLS1CRUdJTiBQ"] {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
    }
}
