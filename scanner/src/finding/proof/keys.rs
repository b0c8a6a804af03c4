//! What could be the key of a signature: every secret of the checkpoint that is short enough, in each form
//! in which programs take it, and the words that people use where a key is asked for.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::{Kept, Value, kept};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

/// Keys that stand in documentation and templates: whoever uses one has none.
const WELL_KNOWN: [&str; 34] = [
    "",
    "1234567890",
    "admin",
    "another-secret",
    "changeit",
    "changeme",
    "default",
    "dev",
    "development",
    "django-insecure",
    "hmac-secret",
    "jwt-secret",
    "jwt_secret",
    "jwtsecret",
    "key",
    "keyboard cat",
    "my-secret",
    "my-secret-key",
    "my_secret_key",
    "mysecret",
    "mysecretkey",
    "password",
    "s3cr3t",
    "secret",
    "secret-key",
    "secret_key",
    "secretkey",
    "shhhhh",
    "some-secret",
    "super-secret",
    "supersecret",
    "test",
    "your-256-bit-secret",
    "your-secret-key",
];

/// What could be a key.
pub(super) struct Candidate<'a> {
    /// The value; `None` for a word that everybody knows.
    pub(super) kept: Option<Kept<'a>>,
    /// The bytes that programs may make of it.
    pub(super) forms: Vec<Zeroizing<Vec<u8>>>,
}

impl Candidate<'_> {
    /// What a report may call it.
    pub(super) fn label(&self, rules: &RuleSet) -> String {
        self.kept.as_ref().map_or_else(|| "a well-known word".to_owned(), |it| it.label(rules))
    }
}

/// All candidates of a checkpoint, in the order of their hashes, and then the well-known words.
pub(super) fn candidates<'a>(values: &'a [Value<'a>], vault: &'a Vault) -> Vec<Candidate<'a>> {
    let found = kept(values, vault, Shelf::Candidate);
    let found = found.map(|kept| Candidate { forms: forms(kept.bytes), kept: Some(kept) });
    let word = |word: &&str| Candidate {
        kept: None,
        forms: vec![Zeroizing::new(word.as_bytes().to_vec())],
    };
    found.chain(WELL_KNOWN.iter().map(word)).collect()
}

/// Bytes of the shortest key that is taken for encoded.
const ENCODED: usize = 16;

/// The text itself, and what it is the base64 or the hex digits of.
fn forms(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![Zeroizing::new(text.to_vec())];
    // Laravel and Symfony say so.
    let body = text.strip_prefix(b"base64:").unwrap_or(text);
    if body.len() < ENCODED {
        return forms;
    }
    for encoding in [HEXLOWER_PERMISSIVE, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
        if let Ok(bytes) = encoding.decode(body) {
            let bytes = Zeroizing::new(bytes);
            if !forms.contains(&bytes) {
                forms.push(bytes);
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_tried_as_it_stands_and_decoded() {
        let bytes = [0xfbu8; 32];
        for text in [
            HEXLOWER_PERMISSIVE.encode(&bytes),
            BASE64.encode(&bytes),
            BASE64URL_NOPAD.encode(&bytes),
            format!("base64:{}", BASE64.encode(&bytes)),
        ] {
            let forms = forms(text.as_bytes());
            assert_eq!(forms[0].as_slice(), text.as_bytes());
            assert!(forms.iter().any(|form| form.as_slice() == bytes), "{text}");
        }
        assert_eq!(forms(b"hunter2").len(), 1);
        assert!(WELL_KNOWN.is_sorted());
    }
}
