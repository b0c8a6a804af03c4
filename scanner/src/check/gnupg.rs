//! Keys in the folder `private-keys-v1.d` of GnuPG: s-expressions, canonical or as text.

use data_encoding::HEXUPPER_PERMISSIVE;

use super::key::is_product;
use super::{Attributes, Outcome, Subject, Verdict, attribute, known};
use crate::secret::SecretBytes;

/// Parts of an expression, its depth: what keys have is far below.
const ATOMS: usize = 200;
const DEPTH: usize = 16;

/// Checks an s-expression of a private key: its parentheses close, and it has the numbers of its
/// algorithm; of RSA the modulus is the product of the primes.
///
/// Weak: it does not close, or is a published test key. Fail: a stub for a key on a card.
///
/// Source: GnuPG, `agent/keyformat.txt`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    let expression = read(value);
    let atoms: Vec<&[u8]> = expression.atoms.iter().map(Vec::as_slice).collect();
    let (is_protected, algorithm) = match atoms.as_slice() {
        [b"private-key", algorithm, ..] => (false, *algorithm),
        [b"protected-private-key", algorithm, ..] => (true, *algorithm),
        _ => return fail,
    };
    let after = |name: &[u8]| {
        let at = atoms.iter().position(|atom| *atom == name)?;
        atoms.get(at.checked_add(1)?).copied()
    };
    let numbers =
        |names: [&[u8]; 3]| -> Option<Vec<&[u8]>> { names.into_iter().map(after).collect() };
    let is_sound = match (is_protected, algorithm) {
        (true, _) => after(b"protected").is_some_and(|name| name.starts_with(b"openpgp-s2k3")),
        (false, b"rsa") => match numbers([b"n", b"p", b"q"]).as_deref() {
            Some([n, p, q]) => is_product(n, p, q),
            _ => false,
        },
        (false, b"ecc" | b"ecdsa" | b"ecdh" | b"eddsa") => {
            after(b"q").is_some() && after(b"d").is_some_and(|d| (20..=80).contains(&d.len()))
        }
        (false, b"dsa" | b"elg") => after(b"x").is_some_and(|x| x.len() >= 20),
        _ => return fail,
    };
    if expression.end.is_some() && !is_sound {
        return fail;
    }
    let end = expression.end.unwrap_or(value.len());
    let mut attributes = Attributes::from([
        ("key.encrypted", is_protected.to_string()),
        ("key.type", attribute(&String::from_utf8_lossy(algorithm)).to_uppercase()),
    ]);
    if let Some(curve) = after(b"curve") {
        attributes.insert("key.curve", attribute(&String::from_utf8_lossy(curve)));
    }
    let canonical = SecretBytes::from(atoms.join(&b' '));
    let is_public = known::is_public_key(canonical.expose());
    if is_public {
        attributes.insert("key.known-public", "true".to_owned());
    }
    let is_whole = expression.end.is_some() && !is_public;
    Verdict {
        outcome: if is_whole { Outcome::Pass } else { Outcome::Weak },
        span: subject.part(0..end),
        attributes,
        // One key is one, in either form.
        canonical: Some(canonical),
        plain: None,
    }
}

struct Expression {
    atoms: Vec<Vec<u8>>,
    /// Behind the last parenthesis; `None` where it is not there.
    end: Option<usize>,
}

/// Takes apart the expression that `text` begins with, as far as it is well formed.
fn read(text: &[u8]) -> Expression {
    let mut expression = Expression { atoms: Vec::new(), end: None };
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        match first {
            b'(' => depth = depth.saturating_add(1),
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    expression.end = Some(text.len().saturating_sub(tail.len()));
                    break;
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if depth == 0 => break,
            _ => {
                let Some((atom, after)) = atom(rest) else { break };
                expression.atoms.push(atom);
                rest = after;
                if expression.atoms.len() > ATOMS {
                    break;
                }
                continue;
            }
        }
        if depth > DEPTH {
            break;
        }
        rest = tail;
    }
    expression
}

/// The next part: bytes behind their number, `#hex#`, `"text"`, or a word.
fn atom(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (first, tail) = text.split_first()?;
    match first {
        b'#' => {
            let end = tail.iter().position(|byte| *byte == b'#')?;
            let (digits, rest) = tail.split_at_checked(end)?;
            let digits: Vec<u8> =
                digits.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            Some((HEXUPPER_PERMISSIVE.decode(&digits).ok()?, rest.get(1..)?))
        }
        b'"' => {
            let end = tail.iter().position(|byte| *byte == b'"')?;
            let (word, rest) = tail.split_at_checked(end)?;
            Some((word.to_vec(), rest.get(1..)?))
        }
        _ => {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./*+=".contains(byte);
            let len = text.iter().take_while(|byte| is_word(byte)).count();
            let (word, rest) = text.split_at_checked(len).filter(|(word, _)| !word.is_empty())?;
            let Some(rest) = rest.strip_prefix(b":") else { return Some((word.to_vec(), rest)) };
            let len: usize = std::str::from_utf8(word).ok()?.parse().ok()?;
            let (bytes, rest) = rest.split_at_checked(len)?;
            Some((bytes.to_vec(), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Made with GnuPG 2.2 for this test.
    const TEXT: &str = concat!(
        "(private-key (ecc (curve Ed25519)(flags eddsa)(q\n",
        "  #40CF5207DFB4D603D4947F7743BF692F66866C92E9F22BBE188AEA145035957D31#)\n",
        " (d #9F65386E1E507AFEA0AFC8991C8A57E95EDB4666A84DB3DBDAB038238BC74C6E#)\n ))",
    );

    fn canonical() -> Vec<u8> {
        let d = HEXUPPER_PERMISSIVE
            .decode(b"9F65386E1E507AFEA0AFC8991C8A57E95EDB4666A84DB3DBDAB038238BC74C6E")
            .unwrap();
        let q = HEXUPPER_PERMISSIVE
            .decode(b"40CF5207DFB4D603D4947F7743BF692F66866C92E9F22BBE188AEA145035957D31")
            .unwrap();
        [
            &b"(11:private-key(3:ecc(5:curve7:Ed25519)(5:flags5:eddsa)(1:q33:"[..],
            &q,
            b")(1:d32:",
            &d,
            b")))",
        ]
        .concat()
    }

    #[test]
    fn both_forms_are_one_key() {
        let text = format!("{TEXT}\nmore");
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..TEXT.len()));
        assert_eq!(verdict.attributes["key.type"], "ECC");
        assert_eq!(verdict.attributes["key.curve"], "Ed25519");
        let bytes = canonical();
        let other = run(&whole(&bytes));
        assert_eq!((other.outcome, other.span), (Outcome::Pass, 0..bytes.len()));
        assert_eq!(
            verdict.canonical.map(|it| it.expose().to_vec()),
            other.canonical.map(|it| it.expose().to_vec())
        );
    }

    #[test]
    fn cut_ones_are_weak_and_stubs_are_none() {
        assert_eq!(run(&whole(&TEXT.as_bytes()[..TEXT.len() - 3])).outcome, Outcome::Weak);
        for text in [
            "(20:shadowed-private-key(3:rsa(1:n1:a)))",
            "(private-key (ecc (curve Ed25519)(q #00#)))",
            "(private-key (rsa (n #0F#)(p #02#)(q #03#)))",
            "(public-key (rsa))",
            "private-key",
            "",
        ] {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert_eq!(run(&whole(deep.as_bytes())).outcome, Outcome::Fail);
    }
}
