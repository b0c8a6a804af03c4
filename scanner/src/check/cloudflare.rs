//! Credentials of Cloudflare.

use serde_json::Value;

use super::base64_json::object;
use super::{Outcome, Subject, Verdict, attribute, random_text};

/// Characters of the random part, and of the checksum behind it.
const BODY: usize = 40;
const SUM: usize = 8;

/// Checks `cfut_`, `cfat_` or `cfk_`, 40 random characters and 8 hex digits: their CRC-32 (IEEE), most
/// significant digit first. Unavailable where it is another number: the vendor says that there is a
/// checksum, but does not say which, and of four published samples one fits.
pub(super) fn credential(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some(underscore) = memchr::memchr(b'_', value) else { return fail };
    let rest = value.get(underscore.saturating_add(1)..).unwrap_or_default();
    let Some((body, sum)) = rest.split_at_checked(BODY) else { return fail };
    if sum.len() != SUM || !random_text::is_random(body) {
        return fail;
    }
    let is_valid = format!("{:08x}", crc32fast::hash(body)).as_bytes() == sum;
    Verdict::of(if is_valid { Outcome::Pass } else { Outcome::Unavailable }, subject)
}

/// Checks the token of a tunnel: base64 of an object with the account (`a`, read off), the tunnel
/// (`t`, read off) and its secret (`s`). The object shows the end.
///
/// Source: `connection.TunnelToken` of cloudflared.
pub(super) fn tunnel(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some((token, end)) = object(subject.value()) else { return fail };
    let text = |key: &str| token.get(key).and_then(Value::as_str);
    let (Some(account), Some(id), Some(secret)) = (text("a"), text("t"), text("s")) else {
        return fail;
    };
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_token = account.len() == 32
        && id.len() == 36
        && is_hex(account)
        && is_hex(id)
        && random_text::is_random(secret.as_bytes());
    if !is_token {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.span = subject.part(0..end);
    verdict.attributes.insert("cloudflare.account", attribute(account));
    verdict.attributes.insert("cloudflare.tunnel", attribute(id));
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256, Sha512};

    fn body() -> String {
        let text = BASE64.encode(&Sha512::digest(b"a token")).replace(['+', '/', '='], "x");
        text.chars().take(40).collect()
    }

    #[test]
    fn the_checksum_is_a_booster() {
        // The check value of CRC-32 (IEEE), so that the sum is not only compared with itself.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let sum = format!("{:08x}", crc32fast::hash(body().as_bytes()));
        let other: String = sum.chars().rev().collect();
        let filler = "x".repeat(40);
        for (token, expected) in [
            (["cfut_", &body(), &sum], Outcome::Pass),
            (["cfk_", &body(), &sum], Outcome::Pass),
            (["cfat_", &body(), &other], Outcome::Unavailable),
            (["cfat_", &body(), "0"], Outcome::Fail),
            (["cfat_", &filler, &sum], Outcome::Fail),
            (["cfat", &body(), &sum], Outcome::Fail),
        ] {
            let token = token.concat();
            assert_eq!(credential(&whole(token.as_bytes())).outcome, expected, "{token}");
        }
    }

    #[test]
    fn tokens_of_tunnels() {
        let account = HEXLOWER.encode(&Sha256::digest(b"account")[..16]);
        let id = "6f1c2a5e-6c1b-4e0f-9c55-0d6a3f1b2c4d";
        let secret = BASE64.encode(&Sha256::digest(b"secret"));
        let json = format!(r#"{{"a":"{account}","t":"{id}","s":"{secret}"}}"#);
        let token = BASE64.encode(json.as_bytes());
        let bare = token.trim_end_matches('=');
        for (text, len) in [(token.clone(), token.len()), (format!("{bare}Stale"), bare.len())] {
            let verdict = tunnel(&whole(text.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..len), "{text}");
            assert_eq!(verdict.attributes["cloudflare.tunnel"], id);
        }
        for other in [
            json.replace(&secret, "your-secret"),
            json.replace(id, "6f1c2a5e"),
            json.replace("\"a\"", "\"b\""),
        ] {
            let token = BASE64.encode(other.as_bytes());
            assert_eq!(tunnel(&whole(token.as_bytes())).outcome, Outcome::Fail, "{other}");
        }
    }
}
