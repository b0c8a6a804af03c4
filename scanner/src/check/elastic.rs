//! API keys of Elasticsearch: base64 of an id and a secret.

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use super::{Outcome, Subject, Verdict, attribute, known, random_text::is_random};

/// Characters of the id of an API key, and of its secret.
const ID: usize = 20;
const SECRET: usize = 22;

/// Checks that base64 holds an id of 20 characters, a colon, and a secret of 22, both of base64's
/// alphabet for URLs; reads off the id, with which the key is invalidated.
///
/// Source: the vendor's page of the API that makes keys.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let decoded = BASE64.decode(value).or_else(|_| BASE64_NOPAD.decode(value));
    let Some(text) = decoded.ok().map(Zeroizing::new) else { return fail };
    let is_part = |part: &[u8]| {
        part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && is_random(part)
    };
    match text.split_at_checked(ID) {
        Some((id, [b':', secret @ ..]))
            if secret.len() == SECRET
                && is_part(id)
                && is_part(secret)
                && !known::is_documentation_value(value) =>
        {
            let mut verdict = Verdict::of(Outcome::Pass, subject);
            let id = String::from_utf8_lossy(id);
            verdict.attributes.insert("elastic.key_id", attribute(&id));
            verdict
        }
        _ => fail,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    #[test]
    fn an_id_and_a_secret() {
        let (id, secret) = ("Vq7mZ8YBx3Kd0TfLw2Rp", "h4Jk_9sWnQ1-vBzX6cYt3M");
        let key = BASE64.encode(format!("{id}:{secret}").as_bytes());
        let verdict = run(&whole(key.as_bytes()));
        assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..key.len()));
        assert_eq!(verdict.attributes["elastic.key_id"], id);
        assert_eq!(run(&whole(key.trim_end_matches('=').as_bytes())).outcome, Outcome::Pass);
        for wrong in [
            format!("{id}:{}", &secret.replacen('h', "", 1)),
            format!("{}:{secret}", &id.replacen('V', "", 1)),
            format!("{id}:{}", "x".repeat(22)),
            format!("{id}:{}", secret.replace('_', " ")),
        ] {
            let key = BASE64.encode(wrong.as_bytes());
            assert_eq!(run(&whole(key.as_bytes())).outcome, Outcome::Fail, "{wrong}");
        }
        assert_eq!(run(&whole(&key.as_bytes()[1..])).outcome, Outcome::Fail);
    }
}
